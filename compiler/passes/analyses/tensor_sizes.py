"""What can be said of the sizes of a graph's tensors without computing with them."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.types import DType
from mai.spec.diagnostics import Diagnostic

LARGEST_TENSOR = 2**36  # Bytes of one tensor of one example: 64 GiB.
ITEM_BYTES = {DType.REAL: 4, DType.INT: 8, DType.BOOL: 1}


def known_bytes(value: Value) -> int:
    """The bytes of a value in a file, as far as its sizes are known: of one example, with every free size 1."""
    return prod(s for s in value.type.physical if isinstance(s, int)) * ITEM_BYTES[value.type.dtype]


def describe_size(value: Value) -> str:
    """The shape of a value and its bytes, in words."""
    return f"{describe(value.type.shape)}, {known_bytes(value) / 1e9:,.0f} GB"


def enormous(graph: Graph, limit: int) -> Iterator[Diagnostic]:
    """The first tensor of more than `limit` bytes."""
    for node in graph.walk():
        for value in node.outputs:
            if known_bytes(value) > limit:
                message = f"this is {describe_size(value)} for each example"
                yield Diagnostic("dimension-too-large", node.span, message, label="too large")
                return
