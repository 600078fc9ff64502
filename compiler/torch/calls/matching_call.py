"""Exact transport as one call of generated code."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from mai.compiler.ir.operation import Operation
from mai.compiler.ops.losses.matching import Matching


@fx.wrap
def matching(x: Tensor, y: Tensor) -> Tensor:
    """Which point of x lies beside each of y, [..., N] of clouds [..., N, d]; see `ops/losses/matching.py`."""
    operation: type[Operation] = Matching
    places: Tensor = operation.torch(torch, x, y)
    return places
