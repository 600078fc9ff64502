"""The turns of a `repeat` with weights of its own, found again in straight-line code: each becomes a module.

What a turn begins with is then all that has to be kept of it for derivatives, the rest being computed again (Chen et al. 2016); and its
weights are needed only while it runs. A turn begins where the code passes on the fewest values: cutting there costs least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, fx
from torch.utils.checkpoint import checkpoint

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.interpreter import is_leaf
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ops.reductions.norm import BatchNorm
from mai.spec.record import record

Code = fx.GraphModule
OUTERMOST_TURN = re.compile(r".*?\brepeat_\d+\.\d+(?=\.)")  # In the name of a weight.


@record
class Run:
    """The nodes numbered `start` to `stop`; those of a turn read the weights of its `group`."""

    start: int
    stop: int
    group: str | None


class Turn(torch.nn.Module):
    """A turn's code, which reads the weights of its `group`. With `again`, it is computed again for derivatives instead of being kept."""

    def __init__(self, body: Code, group: str, again: bool) -> None:
        super().__init__()
        self.body, self.group, self.again = body, group, again
        self.around: Callable[..., tuple[Tensor, ...]] | None = None

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """What the turn gives; `around` runs it where its weights are in parts."""
        if self.around is not None:
            return self.around(*arguments)
        return computed_again(self.body, *arguments) if self.again else self.body(*arguments)


def computed_again(body: Callable[..., tuple[Tensor, ...]], *arguments: Tensor) -> tuple[Tensor, ...]:
    """What a body gives, of which only the arguments are kept for derivatives. Draws are functions of their numbers, so there is no state."""
    if not torch.is_grad_enabled():
        return body(*arguments)
    return checkpoint(body, *arguments, use_reentrant=False, preserve_rng_state=False)  # type: ignore[no-any-return]


@fx.wrap
def turn(body: Turn, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A turn, on what it reads from before it."""
    return body(*arguments)  # type: ignore[no-any-return]


def groups_of(graph: Graph) -> dict[str, str]:
    """The turn that each weight of a prepared graph is of: `f.repeat_1.3` of `f.repeat_1.3.linear_1.weight`; the outermost."""
    matches = {name: OUTERMOST_TURN.match(name) for name in graph.weights}
    return {name: match.group() for name, match in matches.items() if match is not None}


def loose(graph: Graph, groups: Mapping[str, str]) -> set[str]:
    """The turns whose weights are read together with those of others."""
    read = [set(_groups_read(node, groups)) for node in graph.nodes if not is_leaf(node)]
    return {group for each in read if len(each) > 1 for group in each if group is not None}


def keeps_state(region: Region) -> bool:
    """Whether computing a region twice is another thing than computing it once: a `batch_norm` moves its running statistics."""
    return any(node.op is BatchNorm and node.attributes["training"] for node in region.walk())


def runs(graph: Graph, groups: Mapping[str, str]) -> list[Run]:
    """A prepared graph's nodes, in their order, as turns and what is between them."""
    turns = _meet(_readers(graph.nodes, groups), _crossing(graph))
    count = len(graph.nodes)
    between = [(a.stop, b.start) for a, b in pairwise([Run(0, 0, None), *turns, Run(count, count, None)])]
    plain = [Run(start, stop, None) for start, stop in between if start < stop]
    return sorted([*turns, *plain], key=lambda run: run.start)


def region_of(graph: Graph, run: Run) -> Region:
    """A run's nodes with the constants and weights that they read, and what they give to others."""
    nodes = [node for node in graph.nodes[run.start : run.stop] if not is_leaf(node)]
    outside = (*graph.nodes[: run.start], *graph.nodes[run.stop :])
    read = {v for node in outside for v in node.reads()} | set(graph.outputs)
    outputs = [value for node in nodes for value in node.outputs if value in read]
    return Region([], [*leaves_of(nodes), *nodes], outputs)


def leaves_of(nodes: Sequence[Node]) -> list[Node]:
    """The constants and weights that some nodes read."""
    producers = dict.fromkeys(value.producer for node in nodes for value in node.reads())
    own = {inner for node in nodes for region in node.regions for inner in region.walk()}
    return [node for node in producers if node is not None and is_leaf(node) and node not in own]


def _readers(nodes: Sequence[Node], groups: Mapping[str, str]) -> list[Run]:
    """Where the weights of each turn are read: from the first reader to the last before another turn's."""
    readers: list[Run] = []
    for place, node in enumerate(nodes):
        read: set[str | None] = set() if is_leaf(node) else set(_groups_read(node, groups))
        if not read:
            continue
        group = read.pop() if len(read) == 1 else None
        if readers and readers[-1].group == group:
            readers[-1] = Run(readers[-1].start, place + 1, group)
        else:
            readers.append(Run(place, place + 1, group))
    return readers


def _groups_read(node: Node, groups: Mapping[str, str]) -> Iterator[str | None]:
    """The turns of the weights that a node reads; None for a weight of no turn."""
    inside = (inner for region in node.regions for inner in region.walk())
    for each in (*(v.producer for v in node.inputs), *inside):
        if each is not None and each.op is WeightOf:
            yield groups.get(WeightOf.of(each).weight)


def _meet(turns: Sequence[Run], crossing: Sequence[int]) -> list[Run]:
    """Turns that follow each other, each beginning where the fewest values are passed on; without what reads those of several."""
    starts = [run.start for run in turns]
    stops = [run.stop for run in turns]
    for place, (before, after) in enumerate(pairwise(turns)):
        if before.group is not None and after.group is not None:
            cut = min(range(before.stop, after.start + 1), key=lambda at: (crossing[at], at))
            stops[place] = starts[place + 1] = cut
    return [
        Run(start, stop, run.group)
        for run, start, stop in zip(turns, starts, stops, strict=True)
        if run.group is not None
    ]


def _crossing(graph: Graph) -> list[int]:
    """How many values the nodes before each place pass on to those from there on."""
    count = len(graph.nodes)
    last: dict[Value, int] = {}
    for place, node in enumerate(graph.nodes):
        last |= dict.fromkeys(node.reads(), place)
    last |= dict.fromkeys(graph.outputs, count)
    changes = [0] * (count + 2)
    for place, node in enumerate(graph.nodes):
        for value in node.outputs if not is_leaf(node) else ():
            changes[place + 1] += 1
            changes[last.get(value, place) + 1] -= 1
    return list(accumulate(changes))[: count + 1]
