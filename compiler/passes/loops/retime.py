"""An integral by another method, with another number of steps, on another grid of times, with less computed at some of its steps."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Region, Setting, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Integrate
from mai.compiler.ir.types import DType, Type, real
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.reductions.running import Cumsum
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.grid import Plan
from mai.compiler.solvers.guidance import Guidance, guidance_in
from mai.spec.record import record


@record
class Switches:
    """The settings by which a file says its plan; None where a number stands in the file instead.

    steps: the number of steps, a setting of the spec.
    reuse: at every how many-th step what is reusable is computed; made where the plan reuses and the spec has no such setting.
    uneven: how uneven steps are, from 0 for one length to 1 for the plan's grid; made where this is not even.
    guided: where guidance begins and ends, as shares of the way; made where the plan computes it in an interval.
    bends: the numbers of the grid: of graphs that a grid is learned with.
    """

    steps: str | None = None
    reuse: str | None = None
    uneven: str | None = None
    guided: tuple[str, str] | None = None
    bends: tuple[str, ...] | None = None


NAMES = Switches(reuse="reuse", uneven="uneven", guided=("guide_from", "guide_to"))  # Those that a file gets.


def retimed(graph: Graph, plan: Plan, switches: Switches) -> Graph:
    """The graph with its one `integrate` computed as `plan` says, which gives the settings in `switches` their defaults."""
    every, reals = _every(graph, plan, switches.reuse), _reals(plan, switches)

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Integrate:
            return False
        guidance = guidance_in(node.regions[0], graph)
        copier.bind(node, *_Retimed(copier, node, plan, switches, reals, guidance).integral(every))
        return True

    copied = copy_graph(graph, rule)
    copied.settings.update(reals)
    if switches.steps is not None:
        copied.settings[switches.steps] = replace(copied.settings[switches.steps], default=plan.steps)
    if switches.reuse is not None and not isinstance(every, int):
        _set(copied, switches.reuse, plan.reuse)
    return copied


def _every(graph: Graph, plan: Plan, reuse: str | None) -> Size:
    """At every how many-th step reusable values are computed: a setting's number, where there is one or shall be."""
    if reuse is None or (reuse not in graph.settings and plan.reuse == 1):
        return plan.reuse
    return symbol(reuse)


def _set(graph: Graph, name: str, count: int) -> None:
    """Give a setting that counts steps its default; one that the graph has not is made."""
    if name not in graph.settings:
        value = graph.sizes[name] = Value(Type(DType.INT), name)
        graph.settings[name] = Setting(value, count, 1)
    graph.settings[name] = replace(graph.settings[name], default=count)


def _reals(plan: Plan, switches: Switches) -> dict[str, Setting]:
    """The settings of what the plan does that are real numbers."""
    shares: dict[str, float] = {}
    if not plan.grid.even and switches.uneven is not None:
        shares[switches.uneven] = 1.0
    if not plan.guided.whole and switches.guided is not None:
        shares |= zip(switches.guided, (plan.guided.start, plan.guided.stop), strict=True)
    reals = {name: Setting(Value(real(), name), default, 0, 1) for name, default in shares.items()}
    if not plan.grid.even and switches.bends is not None:
        bends = zip(switches.bends, plan.grid.bends, strict=True)
        reals |= {name: Setting(Value(real(), name), bend) for name, bend in bends}
    return reals


