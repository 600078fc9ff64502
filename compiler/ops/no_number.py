"""NaN among numbers that a file orders, as numpy and torch have it: ONNX's orders may pass it over."""

from __future__ import annotations

import math

from mai.compiler.ops.backends import Onnx, V

GREATEST = 3.4028234663852886e38  # Of float32.


def greatest(op: Onnx[V], x: V, sign: float = 1.0) -> V:
    """x for comparisons in which NaN is above every number, or with the sign -1 below."""
    if op.whole(x):
        return x
    bounded = op.Min(x, GREATEST) if sign > 0 else op.Max(x, -GREATEST)
    return op.Where(op.Equal(x, x), bounded, sign * math.inf)
