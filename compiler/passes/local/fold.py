"""Constant folding: nodes that read constants alone are computed now, in double precision."""

from __future__ import annotations

from typing import Any

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ir.structure import Constant, Structural
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.conversion import Reusable, WithDerivative
from mai.compiler.ops.shapes.indexing import Iota

LARGEST = 65_536
NEUTRAL: dict[type[Operation], tuple[float, tuple[int, ...]]] = {
    el.Add: (0, (0, 1)), el.Subtract: (0, (1,)), el.Multiply: (1, (0, 1)), el.Divide: (1, (1,)),
}  # fmt: skip


@rewriting(Constant, Iota, WithDerivative, Reusable)  # A range is the one operation that reads nothing.
def fold(graph: Graph) -> Graph:
    """No operation is left whose inputs are all constants, unless its result is large."""
    constants: dict[Value, Any] = {}

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is Constant:
            copier.copy(node)
            constants[copier[node.output]] = Constant.of(node).value
            return True
        inputs = [copier[v] for v in node.inputs]
        same = _neutral(node, inputs, constants)
        if same is not None:
            copier.bind(node, same)
            return True
        if issubclass(node.op, Structural) or not all(v in constants for v in inputs) or not _small(node):
            return False
        constant = _constant(copier.builder, node, [constants[v] for v in inputs])
        constants[constant] = Constant.of(copier.builder.region.nodes[-1]).value
        copier.bind(node, constant)
        return True

    return copy_graph(graph, rule)


def _small(node: Node) -> bool:
    size = 1
    for axis in node.output.type.physical:
        if not isinstance(axis, int):
            return False
        size *= axis
    return 0 < size <= LARGEST and len(node.outputs) == 1


def _neutral(node: Node, inputs: list[Value], constants: dict[Value, Any]) -> Value | None:
    """x where a node is x + 0, x * 1 or x / 1, or an x of which derivatives and integrals, which are code by now, ask something."""
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
