"""What can be said of a graph's constants and of the sizes of its tensors without computing with them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_view
from mai.compiler.ir.operation import describe
from mai.compiler.ir.structure import Constant, Nested, Structural
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.shape import Expand
from mai.spec.diagnostics import Diagnostic

LARGEST_TENSOR = 2**36  # Bytes of one tensor of one example: 64 GiB.
ITEM_BYTES = {DType.REAL: 4, DType.INT: 8, DType.BOOL: 1}
ARITHMETIC = (el.Add, el.Subtract, el.Multiply, el.Divide, el.Negative, el.ToReal, logic.Equal, logic.Where, Expand)
USUAL = 1e6  # A few operations of `ARITHMETIC` on numbers between 1 / USUAL and USUAL stay within float32.


def known_bytes(value: Value) -> int:
    """The bytes of a value in a file, as far as its sizes are known: of one example, with every free size 1."""
    return prod(s for s in value.type.physical if isinstance(s, int)) * ITEM_BYTES[value.type.dtype]


def enormous(graph: Graph, limit: int) -> Iterator[Diagnostic]:
    """The first tensor of more than `limit` bytes."""
    for node in graph.walk():
        for value in node.outputs:
            if known_bytes(value) > limit:
                message = f"this is {describe(value.type.shape)}, {known_bytes(value) / 1e9:,.0f} GB for each example"
                yield Diagnostic("dimension-too-large", node.span, message, label="too large")
                return


def may_overflow(graph: Graph) -> bool:
    """Whether operations on constants alone may leave float32, so that they are worth computing."""
    constants: set[Value] = set()
    for node in graph.walk():
        if node.op is Constant:
            constants.add(node.output)
        elif _is_computed(node) and constants.issuperset(node.inputs):
            constants.add(node.output)
            if not is_view(node) and (node.op not in ARITHMETIC or any(map(_is_extreme, node.inputs))):
                return True
    return False


def _is_computed(node: Node) -> bool:
    """Whether one result follows from operands, and from nothing else."""
    follows = is_view(node) if issubclass(node.op, Structural) else not issubclass(node.op, Draw)
    return follows and bool(node.inputs) and len(node.outputs) == 1


def _is_extreme(value: Value) -> bool:
    node = value.producer
    return node is not None and node.op is Constant and not _is_usual(Constant.of(node).value)


def _is_usual(value: Nested) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_usual, value))
    return value == 0 or 1 / USUAL <= abs(value) <= USUAL
