"""Finds the values of which only the last token's row is needed, such as those in the head of a language model."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.structure import VIEWS
from mai.compiler.ops.shapes.indexing import Pick
from mai.compiler.passes.text.growing_axes import GrowingAxes

LAST, ALL = 1, 2


def needs(region: Region, g: GrowingAxes) -> dict[Value, int]:
    """LAST or ALL for every value that the outputs of a region depend on."""
    need: dict[Value, int] = dict.fromkeys(region.outputs, ALL)
    for node in reversed(region.nodes):
        level = max(need.get(v, 0) for v in node.outputs)
        if not level:
            continue
        g.node = node
        levels = _operand_needs(node, level, g)
        for value, operand_level in zip(node.inputs, levels, strict=True):
            need[value] = max(need.get(value, 0), operand_level)
        if node.regions:
            need.update(dict.fromkeys(reading(node), ALL))
    return need


def looks_along(node: Node, axis: int) -> bool:
    """Whether an operation that keeps its shape looks along this very axis, as a softmax does."""
    return node.op.neutral is not None and node.attributes.get("axis") == axis


def _operand_needs(node: Node, level: int, g: GrowingAxes) -> list[int]:
    if node.op is Pick and node.attributes["index"] == -1 and g.grows(node.inputs[0], node.attributes["axis"]):
        return [LAST]
    follows = node.op in VIEWS or (node.op.along is not None and node.op.grown is None) or node.op is Pick
    axes = g.axes(node.output) if node.outputs else ()
    if level == ALL or not follows or not axes or node.regions or looks_along(node, axes[0]):
        return [ALL] * len(node.inputs)
    own = []
    for operand, value in enumerate(node.inputs):
        goes = [g.route(node, operand, axis) for axis in g.axes(value)]
        own.append(LAST if goes and all(to == axes[0] for to in goes) else ALL)
    return own
