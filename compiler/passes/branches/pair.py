"""Several computations with the same weights, made one on a larger batch.

Classifier-free guidance (Ho and Salimans 2022) evaluates one net twice, with a label and without. Where both products with a
weight can be computed at the same time they become one of twice the rows, and so does what follows: the values of k branches
become a *stack*, one value whose batch axis is `branches`, k times the batch, so that an operation sees nothing but a larger
batch. What is equal in all branches is computed once, and repeated where it meets a stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ir.types import Axis, join_leads
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.ops.shapes.shape import Concat, Reshape
from mai.compiler.ops.work import known_sizes
from mai.compiler.passes.branches.agenda import Agenda
from mai.compiler.passes.branches.candidates import PRODUCTS, Sizes, kinds_of
from mai.compiler.passes.branches.stack import Stack, branches_axis, inner_lead

# How often one example may use each weight, on average, for branches to become one batch. With guidance on one thread, each
# branch by itself takes so many times as long as both as one, for a batch of 1 / 8 / 64 (`python -m benchmarks.samplers.guided`):
#   an MLP, 1 use: 1.4 / 1.05 / 1.0         a transformer of 4 tokens: 1.3 / 1.1 / 0.99, of 8: 1.28 / 1.02 / 0.98,
#   U-Nets, 23 and 361 uses: 1.0 / 1.0 / 1.0      of 16: 1.1 / 1.0 / 0.95
# A product of up to four rows takes no longer than one of one: it waits for its weight. From some sixteen rows on, a row costs
# what it costs in a large batch, and larger activations leave the cache earlier.
MOST_USES = 8


def pair(graph: Graph) -> Graph:
    """Join the products that read the same weight and do not depend on each other, where an example has few rows for each weight (`MOST_USES`)."""
    readers = Counter(node.inputs[1] for node in graph.walk() if node.op in PRODUCTS)
    if max(readers.values(), default=0) < 2:
        return graph  # Each weight is read once.
    sizes = known_sizes(graph)
    if not any(kinds_of(body.nodes, sizes, MOST_USES) for body in graph.regions()):
        return graph
    return copy_graph(graph, copier=partial(Pairing, sizes))


class Pairing(Copier):
    """Copies regions; `places` says in which stack a value of the old graph lies, and as which branch."""

    def __init__(self, sizes: Sizes, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.known_sizes = sizes
        self.places: dict[Value, tuple[Stack, int]] = {}
        self.stacks: dict[tuple[Value, ...], Value] = {}

    def __getitem__(self, value: Value) -> Value:
        if value not in self.mapping and value in self.places:
            self.mapping[value] = self._picked(value)
        return super().__getitem__(value)

    def nodes(self, nodes: Iterable[Node]) -> None:
        listed, outer = list(nodes), self.stacks
        kinds = kinds_of(listed, self.known_sizes, MOST_USES)
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
        stacked = self._emitted(first, inputs)
        stacked.name, stacked.type = first.output.name, replace(stacked.type, classes=first.output.type.classes)
        stack = Stack(stacked, len(members))
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
        inner = join_leads([p.type.with_lead(inner_lead(p.type)) for p in parts])
        full = [self.builder.spread(p, (p.type.lead[0] if p.type.batched else batch, *inner)) for p in parts]
        freed = [self.builder.unlead(p, 1 + len(inner)) for p in full]
        joined = self.builder.emit(Concat, *freed, axis=-freed[0].type.rank, name=parts[0].name)
        return self.builder.lead(joined, (branches_axis(joined.type.shape[0]), *inner))

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
        return self.builder.lead(joined, (branches_axis(size), *stack.value.type.lead[1:]))

    def _apart(self, stack: Stack) -> Value:
        """[branch, example, ...]."""
        freed = self.builder.unlead(stack.value, len(stack.value.type.lead))
        size = freed.type.shape[0] // stack.count
        return self.builder.emit(Reshape, freed, shape=(stack.count, size, *freed.type.shape[1:]))
