"""`integrate`: ordinary and stochastic differential equations (8), (10), (15).

An integral is elaborated as its velocity, on states of one type; `discretise` makes the steps.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from functools import partial

from mai.compiler.elaborate.bindings import Binding, Environment
from mai.compiler.elaborate.blocks.integrals.event import as_examples, check_method, read_event
from mai.compiler.elaborate.blocks.integrals.kept_along import Kept, read_kept
from mai.compiler.elaborate.blocks.integrals.moved import increment_of, moved_names, with_chosen
from mai.compiler.elaborate.blocks.integrals.noise import Noises, not_stochastic
from mai.compiler.elaborate.blocks.integrals.solver import Method, check_count, check_reuse, read_method
from mai.compiler.elaborate.blocks.loop_states import State, leave, settle, states_of
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.names import check_distinct
from mai.compiler.elaborate.statement_rules import belongs_elsewhere, elaborates
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.structure import Integrate
from mai.compiler.ir.structure_rules import asked_type
from mai.compiler.ir.types import Axis, DType, Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of
from mai.spec.diagnostics import Edit
from mai.spec.diagnostics.edit import put
from mai.spec.diagnostics.suggest import closest
from mai.spec.record import record

MOST_STATES = 3  # That a misspelt one may stand for.


def _integrated(statement: ast.Derivative) -> Edit:
    """A derivative on its own, in an integral."""
    variable = statement.variable.id.removeprefix("d")
    whole = f"integrate {variable} in 0..1 using rk4(20) {{ {statement.span.text} }}"
    return put(statement.span, whole, "write `integrate ... { {} }`".replace("{}", statement.span.text))


belongs_elsewhere(
    ast.Derivative, "derivative-outside", "`d./ds = ...` belongs directly in an `integrate` block", _integrated
)


@record
class Course:
    """From where to where an integral goes; `times` are those between which it takes its steps, where a grid says them.

    Where every example has bounds a and b of its own, all go from 0 to 1, along u, and the variable is s = a + (b - a) u: then
    ds = (b - a) du, whatever the method. Equal bounds leave a state where it is, and b may lie before a. A grid has the times of
    each example themselves.
    """

    bounds: tuple[Value, Value]
    start: Value | None = None
    length: Value | None = None
    times: Value | None = None

    def way(self, e: Context) -> tuple[Value, Value]:
        """Where the variable starts, and how far it goes."""
        if self.start is not None and self.length is not None:
            return self.start, self.length
        start, stop = self.bounds
        return start, e.emit(el.Subtract, stop, start)

    @property
    def lead(self) -> tuple[Axis, ...]:
        """The lead axes of bounds that are not all examples', or of times."""
        own = self.length if self.times is None else self.times
        return own.type.lead if own is not None else ()

    @property
    def moving(self) -> tuple[Axis, ...]:
        """The lead axes of the time at which a step is."""
        return self.times.type.lead if self.times is not None else ()

    def variable(self, e: Context, value: Value) -> Value:
        """The variable s where the method is at `value`."""
        return value if self.start is None else e.emit(el.Add, self.start, self.stretched(e, value), name=value.name)

    def stretched(self, e: Context, value: Value) -> Value:
        """A step of the integral's variable, or a derivative by it, from that of the method's variable u."""
        return value if self.length is None else e.emit(el.Multiply, value, self.length, name=value.name)


@record
class Integral:
    """An `integrate` statement with its solver and its bounds."""

    written: ast.Integrate
    method: Method
    course: Course

    @property
    def step(self) -> str:
        """The name of a step of the variable in an increment: `ds`."""
        return "d" + self.written.variable.id

    def moved_by(self, statement: ast.Statement, states: Container[str]) -> ast.Identifier | None:
        """The state that a statement of the block moves. An increment is that of a state: `dt2 = 2 * ds` is a variable."""
        if isinstance(statement, ast.Derivative):
            return statement.state
        name = increment_of(self.written, statement)
        return name if name is not None and name.id in states else None


def _bound_names(statement: ast.Integrate) -> list[ast.Identifier]:
    hit = [] if statement.hit is None else [statement.hit]
    return [*moved_names(statement, statement.body), *hit, *(k.name for k in statement.keeps)]


