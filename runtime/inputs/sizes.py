"""Sizes that a file states as sums and products of others: `P + 2`, `2 * P`, `(P - 1) // 2`."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import SupportsInt

OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
}  # fmt: skip
NAME = re.compile(r"\b[^\W\d]\w*")


def computed_size(text: str, sizes: Mapping[str, SupportsInt]) -> int | None:
    """The size for those of its names; None where one is not known, or the text is no such size."""
    try:
        numbers = NAME.sub(
            lambda name: str(int(sizes[name[0]])), text
        )  # Some names are words of Python's own: `lambda`.
        return _value(ast.parse(numbers, mode="eval").body)
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError, RecursionError):
        return None


def _value(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_value(left), _value(right))
    raise ValueError("no size")
