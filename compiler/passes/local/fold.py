"""Constant folding: nodes that read constants alone are computed now, in double precision."""

from __future__ import annotations

from typing import Any

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import arguments_instead, copy_graph, read_instead, rewriting
from mai.compiler.ir.structure import Constant, Structural
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.conversion import Reusable, WithDerivative
from mai.compiler.ops.shapes.indexing import Iota

LARGEST = 65_536
NEUTRAL: dict[type[Operation], tuple[float, tuple[int, ...]]] = {
    el.Add: (0, (0, 1)), el.Subtract: (0, (1,)), el.Multiply: (1, (0, 1)), el.Divide: (1, (1,)),
}  # fmt: skip


def fold(graph: Graph) -> Graph:
    """No operation is left whose inputs are all constants, unless its result is large."""
    return fold_in_place(copy_graph(graph))


@rewriting(Constant, Iota, WithDerivative, Reusable)  # A range is the one operation that reads nothing.
def fold_in_place(graph: Graph) -> Graph:
    """The same, in a graph that may be changed."""
    same: dict[Value, Value] = {}
    _fold(graph, {}, same)
    graph.arguments = arguments_instead(graph, same)
    return graph


def _fold(region: Region, constants: dict[Value, Any], same: dict[Value, Value]) -> None:
    nodes, region.nodes = region.nodes, []
    for node in nodes:
        if node.regions or not same.keys().isdisjoint(node.inputs):
            read_instead(node, same, lambda inner: _fold(inner, constants, same))
        value = _neutral(node, constants) or _folded(region, node, constants)
        if value is None:
            region.nodes.append(node)
            if node.op is Constant:
                constants[node.output] = Constant.of(node).value
        else:
            same[node.output] = value
            node.drop()
    region.outputs = [same.get(v, v) for v in region.outputs]


def _folded(region: Region, node: Node, constants: dict[Value, Any]) -> Value | None:
    """The constant that stands in the place of a node that reads constants alone, put at the end of the region; None for another node."""
    if issubclass(node.op, Structural) or not all(v in constants for v in node.inputs) or not _small(node):
        return None
    value = _constant(Builder(region, node.span, node.scope), node, [constants[v] for v in node.inputs])
    constants[value] = Constant.of(region.nodes[-1]).value
    return value


def _small(node: Node) -> bool:
    size = 1
    for axis in node.output.type.physical:
        if not isinstance(axis, int):
            return False
        size *= axis
    return 0 < size <= LARGEST and len(node.outputs) == 1


def _neutral(node: Node, constants: dict[Value, Any]) -> Value | None:
    """x where a node is x + 0, x * 1 or x / 1, or an x of which derivatives and integrals, which are code by now, ask something."""
    inputs = node.inputs
    if node.op in (WithDerivative, Reusable) and inputs[0].type == node.output.type:
        return inputs[0]
    if node.op not in NEUTRAL:
        return None
    number, places = NEUTRAL[node.op]
    for place in places:
        other = inputs[1 - place]
        if constants.get(inputs[place]) == number and other.type == node.output.type and other not in constants:
            return other
    return None


def _constant(builder: Builder, node: Node, values: list[Any]) -> Value:
    import numpy as np

    from mai.compiler.ir.evaluate import DTYPES

    arrays = [np.asarray(c, DTYPES[v.type.dtype]) for c, v in zip(values, node.inputs, strict=True)]
    lead = {"lead": ()} if node.op.wants_lead else {}
    with np.errstate(all="ignore"):
        result = np.asarray(node.op.reference(np, *arrays, **node.attributes, **lead))
    value = builder.constant(_tuples(result.tolist()), node.output.type.dtype)
    value.name = node.output.name
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
