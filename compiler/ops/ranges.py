"""Between which numbers a result lies, by those of its operands."""

from __future__ import annotations

import ctypes
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import product

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.interpreter import is_view
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Nested
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.clip import Clip
from mai.compiler.ops.elementwise.conversion import ToInt
from mai.compiler.ops.elementwise.exponential import Expm1, Log1p
from mai.compiler.ops.elementwise.rounding import Ceil, Round
from mai.compiler.ops.reductions.truth import OfTruth
from mai.compiler.ops.shapes import shape
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Pick, Slice, Take
from mai.compiler.ops.shapes.tile import Tile

Range = tuple[float, float]
"""The least and the greatest number of a value, or less and more than these."""

SMALLEST, LARGEST = 1e-30, 3e38  # Within float32, however a sum is rounded.
ANYTHING: Range = (-math.inf, math.inf)

# What gives numbers of its operands, and no other ones, or of the first one, whose places the others say,
MOVING = (
    el.ToReal, el.StopGradient, shape.Expand, shape.Reshape, shape.Transpose, shape.Unsqueeze, shape.Squeeze, shape.Concat,
    shape.Stack, Slice, Pick, Flip, Tile, red.Max, red.Min,
)  # fmt: skip
TAKING = (Take, Gather)

# true or false, and what lies between two numbers whatever it is of,
TRUTHS = (logic.Comparison, logic.LogicalNot, OfTruth)
BETWEEN: Mapping[type[Operation], Range] = {
    el.Sin: (-1.0, 1.0), el.Cos: (-1.0, 1.0), el.Tanh: (-1.0, 1.0), el.Sign: (-1.0, 1.0),
    el.Sigmoid: (0.0, 1.0), red.Softmax: (0.0, 1.0),
}  # fmt: skip

# what takes its extremes at the extremes of its operands,
BY_CORNERS: Mapping[type[Operation], Callable[..., float]] = {
    el.Add: operator.add, el.Subtract: operator.sub, el.Multiply: operator.mul, el.Divide: operator.truediv,
    el.FloorDivide: operator.floordiv, el.Negative: operator.neg, el.Floor: math.floor, Ceil: math.ceil, Round: round, ToInt: math.trunc, el.Maximum: max,
    el.Minimum: min, Clip: lambda x, low, high: min(max(x, low), high), el.Sqrt: math.sqrt, el.Exp: math.exp, Expm1: math.expm1,
    el.Log: math.log, Log1p: math.log1p, el.Erf: math.erf,
}  # fmt: skip
ROUNDING = (el.Floor, Ceil, Round, ToInt)
SUMS, INEXACT = (el.Add, el.Subtract), (el.Add, el.Subtract, el.Multiply, el.Divide)

# where its last operand lies between these, or anywhere.
POSITIVE, NEGATIVE = (SMALLEST, LARGEST), (-LARGEST, -SMALLEST)
DEFINED: Mapping[type[Operation], tuple[Range, ...]] = {
    el.Divide: (POSITIVE, NEGATIVE), el.FloorDivide: (POSITIVE, NEGATIVE), el.Log: (POSITIVE,), el.Sqrt: ((0.0, LARGEST),), el.Exp: ((-69.0, 88.0),),
    Expm1: ((-LARGEST, 88.0),), Log1p: ((-0.999, LARGEST),),
}  # fmt: skip


def range_of(node: Node, operands: Sequence[Range]) -> Range | None:
    """The range of a result; None where it is not known."""
    if is_view(node) or node.op in MOVING:
        return joined(operands)
    if node.op in TAKING:
        return operands[0]
    if issubclass(node.op, TRUTHS):
        return _less(*operands) if node.op is logic.Less else (0.0, 1.0)
    if node.op is logic.Where:
        return _chosen(*operands)
    if node.op in (red.Sum, red.Cumsum):
        return _sum(node, operands[0])
    if node.op in BETWEEN:
        return BETWEEN[node.op]
    if node.op is el.Modulo and _is_defined(el.Divide, operands[1]):
        return _rest(operands[1], node.output.type.dtype is DType.INT)
    if node.op is red.Cumprod and operands[0][0] >= 0 and operands[0][1] <= 1:
        return 0.0, operands[0][1]
    if node.op is el.Absolute:
        low, high = operands[0]
        return max(low, -high, 0.0), max(-low, high)
    return _of_corners(node, operands)


def _of_corners(node: Node, operands: Sequence[Range]) -> Range | None:
    op, is_exact = node.op, node.op not in INEXACT or node.output.type.dtype is DType.INT
    if op not in BY_CORNERS or not _is_defined(op, operands[-1]):
        return None
    if op in ROUNDING:
        operands = [_rounded(operands[0])]
        if not all(map(math.isfinite, operands[0])):
            return operands[0]
    results = [end for corner in product(*operands) for end in _ends(op, corner, is_exact)]
    return None if any(map(math.isnan, results)) else (min(results), max(results))


def _ends(op: type[Operation], numbers: tuple[float, ...], is_exact: bool) -> Range:
    """What an operation gives of numbers that float32 may have rounded, down and up: of 0.9 * 3 - 2.7 less than 0, too."""
    result = float(BY_CORNERS[op](*numbers))
    if is_exact or all(ctypes.c_float(number).value == number for number in (*numbers, result)):
        return result, result
    error = 1e-6 * max(map(abs, (*numbers, result) if op in SUMS else (result,)))
    return result - error, result + error


def _rounded(numbers: Range) -> Range:
    """Wider by the roundings of float32: a 6.9999999 may be a 7 there."""
    low, high = (0.0 if float(end).is_integer() else 1e-6 * abs(end) for end in numbers)
    return numbers[0] - low, numbers[1] + high


def _rest(divisor: Range, whole: bool) -> Range:
    """What a division leaves: nearer to 0 than the divisor, and of its sign."""
    low, high = min(divisor[0], 0.0), max(divisor[1], 0.0)
    return (min(low + 1, 0.0), max(high - 1, 0.0)) if whole else (low, high)


def _less(x: Range, y: Range) -> Range:
    """Whether one is below the other, as numbers."""
    return float(x[1] < y[0]), float(x[0] < y[1])


def _chosen(condition: Range, x: Range, y: Range) -> Range:
    """What a condition chooses between."""
    return {(1.0, 1.0): x, (0.0, 0.0): y}.get(condition) or joined([x, y])


def written(value: Nested) -> Range:
    """The range of a constant."""
    if not isinstance(value, tuple):
        return float(value), float(value)
    if not isinstance(value[0], tuple):
        return float(min(value)), float(max(value))  # type: ignore[arg-type]  # A row has numbers alone.
    return joined([*map(written, value)])


def joined(ranges: Sequence[Range]) -> Range:
    """From the least number of all to the greatest."""
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def _is_defined(op: type[Operation], numbers: Range) -> bool:
    return op not in DEFINED or any(low <= numbers[0] and numbers[1] <= high for low, high in DEFINED[op])


def _sum(node: Node, numbers: Range) -> Range | None:
    """That of as many numbers as become one, if these are known; those of a running sum are not."""
    before, after = _elements(node.inputs[0]), _elements(node.output)
    if not before or not after or node.op is red.Cumsum:
        return (0.0, math.inf) if numbers[0] >= 0 else None
    return before / after * numbers[0], before / after * numbers[1]


def _elements(value: Value) -> int | None:
    """How many numbers one example has, if that is known."""
    sizes = [size for size in value.type.shape if isinstance(size, int)]
    return math.prod(sizes) if len(sizes) == value.type.rank else None
