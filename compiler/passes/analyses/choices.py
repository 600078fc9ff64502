"""Choices between two arrays on one condition for all examples, of which a file computes the one that is chosen.

`where(c, x, y)` becomes an `If` in a file. What nothing but one of its branches reads is then moved there (`onnx/layout/lazy.py`).
That pays where products are spared, so anything less stays a `Where`, which the runtime fuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import alone_for
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.products.convolution import ConvTranspose
from mai.compiler.ops.work import PRODUCTS

Branch = tuple[Value, int]  # The condition of a choice, and the place of the operand that is chosen.


def choices(graph: Graph) -> frozenset[Node]:
    """The choices of which a branch alone reads products."""
    return frozenset(node for region in graph.regions() for node, *_ in _branches(region.nodes, region.outputs))


def spared(nodes: list[Node], outputs: list[Value]) -> dict[Node, tuple[Branch, ...]]:
    """The nodes of a region that single branches of choices alone read, each with these branches, the outermost first."""
    branches: dict[Node, tuple[Branch, ...]] = {}
    for choice, place, alone in reversed([*_branches(nodes, outputs)]):
        for node in alone:
            branches[node] = (*branches.get(node, ()), (choice.inputs[0], place))
    return branches


def _branches(nodes: list[Node], outputs: list[Value]) -> Iterator[tuple[Node, int, set[Node]]]:
    """The choices that spare products, each with the place of an operand and what nothing but choices on its condition needs."""
    by_condition: dict[Value, list[Node]] = {}
    for node in nodes:
        if _is_choice(node):
            by_condition.setdefault(node.inputs[0], []).append(node)
    for alike in by_condition.values():
        for place in (1, 2):
            alone = _alone(nodes, alike, place, outputs)
            if any(n.op in PRODUCTS or n.op is ConvTranspose or n.regions for n in alone):
                yield from ((choice, place, alone) for choice in alike)


def _is_choice(node: Node) -> bool:
    """Whether a node chooses one of two arrays as a whole."""
    if node.op is not Where:
        return False
    condition, x, y = (v.type for v in node.inputs)
    is_one = not condition.lead and not condition.shape
    return is_one and x == y == node.output.type and x.dtype is DType.REAL and bool(x.lead)


def _alone(nodes: list[Node], alike: list[Node], place: int, outputs: list[Value]) -> set[Node]:
    """The nodes that nothing but an operand of choices needs, the one at this place."""
    return alone_for(nodes, outputs, lambda reader, node: reader in alike and _reads_at(reader, node, place))


def _reads_at(reader: Node, node: Node, place: int) -> bool:
    """Whether all that a node reads of another is the operand at this place."""
    return all(v.producer is not node or i == place for i, v in enumerate(reader.inputs))