class _Retimed:
    """The code of an integral by a plan; `reals` are the settings that the plan makes."""

    def __init__(
        self, copier: Copier, node: Node, plan: Plan, switches: Switches, reals: dict[str, Setting], guidance: Guidance | None
    ) -> None:  # fmt: skip
        self.copier, self.builder, self.node = copier, copier.builder, node
        self.plan, self.switches, self.reals, self.guidance = plan, switches, reals, guidance
        self.start, self.stop, self.steps, *self.states = (copier[v] for v in node.inputs)

    def integral(self, reuse: Size) -> tuple[Value, ...]:
        """The integral, in the plan's own number of steps where no setting says it."""
        field = self._field()
        self.builder.span, self.builder.scope = self.node.span, self.node.scope
        integral = replace(Integrate.of(self.node), method=self.plan.method, reuse=reuse)
        steps, times = self.steps, []
        if self.switches.steps is None:
            integral, steps = replace(integral, steps=self.plan.steps), self.builder.constant(self.plan.steps)
        if not self.plan.grid.even:
            assert integral.steps is not None, "a method that is not adaptive has a number of steps"
            times, integral = [self._times(integral.steps)], replace(integral, grid=True)
        inputs = [self.start, self.stop, steps, *times, *self.states]
        results = self.builder.add(integral, inputs, [v.type for v in self.node.outputs], [field]).outputs
        for old, new in zip(self.node.outputs, results, strict=True):
            new.name = old.name
        return results

    def _times(self, steps: Size) -> Value:
        """The times between the steps of a `Grid`, [steps + 1]."""
        start, length = self._way
        u = (start.range(steps).emit(el.ToReal) * 2.0 + 1.0) / start.size(steps) - 1.0
        power = start.other(0.0)
        for bend in reversed(self._bends()):
            power = (power + bend) * u
        sums = power.emit(el.Exp).emit(Cumsum, axis=-1)
        shares = sums / sums.pick(-1, -1).unsqueeze(-1)
        begin = start.unsqueeze(-1)
        times = begin.emit(Concat, begin + shares * length.unsqueeze(-1), axis=-1)
        times.value.name = "times"
        return times.value

    def _bends(self) -> list[Term | float]:
        """The numbers of the grid, each times how uneven steps are."""
        bends: list[Term | float] = list(self.plan.grid.bends)
        if self.switches.bends is not None:
            bends = [self._setting(name) for name in self.switches.bends]
        if self.switches.uneven is None:
            return bends
        uneven = self._setting(self.switches.uneven)
        return [uneven * bend for bend in bends]

    def _setting(self, name: str) -> Term:
        return Term(self.builder, self.reals[name].value)

    @property
    def _way(self) -> tuple[Term, Term]:
        """Where the integral starts, and how far it goes."""
        start, stop = Term(self.builder, self.start), Term(self.builder, self.stop)
        return start, stop - start

    def _field(self) -> Region:
        """The velocity, with guidance in its interval alone."""
        guidance, velocity, rule = self.guidance, self.node.regions[0], self.copier.rule
        if guidance is None or self.plan.guided.whole:
            return self.copier.region(velocity)

        def chosen(copier: Copier, node: Node) -> bool:
            if node is not guidance.node:
                return rule is not None and rule(copier, node)
            copier.copy(node)
            guided = Term(self.builder, copier[node.output])
            own = Term(self.builder, copier[guidance.own])
            value = self._matters(guidance, copier[velocity.inputs[0]]).where(guided, own)
            value.value.name = node.output.name
            copier.bind(node, value.value)
            return True

        self.copier.rule = chosen
        copied = self.copier.region(velocity)
        self.copier.rule = rule
        return copied

    def _matters(self, guidance: Guidance, time: Value) -> Term:
        """Whether guidance is computed at a time: in its interval, and everywhere with a weight that does not amplify."""
        start, length = self._way
        gone = (Term(self.builder, time) - start) / length
        gone = gone.emit(el.Maximum, 0.0).emit(el.Minimum, 1.0)  # Roundings lead out of it.
        begin, end = self._interval()
        inside = gone.emit(logic.GreaterEqual, begin).emit(logic.LogicalAnd, gone.emit(logic.LessEqual, end))
        weight = Term(self.builder, self.copier[guidance.weight])
        return inside.emit(logic.LogicalOr, weight.emit(logic.LessEqual, guidance.off))

    def _interval(self) -> list[Term | float]:
        """Where guidance begins and ends, as shares of the way."""
        guided = self.plan.guided
        names = self.switches.guided
        return [guided.start, guided.stop] if names is None else [self._setting(name) for name in names]
