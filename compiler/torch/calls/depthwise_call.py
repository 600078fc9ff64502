"""Convolutions of each channel by itself along one axis: sums of a few products with what was shifted, there and back.

torch's own way back makes a convolution of the size of the batch, and takes two to three times as long.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, fx

from mai.compiler.ir.graph import Node
from mai.compiler.ir.operation import Operation
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.torch.autograd_context import AutogradContext

FEW = 8  # The widest window: each of its places is a pass over the image. Measured: from some 12 on torch's is as fast.
Padding = tuple[tuple[int, int]]


def is_depthwise(node: Node) -> bool:
    """Whether a node is such a convolution, with a narrow window that moves by one place."""
    if node.op is not Conv:
        return False
    (channels, inner, *size), groups = node.inputs[1].type.shape, node.attributes["groups"]
    is_narrow = len(size) == 1 and isinstance(size[0], int) and size[0] <= FEW
    return is_narrow and (inner, channels) == (1, groups) and node.attributes["stride"] == (1,)


@fx.wrap
def depthwise(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *,
    stride: tuple[int], padding: Padding, dilation: tuple[int], groups: int,
) -> Tensor:  # fmt: skip
    """[..., channels, length] slid over by windows [channels, 1, size]; torch's own elsewhere than on a CPU, and in few bits."""
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        operation: type[Operation] = Conv
        laid = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        own: Tensor = operation.torch(torch, x, weight, bias, **laid)
        return own
    image = torch.nn.functional.pad(x.mT, (0, 0, *padding[0])).mT if any(padding[0]) else x  # Laid out as x is.
    result: Tensor = _Depthwise.apply(image, weight, bias, dilation[0])  # type: ignore[no-untyped-call]
    return result


class _Convolved(AutogradContext):
    dilation: int


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Convolved, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        result: Tensor | None = None
        for factors, seen in _seen(x, weight, dilation):
            result = seen * factors if result is None else result.addcmul_(seen, factors)
        assert result is not None
        return result if bias is None else result.add_(bias.unsqueeze(-1))

    @staticmethod
    def backward(ctx: _Convolved, came: Tensor) -> tuple[Tensor | None, ...]:
        """Each place of the result gives back to all that its window saw."""
        x, weight = ctx.saved_tensors
        lead = (*range(x.ndim - 2), -1)
        to_image, to_weight, to_bias, _ = ctx.needs_input_grad
        image = torch.zeros_like(x) if to_image else None
        if image is not None:
            for factors, seen in _seen(image, weight, ctx.dilation):
                seen.addcmul_(came, factors)
        windows = [(came * seen).sum(lead) for _, seen in _seen(x, weight, ctx.dilation)] if to_weight else []
        return (
            image,
            torch.stack(windows, -1).unsqueeze(1) if windows else None,
            came.sum(lead) if to_bias else None,
            None,
        )


def _seen(x: Tensor, weight: Tensor, dilation: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For each place in the window its factors [channels, 1], and what all windows have there, [..., channels, count]."""
    # Side by side: torch takes four times as long over numbers that lie apart.
    factors = weight.movedim(-1, 0).contiguous()
    count = x.shape[-1] - (len(factors) - 1) * dilation
    for place, of_place in enumerate(factors):
        yield of_place, x.narrow(-1, place * dilation, count)
