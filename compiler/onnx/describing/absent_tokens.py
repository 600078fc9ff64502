"""Rows of tokens that may have places without one: a spec asks `x >= 0` of them, and reads `maximum(x, 0)` alone."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.structure import Constant
from mai.compiler.ops.elementwise.arithmetic import Maximum
from mai.compiler.ops.elementwise.logic import GreaterEqual


def may_be_absent(tokens: Value) -> bool:
    """Whether an input of tokens may hold -1: all that is asked of it is where it is at least 0, and the larger of it and 0."""
    asked = [node.op for node in tokens.uses]
    return GreaterEqual in asked and all(_is_beside_zero(node, tokens) for node in tokens.uses)


def _is_beside_zero(node: Node, tokens: Value) -> bool:
    others = [v for v in node.inputs if v is not tokens]
    if (
        node.op not in (GreaterEqual, Maximum)
        or len(others) != 1
        or (node.op is GreaterEqual and node.inputs[0] is not tokens)
    ):
        return False
    number = others[0].producer
    return number is not None and number.op is Constant and Constant.of(number).value == 0
