"""Between which numbers constants lie, so that `mai check` computes with few of them, and loads numpy for few files."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import product

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_view
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Constant, Nested, Structural
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.exponential import Expm1, Log1p
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.reductions.truth import OfTruth
from mai.compiler.ops.shapes import shape
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.indexing import Iota, Pick, Slice
from mai.compiler.ops.shapes.tile import Tile

Range = tuple[float, float]
"""The least and the greatest number of a value, or less and more than these."""

SMALLEST, LARGEST = 1e-30, 3e38  # Within float32, however a sum is rounded.
LARGEST_WHOLE = 9e18  # Within int64.


def may_overflow(graph: Graph) -> bool:
    """Whether operations on constants alone may leave float32, or give no number, so that they are worth computing."""
    return not ranges_of(graph)[1]


def ranges_of(graph: Graph) -> tuple[dict[Value, Range], bool]:
    """The ranges of what constants alone decide, up to the first that is not known to be usual; whether all are."""
    ranges: dict[Value, Range] = {}
    for node in graph.walk():
        if node.op is Constant:
            ranges[node.output] = _written(Constant.of(node).value)
        elif (count := known_count(node)) is not None:
            ranges[node.output] = 0.0, float(count)
        elif _is_computed(node) and all(v in ranges for v in node.inputs):
            result = _range(node, [ranges[v] for v in node.inputs])
            if result is None or not (is_view(node) or _are_usual(result, node.output)):
                return ranges, False
            ranges[node.output] = result
    return ranges, True


def _is_computed(node: Node) -> bool:
    """Whether one result follows from operands, and from nothing else."""
    follows = is_view(node) if issubclass(node.op, Structural) else not issubclass(node.op, Draw)
    return follows and bool(node.inputs) and len(node.outputs) == 1


def known_count(node: Node) -> int | None:
    """How many integers a range has, where that is known; None for any other node."""
    count = node.output.type.shape[0] if node.op is Iota else None
    return count if isinstance(count, int) else None


def _are_usual(numbers: Range, value: Value) -> bool:
    largest = LARGEST if value.type.dtype is DType.REAL else LARGEST_WHOLE
    return all(number == 0 or SMALLEST <= abs(number) <= largest for number in numbers)


def _written(value: Nested) -> Range:
    if not isinstance(value, tuple):
        return float(value), float(value)
    if not isinstance(value[0], tuple):
        return float(min(value)), float(max(value))  # type: ignore[arg-type]  # A row has numbers alone.
    return _joined([*map(_written, value)])


# What gives numbers of its operands, and no other ones,
MOVING = (
    el.ToReal, el.StopGradient, el.Maximum, el.Minimum, shape.Expand, shape.Reshape, shape.Transpose, shape.Unsqueeze,
    shape.Squeeze, shape.Concat, shape.Stack, Slice, Pick, Flip, Tile,
)  # fmt: skip

# true or false, and what lies between two numbers whatever it is of,
TRUTHS = (logic.Comparison, logic.LogicalNot, OfTruth)
BETWEEN: Mapping[type[Operation], Range] = {el.Sin: (-1.0, 1.0), el.Cos: (-1.0, 1.0), el.Tanh: (-1.0, 1.0)}

# what takes its extremes at the extremes of its operands,
BY_CORNERS: Mapping[type[Operation], Callable[..., float]] = {
    el.Add: operator.add, el.Subtract: operator.sub, el.Multiply: operator.mul, el.Divide: operator.truediv,
    el.FloorDivide: operator.floordiv, el.Negative: operator.neg, el.Floor: math.floor, el.Sqrt: math.sqrt, el.Exp: math.exp, Expm1: math.expm1, el.Log: math.log,
    Log1p: math.log1p, el.Erf: math.erf,
}  # fmt: skip

# where its last operand lies between these, or anywhere.
POSITIVE, NEGATIVE = (SMALLEST, LARGEST), (-LARGEST, -SMALLEST)
DEFINED: Mapping[type[Operation], tuple[Range, ...]] = {
    el.Divide: (POSITIVE, NEGATIVE), el.FloorDivide: (POSITIVE, NEGATIVE), el.Log: (POSITIVE,), el.Sqrt: ((0.0, LARGEST),), el.Exp: ((-69.0, 88.0),),
    Expm1: ((-LARGEST, 88.0),), Log1p: ((-0.999, LARGEST),),
}  # fmt: skip


def _range(node: Node, operands: list[Range]) -> Range | None:
    """The range of a result; None where it is not known."""
    if is_view(node) or node.op in MOVING:
        return _joined(operands)
    if issubclass(node.op, TRUTHS):
        return _less(*operands) if node.op is logic.Less else (0.0, 1.0)
    if node.op is logic.Where:
        return _chosen(*operands)
    if node.op is red.Sum:
        return _sum(node, operands[0])
    if node.op in BETWEEN:
        return BETWEEN[node.op]
    if node.op is el.Modulo and _is_defined(el.Divide, operands[1]):
        return min(operands[1][0], 0.0), max(operands[1][1], 0.0)
    if node.op is red.Cumprod and operands[0][0] >= 0 and operands[0][1] <= 1:
        return 0.0, operands[0][1]
    if node.op is el.Absolute:
        low, high = operands[0]
        return max(low, -high, 0.0), max(-low, high)
    if node.op not in BY_CORNERS or not _is_defined(node.op, operands[-1]):
        return None
    results = [BY_CORNERS[node.op](*corner) for corner in product(*operands)]
    return min(results), max(results)


def _less(x: Range, y: Range) -> Range:
    """Whether one is below the other, as numbers."""
    return float(x[1] < y[0]), float(x[0] < y[1])


def _chosen(condition: Range, x: Range, y: Range) -> Range:
    """What a condition chooses between."""
    return {(1.0, 1.0): x, (0.0, 0.0): y}.get(condition) or _joined([x, y])


def _joined(ranges: Sequence[Range]) -> Range:
    """From the least number of all to the greatest."""
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def _is_defined(op: type[Operation], numbers: Range) -> bool:
    return op not in DEFINED or any(low <= numbers[0] and numbers[1] <= high for low, high in DEFINED[op])


def _sum(node: Node, numbers: Range) -> Range | None:
    """That of as many numbers as become one."""
    before, after = _elements(node.inputs[0]), _elements(node.output)
    if not before or not after:
        return None
    return before / after * numbers[0], before / after * numbers[1]


def _elements(value: Value) -> int | None:
    """How many numbers a value has, if that is known."""
    sizes = [size for size in value.type.physical if isinstance(size, int)]
    return math.prod(sizes) if len(sizes) == len(value.type.physical) else None
