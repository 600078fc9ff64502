"""Several computations with the same weights, made one on a larger batch.

Classifier-free guidance (Ho and Salimans 2022) evaluates one net twice, with a label and without. Where both products with a
weight can be computed at the same time they become one of twice the rows, and so does what follows: the values of k branches
become a *stack*, one value whose batch axis is `branches`, k times the batch, so that an operation sees nothing but a larger
batch. What is equal in all branches is computed once, and repeated where it meets a stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush
from typing import Any

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, symbols_of
from mai.compiler.ir.sizes import Size, symbols
from mai.compiler.ir.structure import Lead, Structural, Unlead
from mai.compiler.ir.types import BATCH_DEPTH, Axis, Type, join_leads
from mai.compiler.ops.elementwise import Elementwise
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.ops.shapes.shape import Concat, Reshape
from mai.compiler.ops.work import known_sizes, size_of

PRODUCTS = (Affine, Conv, ConvTranspose)
# How often one example may use each weight, on average, for branches to become one batch. With guidance on one thread, each
# branch by itself takes so many times as long as both as one, for a batch of 1 / 8 / 64 (`python -m benchmarks.guided`):
#   an MLP, 1 use: 1.4 / 1.05 / 1.0         a transformer of 4 tokens: 1.3 / 1.1 / 0.99, of 8: 1.28 / 1.02 / 0.98,
#   U-Nets, 23 and 361 uses: 1.0 / 1.0 / 1.0      of 16: 1.1 / 1.0 / 0.95
# A product of up to four rows takes no longer than one of one: it waits for its weight. From some sixteen rows on, a row costs
# what it costs in a large batch, and larger activations leave the cache earlier.
MOST_USES = 8
# What is done first: what waits for nothing, all branches of an operation, some, one; a product alone comes last.
FREE, ALL, SOME, ONE, PRODUCT, TAKEN = range(6)
Key = Hashable
Known = Mapping[str, int]


def pair(graph: Graph) -> Graph:
    """Products of one weight that can be one are, where an example has few rows for each weight (`MOST_USES`)."""
    known = known_sizes(graph)
    bodies = [graph, *(region for node in graph.walk() for region in node.regions)]
    if not any(_kinds(body.nodes, known) for body in bodies):
        return graph
    return copy_graph(graph, copier=partial(Pairing, known))


@dataclass(eq=False, slots=True)
class Stack:
    """The values of `count` branches one after the other along the batch axis."""

    value: Value
    count: int


Places = Mapping[Value, tuple[Stack, int]]


class Pairing(Copier):
    """Copies regions; `places` says in which stack a value of the old graph lies, and as which branch."""

    def __init__(self, known: Known, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.known = known
        self.places: dict[Value, tuple[Stack, int]] = {}
        self.stacks: dict[tuple[Value, ...], Value] = {}

    def __getitem__(self, value: Value) -> Value:
        if value not in self.mapping and value in self.places:
            self.mapping[value] = self._picked(value)
        return super().__getitem__(value)

    def nodes(self, nodes: Iterable[Node]) -> None:
        listed, outer = list(nodes), self.stacks
        kinds = _kinds(listed, self.known)
        if not kinds:
            super().nodes(listed)
            return
        self.stacks = dict(outer)  # What a body stacks is not seen around it.
        Agenda(self, listed, kinds).run()
        self.stacks = outer

    def copy(self, node: Node) -> None:
        for value in reading(node) if node.regions else ():
            self[value]  # A body reads what stands around it.
        super().copy(node)

    def merge(self, members: Sequence[Node]) -> None:
        """An operation of several branches, as one."""
        first, batch = members[0], members[0].output.type.lead[0]
        self.builder.span, self.builder.scope = first.span, first.scope
        operands = enumerate(zip(*(n.inputs for n in members), strict=True))
        inputs = [self[v[0]] if place in first.op.unled else self._stacked(v, batch) for place, v in operands]
        made = self._emitted(first, inputs)
        made.name, made.type = first.output.name, replace(made.type, classes=first.output.type.classes)
        stack = Stack(made, len(members))
        self.places.update((n.output, (stack, branch)) for branch, n in enumerate(members))

    def _emitted(self, node: Node, inputs: list[Value]) -> Value:
        if node.op is Lead:
            return self.builder.lead(inputs[0], Lead.of(node).axes)
        if node.op is Unlead:
            return self.builder.unlead(inputs[0], Unlead.of(node).count)
        return self.builder.emit_all(node.op, inputs, node.attributes)[0]

    # ------------------------------------------------------------------ stacks

    def _stacked(self, values: tuple[Value, ...], batch: Axis) -> Value:
        """One value for all branches; what they share and what is one for all examples stays as it is."""
        if len(set(values)) == 1 and not values[0].type.batched:
            return self[values[0]]
        if values not in self.stacks:
            self.stacks[values] = self._joined(list(self._parts(values)), batch)
        return self.stacks[values]

    def _parts(self, values: tuple[Value, ...]) -> Iterator[Value]:
        """The values; neighbours in a stack in one piece."""
        begin = 0
        while begin < len(values):
            stack, first = self.places.get(values[begin], (None, 0))
            end = begin + 1
            while stack and end < len(values) and self.places.get(values[end]) == (stack, first + end - begin):
                end += 1
            if stack and end - begin > 1:
                yield self._piece(stack, first, end - begin)
            else:
                yield self[values[begin]]
            begin = end

    def _joined(self, parts: list[Value], batch: Axis) -> Value:
        if len(parts) == 1:
            return parts[0]
        inner = join_leads([p.type.with_lead(_inside(p.type)) for p in parts])
        full = [self.builder.spread(p, (p.type.lead[0] if p.type.batched else batch, *inner)) for p in parts]
        freed = [self.builder.unlead(p, 1 + len(inner)) for p in full]
        made = self.builder.emit(Concat, *freed, axis=-freed[0].type.rank, name=parts[0].name)
        return self.builder.lead(made, (_branches(made.type.shape[0]), *inner))

    def _picked(self, value: Value) -> Value:
        """The value of one branch."""
        (stack, branch), lead = self.places[value], value.type.lead
        apart = self._apart(stack)
        picked = self.builder.emit(Pick, apart, axis=-apart.type.rank, index=branch, name=value.name)
        return self.builder.lead(picked, lead)

    def _piece(self, stack: Stack, first: int, count: int) -> Value:
        """Some branches side by side in a stack, as a stack of their own."""
        if count == stack.count:
            return stack.value
        apart = self._apart(stack)
        bounds = {"start": first, "stop": first + count, "step": None}
        cut = self.builder.emit(Slice, apart, axis=-apart.type.rank, **bounds, name=stack.value.name)
        size = count * apart.type.shape[1]
        joined = self.builder.emit(Reshape, cut, shape=(size, *apart.type.shape[2:]), name=stack.value.name)
        return self.builder.lead(joined, (_branches(size), *stack.value.type.lead[1:]))

    def _apart(self, stack: Stack) -> Value:
        """[branch, example, ...]."""
        freed = self.builder.unlead(stack.value, len(stack.value.type.lead))
        size = freed.type.shape[0] // stack.count
        return self.builder.emit(Reshape, freed, shape=(stack.count, size, *freed.type.shape[1:]))


@dataclass(slots=True)
class Group:
    """Nodes that can be one, by branch: each branch has one at a time, its others follow. There are `count` branches in all.

    `stacked` says that the branches are those of a stack; those of products are whoever comes.
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

    def __init__(self, copier: Pairing, nodes: list[Node], kinds: list[Key | None]) -> None:
        self.copier, self.listed, self.kinds = copier, nodes, kinds
        self.counts = Counter(kinds)
        self.groups: dict[Key, Group] = {}
        self.group_of: dict[int, Group] = {}
        self.heap: list[tuple[int, int]] = []
        self.readers = _readers(nodes)
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
        held = {self.copier.places[v] for v in node.inputs if v in self.copier.places}
        branches = {branch for _, branch in held}
        if len(branches) > 1 or not (branches or kind) or not _follows(node):
            heappush(self.heap, (FREE, index))
            return
        key = _key(node, self.copier.places) if held else kind
        group = self.groups.setdefault(
            key, Group(max((s.count for s, _ in held), default=self.counts[kind]), bool(held))
        )
        group.branches.setdefault(min(branches, default=index), []).append(index)
        self.group_of[index] = group
        heappush(self.heap, (group.rank, index))