@elaborates(ast.Integrate, binds=_bound_names)
def _integrate(e: Context, env: Environment, statement: ast.Integrate) -> Binding:
    statement = with_chosen(e, env, statement)
    method = read_method(e, env, statement.solver)
    if statement.until is not None:
        check_method(e, statement, method)
    integral = Integral(statement, method, _course(e, env, statement, method))
    hit = [] if statement.hit is None else [statement.hit]
    check_distinct(e, [*hit, *(kept.name for kept in statement.keeps)])
    states = _moved_states(e, env, integral)
    steps = [] if method.steps is None else [e.builder.size(method.steps)]
    regions, states = _velocity_region(e, env, integral, states, steps)
    check_count(e, statement, method, states)
    check_reuse(e, statement, method, regions[0])
    kept = read_kept(e, env, statement, method, states, integral.course.way(e)) if statement.keeps else []
    node = _node(e, integral, regions, states, steps, kept)
    leave(env, states, node.outputs)
    own = len(states)
    if statement.until is not None:
        own += 1
        if statement.hit is not None:
            env.bind(statement.hit, _named(integral.course.variable(e, node.outputs[len(states)]), statement.hit))
    for k, value in zip(kept, node.outputs[len(node.outputs) - len(kept) :], strict=True):
        value.name = k.name.id
        env.bind(k.name, value)
    if method.steps is None and e.builder.region is e.graph:
        e.evaluations.append(node.outputs[own])  # The export adds them up.
    return None


def _named(value: Value, name: ast.Identifier) -> Value:
    value.name = name.id
    return value


def _node(
    e: Context, integral: Integral, regions: list[Region], states: list[State], steps: list[Value], kept: list[Kept]
) -> Node:
    """The integral: its last states, its end if a condition says it, its paths or evaluations, the states that are asked for."""
    method, first = integral.method, [s.first for s in states]
    paths = tuple(k.place for k in kept if k.shares is None)
    asked = tuple(k.place for k in kept if k.shares is not None)
    shares = [k.shares for k in kept if k.shares is not None]
    types = [v.type for v in first]
    ends = [types[0].with_shape(())] if integral.written.until is not None else []
    if method.steps is None:
        further = [Type(DType.INT, (), regions[0].inputs[0].type.lead)]
    else:
        further = [types[i].with_shape((method.steps + 1, *types[i].shape)) for i in paths]
    further += [asked_type(types[i], share.type) for i, share in zip(asked, shares, strict=True)]
    until, noises = bool(ends), len(regions[0].inputs) - len(states) - 3 if len(regions) > 1 else 0
    times = [] if integral.course.times is None else [integral.course.times]
    operation = Integrate(
        method.solver.name, method.steps, paths, method.options, asked, until, noises, bool(times), method.reuse
    )
    inputs = [*integral.course.bounds, *steps, *times, *shares, *first]
    return e.builder.add(operation, inputs, [*types, *ends, *further], regions)


def _course(e: Context, env: Environment, statement: ast.Integrate, method: Method) -> Course:
    start, stop = (_time_bound(e, env, expr) for expr in (statement.start, statement.stop))
    if method.grid is not None:
        from mai.compiler.elaborate.blocks.integrals.grid import times_of  # Few solvers have one.

        assert method.steps is not None, "a method that chooses its steps has no grid"
        times = times_of(e, method.grid, method.steps, (start, stop))
        _check_adjoint(e, statement, method, times)
        return Course((start, stop), times=times)
    if not start.type.lead and not stop.type.lead:
        return Course((start, stop))
    length = e.emit(el.Subtract, stop, start, name=f"d{statement.variable.id}")
    return Course((e.builder.constant(0.0), e.builder.constant(1.0)), start, length)


def _check_adjoint(e: Context, statement: ast.Integrate, method: Method, times: Value) -> None:
    """The adjoint equation of all examples is solved at once, at the same times."""
    if method.options.get("adjoint") and times.type.lead:
        message = "`adjoint` goes back at the same times for all examples: here each has a `grid` of its own"
        help = f"write `{method.solver.name}(...)` without `adjoint`: training goes back through the steps"
        raise e.fail("solver-option", statement.solver.span, message, help=help)


def _time_bound(e: Context, env: Environment, expr: ast.Expr) -> Value:
    bound = e.real(e.expressions.expression(env, expr), expr.span)
    if bound.type.rank:
        message = f"an integral's bounds are numbers, this is {describe(bound.type.shape)}"
        raise e.fail("rank-mismatch", expr.span, message, label=describe(bound.type.shape))
    return bound


