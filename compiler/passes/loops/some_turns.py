"""Some turns of an export's loops as a graph of its own, for hosts that show how far a sampler is, or give it up between two steps.

What stands before, between and after the loops is computed at each call; only the loops' turns are shared out. Their states are inputs
and outputs, and the turns are numbered through: those of the first loop, then those of the next. The bodies are those of the whole
graph, with the same numbers of turns, so that all turns together compute its bits.
"""

from __future__ import annotations

from collections.abc import Iterable

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Setting, Value, unused_name
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import Extend, Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.terms import Term
from mai.spec.record import record

BEFORE, NOW, TOTAL = "turns_before", "turns_now", "turns_total"


@record
class SomeTurns:
    """How the interface of such a graph belongs together.

    before, now: the settings that say how many turns have been taken, and how many are to be.
    total: the output that says, for each example, how many there are; of one that a condition has ended, none that are left.
    states: for each input that is a state, the output that is its value for the next call. A first call reads none of them.
    results: the outputs that the whole graph has.
    """

    before: str
    now: str
    total: str
    states: dict[str, str]
    results: tuple[str, ...]


def refusal(graph: Graph) -> str | None:
    """Why an optimised graph cannot be computed in parts; None where it can."""
    loops = [node for node in graph.nodes if node.op is Loop]
    if graph.has(Extend) or any(Loop.of(node).tokens is not None for node in graph.walk() if node.op is Loop):
        return "it grows a text, whose turns are those of `stream`"
    if not loops:
        return "it has no loop, whose turns could be taken one by one"
    return _why_whole(max(loops, key=_work))


def some_turns(graph: Graph) -> tuple[Graph, SomeTurns]:
    """The graph that takes some turns of those loops that can be left between two of them; `refusal` says where there are none."""
    return _Division(graph).result()


def _work(loop: Node) -> int:
    return sum(1 for _ in loop.regions[0].walk())


def _why_whole(loop: Node) -> str | None:
    """Why a loop cannot be left between two turns; None where it can."""
    states = len(loop.inputs) - 1
    if Loop.of(loop).control is not None:
        return "its solver chooses its steps, so that nobody knows how many there are: take one of a number of steps"
    if len(loop.regions[0].outputs) > states:
        return "it keeps a path, all of whose rows one call gives: take an export that gives the end alone"
    if not all(_is_carried(v.type) for v in loop.regions[0].inputs[1:]):
        return "a state of its loop is the same for all examples, or grows"
    return None


def _is_carried(type: Type) -> bool:
    """Whether a state is one an example."""
    return bool(type.lead) and type.lead[0].size == symbol("batch")


class _Division:
    """One graph on its way: the loops whose turns are divided, and the interface that grows by them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.divided_loops = {n for n in graph.nodes if n.op is Loop and _why_whole(n) is None}
        self.taken = {*graph.settings, *graph.output_names, *(v.name for v in graph.inputs)}
        self.before = Value(Type(DType.INT), self._unused(BEFORE))
        self.now = Value(Type(DType.INT), self._unused(NOW))
        self.inputs: list[Value] = []
        self.states: list[tuple[str, str, Value]] = []  # The name of an input, that of an output, and its value.
        self.offset: Term | None = None
        self.unfinished: list[Term] = []

    def result(self) -> tuple[Graph, SomeTurns]:
        copied = copy_graph(self.graph, self._rule)
        total = self._total(Builder(copied), self._unused(TOTAL))
        copied.name = f"{self.graph.name}.step"
        copied.inputs += self.inputs
        for value, default in ((self.before, 0), (self.now, 1)):
            copied.settings[value.name] = Setting(value, default, default)
        copied.outputs += [*(value for _, _, value in self.states), total]
        copied.output_names += [*(after for _, after, _ in self.states), total.name]
        states = {before: after for before, after, _ in self.states}
        results = tuple(self.graph.output_names)
        return copied, SomeTurns(self.before.name, self.now.name, total.name, states, results)

    def _rule(self, copier: Copier, node: Node) -> bool:
        if node not in self.divided_loops:
            return False
        copier.bind(node, *self._part(copier, node))
        return True

    def _part(self, copier: Copier, node: Node) -> list[Value]:
        """The turns of one loop that fall into this call; its states after them."""
        builder, region = copier.builder, node.regions[0]
        count, *first = [Term(builder, copier[v]) for v in node.inputs]
        done = Term(builder, self.before) if self.offset is None else Term(builder, self.before) - self.offset
        begin = _within(done, count)
        end = _within(done + Term(builder, self.now), count)
        is_begun = done.emit(logic.Greater, 0)
        before = [self._state(builder, value) for value in region.inputs[1:]]
        start = [is_begun.where(Term(builder, old), new).value for old, new in zip(before, first, strict=True)]
        body = copier.region(region, lambda inputs: _later(builder, inputs, begin.value))
        last = builder.loop((end - begin).value, _counted(node), start, body)
        self.offset = count if self.offset is None else self.offset + count
        self._keep(builder, node, last)
        return list(last)

    def _state(self, builder: Builder, state: Value) -> Value:
        """The input that is a state: the batch first, other lead axes as axes of its shape."""
        type, inner = state.type, state.type.lead[1:]
        shape = (*(axis.size for axis in inner), *type.shape)
        value = Value(Type(type.dtype, shape, type.lead[:1], type.classes), self._unused(state.name or "state"))
        self.inputs.append(value)
        return builder.lead(value, inner) if inner else value

    def _keep(self, builder: Builder, node: Node, last: Iterable[Value]) -> None:
        """The states after the turns become outputs."""
        values = list(last)
        names = [v.name for v in self.inputs[-len(values) :]]
        for name, value in zip(names, values, strict=True):
            inner = len(value.type.lead) - 1
            self.states.append((name, self._unused(f"{name}_next"), builder.unlead(value, inner) if inner else value))
        if Loop.of(node).stops:
            self.unfinished.append(Term(builder, values[0]))

    def _total(self, builder: Builder, name: str) -> Value:
        """How many turns there are, one an example."""
        assert self.offset is not None, "a loop is divided"
        total = Term(builder, self.offset.value)
        taken = Term(builder, self.before) + Term(builder, self.now)
        if self.unfinished and len(self.divided_loops) == 1:
            goes_on = Term(builder, self.unfinished[0].value)
            total = goes_on.where(total, total.emit(el.Minimum, taken))
        lead = self.inputs[0].type.lead
        spread = builder.spread(total.value, lead)
        spread.name = name
        return spread

    def _unused(self, stem: str) -> str:
        return unused_name(stem, self.taken)


def _later(builder: Builder, inputs: list[Value], begin: Value) -> list[Value]:
    """The number of a turn and the states, in a body whose first turn has the number `begin`."""
    turn, *states = inputs
    return [builder.emit(el.Add, turn, begin, name="turn"), *states]


def _counted(node: Node) -> Loop:
    """What is said of the loop, whose number of turns the call knows."""
    whole = Loop.of(node)
    return Loop(None, fresh=False, stops=whole.stops, until=whole.until, limit=whole.limit)


def _within(turns: Term, count: Term) -> Term:
    return turns.emit(el.Maximum, 0).emit(el.Minimum, count)