def _readers(nodes: list[Node]) -> list[list[int]]:
    """For each node, those that read what it makes."""
    maker = {v: index for index, node in enumerate(nodes) for v in node.outputs}
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for made_by in {maker[v] for v in reading(node) if v in maker}:
            readers[made_by].append(index)
    return readers


# ------------------------------------------------------------- what can be one


def _kinds(nodes: list[Node], known: Known) -> list[Key | None]:
    """For each node, what the products that become one have in common; None where there is no other. Empty if none pays.

    Beside the weight, they are as many such products away from the end: so the calls of one stage of a solver meet, and
    what a later stage needs, even if it could be computed now, does not come between.
    """
    products = [_product(n) for n in nodes]
    counts = Counter(p for p in products if p is not None)
    if max(counts.values(), default=0) < 2:
        return []
    distance = [0] * len(nodes)
    for index, readers in reversed(list(enumerate(_readers(nodes)))):
        distance[index] = max((distance[r] + (counts[products[r]] > 1) for r in readers), default=0)
    kinds: list[Key | None] = [None if p is None else (p, distance[i]) for i, p in enumerate(products)]
    alike = Counter(kinds)
    kinds = [kind if alike[kind] > 1 else None for kind in kinds]
    twins = [node for node, kind in zip(nodes, kinds, strict=True) if kind is not None]
    return kinds if twins and _uses_of_weights(twins, known) <= MOST_USES else []


