"""What is true of every graph between two passes, checked: a broken graph is a sentence at its node, not an error later on.

Order: a value is made once, before it is read, in a region around its reader. Types: a node's outputs are what its shape rule,
or its structural attributes, say. Lead axes: each once, outermost first. Regions: their inputs and outputs agree with the
node. Sizes: each symbol has a source in sight of whoever needs it. Uses: values know who makes and who reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import ShapeError, typed
from mai.compiler.ir.rewrite import symbols_in
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure_rules import region_faults, structural_outputs
from mai.compiler.ir.types import Type, join_leads


class InvalidGraph(Exception):
    """A pass left a graph that means nothing: a fault of the compiler, never of the program."""


def verify(graph: Graph, after: str = "") -> None:
    """Check a whole graph; `after` is the pass that made it, for the message.

    Raises:
        InvalidGraph: every fault, a sentence a line.
    """
    faults = list(_Check(graph).faults())
    if faults:
        title = f"graph `{graph.name}` is broken" + (f" after `{after}`" if after else "")
        raise InvalidGraph("\n".join([f"{title}:", *(f"  {fault}" for fault in faults)]))


def place_of(node: Node) -> str:
    """A node as a message names it: its operation, what it makes, its scope and its place in the text."""
    outputs = ", ".join(f"%{v.name}" for v in node.outputs)
    scope = f" in `{node.scope}`" if node.scope else ""
    at = f" ({node.span.source.path}:{node.span.line})" if node.span else ""
    return f"`{node.op.name}`, which makes {outputs}{scope}{at}"


class _Check:
    """One walk over a graph; `visible` are the values that the code at hand may read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.visible: set[Value] = set()
        self.once: set[Value] = set()
        self.everything = _made_anywhere(graph)
        self.sources = graph.sources

    def faults(self) -> Iterator[str]:
        here = f"graph `{self.graph.name}`"
        yield from self._define([*self.graph.inputs, *(s.value for s in self.graph.settings.values())], here)
        for value in self.sources.values():
            if value not in self.everything:
                yield f"%{value.name} is the source of a size, and nothing in the graph makes it"
        yield from self._code(self.graph, here)
        yield from _use_faults(self.graph)

    def _code(self, region: Region, here: str) -> Iterator[str]:
        for node in region.nodes:
            yield from self._node(node)
        yield from self._reads(region.outputs, f"what leaves {here}")

    def _node(self, node: Node) -> Iterator[str]:
        place = place_of(node)
        yield from self._reads(node.inputs, place)
        for region in node.regions:
            outer, self.visible = self.visible, set(self.visible)
            yield from self._define(region.inputs, f"the body of {place}")
            yield from self._code(region, f"the body of {place}")
            self.visible = outer
        yield from self._define(node.outputs, place)
        faults = [f"{fault}: {place}" for fault in region_faults(node)]
        yield from faults or self._types(node, place)
        yield from self._symbols(node, place)

    def _define(self, values: Iterable[Value], place: str) -> Iterator[str]:
        for value in values:
            if value in self.once:
                yield f"%{value.name} is made twice, the second time by {place}"
            self.once.add(value)
            self.visible.add(value)
            depths = [axis.depth for axis in value.type.lead]
            if depths != sorted(set(depths)):
                axes = ", ".join(axis.name for axis in value.type.lead)
                yield f"%{value.name} has the lead axes {axes}, which are not each once, outermost first: {place}"

    def _reads(self, values: Iterable[Value], place: str) -> Iterator[str]:
        for value in values:
            if value in self.visible:
                continue
            if value in self.once:
                yield f"%{value.name} is read outside of the body that makes it: {place}"
            elif value in self.everything:
                yield f"%{value.name} is read before it is made: {place}"
            else:
                yield f"%{value.name} is read, and nothing in the graph makes it: {place}"

    def _types(self, node: Node, place: str) -> Iterator[str]:
        try:
            expected = _expected(node, self.graph)
        except ShapeError as error:
            yield f"the shape rule refuses the operands, {error}: {place}"
            return
        except ValueError as error:
            yield f"{error}: {place}"
            return
        if len(expected) != len(node.outputs):
            yield f"there are {len(node.outputs)} outputs where {len(expected)} follow from the operands: {place}"
        for value, type_ in zip(node.outputs, expected, strict=False):
            if _bare(value.type) != _bare(type_):
                yield f"%{value.name} has the type {value.type}, and {type_} follows from the operands: {place}"

    def _symbols(self, node: Node, place: str) -> Iterator[str]:
        """Sizes that the node brings in: those of its attributes, and those of what it makes that no operand has.

        What a loop leaves may have a size that only its body can read, and so may values computed from it.
        """
        needed = set().union(*(symbols_in(value) for _, value in node.items()))
        if not node.regions:
            needed |= _sizes_of(node.outputs) - _sizes_of(node.inputs)
        for name in sorted(needed):
            source = self.sources.get(name)
            if source is None:
                yield f"the size {name} has no source in the graph: {place}"
            elif source not in self.visible:
                yield f"the size {name} is read from %{source.name}, which cannot be seen here: {place}"


def _expected(node: Node, graph: Graph) -> list[Type]:
    """The types that a node's outputs must have."""
    if node.structure is not None:
        return structural_outputs(node, graph)
    types = typed(node.op, [v.type for v in node.inputs], node.attributes)
    lead = join_leads([v.type for v in node.inputs])
    return [t.with_lead(lead) for t in (types if isinstance(types, tuple) else (types,))]


def _sizes_of(values: Iterable[Value]) -> set[str]:
    return {name for v in values for size in v.type.physical if not isinstance(size, int) for name in symbols(size)}


def _bare(type_: Type) -> tuple[object, ...]:
    """A type without `classes`, which a pass may know better than a shape rule."""
    return type_.dtype, type_.shape, type_.lead


def _use_faults(graph: Graph) -> Iterator[str]:
    """Whether values know who makes and who reads them."""
    uses: dict[Value, Counter[Node]] = {}
    for node in graph.walk():
        for value in node.outputs:
            if value.producer is not node:
                yield f"%{value.name} does not know that it is made by {place_of(node)}"
        for value in node.operands():
            uses.setdefault(value, Counter())[node] += 1
    for value in _made_anywhere(graph):
        for node in {*value.uses, *uses.get(value, ())}:
            recorded, counted = value.uses.get(node, 0), uses.get(value, Counter())[node]
            if recorded != counted:
                yield f"%{value.name} is read {counted} times and knows of {recorded}: {place_of(node)}"


def _made_anywhere(graph: Graph) -> set[Value]:
    settings = {s.value for s in graph.settings.values()}
    inside = {v for n in graph.walk() for v in (*n.outputs, *(i for r in n.regions for i in r.inputs))}
    return settings | set(graph.inputs) | inside
