"""A formula as data: points of a box and its values there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from mai.runtime.arrays import Array

    Evaluated = Array | float

MOST_VARIABLES = 1000
FUNCTIONS = ("sin", "cos", "tan", "tanh", "exp", "log", "sqrt", "abs", "sign")
OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
    ast.USub: "negative", ast.UAdd: "positive",
}  # fmt: skip


class FunctionSource(Source):
    """Points drawn evenly from a box and the value of a formula in x0, x1, ... there."""

    name: ClassVar[str] = "function"
    formula: str
    low: float = -1.0
    high: float = 1.0
    count: int = setting(default=4096, ge=2, le=MANY)

    def misfit(self) -> str | None:
        if self.low < self.high:
            return None
        return f"needs `low` below `high`, these are {self.low:g} and {self.high:g}"

    def columns(self, base: Path) -> dict[str, Column] | None:
        return {"x": Column((width_of(self.formula),), False), "y": Column((), False)}

    def read(self, request: Request) -> Reading:
        import numpy as np

        tree = _parse(self.formula)
        width = width_of(self.formula)
        x = request.generator().uniform(self.low, self.high, (self.count, width))
        try:
            y = np.broadcast_to(_value(tree.body, {f"x{i}": x[:, i] for i in range(width)}), (self.count,))
        except (OverflowError, RecursionError) as error:
            raise bad(f"the formula `{self.formula[:60]}` is too large") from error
        if not np.isfinite(y).all():
            raise bad(f"the formula `{self.formula}` is not finite everywhere on [{self.low}, {self.high}]")
        return Finite({"x": x, "y": y})


def width_of(formula: str) -> int:
    """How many of x0, x1, ... a formula speaks of."""
    return max((int(digits) for digits in re.findall(r"\bx(\d{1,4})\b", formula)), default=0) + 1


def _parse(text: str) -> ast.Expression:
    """The formula's tree; only numbers, x0, x1, ..., arithmetic and a few functions are allowed."""
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise bad(f"`{text}` is not a formula") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            _check_name(node.id)
    return tree


def _check_name(name: str) -> None:
    is_variable = name[:1] == "x" and name[1:].isdigit()
    if name not in FUNCTIONS and not is_variable:
        raise bad(f"`{name}` in a formula: there are x0, x1, ... and {', '.join(FUNCTIONS)}")
    if is_variable and int(name[1:]) > MOST_VARIABLES:
        raise bad(f"`{name}` in a formula: that is too many variables")


def _value(node: ast.AST, variables: Mapping[str, Array]) -> Evaluated:
    """The value of a formula's node, for all points at once."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in variables:
            return variables[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return _apply(OPERATORS[type(op)], _value(operand, variables))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _apply(OPERATORS[type(op)], _value(left, variables), _value(right, variables))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return _apply(name, _value(argument, variables))
    raise bad(f"`{ast.unparse(node)}` has no place in a formula")


def _apply(name: str, *operands: Evaluated) -> Evaluated:
    """numpy's function of a name; what is not finite is reported when all is computed."""
    import numpy as np

    function: Callable[..., Evaluated] = getattr(np, name)
    with np.errstate(all="ignore"):
        return function(*operands)
