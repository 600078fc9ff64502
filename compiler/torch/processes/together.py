"""What looks at a whole batch of which several processes have a share each: the same numbers and gradients as one process has.

Every process computes the same function of the whole batch, whose value counts by that process's share. So the derivative by what a
process has is the sum over all processes of what theirs say of it: a gathering and a sum of shares are each other's derivatives.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, fx
from torch.autograd import Function

from mai.compiler.torch.autograd_context import AutogradContext
from mai.spec.record import record

MOMENTUM = 0.1  # As `torch.nn.BatchNorm2d` has it.


@record
class Share:
    """The examples of one process, the `place`th, in a batch of which the processes have `sizes`, in order."""

    place: int
    sizes: tuple[int, ...]

    @property
    def batch(self) -> int:
        """How many examples all processes have."""
        return sum(self.sizes)

    @property
    def start(self) -> int:
        """The number of the first example in the batch."""
        return sum(self.sizes[: self.place])

    @property
    def places(self) -> range:
        """The numbers of the examples in the batch."""
        return range(self.start, self.start + len(self))

    def __len__(self) -> int:
        return self.sizes[self.place]


@fx.wrap
def gathered(x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """The examples of all processes along `axis`, in their order; x has this process's. Derivatives go back to who has them."""
    return _applied(_Gathered, x, axis, sizes) if x.is_floating_point() else _gather(x, axis, sizes)


@fx.wrap
def batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, parts: float,
    *, rank: int, eps: float, training: bool,
) -> Tensor:  # fmt: skip
    """`torch.nn.functional.batch_norm` in training, by the mean and variance of the examples of all processes.

    x: [..., k, H, W] or [..., k], by its `rank`; weight, bias, mean, variance: [k]. The whole batch is `parts` times the examples here.
    """
    axes = [axis for axis in range(x.ndim) if axis != x.ndim - rank]
    channels = (-1, *(1,) * (rank - 1))
    count = round(parts * x.numel() / weight.numel())
    y = x.float()
    middle = summed(y.sum(axes)) / count
    centred = y - middle.reshape(channels)
    square = summed((centred * centred).sum(axes)) / count
    with torch.no_grad():
        mean.lerp_(middle.to(mean.dtype), MOMENTUM)
        variance.lerp_((square * (count / max(1, count - 1))).to(variance.dtype), MOMENTUM)
    scale = weight * torch.rsqrt(square + eps)
    return (centred * scale.reshape(channels) + bias.reshape(channels)).to(x.dtype)


def summed(x: Tensor) -> Tensor:
    """The sum over all processes, for each of them."""
    return _applied(_Summed, x)


def _applied(function: type[Function], *arguments: object) -> Tensor:
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def _gather(x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    own = x.movedim(axis, 0)
    packed = own.to(torch.uint8) if x.dtype is torch.bool else own
    rows = [packed.new_empty(max(sizes), *own.shape[1:]) for _ in sizes]
    dist.all_gather(rows, _padded(packed, max(sizes)))
    whole = torch.cat([each[:size] for each, size in zip(rows, sizes, strict=True)])
    return whole.to(x.dtype).movedim(0, axis)


def _sum_of_own(x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
    """The sum over all processes of what they say of this one's examples; each says it of the whole batch's."""
    parts = torch.split(x.movedim(axis, 0), list(sizes))
    own = x.new_empty(max(sizes), *parts[0].shape[1:])
    dist.reduce_scatter(own, [_padded(part, max(sizes)) for part in parts])
    return own[: sizes[dist.get_rank()]].movedim(0, axis)


def _padded(rows: Tensor, count: int) -> Tensor:
    """Rows with zeros after them, so that all processes have as many."""
    missing = count - len(rows)
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows.contiguous()


class _Shared(AutogradContext):
    axis: int
    sizes: tuple[int, ...]


class _Gathered(Function):
    @staticmethod
    def forward(ctx: _Shared, x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
        ctx.axis, ctx.sizes = axis, sizes
        return _gather(x, axis, sizes)

    @staticmethod
    def backward(ctx: _Shared, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _applied(_SumOfOwn, *gradients, ctx.axis, ctx.sizes), None, None


class _SumOfOwn(Function):
    @staticmethod
    def forward(ctx: _Shared, x: Tensor, axis: int, sizes: tuple[int, ...]) -> Tensor:
        ctx.axis, ctx.sizes = axis, sizes
        return _sum_of_own(x, axis, sizes)

    @staticmethod
    def backward(ctx: _Shared, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _applied(_Gathered, *gradients, ctx.axis, ctx.sizes), None, None


class _Summed(Function):
    @staticmethod
    def forward(ctx: AutogradContext, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: AutogradContext, *gradients: Tensor) -> Tensor:
        return _applied(_Summed, *gradients)
