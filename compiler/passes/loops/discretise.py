"""An `integrate` becomes a loop over its steps, as its solver takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, Mapping, copy_graph, nodes_for, rewriting
from mai.compiler.ir.structure import Adjoint, Integrate
from mai.compiler.ops.shapes.indexing import Pick
from mai.compiler.passes.loops.hoist import local_sizes, parted, tables_of, timed_values
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.solvers.adaptive import Control, Way, solve
from mai.compiler.solvers.compared import comparisons_of
from mai.compiler.solvers.counted_steps import CountedSteps
from mai.compiler.solvers.dense import Asked
from mai.compiler.solvers.ended_steps import EndedSteps
from mai.compiler.solvers.ended_way import EndedWay
from mai.compiler.solvers.pace import Even, Uneven
from mai.compiler.solvers.problem import Compared, End, Problem, Slopes


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
        return solve((EndedWay if integral.until else Way)(problem, solver, control, asked))
    pace = Uneven(copier.builder, *inputs[2:4]) if integral.grid else Even(copier.builder, start, stop, inputs[2])
    steps = CountedSteps(integral, solver, problem, pace, asked)
    return EndedSteps(steps).solve() if integral.until else steps.solve()


def _problem(copier: Copier, node: Node, start: Value, stop: Value, states: list[Value], local: set[str]) -> Problem:
    """What the velocity computes of neither time nor states stands in front of the loop, once."""
    builder, whole = copier.builder, node.regions[0]
    free, nodes = parted(whole, local)
    until = Integrate.of(node).until
    moved, ending = whole.outputs[: len(states)], whole.outputs[len(states) :]
    field = Region(whole.inputs, nodes_for(nodes, moved), moved)
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

    def ends(time: Value, at: list[Value], *of_the_step: Value) -> End:
        places = [*field.inputs[: 1 + len(of_the_step)], *field.inputs[len(field.inputs) - len(at) :]]
        copier.mapping.update(zip(places, [time, *of_the_step, *at], strict=True))
        copier.nodes(nodes_for(nodes, ending))
        builder.span, builder.scope = node.span, node.scope
        deciding = comparisons_of(whole, *ending)
        pairs = [Compared(n.op, copier[n.inputs[0]], copier[n.inputs[1]], copier[n.output]) for n in deciding]
        return End(copier[ending[0]], pairs)

    def draws(turn: Value) -> list[Value]:
        body = node.regions[1]
        copier.mapping[body.inputs[0]] = turn
        copier.nodes(body.nodes)
        builder.span, builder.scope = node.span, node.scope
        return [copier[v] for v in body.outputs]

    inner = sum(n.op is Integrate for region in node.regions for n in region.walk())
    ending_here = ends if until else None
    problem = partial(Problem, builder, start, stop, states, velocity, stages, inner=inner)
    if not Integrate.of(node).noises:
        return problem(ending_here)
    from mai.compiler.passes.loops.influence import influence_of  # Few integrals have noise.

    return problem(ending_here, draws, influence_of(node))


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
    adjoint = Adjoint(integral.method, integral.steps, integral.keep, integral.options, grid=integral.grid)
    return builder.add(adjoint, inputs, types, [field, solution]).outputs
