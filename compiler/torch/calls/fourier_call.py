"""Transforms of real numbers as single calls with a way back by half of the frequencies, where autograd's own takes all of them.

Those of few numbers are one product with a table of all turns, each way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, fx

from mai.compiler.ir.operation import Operation
from mai.compiler.ops.fourier.complex_numbers import TABLE
from mai.compiler.ops.fourier.real import Matrix, RealFourier, RealInverse, inverse_table, real_table
from mai.compiler.torch.autograd_context import AutogradContext


@fx.wrap
def real_fourier(x: Tensor, axis: int) -> Tensor:
    """The frequencies [..., 2, n // 2 + 1, ...] of numbers along an axis; see `ops/fourier/real.py`."""
    size = x.shape[axis]
    if size <= TABLE:
        parts = _turned(x, axis, real_table, size)
        return torch.stack(parts.chunk(2, axis), axis - 1)
    result: Tensor = _RealFourier.apply(x, axis)  # type: ignore[no-untyped-call]
    return result


@fx.wrap
def real_inverse(re: Tensor, im: Tensor, n: int, axis: int) -> Tensor:
    """The n numbers of some frequencies along an axis; see `ops/fourier/real.py`."""
    if n <= TABLE:
        return _turned(torch.cat([re, im], axis), axis, _numbers_table, re.shape[axis], n)
    result: Tensor = _RealInverse.apply(re, im, n, axis)  # type: ignore[no-untyped-call]
    return result


# ------------------------------------------------------------------ few numbers


def _numbers_table(have: int, count: int) -> Matrix:
    """What the numbers are of the real parts and the imaginary ones, [n, 2 have]."""
    return [list(column) for column in zip(*inverse_table(have, count), strict=True)]


def _turned(x: Tensor, axis: int, rows: Callable[..., Matrix], *sizes: int) -> Tensor:
    """The products of a table's rows with what x has along an axis; in full precision, as transforms are."""
    with torch.autocast(x.device.type, enabled=False):
        x = x if x.dtype is torch.float64 else x.float()
        table = _table_of(rows, sizes, x.dtype, x.device)
        if axis == -2:
            return table @ x
        return (x.movedim(axis, -1) @ table.mT).movedim(-1, axis)


@lru_cache(maxsize=64)
def _table_of(rows: Callable[..., Matrix], sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # It may be read again where derivatives are taken.
        return torch.tensor(rows(*sizes), dtype=dtype, device=device)


# ----------------------------------------------------------------- many numbers
class _Transformed(AutogradContext):
    size: int
    axis: int


class _RealFourier(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Transformed, x: Tensor, axis: int) -> Tensor:
        ctx.size, ctx.axis = x.shape[axis], axis
        operation: type[Operation] = RealFourier
        result: Tensor = operation.torch(torch, x, axis=axis)
        return result

    @staticmethod
    def backward(ctx: _Transformed, came: Tensor) -> tuple[Tensor, None]:
        """n times the inverse, of which every frequency counts once."""
        z = torch.complex(*came.unbind(ctx.axis - 1))
        counts = _counts(z, ctx.size, ctx.axis)
        return torch.fft.irfft(z / counts, n=ctx.size, dim=ctx.axis, norm="forward"), None


class _Inverted(AutogradContext):
    size: int
    axis: int
    have: int


class _RealInverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Inverted, re: Tensor, im: Tensor, n: int, axis: int) -> Tensor:
        ctx.size, ctx.axis, ctx.have = n, axis, re.shape[axis]
        operation: type[Operation] = RealInverse
        result: Tensor = operation.torch(torch, re, im, n=n, axis=axis)
        return result

    @staticmethod
    def backward(ctx: _Inverted, came: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The transform, of which every frequency counts as often as there: those above n // 2 never."""
        z = torch.fft.rfft(came, dim=ctx.axis, norm="forward")
        z = z.narrow(ctx.axis, 0, min(ctx.have, z.shape[ctx.axis]))
        z = z * _counts(z, ctx.size, ctx.axis)
        behind = (0, 0) * (-ctx.axis - 1) + (0, ctx.have - z.shape[ctx.axis])
        re, im = (torch.nn.functional.pad(part, behind).contiguous() for part in (z.real, z.imag))
        return re, im, None, None


def _counts(z: Tensor, size: int, axis: int) -> Tensor:
    """How often each frequency counts among all, along the axis: 2 where it has a conjugate of its own."""
    have = z.shape[axis]
    counts = z.real.new_full((have, *(1,) * (-axis - 1)), 2.0)
    counts[0] = 1.0
    if 2 * (have - 1) == size:
        counts[-1] = 1.0
    return counts
