"""An `integrate` becomes a loop over its steps, as its solver takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, Mapping, copy_graph, nodes_for, rewriting
from mai.compiler.ir.structure import Adjoint, Integrate
from mai.compiler.ops.shapes.indexing import Pick
from mai.compiler.passes.loops.hoist import local_sizes, split_by_dependence, tables_of, timed_values
from mai.compiler.passes.loops.reuse import Reuse
from mai.compiler.solvers import DEFAULTS, SOLVERS, takes_increments
from mai.compiler.solvers.adaptive import Control, Way, solve
from mai.compiler.solvers.counted_steps import CountedSteps
from mai.compiler.solvers.dense import Asked
from mai.compiler.solvers.events.compared import comparisons_of
from mai.compiler.solvers.events.ended_steps import EndedSteps
from mai.compiler.solvers.events.ended_way import EndedWay
from mai.compiler.solvers.pace import Even, Uneven
from mai.compiler.solvers.problem import Compared, End, Problem, Slopes


@rewriting(Integrate)
def discretise(graph: Graph, *, adjoint: bool = False) -> Graph:
    """Replace each `integrate` by a loop over its steps. With `adjoint`, one that asks for it becomes an `Adjoint` node, for training."""
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
    problem = Equation(copier, node, len(states), local).problem(start, stop, states)
    if integral.steps is None:
        control = Control(options["rtol"], options["atol"], int(options["max_steps"]))
        return solve((EndedWay if integral.until else Way)(problem, solver, control, asked))
    pace = Uneven(copier.builder, *inputs[2:4]) if integral.grid else Even(copier.builder, start, stop, inputs[2])
    steps = CountedSteps(integral, solver, problem, pace, asked)
    return EndedSteps(steps).solve() if integral.until else steps.solve()


class Equation:
    """The regions of an integral, copied to where a method needs them."""

    def __init__(self, copier: Copier, node: Node, count: int, local: set[str]) -> None:
        """Compute what the velocity of `count` states needs of neither time nor states once, before the loop."""
        self.copier, self.builder, self.node = copier, copier.builder, node
        self.whole = node.regions[0]
        free, self.nodes = split_by_dependence(self.whole, local)
        moved, self.ending = self.whole.outputs[:count], self.whole.outputs[count:]
        self.field = Region(self.whole.inputs, nodes_for(self.nodes, moved), moved)
        self.reuse = _reuse_of(copier, node, self.field)
        self._copy(free)

    def problem(self, start: Value, stop: Value, states: list[Value]) -> Problem:
        """The equation as a method sees it."""
        integral = Integrate.of(self.node)
        inner = sum(n.op is Integrate for region in self.node.regions for n in region.walk())
        ends = self.ends if integral.until else None
        problem = partial(
            Problem, self.builder, start, stop, states, self.velocity, self.stages, ends, inner=inner, kept=self.reuse
        )
        if not takes_increments(self.node):
            return problem()
        from mai.compiler.passes.loops.noises.influence import influence_of  # Few integrals have noise.

        influence = influence_of(self.node)
        return problem(draws=self.draws, noise=influence) if integral.noises else problem()

    def velocity(self, time: Value, at: list[Value], *of_the_step: Value, precomputed: Mapping | None = None) -> Slopes:
        """The field copied to where it is needed, but for what is computed already."""
        precomputed = precomputed or {}
        inputs = zip(self.field.inputs, [time, *of_the_step, *at], strict=True)
        self.copier.mapping.update({**dict(inputs), **precomputed})
        self._copy(n for n in self.field.nodes if n.output not in precomputed)
        return [self.copier[v] for v in self.field.outputs]

    def stages(self, times: Value) -> list[Callable[..., Slopes]]:
        """The velocity at each of some times, with what it needs of these alone computed for all at once."""
        field, timed = self.field, timed_values(self.field)
        self.copier.mapping[field.inputs[0]] = times
        self._copy(n for n in field.nodes if n.output in timed)
        tables = {v: self.builder.unlead(self.copier[v], 1) for v in tables_of(field, timed)}
        count = times.type.lead[-1].size
        assert isinstance(count, int), "a method has a number of stages"
        rows_of_stages = [{v: _row(self.builder, t, i) for v, t in tables.items()} for i in range(count)]
        return [partial(self.velocity, precomputed=rows) for rows in rows_of_stages]

    def ends(self, time: Value, at: list[Value], *of_the_step: Value) -> End:
        """Whether an example ends here, and the comparisons that decide it."""
        field, copier = self.field, self.copier
        places = [*field.inputs[: 1 + len(of_the_step)], *field.inputs[len(field.inputs) - len(at) :]]
        copier.mapping.update(zip(places, [time, *of_the_step, *at], strict=True))
        self._copy(nodes_for(self.nodes, self.ending))
        deciding = comparisons_of(self.whole, *self.ending)
        pairs = [Compared(n.op, copier[n.inputs[0]], copier[n.inputs[1]], copier[n.output]) for n in deciding]
        return End(copier[self.ending[0]], pairs)

    def draws(self, turn: Value) -> list[Value]:
        """The draws of a turn."""
        body = self.node.regions[1]
        self.copier.mapping[body.inputs[0]] = turn
        self._copy(body.nodes)
        return [self.copier[v] for v in body.outputs]

    def _copy(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if self.reuse is None or not self.reuse.copy(node):
                self.copier.node(node)
        self.builder.span, self.builder.scope = self.node.span, self.node.scope


def _reuse_of(copier: Copier, node: Node, field: Region) -> Reuse | None:
    """What of a velocity is kept from step to step; None where every step computes all of it."""
    every = Integrate.of(node).reuse
    reuse = None if every == 1 else Reuse(copier, field, every)
    return reuse if reuse is not None and reuse.marks else None


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
