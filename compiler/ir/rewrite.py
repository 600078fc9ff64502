"""Copying code: the base of every pass. A pass makes a new graph and leaves the old one as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Setting, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Dim, symbols
from mai.compiler.ir.structure import Constant, Lead, Spread, Structural
from mai.compiler.ir.types import Axis, Type, join_leads

Mapping = dict[Value, Value]
Sizes = dict[str, tuple[Value, int] | Value]
Axes = dict[Axis, Axis]
Rule = Callable[["Copier", Node], bool]
P = ParamSpec("P")


def rewriting(
    *operations: type[Operation],
) -> Callable[[Callable[Concatenate[Graph, P], Graph]], Callable[Concatenate[Graph, P], Graph]]:
    """Makes a pass of a function from graph to graph: one that has none of these operations is given back as it is."""

    def decorated(change: Callable[Concatenate[Graph, P], Graph]) -> Callable[Concatenate[Graph, P], Graph]:
        @wraps(change)
        def changed(graph: Graph, /, *arguments: P.args, **options: P.kwargs) -> Graph:
            return change(graph, *arguments, **options) if graph.has(*operations) else graph

        return changed

    return decorated


class Copier:
    """Copies nodes into a builder's region under a mapping of values.

    `rule(copier, node)` may treat a node itself: it emits what it wants, binds the node's outputs, and returns True.
    `sizes` are those of the graph being made, for a rule that adds some. Values with a lead axis of `axes` get another one in
    its place.
    """

    def __init__(
        self, builder: Builder, mapping: Mapping | None = None, rule: Rule | None = None, sizes: Sizes | None = None,
        axes: Axes | None = None,
    ) -> None:  # fmt: skip
        self.builder = builder
        self.axes: Axes = {} if axes is None else axes
        self.sizes: Sizes = {} if sizes is None else sizes
        self.mapping: Mapping = {} if mapping is None else mapping
        self.rule = rule

    def __getitem__(self, value: Value) -> Value:
        return self.mapping.get(value, value)

    def bind(self, node: Node, *values: Value) -> None:
        """The copies of a node's outputs."""
        for old, new in zip(node.outputs, values, strict=True):
            self.mapping[old] = new

    def nodes(self, nodes: Iterable[Node]) -> None:
        """Copy nodes in their order."""
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        """Copy a node, unless the rule puts something else in its place."""
        self.builder.span, self.builder.scope = node.span, node.scope
        if self.rule is None or not self.rule(self, node):
            self.copy(node)

    def copy(self, node: Node) -> None:
        """The same node on the mapped inputs. Types follow from the inputs, so that lead axes may change."""
        inputs = [self[v] for v in node.inputs]
        same = [v.type for v in inputs] == [v.type for v in node.inputs]
        if same and not node.regions and not (self.axes and node.structure):
            self.bind(node, *self.builder.again(node, inputs))
            return
        if node.structure is not None:
            regions = [self.region(r) for r in node.regions]
            self.builder.span, self.builder.scope = node.span, node.scope
            types = [self._structural_type(node, v) for v in node.outputs]
            copies = self.builder.add(self._structure(node), inputs, types, regions).outputs
        else:
            copies = self.builder.emit_all(node.op, inputs, node.attributes)
        for old, new in zip(node.outputs, copies, strict=True):
            new.name = old.name
            if new.type.classes != old.type.classes:
                new.type = replace(new.type, classes=old.type.classes)
        self.bind(node, *copies)

    def _structural_type(self, node: Node, output: Value) -> Type:
        """The output's type, with the lead axes that the first input has gained."""
        type = self.retyped(output.type)
        if not node.inputs or node.regions:
            return type
        old, new = self.retyped(node.inputs[0].type), self[node.inputs[0]].type
        if new.lead == old.lead:
            return type
        gained = tuple(axis for axis in new.lead if axis not in old.lead)
        return type.with_lead(join_leads([type.with_lead(gained), type]))

    def _structure(self, node: Node) -> Structural:
        """A structural node's attributes, with the lead axes that it has here."""
        structure = node.structure
        assert structure is not None
        if self.axes and isinstance(structure, (Lead, Spread)):
            return replace(structure, axes=self._replaced(structure.axes))
        return structure

    def retyped(self, type: Type) -> Type:
        """A type with the lead axes that it has here."""
        return type.with_lead(self._replaced(type.lead)) if self.axes else type

    def _replaced(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        return tuple(self.axes.get(axis, axis) for axis in axes)

    def region(self, region: Region, begin: Callable[[list[Value]], list[Value]] = list) -> Region:
        """A copy of a region, its own values copied, those from outside mapped.

        `begin` may emit what comes first in it: from the copy's inputs, it gives what is read in the place of the region's.
        """
        inner = Region([Value(self.retyped(v.type), v.name) for v in region.inputs])
        outer, self.builder.region = self.builder.region, inner
        self.mapping.update(zip(region.inputs, begin(inner.inputs), strict=True))
        self.nodes(region.nodes)
        inner.outputs = [self[v] for v in region.outputs]
        self.builder.region = outer
        return inner


def copy_graph(graph: Graph, rule: Rule | None = None, copier: Callable[..., Copier] = Copier) -> Graph:
    """A copy of a graph, node by node by `rule`; `copier` makes what copies."""
    copied = _shell(graph)
    mapping: Mapping = dict(zip(graph.inputs, copied.inputs, strict=True))
    mapping.update((s.value, copied.settings[name].value) for name, s in graph.settings.items())
    copied.sizes.update(renewed_sizes(graph, mapping))
    copies = copier(Builder(copied), mapping, rule, copied.sizes)
    copies.nodes(graph.nodes)
    copied.outputs = [copies[v] for v in graph.outputs]
    copied.arguments = arguments_instead(graph, mapping)
    copied.sizes.update({n: s for n, s in renewed_sizes(graph, mapping).items() if n not in copied.sizes})
    return copied


def read_instead(node: Node, same: Mapping, change: Callable[[Region], None]) -> None:
    """Let a node of a graph that may be changed read the values that stand in the place of others; `change` does what is to be done in its regions."""
    node.unlink()
    node.inputs = tuple([same.get(v, v) for v in node.inputs])
    for region in node.regions:
        change(region)
    node.link()


def arguments_instead(graph: Graph, same: Mapping) -> dict[str, dict[Value, str]]:
    """What the nets of a graph are called with, where values stand in the place of others."""
    return {net: {same.get(v, v): name for v, name in names.items()} for net, names in graph.arguments.items()}


def renewed_sizes(graph: Graph, mapping: Mapping) -> Sizes:
    """Where sizes are read in the copy: from inputs and settings, and from inputs of bodies once those are copied."""
    sources = {n: s if isinstance(s, tuple) else (s, None) for n, s in graph.sizes.items()}
    renewed = {n: (mapping[v], axis) for n, (v, axis) in sources.items() if v in mapping}
    return {n: v if axis is None else (v, axis) for n, (v, axis) in renewed.items()}


def _shell(graph: Graph) -> Graph:
    """A graph with the same interface and no code."""
    return Graph(
        inputs=[Value(v.type, v.name) for v in graph.inputs],
        name=graph.name,
        settings={n: _renewed(s) for n, s in graph.settings.items()},
        weights=dict(graph.weights),
        output_names=list(graph.output_names),
        one_turn=graph.one_turn,
    )


def _renewed(setting: Setting) -> Setting:
    return replace(setting, value=Value(setting.value.type, setting.value.name))


def made_in(region: Region) -> set[Value]:
    """The values that a region makes, nested regions and inputs included."""
    values = set(region.inputs)
    for node in region.nodes:
        values.update(node.outputs)
        for inner in node.regions:
            values |= made_in(inner)
    return values


def free_values(region: Region) -> list[Value]:
    """The values that a region reads and does not make, in the order of their first use."""
    inside = made_in(region)
    used = [v for node in region.nodes for v in node.reads()] + region.outputs
    return [v for v in dict.fromkeys(used) if v not in inside]


def reading(node: Node) -> list[Value]:
    """What a node reads from around it: its inputs, and what its regions read from outside."""
    return [*node.inputs, *(v for r in node.regions for v in free_values(r))]


def nodes_for(nodes: Sequence[Node], outputs: Iterable[Value]) -> list[Node]:
    """The nodes that outputs are made by, in their order."""
    wanted, needed = set(outputs), []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            needed.append(node)
            wanted.update(reading(node))
    return needed[::-1]


def alone_for(nodes: Sequence[Node], leaving: Iterable[Value], is_end: Callable[[Node, Node], bool]) -> set[Node]:
    """The nodes whose results are read, and by nothing but others of these and readers that are their end: `is_end(reader, node)`."""
    alone, left = set[Node](), set(leaving)
    for node in reversed(nodes):
        readers = {use for v in node.outputs for use in v.uses}
        if readers and left.isdisjoint(node.outputs) and all(r in alone or is_end(r, node) for r in readers):
            alone.add(node)
    return alone


def reached(nodes: Iterable[Node], sources: Iterable[Value]) -> set[Value]:
    """The sources, and all values that nodes make from them."""
    values = set(sources)
    for node in nodes:
        if not values.isdisjoint(reading(node)):
            values.update(node.outputs)
    return values


def path_between(nodes: Sequence[Node], x: Value, value: Value) -> list[Node]:
    """The nodes by which a value is computed from x, in their order."""
    moved, needed = reached(nodes, [x]), {value}
    path = []
    for node in reversed(nodes):
        if any(v in needed and v in moved and v is not x for v in node.outputs):
            path.append(node)
            needed.update(reading(node))
    return path[::-1]


def symbols_of(node: Node) -> set[str]:
    """The sizes known only at run time that a node's attributes, or those of its regions, speak of."""
    own = set[str]() if node.op is Constant else set().union(*(symbols_in(value) for _, value in node.items()))
    return own.union(*(symbols_of(inner) for region in node.regions for inner in region.nodes))


def symbols_in(attribute: object) -> set[str]:
    """The sizes known only at run time in one attribute."""
    if isinstance(attribute, Dim):
        return symbols(attribute)
    if isinstance(attribute, Axis):
        return symbols_in(attribute.size)
    return set().union(*map(symbols_in, attribute)) if isinstance(attribute, tuple) else set()
