"""The comparisons of real numbers that decide a truth."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.logic import Comparison


def comparisons_of(region: Region, truth: Value) -> list[Node]:
    """The nodes of a region that compare real numbers and that a truth depends on, the last of them first."""
    own, seen, left = set(region.nodes), set(region.inputs), [truth]
    comparisons = []
    while left:
        value = left.pop()
        node = value.producer
        if value in seen or node is None or node not in own:
            continue
        seen.add(value)
        if issubclass(node.op, Comparison) and node.inputs[0].type.dtype is DType.REAL:
            comparisons.append(node)
        left += node.inputs
    return comparisons
