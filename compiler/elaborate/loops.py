"""`repeat` and `integrate`: a body is elaborated once, until the types of its states hold still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from mai.compiler.elaborate.bindings import Binding, Environment, Poison, WeightScope, is_number
from mai.compiler.elaborate.core import Stop
from mai.compiler.elaborate.statements import Statements, assigned_names
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.base import describe
from mai.compiler.ops.structure import Integrate, Later
from mai.compiler.solvers import SOLVERS, Solver
from mai.spec import ast
from mai.spec.diagnostics import Label
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span

MAX_TURNS = 100_000
MAX_FRESH_TURNS = 10_000


@dataclass(frozen=True, slots=True)
class State:
    """A name that a loop carries from turn to turn."""

    name: str
    span: Span
    first: Value


class Loops(Statements):
    """Loops, as regions whose states have the same type before, during and after."""

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        own: dict[type[ast.Statement], Callable[[Environment, Any], Binding]] = {
            ast.Repeat: self._repeat,
            ast.Integrate: self._integrate,
        }
        return {**super()._statement_rules(), **own}

    def _states(self, env: Environment, names: Sequence[ast.Identifier]) -> list[State]:
        """The names among `names` that already have a tensor or a number: the loop carries them."""
        states = []
        for name in names:
            held = env.names.get(name.id)
            if isinstance(held, Poison):
                raise Stop
            if isinstance(held, Value) or is_number(held):
                states.append(State(name.id, env.where.get(name.id, name.span), self.value(held, name.span)))
        return states

    def _settle(
        self, states: list[State], turn: Callable[[list[Value], Region], list[Value]], extra: Type
    ) -> tuple[Region, list[State], list[Value]]:
        """Run a body until its states have the types they began with, widening what they begin with in between.

        A state gains the lead axes of what it becomes, and an integer becomes real; a changed shape is refused.
        """
        places = dict(self.draws.places)
        counts = dict(self.scope.counts)
        while True:
            self.draws.places, self.scope.counts = dict(places), dict(counts)
            region = Region(inputs=[Value(extra, "turn"), *(Value(s.first.type, s.name) for s in states)])
            with self.region(region):
                made = turn(region.inputs[1:], region)
            widened = [self._widened(s, v) for s, v in zip(states, made, strict=True)]
            if all(new.first is old.first for new, old in zip(widened, states, strict=True)):
                with self.region(region):
                    region.outputs = [self._as_type(v, s.first.type) for s, v in zip(states, made, strict=True)]
                return region, states, made
            states = widened

    def _widened(self, state: State, made: Value) -> State:
        first = state.first
        if made.type.shape != first.type.shape:
            message = f"`{state.name}` begins as {describe(first.type.shape)} and becomes {describe(made.type.shape)}"
            at = self.origins.get(made, state.span)
            where = [Label(state.span, f"{describe(first.type.shape)} here")] if state.span != at else []
            raise self.fail("loop-shape-changes", at, message, label=describe(made.type.shape), where=where)
        if made.type.dtype is DType.REAL and first.type.dtype is DType.INT:
            first = self.emit(el.ToReal, first, name=state.name)
        return replace(state, first=self.builder.spread(first, made.type.lead))

    def _as_type(self, value: Value, wanted: Type) -> Value:
        real = value if value.type.dtype is wanted.dtype else self.emit(el.ToReal, value)
        return self.builder.spread(real, wanted.lead)

    # ----------------------------------------------------------------- repeat

    def _repeat(self, env: Environment, statement: ast.Repeat) -> Binding:
        count = self.expression(env, statement.count)
        turns = self._turns(count, statement)
        total = self.builder.size(turns) if turns is not None else self.value(count, statement.count.span)
        states = self._states(env, assigned_names(statement.body))
        inner = self._loop_scope(turns, statement)
        outer_turn = self.draws.turn

        def body(values: list[Value], region: Region) -> list[Value]:
            self.draws.turn = self._inner_turn(outer_turn, total, region.inputs[0])
            scope = replace(inner, counts={})
            return self._turn_of(env, statement, states_now, values, region.inputs[0], scope, turns)

        states_now = states
        index = Type(DType.INT, classes=turns)
        try:
            region, states, _ = self._settle(states, body, index)
        finally:
            self.draws.turn = outer_turn
        fresh = not statement.shared and any(name.startswith(inner.path + ".") for name in self.graph.weights)
        self._check_fresh(fresh, turns, statement)
        last = self.builder.loop(total, turns, [s.first for s in states], region, fresh=fresh)
        self._leave(env, states, last)
        return None

    def _turn_of(
        self, env: Environment, statement: ast.Repeat, states: Sequence[State], values: list[Value], turn: Value,
        scope: WeightScope, turns: Size | None,
    ) -> list[Value]:  # fmt: skip
        """One turn: bind the states, do the body, read the states again."""
        inside = env.child()
        for state, value in zip(states, values, strict=True):
            inside.names[state.name] = value
        if statement.index is not None:
            inside.bind(statement.index, turn)
        with self.weight_scope(scope):
            returned = self.block(inside, statement.body)
        if returned is not None:
            raise self.fail("unreachable", statement.span, "a `repeat` block cannot `return`: return after it")
        return [self.value(inside.names[s.name], s.span) for s in states]

    def _inner_turn(self, outer: Value, total: Value, turn: Value) -> Value:
        """One number for the turns of nested loops: outer * count + inner."""
        if outer is self.first_turn:
            return turn
        return self.emit(el.Add, self.emit(el.Multiply, outer, total), turn)

    def _turns(self, count: Binding, statement: ast.Repeat) -> Size | None:
        if isinstance(count, Value):
            if count.type.dtype is not DType.INT or count.type.rank or count.type.lead:
                raise self.fail(
                    "repeat-count", statement.count.span, "a `repeat` counts with one whole number for all examples"
                )
            return None
        turns = self.size(count, statement.count.span, "a count")
        if isinstance(turns, int) and turns > MAX_TURNS:
            message = f"{turns:,} turns are more than a `repeat` can have ({MAX_TURNS:,})"
            raise self.fail("repeat-too-long", statement.count.span, message)
        return turns

    def _check_fresh(self, fresh: bool, turns: Size | None, statement: ast.Repeat) -> None:
        if not fresh:
            return
        if not isinstance(turns, int):
            message = "each turn owns parameters, so the number of turns must be known when the file is compiled"
            raise self.fail(
                "static-needed", statement.count.span, message, help="write `repeat ... shared` to reuse one set"
            )
        if turns > MAX_FRESH_TURNS:
            message = f"{turns:,} turns with parameters of their own are more than can be built ({MAX_FRESH_TURNS:,})"
            raise self.fail("repeat-too-long", statement.count.span, message)

    def _loop_scope(self, turns: Size | None, statement: ast.Repeat) -> WeightScope:
        copies = turns if isinstance(turns, int) else 1
        return self.scope.enter("repeat", None if statement.shared else copies)

    def _leave(self, env: Environment, states: Sequence[State], last: Sequence[Value]) -> None:
        for state, value in zip(states, last, strict=False):
            value.name = state.name
            env.names[state.name] = value

    # -------------------------------------------------------------- integrate

    def _integrate(self, env: Environment, statement: ast.Integrate) -> Binding:
        solver, steps, options = self._solver(env, statement)
        bounds = [self.real(self.expression(env, e), e.span) for e in (statement.start, statement.stop)]
        for bound, expr in zip(bounds, (statement.start, statement.stop), strict=True):
            if bound.type.rank or bound.type.lead:
                raise self.fail("rank-mismatch", expr.span, "an integral's bounds are one number for all examples")
        named = [s.state for s in statement.body if isinstance(s, ast.Derivative)]
        if not named and not any(isinstance(s, ast.Assign) and self._is_noise(s, statement) for s in statement.body):
            message = "an `integrate` block says how its states move: `dx/ds = ...`"
            raise self.fail("no-derivative", statement.span, message)
        named += [replace(s.targets[0], id=s.targets[0].id[1:]) for s in statement.body if self._is_noise(s, statement)]
        states = self._moving(env, named)

        def body(values: list[Value], region: Region) -> list[Value]:
            region.inputs[0].name = statement.variable.id
            return self._velocity(env, statement, states, values, region.inputs[0])

        region, states, _ = self._settle(states, body, Type(DType.REAL))
        keep = self._kept(statement, states)
        inputs = [*bounds, *([] if steps is None else [self.builder.size(steps)]), *(s.first for s in states)]
        types = [s.first.type for s in states]
        if keep and steps is None:
            raise self.fail("not-yet", statement.keeps[0].span, f"`keep` with the adaptive solver `{solver.name}`")
        types += [types[i].with_shape((steps + 1, *types[i].shape)) for i in keep if steps is not None]
        attributes = {"method": solver.name, "steps": steps, "keep": keep, "options": options}
        node = self.builder.add(Integrate, inputs, attributes, types, [region])
        self._leave(env, states, node.outputs)
        for kept, path in zip(statement.keeps, node.outputs[len(states) :], strict=True):
            path.name = kept.name.id
            env.bind(kept.name, path)
        return None

    def _moving(self, env: Environment, named: Sequence[ast.Identifier]) -> list[State]:
        for name in named:
            if name.id not in env.names:
                guess = closest(name.id, env.names)
                help = f"did you mean `d{guess}`?" if guess else None
                message = f"`d{name.id}` moves `{name.id}`, which has no value before the integral"
                raise self.fail("unknown-state", name.span, message, help=help)
        states = self._states(env, named)
        return [s if s.first.type.dtype is DType.REAL else replace(s, first=self.real(s.first, s.span)) for s in states]

    def _velocity(
        self, env: Environment, statement: ast.Integrate, states: Sequence[State], values: list[Value], time: Value
    ) -> list[Value]:
        """The body's derivatives at one time, in the order of the states."""
        inside = env.child()
        inside.bind(statement.variable, time)
        for state, value in zip(states, values, strict=True):
            inside.names[state.name] = value
        moved: dict[str, Value] = {}
        for inner in statement.body:
            if isinstance(inner, ast.Derivative):
                moved[inner.state.id] = self._derivative(inside, statement, inner)
            elif self._is_noise(inner, statement):
                moved[inner.targets[0].id[1:]] = self._noise(inside, statement, inner)
            elif self.statement(inside, inner) is not None:
                raise self.fail("unreachable", inner.span, "an `integrate` block cannot `return`: return after it")
        return [moved[s.name] for s in states]

    def _derivative(self, env: Environment, statement: ast.Integrate, written: ast.Derivative) -> Value:
        if written.variable.id != "d" + statement.variable.id and written.variable.id != statement.variable.id:
            message = f"this integral moves along `{statement.variable.id}`, not `{written.variable.id}`"
            raise self.fail("derivative-of-unknown", written.variable.span, message)
        made = self.real(self.expression(env, written.value), written.value.span)
        state = self.value(env.names[written.state.id], written.state.span)
        if made.type.shape != state.type.shape:
            message = (
                f"`{written.state.id}` is {describe(state.type.shape)}, its derivative is {describe(made.type.shape)}"
            )
            raise self.fail("shape-mismatch", written.value.span, message, label=describe(made.type.shape))
        return made

    def _is_noise(self, inner: ast.Statement, statement: ast.Integrate) -> TypeGuard[ast.Assign]:
        """`dx = f * ds + g * dW`: a stochastic differential equation."""
        if not isinstance(inner, ast.Assign) or inner.op or len(inner.targets) != 1:
            return False
        return inner.targets[0].id.startswith("d") and "dW" in inner.value.span.text

    def _noise(self, env: Environment, statement: ast.Integrate, inner: ast.Assign) -> Value:
        state = self.value(env.names[inner.targets[0].id[1:]], inner.span)
        step = self.builder.constant(1.0)
        env.names["d" + statement.variable.id] = step
        made = self.builder.add(Later, [state], {"construct": "dW"}, [state.type], name="dW").output
        env.names["dW"] = made
        return self.real(self.expression(env, inner.value), inner.value.span)

    def _kept(self, statement: ast.Integrate, states: Sequence[State]) -> tuple[int, ...]:
        names = [s.name for s in states]
        for kept in statement.keeps:
            if kept.state.id not in names:
                guess = closest(kept.state.id, names)
                help = f"did you mean `{guess}`?" if guess else None
                raise self.fail(
                    "unknown-state", kept.state.span, f"`{kept.state.id}` is not moved by this integral", help=help
                )
        return tuple(names.index(k.state.id) for k in statement.keeps)

    # ----------------------------------------------------------------- solver

    def _solver(self, env: Environment, statement: ast.Integrate) -> tuple[Solver, Size | None, dict[str, Any]]:
        """The method, its number of steps, and the options of an adaptive one."""
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
            return solver, None, given
        if "steps" not in given:
            help = f"write `{solver.name}(20)` or `{solver.name}(steps)`"
            raise self.fail("missing-argument", written.span, f"`{solver.name}` needs its number of steps", help=help)
        steps = given.pop("steps")
        if steps == 0:
            raise self.fail("repeat-count", written.span, "an integral takes at least one step")
        if isinstance(steps, int) and steps > MAX_TURNS:
            raise self.fail("repeat-too-long", written.span, f"{steps:,} steps are more than {MAX_TURNS:,}")
        return solver, steps, given

    def _solver_arguments(self, env: Environment, solver: Solver, arguments: Sequence[ast.Argument]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for position, argument in enumerate(arguments):
            name = argument.name or (solver.options[position] if position < len(solver.options) else "")
            if name not in solver.options:
                at = argument.name_span or argument.span
                raise self.unknown_argument(solver.name, name or argument.span.text, at, solver.options)
            held = self.expression(env, argument.value)
            given[name] = self.size(held, argument.value.span, "a number of steps") if name == "steps" else held
            if isinstance(held, Poison):
                raise Stop
            if name != "steps" and not isinstance(held, (bool, int, float)):
                raise self.fail("static-needed", argument.value.span, f"`{name}` is fixed when the file is compiled")
        return given

    @property
    def first_turn(self) -> Value:
        """The turn of draws outside every loop: 0 in an export, the step in a train block."""
        raise NotImplementedError
