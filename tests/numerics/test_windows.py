"""Convolutions, pools and upsampling of signals, images and volumes, against torch's modules, through the compiled file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Make = Callable[[str], Program]
RNG = np.random.default_rng(0)
SPACE = {1: (9,), 2: (6, 9), 3: (4, 6, 5)}
CHANNELS = 4


def spec(call: str, sizes: tuple[int, ...], result: str) -> str:
    x = ", ".join(map(str, (CHANNELS, *sizes)))
    return f"net g(x: [{x}]) -> {result} {{ return {call} }}\nexport f(x: [{x}]) -> {result} {{ return g(x) }}\n"


def agrees(make: Make, folder: Path, call: str, module: Callable[[torch.Tensor], torch.Tensor], axes: int) -> None:
    """The call, with random weights, is torch's module with the same weights."""
    x = RNG.standard_normal((2, CHANNELS, *SPACE[axes])).astype(np.float32)
    if isinstance(module, nn.Module):
        module.eval()
    with torch.no_grad():
        shape = list(module(torch.from_numpy(x)).shape[1:])
        program = make(spec(call, SPACE[axes], str(shape)))
        weights, _ = load_weights(program, None)
        if isinstance(module, nn.Module):
            values = {name.rsplit(".", 1)[1]: torch.from_numpy(np.asarray(w)) for name, w in weights.items()}
            module.load_state_dict(values, strict=True)
        expected = module(torch.from_numpy(x))
    result = load(export(program, "f", Trained(weights), folder).path, providers="cpu")(x=x)
    np.testing.assert_allclose(result, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize(
    ("call", "module", "axes"),
    [
        ("conv1d(x, 6, 3)", nn.Conv1d(4, 6, 3, padding=1), 1),
        ("conv1d(x, 6, 5, stride = 2, padding = 4, groups = 2)", nn.Conv1d(4, 6, 5, 2, 4, groups=2), 1),
        ("conv(x, 6, [3, 5], stride = [1, 2])", nn.Conv2d(4, 6, (3, 5), (1, 2), (1, 2)), 2),
        (
            'conv(x, 8, [2, 3], padding = "valid", dilation = [3, 2], groups = 4, bias = false)',
            nn.Conv2d(4, 8, (2, 3), dilation=(3, 2), groups=4, bias=False),
            2,
        ),
        ('conv(x, 8, [2, 3], padding = "same", dilation = [1, 2])', nn.Conv2d(4, 8, (2, 3), padding="same", dilation=(1, 2)), 2),
        ("conv3d(x, 6, [1, 3, 2], padding = [0, 2, 1])", nn.Conv3d(4, 6, (1, 3, 2), padding=(0, 2, 1)), 3),
        ("conv_transpose1d(x, 6, 4, stride = 2)", nn.ConvTranspose1d(4, 6, 4, 2, 1), 1),
        (
            "conv_transpose(x, 6, [4, 3], stride = [2, 3], padding = [1, 0], groups = 2)",
            nn.ConvTranspose2d(4, 6, (4, 3), (2, 3), (1, 0), groups=2),
            2,
        ),
        (
            'conv_transpose(x, 6, 2, stride = 3, padding = "valid", bias = false)',
            nn.ConvTranspose2d(4, 6, 2, 3, output_padding=1, bias=False),
            2,
        ),
        ("conv_transpose3d(x, 2, 3, dilation = 2)", nn.ConvTranspose3d(4, 2, 3, padding=2, dilation=2), 3),
        ("group_norm1d(x, 2)", nn.GroupNorm(2, 4), 1),
        ("group_norm3d(x, 2)", nn.GroupNorm(2, 4), 3),
        ("max_pool(x, 3, padding = 1)", lambda x: nn.functional.max_pool1d(x, 3, padding=1), 1),
        ("max_pool(x, [2, 3], stride = 1)", lambda x: nn.functional.max_pool2d(x, (2, 3), stride=1), 2),
        ("avg_pool(x, 2)", lambda x: nn.functional.avg_pool3d(x, 2), 3),
        (
            "avg_pool(x, 3, stride = 2, padding = 1)",
            lambda x: nn.functional.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False),
            2,
        ),
        ("upsample(x, 3)", lambda x: nn.functional.interpolate(x, scale_factor=3), 1),
        ("upsample(x, [2, 1, 3])", lambda x: nn.functional.interpolate(x, scale_factor=(2, 1, 3)), 3),
        ("upsample(x, 2, linear = true)", lambda x: nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), 2),
        ("upsample(x, 2, linear = true)", lambda x: nn.functional.interpolate(x, scale_factor=2, mode="trilinear"), 3),
    ],
)  # fmt: skip
def test_layers_are_torchs(
    call: str, module: Callable[[torch.Tensor], torch.Tensor], axes: int, program: Make, tmp_path: Path
) -> None:
    agrees(program, tmp_path, call, module, axes)


