"""The order in which the nodes of a region are taken, so that those of several branches meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from mai.compiler.ir.graph import Node
from mai.compiler.passes.branches.candidates import follows, key_of, readers_of
from mai.compiler.passes.branches.stack import Key, Places

# What is done first: what waits for nothing, all branches of an operation, some, one; a product alone comes last.
FREE, ALL, SOME, ONE, PRODUCT, TAKEN = range(6)


class Merging(Protocol):
    """What copies nodes, one by itself or those of several branches as one."""

    @property
    def places(self) -> Places: ...

    def node(self, node: Node) -> None: ...

    def merge(self, members: Sequence[Node]) -> None: ...


@dataclass(slots=True)
class Group:
    """Nodes that can become one, a queue for each branch: one of each is taken at a time. There are `count` branches in all.

    `stacked`: the branches are those of a stack, in its order. Products have no order: any two that are ready make a pair.
    """

    count: int
    stacked: bool
    branches: dict[int, list[int]] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """How soon the group is done: the lower, the earlier."""
        if len(self.branches) > 1:
            return ALL if len(self.branches) >= self.count else SOME
        if not self.branches:
            return TAKEN
        return ONE if self.stacked else PRODUCT


class Agenda:
    """The nodes of a region, each taken once its inputs are there: Neubig et al. 2017, "On-the-fly operation batching".

    Products of one kind that are ready at the same time do not depend on each other, so what becomes one is never in a
    circle with something else. A node with a counterpart in another branch waits for it until there is nothing else to do.
    """

    def __init__(self, copier: Merging, nodes: list[Node], kinds: list[Key | None]) -> None:
        self.copier, self.listed, self.kinds = copier, nodes, kinds
        self.counts = Counter(kinds)
        self.groups: dict[Key, Group] = {}
        self.group_of: dict[int, Group] = {}
        self.heap: list[tuple[int, int]] = []
        self.readers = readers_of(nodes)
        self.missing = Counter(reader for read in self.readers for reader in read)

    def run(self) -> None:
        """Copy all nodes, each group of branches as one when as many as possible are ready."""
        for index in [i for i in range(len(self.listed)) if not self.missing[i]]:
            self._ready(index)
        while self.heap:
            rank, index = heappop(self.heap)
            group = self.group_of.get(index)
            if group is None:
                self._do([index])
            elif rank == group.rank:
                self._take(group)

    def _take(self, group: Group) -> None:
        taken = [group.branches[b].pop(0) for b in sorted(group.branches)]
        group.branches = {b: rest for b, rest in group.branches.items() if rest}
        for rest in group.branches.values():
            heappush(self.heap, (group.rank, rest[0]))
        self._do(taken)

    def _do(self, taken: list[int]) -> None:
        if len(taken) > 1:
            self.copier.merge([self.listed[i] for i in taken])
        else:
            self.copier.node(self.listed[taken[0]])
        for reader in [r for index in taken for r in self.readers[index]]:
            self.missing[reader] -= 1
            if not self.missing[reader]:
                self._ready(reader)

    def _ready(self, index: int) -> None:
        node, kind = self.listed[index], self.kinds[index]
        places = {self.copier.places[v] for v in node.inputs if v in self.copier.places}
        branches = {branch for _, branch in places}
        if len(branches) > 1 or not (branches or kind) or not follows(node):
            heappush(self.heap, (FREE, index))
            return
        key = key_of(node, self.copier.places) if places else kind
        group = self.groups.setdefault(
            key, Group(max((s.count for s, _ in places), default=self.counts[kind]), bool(places))
        )
        group.branches.setdefault(min(branches, default=index), []).append(index)
        self.group_of[index] = group
        heappush(self.heap, (group.rank, index))