# --------------------------------------------------------------------- states


def _moved_states(e: Context, env: Environment, integral: Integral) -> list[State]:
    """The states that the block moves, with equal lead axes where an adaptive solver has one step for all of them."""
    statement, solver = integral.written, integral.method.solver
    named = [n for s in statement.body if (n := integral.moved_by(s, env.names)) is not None]
    check_distinct(e, named, "is moved twice: its derivative, or its increment, is one sum")
    check_distinct(e, [s.name for s in statement.body if isinstance(s, ast.Noise)])
    if not named:
        message = "an `integrate` block says how its states move: `dx/ds = ...`"
        words = _what_moves(statement, solver.stochastic)
        edits = [put(target.span, f"d{target.id}/{integral.step}") for target in _assigned(statement, env)]
        raise e.fail("no-derivative", statement.span, message, help=words, edits=edits)
    for name in named:
        if name.id not in env.names:
            guess = closest(name.id, env.names)
            help = put(name.span, f"d{guess}", "did you mean `{}`?") if guess else None
            message = f"`d{name.id}` moves `{name.id}`, which has no value before the integral"
            raise e.fail("unknown-state", name.span, message, help=help, edits=_states_in_sight(env, name))
    states = [replace(s, first=e.real(s.first, s.span)) for s in states_of(e, env, named)]
    if not (solver.adaptive or integral.course.moving):
        return states
    lead = join_leads([Type(DType.REAL, (), integral.course.lead), *(s.first.type for s in states)])
    return [replace(s, first=e.builder.spread(s.first, lead)) for s in states]


def _what_moves(statement: ast.Integrate, is_stochastic: bool) -> str | None:
    """What to write in a block that moves no state."""
    inner = next(nodes_of(statement.body, ast.Derivative), None)
    if inner is not None:
        moved = f"d{inner.state.id}/d{statement.variable.id}"
        return f"`{moved}` stands directly in it: choose a value in the inner block, `v = ...`, and write `{moved} = v` after that"
    return "write `dx = f * ds + g * dW`, of an x that has a value before" if is_stochastic else None


def _assigned(statement: ast.Integrate, env: Environment) -> list[ast.Identifier]:
    """The names from outside that a block assigns to, as a loop would."""
    plain = [s.targets[0] for s in statement.body if isinstance(s, ast.Assign) and not s.op and len(s.targets) == 1]
    return [name for name in plain if name.id in env.names]


def _states_in_sight(env: Environment, name: ast.Identifier) -> list[Edit]:
    """Edits that write the derivative of a tensor in sight; one is shown only where no other mends the file."""
    tensors = [n for n, value in env.names.items() if isinstance(value, Value) and value.type.dtype is DType.REAL]
    return [replace(put(name.span, f"d{tensor}"), alone=True) for tensor in tensors[:MOST_STATES]]


def _velocity_region(
    e: Context, env: Environment, integral: Integral, states: list[State], steps: list[Value]
) -> tuple[list[Region], list[State]]:
    """The region of the velocity, or those of the increments of a stochastic equation and of its draws."""
    solver, variable, course = integral.method.solver, integral.written.variable, integral.course
    lead = states[0].first.type.lead if solver.adaptive else course.moving
    inputs = [Value(Type(DType.REAL, (), lead), variable.id)]
    if solver.stochastic:
        inputs += [Value(Type(DType.INT), "turn"), Value(Type(DType.REAL, (), lead), "step")]
    outer_turn, first_states = e.draws.turn, states
    ends: list[Value] = []
    noises: list[Noises] = []

    def body(values: list[Value], region: Region) -> list[Value]:
        inside = env.child()
        inside.bind(variable, course.variable(e, region.inputs[0]))
        inside.names.update({s.name: v for s, v in zip(first_states, values, strict=True)})
        moved = of_the_step(inside, region)
        if integral.written.until is None:
            return moved
        ends[:] = [read_event(e, inside, integral.written.until)]
        if noises:
            noises[0].check_unread(ends[0], integral.written.until.span)
        return as_examples(e, moved, ends[0])

    def of_the_step(inside: Environment, region: Region) -> list[Value]:
        if not solver.stochastic:
            return [course.stretched(e, v) for v in _velocity(e, inside, integral, first_states, None)]
        noises[:] = [Noises(e, solver, partial(e.draws.inner_turn, outer_turn, steps[0]), course.length)]
        e.draws.turn = e.draws.inner_turn(outer_turn, steps[0], region.inputs[1])
        inside.names[integral.step] = step = course.stretched(e, region.inputs[2])
        moved = _velocity(e, inside, integral, first_states, noises[0])
        return _increments(e, moved, integral, first_states, step)

    try:
        region, states = settle(e, states, body, inputs, are_together=solver.adaptive)
    finally:
        e.draws.turn = outer_turn
    region.outputs += ends
    if not noises or not noises[0].reads:
        return [region], states
    region.inputs[len(inputs) : len(inputs)] = noises[0].reads
    return [region, noises[0].drawn()], states