def laid(kernel: Callable[..., torch.Tensor], x: torch.Tensor, k: torch.Tensor, **how: object) -> torch.Tensor:
    """torch's kernel on each example, with windows of its own."""
    return torch.cat([kernel(x[i : i + 1], k[i], **how) for i in range(len(x))])


FUNCTIONAL = nn.functional


OF_EXAMPLES = [
    (
        "convolve(x, k, padding = [[2, 1]], dilation = 2)",
        lambda x, k: laid(FUNCTIONAL.conv1d, FUNCTIONAL.pad(x, (2, 1)), k, dilation=2),
        (2, 7),
        (3, 2, 3),
    ),
    (
        "convolve(x, k, stride = [2, 1], groups = 2)",
        lambda x, k: laid(FUNCTIONAL.conv2d, x, k, stride=(2, 1), groups=2),
        (4, 5, 4),
        (6, 2, 3, 2),
    ),
    ("convolve(x, k)", lambda x, k: laid(FUNCTIONAL.conv3d, x, k), (1, 2, 3, 3), (2, 1, 2, 2, 3)),
    (
        "convolve_transposed(x, k, stride = 2, groups = 2)",
        lambda x, k: laid(FUNCTIONAL.conv_transpose2d, x, k, stride=2, groups=2)[..., :6, :4],
        (4, 3, 2),
        (4, 1, 3, 3),
    ),
    (
        "convolve_transposed(x, k, padding = [[0, 1]], dilation = 2)",
        lambda x, k: laid(FUNCTIONAL.conv_transpose1d, x, k, dilation=2)[..., :-1],
        (2, 4),
        (2, 3, 2),
    ),
]


def windowed(
    make: Make, call: str, of_each: Callable[..., torch.Tensor], sizes: tuple[int, ...], windows: tuple[int, ...]
) -> tuple[Program, dict[str, Array], list[Array]]:
    """A program of a call with windows of each example and of both slopes, inputs for it, and what torch says of them."""
    arrays = {n: RNG.standard_normal((2, *s)).astype(np.float32) for n, s in (("x", sizes), ("k", windows))}
    x, k = (torch.from_numpy(a).requires_grad_() for a in arrays.values())
    expected = of_each(x, k)
    slopes = torch.autograd.grad(expected.sin().sum(), (x, k))
    types = (str([*expected.shape[1:]]), str([*sizes]), str([*windows]))
    text = f"""export f(x: {types[1]}, k: {types[2]}) -> ({", ".join(types)}) {{
  y = {call}
  return (y, grad(sum(sin(y)), x), grad(sum(sin(y)), k))
}}
"""
    return make(text), arrays, [wanted.detach().numpy() for wanted in (expected, *slopes)]


@pytest.mark.parametrize(("call", "of_each", "sizes", "windows"), OF_EXAMPLES)
def test_windows_may_differ_between_examples(
    call: str, of_each: Callable[..., torch.Tensor], sizes: tuple[int, ...], windows: tuple[int, ...], program: Make
) -> None:
    """Filters that depend on the example, with their derivatives."""
    spec, arrays, expected = windowed(program, call, of_each, sizes, windows)
    for result, wanted in zip(evaluate(prepare(spec.exports["f"]), arrays, {}, {}), expected, strict=True):
        np.testing.assert_allclose(result, wanted, atol=5e-6)


