"""Whole numbers where an index or a label is needed: integers, and reals that are whole whatever the inputs are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.tables import numbers_of
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Constant, Nested
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.clip import Clip
from mai.compiler.ops.elementwise.conversion import StopGradient, ToInt, ToReal
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.elementwise.rounding import ROUNDINGS
from mai.compiler.ops.products.product import Einsum, Matmul
from mai.compiler.ops.ranges import ANYTHING, Range, range_of, written
from mai.compiler.ops.reductions.prod import Prod
from mai.compiler.ops.reductions.running import Cumprod, Cumsum
from mai.compiler.ops.reductions.sums import Max, Min, Sum
from mai.compiler.ops.shapes import shape as sh
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Pick, Shift, Slice, Take
from mai.compiler.ops.shapes.tile import Tile
from mai.spec.diagnostics import Edit
from mai.spec.source import Span

ALWAYS: frozenset[type[Operation]] = frozenset({*ROUNDINGS, el.Sign, el.FloorDivide, ToReal})
# What makes whole numbers of whole numbers: of all its operands, or of those after the first, a condition, or before the last, an index.
OF_ALL: frozenset[type[Operation]] = frozenset(
    {el.Add, el.Subtract, el.Multiply, el.Negative, el.Absolute, el.Maximum, el.Minimum, el.Modulo, Clip, StopGradient, Sum, Max, Min,
     Prod, Cumsum, Cumprod, sh.Reshape, sh.Transpose, sh.Concat, sh.Stack, sh.Expand, sh.Unsqueeze, sh.Squeeze, Tile, Flip, Slice, Shift,
     Matmul, Einsum}
)  # fmt: skip
OF_REST = frozenset({Where})
OF_FIRST = frozenset({Take, Pick, Gather})
DEPTH, LARGEST_LABEL = 100, 2**31  # How many operations are looked at behind a label, and what a label may be.
CHOOSE = "shapes are fixed: choose with `where(c, a, b)`"
INDEX = "an index is a whole number"
ROUND = "`int(x)` cuts a number to a whole one, `floor(x)` and `round(x)` give one"


def is_whole(e: Context, value: Value) -> bool:
    """Whether every element is a whole number, by what computes it: `floor(9 * t) + 1` is, and a sum of truths."""
    e.looks_behind += value.type.dtype is DType.REAL
    seen, waiting = {value}, [value]
    while waiting:
        sources = _sources(waiting.pop())
        if sources is None:
            return False
        waiting += set(sources) - seen
        seen.update(sources)
    return True


def _sources(value: Value) -> Sequence[Value] | None:
    """The values that must be whole for this one to be: none for one that is; None for one that need not be, whatever they are."""
    node = value.producer
    if value.type.dtype is not DType.REAL:
        return () if value.type.dtype is DType.INT else None
    if node is None:
        return None
    if node.op in ALWAYS or (node.op is Constant and _are_whole(Constant.of(node).value)):
        return ()
    if node.op in OF_FIRST:
        return node.inputs[:1]
    if node.op in OF_REST:
        return node.inputs[1:]
    return node.inputs if node.op in OF_ALL else None


def _are_whole(value: Nested) -> bool:
    return all(float(number).is_integer() for number in numbers_of(value))


def whole(e: Context, binding: Binding, span: Span, needed: str = INDEX, edits: Sequence[Edit] = ()) -> Value:
    """An index: a tensor of whole numbers. Raises `Stop` for one whose numbers need not be whole; `edits` may mend it."""
    value = e.value(binding, span)
    if value.type.dtype is DType.INT:
        return value
    if is_whole(e, value):
        return e.emit(ToInt, value, name=value.name)
    what, help = ("true or false", CHOOSE) if value.type.dtype is DType.BOOL else ("real", ROUND)
    raise e.fail("dtype-mismatch", span, f"{needed}, this is {what}", help=help, edits=edits)


def labelled(result: Value, parts: Sequence[Binding]) -> Value:
    """A result that has nothing but elements of its `parts`, as labels: of as many classes as the part with the most."""
    if result.type.dtype is not DType.INT:
        return result
    classes = [_classes(part) for part in parts]
    if all(isinstance(c, int) for c in classes):
        result.type = replace(result.type, classes=max(c for c in classes if isinstance(c, int)))
    return result


def _classes(part: Binding) -> Size | None:
    """How many labels there must be for all numbers of a value to be some of them; None where they need not be labels."""
    if isinstance(part, Value):
        return part.type.classes
    if isinstance(part, list):
        own = [_classes(item) for item in part]
        return (
            max((c for c in own if isinstance(c, int)), default=None) if all(isinstance(c, int) for c in own) else None
        )
    return part + 1 if isinstance(part, int) and not isinstance(part, bool) and part >= 0 else None


def count_labels(e: Context, value: Value) -> Value:
    """Integers as labels, of as many classes as what computes them leaves: five, `clip(i - j, -2, 2) + 2`. As they are, if it leaves any."""
    if value.type.classes is not None:
        return value
    e.looks_behind += 1
    low, high = _range_of(value, {}, DEPTH)
    if low < 0 or high > LARGEST_LABEL:
        return value
    label = e.builder.lead(value, ())
    label.type = replace(label.type, classes=int(high) + 1)
    return label


def _range_of(value: Value, ranges: dict[Value, Range], depth: int) -> Range:
    """Between which numbers a value lies, by the operations of which it is the result."""
    if value not in ranges:
        ranges[value] = _range_of_type(value.type) or _range_of_result(value.producer, ranges, depth) or ANYTHING
    return ranges[value]


def _range_of_type(type_: Type) -> Range | None:
    if isinstance(type_.classes, int):
        return 0.0, float(type_.classes - 1)
    return (0.0, 1.0) if type_.dtype is DType.BOOL else None


def _range_of_result(node: Node | None, ranges: dict[Value, Range], depth: int) -> Range | None:
    if node is None or not depth or len(node.outputs) > 1:
        return None
    if node.op is Constant:
        return written(Constant.of(node).value)
    return range_of(node, [_range_of(v, ranges, depth - 1) for v in node.inputs]) if node.inputs else None


def check_classes(e: Context, index: Value, size: Size, span: Span) -> None:
    """Refuse labels that are beyond an axis, or a family, of a size."""
    classes = index.type.classes
    if isinstance(classes, int) and isinstance(size, int) and classes > size:
        message = f"labels below {classes} do not fit an axis of {size}"
        raise e.fail("class-range", span, message, label=f"class[{classes}]")