# ------------------------------------------------------------------- velocity


def _velocity(
    e: Context, env: Environment, integral: Integral, states: Sequence[State], noises: Noises | None
) -> list[Value]:
    """Elaborate the body at one time; the derivatives or increments of the states, in their order."""
    moved: dict[str, Value] = {}
    names = [s.name for s in states]
    for inner in integral.written.body:
        name = integral.moved_by(inner, names)
        if isinstance(inner, ast.Derivative):
            moved[inner.state.id] = _derivative(e, env, integral, inner)
        elif isinstance(inner, ast.Noise):
            if noises is None:
                raise not_stochastic(e, integral.written, f"`{integral.method.solver.name}` draws nothing", inner.span)
            noises.declare(env, inner, integral.step, names)
        elif name is not None and isinstance(inner, ast.Assign):
            moved[name.id] = _increment(e, env, integral, name, inner, noises)
        elif e.statements.statement(env, inner) is not None:
            raise e.fail("unreachable", inner.span, "an `integrate` block cannot `return`: return after it")
    return [moved[name] for name in names]


def _derivative(e: Context, env: Environment, integral: Integral, written: ast.Derivative) -> Value:
    variable = integral.written.variable.id
    if written.variable.id not in (integral.step, variable):
        message = f"this integral moves along `{variable}`, not `{written.variable.id}`"
        help = put(written.variable.span, integral.step)
        raise e.fail("derivative-of-unknown", written.variable.span, message, help=help)
    value = e.real(e.expressions.expression(env, written.value), written.value.span)
    return _of_state(e, env, written.state, value, written.value, "derivative")


def _of_state(e: Context, env: Environment, name: ast.Identifier, value: Value, written: ast.Expr, what: str) -> Value:
    """A derivative or an increment, which has the shape of its state."""
    state = e.value(env.names[name.id], name.span)
    if value.type.shape != state.type.shape:
        message = f"`{name.id}` is {describe(state.type.shape)}, its {what} is {describe(value.type.shape)}"
        raise e.fail("shape-mismatch", written.span, message, label=describe(value.type.shape))
    return value


def _increments(
    e: Context, values: list[Value], integral: Integral, states: Sequence[State], step: Value
) -> list[Value]:
    """The increments of all states over a step: derivatives times the step, and increments as they are written."""
    written = {s.state.id for s in integral.written.body if isinstance(s, ast.Derivative)}
    return [
        e.emit(el.Multiply, v, step, name=v.name) if s.name in written else v
        for s, v in zip(states, values, strict=True)
    ]


def _increment(
    e: Context, env: Environment, integral: Integral, name: ast.Identifier, inner: ast.Assign, noises: Noises | None
) -> Value:
    """The increment `dx = f * ds + g * dW`, where dW has the state's shape and its elements have variance |ds|."""
    if noises is None:
        written = (
            f"`{integral.method.solver.name}` integrates derivatives, `{inner.targets[0].id} = ...` is an increment"
        )
        raise not_stochastic(
            e,
            integral.written,
            written,
            inner.span,
            f", or `d{name.id}/d{integral.written.variable.id} = ...` where nothing is drawn",
        )
    inside = env.child()
    if "dW" in names_of(inner.value) and "dW" not in env.names:
        state = e.value(env.names[name.id], name.span)
        inside.names["dW"] = noises.read("dW", state.type.shape, name.span)
    value = e.real(e.expressions.expression(inside, inner.value), inner.value.span)
    return _of_state(e, env, name, value, inner.value, "increment")
