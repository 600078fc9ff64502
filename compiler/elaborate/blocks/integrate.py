"""`integrate`: ordinary and stochastic differential equations (8), (10), (15), and the solvers that a spec names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mai.compiler.elaborate.bindings import Binding, Environment, Poison
from mai.compiler.elaborate.blocks.repeat import MAX_TURNS, Loops, State
from mai.compiler.elaborate.core import Stop
from mai.compiler.elaborate.statements import increment_of
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Integrate
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.random import random_numbers as rnd
from mai.compiler.solvers import SOLVERS, Solver
from mai.spec import ast
from mai.spec.diagnostics.suggest import closest


@dataclass(frozen=True, slots=True)
class Method:
    """A solver with its options; `steps` is None where it takes as many as it needs."""

    solver: Solver
    steps: Size | None
    options: dict[str, Any]


class Integrals(Loops):
    """An integral is elaborated as its velocity, on states of one type; `discretise` makes the steps."""

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        return {**super()._statement_rules(), ast.Integrate: self._integrate}

    def _integrate(self, env: Environment, statement: ast.Integrate) -> Binding:
        method = self._method(env, statement)
        bounds = [self._time_bound(env, e) for e in (statement.start, statement.stop)]
        states = self._moving(env, statement, method)
        steps = [] if method.steps is None else [self.builder.size(method.steps)]
        region, states = self._elaborated(env, statement, method, states, steps)
        keep = self._kept(statement, method, states)
        types = [s.first.type for s in states]
        if method.steps is None:
            types.append(Type(DType.INT, (), region.inputs[0].type.lead))
        else:
            types += [types[i].with_shape((method.steps + 1, *types[i].shape)) for i in keep]
        integral = Integrate(method.solver.name, method.steps, keep, method.options)
        node = self.builder.add(integral, [*bounds, *steps, *(s.first for s in states)], types, [region])
        self._leave(env, states, node.outputs)
        self._bind_further(env, statement, node, node.outputs[len(states) :])
        return None

    def _time_bound(self, env: Environment, expr: ast.Expr) -> Value:
        bound = self.real(self.expression(env, expr), expr.span)
        if bound.type.rank or bound.type.lead:
            raise self.fail("rank-mismatch", expr.span, "an integral's bounds are one number for all examples")
        return bound

    def _bind_further(self, env: Environment, statement: ast.Integrate, node: Node, further: Sequence[Value]) -> None:
        """The kept paths have names in the spec; numbers of evaluations are told by the export."""
        if Integrate.of(node).steps is None:
            if self.builder.region is self.graph:
                self.evaluations += further
            return
        for kept, path in zip(statement.keeps, further, strict=True):
            path.name = kept.name.id
            env.bind(kept.name, path)

    # ----------------------------------------------------------------- states

    def _moving(self, env: Environment, statement: ast.Integrate, method: Method) -> list[State]:
        """The states that the block moves: a controlled step is one for all states of an example."""
        named = [n for s in statement.body if (n := self._moved_by(statement, s)) is not None]
        if not named:
            message = "an `integrate` block says how its states move: `dx/ds = ...`"
            raise self.fail("no-derivative", statement.span, message)
        for name in named:
            if name.id not in env.names:
                guess = closest(name.id, env.names)
                help = f"did you mean `d{guess}`?" if guess else None
                message = f"`d{name.id}` moves `{name.id}`, which has no value before the integral"
                raise self.fail("unknown-state", name.span, message, help=help)
        states = self._states(env, named)
        states = [replace(s, first=self.real(s.first, s.span)) for s in states]
        return self._together(states) if method.solver.adaptive else states

    def _moved_by(self, statement: ast.Integrate, inner: ast.Statement) -> ast.Identifier | None:
        return inner.state if isinstance(inner, ast.Derivative) else increment_of(statement, inner)

    def _elaborated(
        self, env: Environment, statement: ast.Integrate, method: Method, states: list[State], steps: list[Value]
    ) -> tuple[Region, list[State]]:
        """The region of the velocity, or of the increments of a stochastic equation."""
        lead = states[0].first.type.lead if method.solver.adaptive else ()
        inputs = [Value(Type(DType.REAL, (), lead), statement.variable.id)]
        if method.solver.stochastic:
            inputs += [Value(Type(DType.INT), "turn"), Value(Type(DType.REAL), "step")]
        outer_turn, now = self.draws.turn, states

        def body(values: list[Value], region: Region) -> list[Value]:
            inside = env.child()
            inside.bind(statement.variable, region.inputs[0])
            inside.names.update({s.name: v for s, v in zip(now, values, strict=True)})
            if not method.solver.stochastic:
                return self._velocity(inside, statement, method, now)
            self.draws.turn = self._inner_turn(outer_turn, steps[0], region.inputs[1])
            inside.names["d" + statement.variable.id] = region.inputs[2]
            return self._increments(self._velocity(inside, statement, method, now), statement, now, region.inputs[2])

        try:
            region, states, _ = self._settle(states, body, inputs, together=method.solver.adaptive)
        finally:
            self.draws.turn = outer_turn
        return region, states

    # --------------------------------------------------------------- velocity

    def _velocity(
        self, env: Environment, statement: ast.Integrate, method: Method, states: Sequence[State]
    ) -> list[Value]:
        """What the body says of its states at one time, in their order."""
        moved: dict[str, Value] = {}
        for inner in statement.body:
            name = self._moved_by(statement, inner)
            if isinstance(inner, ast.Derivative):
                moved[inner.state.id] = self._derivative(env, statement, inner)
            elif name is not None and isinstance(inner, ast.Assign):
                moved[name.id] = self._increment(env, statement, method, name, inner)
            elif self.statement(env, inner) is not None:
                raise self.fail("unreachable", inner.span, "an `integrate` block cannot `return`: return after it")
        return [moved[s.name] for s in states]

    def _derivative(self, env: Environment, statement: ast.Integrate, written: ast.Derivative) -> Value:
        if written.variable.id != "d" + statement.variable.id and written.variable.id != statement.variable.id:
            message = f"this integral moves along `{statement.variable.id}`, not `{written.variable.id}`"
            raise self.fail("derivative-of-unknown", written.variable.span, message)
        made = self.real(self.expression(env, written.value), written.value.span)
        return self._of_state(env, written.state, made, written.value, "derivative")

    def _of_state(self, env: Environment, name: ast.Identifier, made: Value, said: ast.Expr, what: str) -> Value:
        state = self.value(env.names[name.id], name.span)
        if made.type.shape != state.type.shape:
            message = f"`{name.id}` is {describe(state.type.shape)}, its {what} is {describe(made.type.shape)}"
            raise self.fail("shape-mismatch", said.span, message, label=describe(made.type.shape))
        return made

    def _increments(
        self, made: list[Value], statement: ast.Integrate, states: Sequence[State], step: Value
    ) -> list[Value]:
        """Derivatives as the increments that they are over a step, beside those that the block writes itself."""
        written = {s.state.id for s in statement.body if isinstance(s, ast.Derivative)}
        return [
            self.emit(el.Multiply, v, step, name=v.name) if s.name in written else v
            for s, v in zip(states, made, strict=True)
        ]

    def _increment(
        self, env: Environment, statement: ast.Integrate, method: Method, name: ast.Identifier, inner: ast.Assign
    ) -> Value:
        """`dx = f * ds + g * dW`, dW of the state's shape, each number with the variance |ds|."""
        if not method.solver.stochastic:
            help = f"write `using euler_maruyama(...)`, or `d{name.id}/d... = ...` where nothing is drawn"
            message = f"`{method.solver.name}` integrates derivatives, `{inner.targets[0].id} = ...` is an increment"
            raise self.fail("not-stochastic", inner.span, message, help=help)
        inside = env.child()
        if re.search(r"\bdW\b", inner.value.span.text):
            step = self.value(env.names["d" + statement.variable.id], inner.span)
            inside.names["dW"] = self._noise(inside, name, step)
        made = self.real(self.expression(inside, inner.value), inner.value.span)
        return self._of_state(env, name, made, inner.value, "increment")

    def _noise(self, env: Environment, name: ast.Identifier, step: Value) -> Value:
        if not self.can_draw:
            raise self.fail("static-needed", name.span, "nothing is drawn here: settings and consts are fixed")
        self.uses_draws = True
        state = self.value(env.names[name.id], name.span)
        unit = self._random(rnd.RandomNormal, "dW", state.type.shape)
        root = self.emit(el.Sqrt, self.emit(el.Absolute, step))
        return self.emit(el.Multiply, unit, root, name="dW")

    # ------------------------------------------------------------------ paths

    def _kept(self, statement: ast.Integrate, method: Method, states: Sequence[State]) -> tuple[int, ...]:
        names = [s.name for s in states]
        for kept in statement.keeps:
            if kept.state.id not in names:
                guess = closest(kept.state.id, names)
                help = f"did you mean `{guess}`?" if guess else None
                raise self.fail(
                    "unknown-state", kept.state.span, f"`{kept.state.id}` is not moved by this integral", help=help
                )
        if statement.keeps and (method.steps is None or method.options.get("adjoint")):
            why = "chooses its own steps" if method.steps is None else "with `adjoint` forgets its steps"
            message = f"`{method.solver.name}` {why}: there is no path to keep"
            help = "write `using rk4(100)` to keep 101 points"
            raise self.fail("no-path", statement.keeps[0].span, message, help=help)
        return tuple(names.index(k.state.id) for k in statement.keeps)

    # ----------------------------------------------------------------- solver

    def _method(self, env: Environment, statement: ast.Integrate) -> Method:
        written = statement.solver
        callee = written.function if isinstance(written, ast.Call) else written
        arguments = written.arguments if isinstance(written, ast.Call) else ()
        if not isinstance(callee, ast.Name) or callee.id not in SOLVERS:
            guess = closest(callee.span.text, SOLVERS)
            help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(SOLVERS)}"
            raise self.fail("unknown-solver", callee.span, f"there is no solver `{callee.span.text}`", help=help)
        solver = SOLVERS[callee.id]
        given = self._solver_arguments(env, solver, arguments)
        if solver.adaptive:
            return Method(solver, None, given)
        if "steps" not in given:
            help = f"write `{solver.name}(20)` or `{solver.name}(steps)`"
            raise self.fail("missing-argument", written.span, f"`{solver.name}` needs its number of steps", help=help)
        steps = given.pop("steps")
        if steps == 0:
            raise self.fail("repeat-count", written.span, "an integral takes at least one step")
        if isinstance(steps, int) and steps > MAX_TURNS:
            raise self.fail("repeat-too-long", written.span, f"{steps:,} steps are more than {MAX_TURNS:,}")
        return Method(solver, steps, given)

    def _solver_arguments(self, env: Environment, solver: Solver, arguments: Sequence[ast.Argument]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for position, argument in enumerate(arguments):
            name = argument.name or (solver.options[position] if position < len(solver.options) else "")
            if name not in solver.options:
                at = argument.name_span or argument.span
                if name == "steps":
                    message = f"`{solver.name}` chooses its steps: it has no argument `steps`"
                    raise self.fail("unknown-argument", at, message, help=_tolerances(solver))
                raise self.unknown_argument(solver.name, name or argument.span.text, at, solver.options)
            if name in given:
                raise self.fail("duplicate-argument", argument.span, f"`{name}` is given twice")
            held = self.expression(env, argument.value)
            if isinstance(held, Poison):
                raise Stop
            span = argument.value.span
            given[name] = (
                self.size(held, span, "a number of steps")
                if name == "steps"
                else self._option(solver, name, held, argument)
            )
        return given

    def _option(self, solver: Solver, name: str, held: Binding, argument: ast.Argument) -> Any:
        """An option of a solver, in its range."""
        span = argument.value.span
        if not isinstance(held, (bool, int, float)):
            raise self.fail("static-needed", span, f"`{name}` is fixed when the file is compiled")
        kind, fits = OPTIONS[name]
        if not fits(held):
            help = _tolerances(solver) if argument.name is None and type(held) is int and solver.adaptive else None
            raise self.fail("solver-option", span, f"`{name}` is {kind}", help=help)
        return held


def _tolerances(solver: Solver) -> str:
    return f"write `{solver.name}(rtol = 1e-4)`, or `rk4(20)` for 20 steps of one length"


def _is_tolerance(held: Any) -> bool:
    return not isinstance(held, bool) and 0 < held < 1


OPTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rtol": ("an error between 0 and 1, relative to a state's size", _is_tolerance),
    "atol": ("an error between 0 and 1", _is_tolerance),
    "max_steps": (f"a whole number, 1 to {MAX_TURNS:,}", lambda n: type(n) is int and 1 <= n <= MAX_TURNS),
    "adjoint": ("true or false", lambda b: isinstance(b, bool)),
}