def _product(node: Node) -> Key | None:
    """What products that can be one have in common."""
    return _key(node, {}) if node.op in PRODUCTS and _follows(node) else None


def _key(node: Node, places: Places) -> Key:
    """What nodes that can be one have in common: all but those inputs that can lie side by side."""
    attributes = tuple((k, repr(v)) for k, v in node.items())
    inputs = tuple(_operand(node, i, v, places) for i, v in enumerate(node.inputs))
    return node.op, attributes, inputs, node.output.type


def _operand(node: Node, operand: int, value: Value, places: Places) -> Key:
    if value in places:
        return places[value][0]
    one_for_all = not value.type.batched and not issubclass(node.op, Elementwise)
    return value if operand in node.op.unled or one_for_all else (value.type.dtype, value.type.shape)


def _follows(node: Node) -> bool:
    """Whether a node takes a larger batch: it treats each example alone, and does not speak of how many there are."""
    if len(node.outputs) != 1 or issubclass(node.op, Draw) or node.attributes.get("training"):
        return False
    made = node.output.type
    if not made.batched or (issubclass(node.op, Structural) and node.op not in (Lead, Unlead)):
        return False
    sizes = [*made.shape, *(a.size for a in _inside(made))]
    return not symbols_of(node).union(*map(symbols, sizes)) & symbols(made.lead[0].size)


def _uses_of_weights(products: Sequence[Node], known: Known) -> float:
    """How often one example uses a weight, on average: multiply-adds over weights."""
    sizes = [size_of(n.inputs[1].type.shape, known) for n in products]
    return sum(s * _rows(n, known) for s, n in zip(sizes, products, strict=True)) / sum(sizes)


def _rows(product: Node, known: Known) -> int:
    """The vectors, or pixels, of one example that a weight is multiplied with."""
    made = product.inputs[0].type if product.op is ConvTranspose else product.output.type
    places = made.shape[:-1] if product.op is Affine else made.shape[-2:]
    return size_of([*(a.size for a in _inside(made)), *places], known)


def _branches(size: Size) -> Axis:
    return Axis("branches", size, BATCH_DEPTH)


def _inside(type: Type) -> tuple[Axis, ...]:
    """The lead axes without the batch's."""
    return type.lead[1:] if type.batched else type.lead
