"""Choices between two arrays on one condition for all examples, of which a file computes the one that is chosen.

`where(c, x, y)` becomes an `If` in a file. What nothing but one of its branches reads is then moved there (`onnx/layout/lazy.py`).
That pays where products are spared, so anything less stays a `Where`, which the runtime fuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.products.convolution import ConvTranspose
from mai.compiler.ops.work import PRODUCTS

Branch = tuple[Value, int]  # The condition of a choice, and the place of the operand that is chosen.


def choices(graph: Graph) -> frozenset[Node]:
    """The choices of which a branch alone reads products."""
    return frozenset(node for region in _regions(graph) for node, *_ in _branches(region.nodes, region.outputs))


def spared(nodes: list[Node], outputs: list[Value]) -> dict[Node, tuple[Branch, ...]]:
    """The nodes of a region that single branches of choices alone read, each with these branches, the outermost first."""
    found: dict[Node, tuple[Branch, ...]] = {}
    for choice, place, alone in reversed([*_branches(nodes, outputs)]):
        for node in alone:
            found[node] = (*found.get(node, ()), (choice.inputs[0], place))
    return found


def _regions(graph: Graph) -> Iterator[Region]:
    """The graph and its regions, where there may be a choice."""
    if graph.has(Where):
        yield graph
        yield from (region for node in graph.walk() for region in node.regions)


def _branches(nodes: list[Node], outputs: list[Value]) -> Iterator[tuple[Node, int, set[Node]]]:
    """The choices that spare products, each with the place of an operand and what nothing but choices on its condition needs."""
    leaving = set(outputs)
    found = [node for node in nodes if _is_choice(node)]
    for node in found:
        alike = [other for other in found if other.inputs[0] is node.inputs[0]]
        if alike[0] is not node:
            continue
        for place in (1, 2):
            alone = _alone(nodes, alike, place, leaving)
            if any(n.op in PRODUCTS or n.op is ConvTranspose or n.regions for n in alone):
                yield from ((choice, place, alone) for choice in alike)


def _is_choice(node: Node) -> bool:
    """Whether a node chooses one of two arrays as a whole."""
    if node.op is not Where:
        return False
    condition, x, y = (v.type for v in node.inputs)
    is_one = not condition.lead and not condition.shape
    return is_one and x == y == node.output.type and x.dtype is DType.REAL and bool(x.lead)


def _alone(nodes: list[Node], alike: list[Node], place: int, leaving: set[Value]) -> set[Node]:
    """The nodes that nothing but an operand of choices needs, the one at this place."""
    alone: set[Node] = set()
    for node in reversed(nodes):
        readers = {use for v in node.outputs for use in v.uses}
        leaves = not readers or not leaving.isdisjoint(node.outputs)
        if not leaves and all(r in alone or (r in alike and _reads_at(r, node, place)) for r in readers):
            alone.add(node)
    return alone


def _reads_at(reader: Node, node: Node, place: int) -> bool:
    """Whether all that a node reads of another is the operand at this place."""
    return all(v.producer is not node or i == place for i, v in enumerate(reader.inputs))
