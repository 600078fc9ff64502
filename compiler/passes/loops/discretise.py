"""An `integrate` becomes a loop over its steps, as its solver takes them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, Mapping, copy_graph, rewriting
from mai.compiler.ir.structure import Adjoint, Integrate, Loop
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.shapes.indexing import Pick
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.passes.loops.hoist import local_sizes, parted, tables_of, timed_values
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.solvers.adaptive import Control, solve
from mai.compiler.solvers.dense import Asked, Path
from mai.compiler.solvers.fixed import steps_of
from mai.compiler.solvers.problem import Problem, Slopes


@rewriting(Integrate)
def discretise(graph: Graph, *, adjoint: bool = False) -> Graph:
    """No `integrate` is left. With `adjoint`, those that ask for it are marked for whoever trains through them."""
    local = local_sizes(graph)

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Integrate:
            return False
        if adjoint and Integrate.of(node).options.get("adjoint"):
            copier.bind(node, *_marked(copier, node, local))
        else:
            copier.bind(node, *_solved(copier, node, [copier[v] for v in node.inputs], local))
        return True

    return copy_graph(graph, rule)


def _solved(copier: Copier, node: Node, inputs: list[Value], local: set[str]) -> list[Value]:
    """The loop of an integral that starts from `inputs`: the last states, then the kept paths or the evaluations."""
    integral = Integrate.of(node)
    solver, options = SOLVERS[integral.method], {**DEFAULTS, **integral.options}
    (start, stop), states = inputs[:2], inputs[integral.before_states :]
    shares = inputs[integral.before_states - len(integral.asked) : integral.before_states]
    asked = [Asked(place, share) for place, share in zip(integral.asked, shares, strict=True)]
    problem = _problem(copier, node, start, stop, states, local)
    if integral.steps is None:
        control = Control(options["rtol"], options["atol"], int(options["max_steps"]))
        last, evaluations, rows = solve(problem, solver, control, asked)
        return [*last, evaluations, *rows]
    return _in_equal_steps(copier.builder, integral, problem, inputs[2], asked)


def _in_equal_steps(
    builder: Builder, integral: Integrate, problem: Problem, steps: Value, asked: list[Asked]
) -> list[Value]:
    """The last states, the kept paths, and what is asked for between two steps."""
    start, stop, states = problem.start, problem.stop, problem.states
    h = builder.emit(el.Divide, builder.emit(el.Subtract, stop, start), builder.emit(el.ToReal, steps), name="h")
    method = steps_of(SOLVERS[integral.method], problem, h)
    memory = method.begin()
    body = Region([Value(v.type, v.name) for v in (steps, *states, *memory)])
    turn, *inside = body.inputs
    turn.name = "turn"
    outer, builder.region = builder.region, body
    here = inside[: len(states)]
    moved, held = method.step(turn, here, inside[len(states) :])
    places = sorted({*integral.keep, *(a.place for a in asked)})
    bent = sorted({a.place for a in asked}) if method.is_smooth else []
    slopes = problem.velocity(method.time(turn, Fraction(0)), here) if bent else []
    body.outputs = [*moved, *held, *(moved[i] for i in places), *(slopes[i] for i in bent)]
    builder.region = outer
    made = builder.loop(steps, Loop(integral.steps, fresh=False), [*states, *memory], body)
    last, rows = made[: len(states)], made[len(inside) :]
    paths = {i: _with_start(builder, states[i], row) for i, row in zip(places, rows, strict=False)}
    ends = problem.velocity(stop, list(last)) if bent else []
    speeds = {i: _with_end(builder, row, ends[i]) for i, row in zip(bent, rows[len(places) :], strict=True)}
    between = [Path(steps, h, paths[a.place], speeds.get(a.place)).at(builder, a.shares) for a in asked]
    return [*last, *(paths[i] for i in integral.keep), *between]


def _problem(copier: Copier, node: Node, start: Value, stop: Value, states: list[Value], local: set[str]) -> Problem:
    """What the velocity computes of neither time nor states stands in front of the loop, once."""
    builder, whole = copier.builder, node.regions[0]
    free, nodes = parted(whole, local)
    field = Region(whole.inputs, nodes, whole.outputs)
    copier.nodes(free)
    builder.span, builder.scope = node.span, node.scope

    def velocity(time: Value, at: list[Value], *of_the_step: Value, known: Mapping | None = None) -> Slopes:
        """The field copied to where it is needed, but for what is known of it."""
        known = known or {}
        copier.mapping.update({**dict(zip(field.inputs, [time, *of_the_step, *at], strict=True)), **known})
        copier.nodes(n for n in field.nodes if n.output not in known)
        builder.span, builder.scope = node.span, node.scope
        return [copier[v] for v in field.outputs]

    def stages(times: Value) -> list[Callable[..., Slopes]]:
        timed = timed_values(field)
        copier.mapping[field.inputs[0]] = times
        copier.nodes(n for n in field.nodes if n.output in timed)
        builder.span, builder.scope = node.span, node.scope
        tables = {v: builder.unlead(copier[v], 1) for v in tables_of(field, timed)}
        count = times.type.lead[-1].size
        assert isinstance(count, int), "a method has a number of stages"
        return [partial(velocity, known={v: _row(builder, t, i) for v, t in tables.items()}) for i in range(count)]

    return Problem(builder, start, stop, states, velocity, stages)


def _row(builder: Builder, table: Value, index: int) -> Value:
    return builder.emit(Pick, table, axis=-table.type.rank, index=index, name=table.name)


def _marked(copier: Copier, node: Node, local: set[str]) -> tuple[Value, ...]:
    """The integral with its velocity, and the loop that solves it beside it."""
    builder = copier.builder
    inputs = [copier[v] for v in node.inputs]
    field = copier.region(node.regions[0])
    solution = Region([Value(v.type, v.name) for v in inputs])
    outer, builder.region = builder.region, solution
    solution.outputs = _solved(copier, node, solution.inputs, local)
    builder.region = outer
    types, integral = [v.type for v in node.outputs], Integrate.of(node)
    adjoint = Adjoint(integral.method, integral.steps, integral.keep, integral.options)
    return builder.add(adjoint, inputs, types, [field, solution]).outputs


def _with_start(builder: Builder, start: Value, rows: Value) -> Value:
    """A path: where the state began, then a row a step."""
    axis = -rows.type.rank
    first = builder.emit(Unsqueeze, start, axes=(axis,))
    return builder.emit(Concat, first, rows, axis=axis, name=rows.name)


def _with_end(builder: Builder, rows: Value, end: Value) -> Value:
    """Velocities: a row a step, then that at the end."""
    axis = -rows.type.rank
    last = builder.emit(Unsqueeze, end, axes=(axis,))
    return builder.emit(Concat, rows, last, axis=axis, name=rows.name)