@pytest.mark.parametrize(("call", "of_each", "sizes", "windows"), OF_EXAMPLES)
def test_windows_of_examples_in_a_file(
    call: str, of_each: Callable[..., torch.Tensor], sizes: tuple[int, ...], windows: tuple[int, ...],
    program: Make, tmp_path: Path,
) -> None:  # fmt: skip
    """The same of a file, whose gate compares it with torch and numpy."""
    spec, arrays, expected = windowed(program, call, of_each, sizes, windows)
    results = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")(**arrays)
    for result, wanted in zip(results.values(), expected, strict=True):
        np.testing.assert_allclose(result, wanted, atol=5e-6)


def test_a_causal_convolution_sees_nothing_later(program: Make, tmp_path: Path) -> None:
    def module(x: torch.Tensor) -> torch.Tensor:
        return conv(nn.functional.pad(x, (4, 0)))

    conv = nn.Conv1d(4, 6, 3, dilation=2, bias=False)
    checked = program(spec('conv1d(x, 6, 3, padding = "causal", dilation = 2, bias = false)', SPACE[1], "[6, 9]"))
    weights, _ = load_weights(checked, None)
    conv.weight.data = torch.from_numpy(np.asarray(next(iter(weights.values()))))
    x = RNG.standard_normal((2, 4, 9)).astype(np.float32)
    result = load(export(checked, "f", Trained(weights), tmp_path).path, providers="cpu")(x=x)
    np.testing.assert_allclose(result, module(torch.from_numpy(x)).detach().numpy(), atol=2e-6)


@pytest.mark.parametrize(("size", "stride", "length"), [(3, 2, 9), (3, 2, 8), (2, 3, 7), (5, 1, 6), (1, 2, 6)])
def test_same_is_one_result_for_every_stride(
    size: int, stride: int, length: int, program: Make, tmp_path: Path
) -> None:
    """By SAME_UPPER's formula: with one pixel more after than before where the frame is odd."""
    count = -(-length // stride)
    total = max(0, (count - 1) * stride + size - length)
    signal = RNG.standard_normal((1, 1, length)).astype(np.float32)
    text = f'export f(x: [1, {length}]) -> [1, {count}] {{ return convolve(x, ones([1, 1, {size}]), stride = {stride}, padding = "same") }}'
    result = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")(x=signal)
    framed = np.pad(signal[0, 0], (total // 2, total - total // 2))
    expected = [framed[place * stride : place * stride + size].sum() for place in range(count)]
    np.testing.assert_allclose(result[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "slug", "said"),
    [
        ("conv(x, 4, [3, 3, 3])", "shape-mismatch", "2, or one for all; these are 3"),
        ('conv(x, 4, 3, padding = "sam")', "bad-setting", '"half", "same", "valid", "causal", not "sam"'),
        ("conv(x, 4, 3, padding = [[1, 2, 3], [1, 2, 3]])", "shape-mismatch", "before, and after"),
        ("conv(x, 4, 3, groups = 3)", "shape-mismatch", "4 channels are not 3 equal groups"),
        ("conv(x, 4, 3, stride = 0)", "repeat-count", "at least 1"),
        ('conv_transpose(x, 4, 3, padding = "causal")', "bad-setting", '"same", "valid" or numbers'),
        ("max_pool(x, 2, padding = 2)", "bad-setting", "see nothing of the image"),
        ("max_pool(x[0, 0], 2)", "rank-mismatch", "[k, L] or [k, H, W] or [k, D, H, W]"),
        ('conv(concat(x, n * ones([4, 6, N]), axis = 2), 4, 3, padding = "same", stride = 2)', "dimension-unknown", "whose size is known"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_error(call: str, slug: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [4, 6, 9], y: [N], n: []) -> [] {{ return sum({call}) + sum(y) * n }}\n")
    (only,) = check(path).diagnostics
    assert (only.slug, said in only.message) == (slug, True), only.message
