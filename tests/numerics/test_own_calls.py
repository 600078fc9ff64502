"""What training calls in the place of torch's own: the same numbers, and the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from mai.compiler.ops.products.convolution import Conv
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.calls.attention_call import attention
from mai.compiler.torch.calls.depthwise_call import depthwise
from mai.compiler.torch.calls.fourier_call import real_fourier, real_inverse
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights

Maker = Callable[[str], Program]


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize(
    ("size", "padding", "dilation"), [(1, (0, 0), 1), (4, (3, 0), 1), (3, (2, 4), 2), (5, (0, 1), 1)]
)
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_depthwise_convolution(
    lead: tuple[int, ...], size: int, padding: tuple[int, int], dilation: int, has_bias: bool
) -> None:
    torch.manual_seed(size)
    sizes = [(*lead, 6, 11), (6, 1, size), *([(6,)] if has_bias else [])]
    tensors = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in sizes]
    laid: dict[str, Any] = {"stride": (1,), "padding": (padding,), "dilation": (dilation,), "groups": 6}
    wanted, ours = Conv.torch(torch, *tensors, **laid), depthwise(*tensors, **laid)
    torch.testing.assert_close(ours, wanted)
    weight = torch.randn_like(wanted)
    pairs = (torch.autograd.grad((y * weight).sum(), tensors) for y in (wanted, ours))
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("call", "sizes"),
    [
        (partial(depthwise, stride=(1,), padding=((2, 0),), dilation=(2,), groups=3), [(2, 3, 9), (3, 1, 3), (3,)]),
        (partial(real_fourier, axis=-1), [(2, 70)]),
        (partial(real_inverse, n=70, axis=-1), [(2, 30), (2, 30)]),
        (partial(real_inverse, n=70, axis=-2), [(40, 2), (40, 2)]),
    ],
    ids=["depthwise", "frequencies", "numbers", "numbers of too many frequencies"],
)
def test_derivatives_of_derivatives(call: Callable[..., torch.Tensor], sizes: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in sizes]
    assert torch.autograd.gradgradcheck(call, tensors, fast_mode=True)


def test_those_that_are_not_there_are_refused() -> None:
    q, k, v = (torch.randn(300, 2, requires_grad=True) for _ in range(3))
    y = attention(q, k, v, heads=1, kv_heads=1, causal=True, window=8, sinks=0, softcap=0.0)
    with pytest.raises(RuntimeError, match="derivative of this derivative"):
        torch.autograd.grad(y.square().sum(), q, create_graph=True)


SLICED = """
export f(x: [5, 12]) -> [5, 4] {
  (a, b, c) = split(x, 3)
  return PARTS
}
"""


@pytest.mark.parametrize(
    ("parts", "wanted", "splits"),
    [
        ("a * b + sin(c)", lambda x: x[..., :4] * x[..., 4:8] + x[..., 8:].sin(), 1),
        ("a + 2 * c", lambda x: x[..., :4] + 2 * x[..., 8:], 0),
        ("a * b * c + x[:, 2:6]", lambda x: x[..., :4] * x[..., 4:8] * x[..., 8:] + x[..., 2:6], 0),
    ],
    ids=["whole", "with a gap", "overlapping"],
)
def test_parts_of_a_split(
    program: Maker, parts: str, wanted: Callable[[torch.Tensor], torch.Tensor], splits: int
) -> None:
    """As slices they give the same; only those that are the whole value, side by side, become a split."""
    graph = forms.prepare(program(SLICED.replace("PARTS", parts)).exports["f"])
    module = lower(graph, Weights(graph.weights).initialise(0))
    x = torch.randn(2, 5, 12, requires_grad=True)
    (y,) = module(x)
    torch.testing.assert_close(y, wanted(x))
    torch.testing.assert_close(*(torch.autograd.grad((z * z).sum(), x)[0] for z in (y, wanted(x))))
    assert sum(node.target is torch.functional.split for node in module.graph.nodes) == splits
