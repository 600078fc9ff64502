"""e^x as a power of two, which torch computes two to three times as fast on a CPU."""

from __future__ import annotations

from math import e, log2
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd.function import once_differentiable

LOG2_OF_E = log2(e)


@fx.wrap
def exponential(x: Tensor) -> Tensor:
    """e^x, right to |x| roundings: within one rounding of 1 where x <= 0, as the logarithm of a decay is."""
    result: Tensor = _Exponential.apply(x)  # type: ignore[no-untyped-call]
    return result


class _Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.mul(LOG2_OF_E).exp2_()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        y: Tensor = ctx.saved_tensors[0]
        return grad * y
