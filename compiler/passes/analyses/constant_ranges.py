"""Between which numbers constants lie, so that `mai check` computes with few of them, and loads numpy for few files."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_view
from mai.compiler.ir.structure import Constant, Structural
from mai.compiler.ir.types import DType
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.ranges import LARGEST, SMALLEST, Range, range_of, written
from mai.compiler.ops.shapes.indexing import Iota

LARGEST_WHOLE = 9e18  # Within int64.


def may_overflow(graph: Graph) -> bool:
    """Whether operations on constants alone may leave float32, or give no number, so that they are worth computing."""
    return not ranges_of(graph)[1]


def ranges_of(graph: Graph) -> tuple[dict[Value, Range], bool]:
    """The ranges of what constants alone decide, up to the first that is not known to be usual; whether all are."""
    ranges: dict[Value, Range] = {}
    for node in graph.walk():
        if node.op is Constant:
            ranges[node.output] = written(Constant.of(node).value)
        elif (count := known_count(node)) is not None:
            ranges[node.output] = 0.0, float(count)
        elif _is_computed(node) and all(v in ranges for v in node.inputs):
            result = range_of(node, [ranges[v] for v in node.inputs])
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
