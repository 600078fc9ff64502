"""Layers of the prelude against what mathematics says of them, through the compiled file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

Make = Callable[[str], Program]
RNG = np.random.default_rng(0)


def computed(program: Program, folder: Path, **inputs: Any) -> Any:
    weights, _ = load_weights(program, None)
    return load(export(program, "f", Trained(weights), folder).path, providers="cpu")(**inputs)


def test_gelu_is_the_share_of_a_normal_variable_below(program: Make, tmp_path: Path) -> None:
    """x P(N < x) (Hendrycks and Gimpel 2016)."""
    x = np.linspace(-4, 4, 33).astype(np.float32)[:, None]
    result = computed(program("export f(x: [1]) -> [1] { return gelu_exact(x) }\n"), tmp_path, x=x)
    expected = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x[:, 0].astype(float)]
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-6)


def test_attention_turns_by_rope_where_rotary_is_true(program: Make, tmp_path: Path) -> None:
    """`rotary = true` is `rotary = rope`, with the same parameters; neither is attention without positions."""
    text = """net g(x: [P, 8]) -> [P, 8] { return attention(x, 2, causal = true, rotary = ROTARY) }
export f(x: [P, 8]) -> [P, 8] { return g(x) }
"""
    x = RNG.standard_normal((2, 5, 8)).astype(np.float32)
    true, rope, false = (
        computed(program(text.replace("ROTARY", rotary)), tmp_path / rotary, x=x)
        for rotary in ("true", "rope", "false")
    )
    np.testing.assert_array_equal(true, rope)
    assert np.abs(true - false).max() > 1e-3


def test_a_frame_of_one_value(program: Make, tmp_path: Path) -> None:
    x = RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)
    result = computed(program("export f(x: [3, 4, 5]) -> [3, 8, 9] { return pad(x, 2, -7) }\n"), tmp_path, x=x)
    np.testing.assert_array_equal(result, np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)], constant_values=-7))


def test_what_is_not_seen_might_as_well_not_be_there(program: Make, tmp_path: Path) -> None:
    """A masked text is a shorter one; with all seen it is plain attention."""
    text = """net g(x: [P, 8], seen: [P]) -> [P, 8] { return masked_attention(x, seen, 2) }
export f(x: [P, 8], seen: [P]) -> [P, 8] { return g(x, seen) }
"""
    masked = program(text)
    weights, _ = load_weights(masked, None)
    model = load(export(masked, "f", Trained(weights), tmp_path / "m").path, providers="cpu")
    plain = program(
        "net g(x: [P, 8]) -> [P, 8] { return attention(x, 2) }\nexport f(x: [P, 8]) -> [P, 8] { return g(x) }\n"
    )
    same = {name.replace("masked_", ""): array for name, array in weights.items()}
    other = load(export(plain, "f", Trained(same), tmp_path / "p").path, providers="cpu")
    x = RNG.standard_normal((2, 6, 8)).astype(np.float32)
    seen = np.ones((2, 6), np.float32)
    np.testing.assert_allclose(model(x=x, seen=seen), other(x=x), atol=1e-6)
    seen[1, [1, 4]] = 0
    kept = seen[1] > 0
    np.testing.assert_allclose(model(x=x, seen=seen)[1, kept], other(x=x[1:, kept])[0], atol=1e-6)


def test_stretched_positions(program: Make, tmp_path: Path) -> None:
    """Twice as far, turned half as fast, is the same; fast pairs stay where the trained context is known."""
    rope = "export f(x: [P, 8]) -> [P, 8] {{ return rope(x, 1, base = 100{more}) }}\n"
    x = np.repeat(RNG.standard_normal((1, 1, 8)), 9, 1).astype(np.float32)
    plain = computed(program(rope.format(more="")), tmp_path / "a", x=x)
    even = computed(program(rope.format(more=", factor = 2")), tmp_path / "b", x=x)
    np.testing.assert_allclose(even[0, ::2], plain[0, :5], atol=1e-5)
    trained = ", factor = 2, context = 100, low = 1, high = 4"
    part = computed(program(rope.format(more=trained)), tmp_path / "c", x=x)
    turns = 100 * 100.0 ** (-np.arange(4) / 4) / (2 * np.pi)
    fast, slow = turns >= 4, turns <= 1
    assert fast.tolist() == [True, True, False, False]
    assert slow.tolist() == [False, False, False, True]
    np.testing.assert_allclose(part[0, :, [0, 1, 4, 5]], plain[0, :, [0, 1, 4, 5]], atol=1e-5)
    kept = np.clip((turns[2:] - 1) / 3, 0, 1)
    rates = 100.0 ** (-np.arange(2, 4) / 4) * (kept + (1 - kept) / 2)
    angle = np.arange(9)[:, None] * rates
    a, b = x[0, :, 2:4], x[0, :, 6:8]
    np.testing.assert_allclose(part[0, :, 2:4], a * np.cos(angle) - b * np.sin(angle), atol=1e-5)


def test_rates_are_one_a_pair(tmp_path: Path) -> None:
    path = tmp_path / "a.mai"
    path.write_text("export f(x: [P, 8]) -> [P, 8] { return rotate(x, 2, rates = ones([3])) }\n")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "shape-mismatch"
    assert diagnostic.message == "there are 2 pairs to turn, these rates are [3]"
    assert diagnostic.span is not None and diagnostic.span.text == "ones([3])"


def test_frequencies_of_a_time(program: Make, tmp_path: Path) -> None:
    """1,000 s exp(-i log(10000) / k), its cosines before its sines; an odd width ends in a zero."""
    s = np.array([0, 0.1, 1], np.float32)
    result = computed(program("export f(s: []) -> [7] { return fourier(s, 7) }\n"), tmp_path, s=s)
    angle = 1000 * s[:, None].astype(float) * 10_000.0 ** (-np.arange(3) / 3)
    np.testing.assert_allclose(result, np.concatenate([np.cos(angle), np.sin(angle), 0 * s[:, None]], 1), atol=1e-4)


@pytest.mark.parametrize(("size", "dilation", "groups"), [(3, 1, 1), (2, 4, 1), (3, 2, 2), (4, 1, 6)])
def test_a_causal_convolution_is_torchs(size: int, dilation: int, groups: int, program: Make, tmp_path: Path) -> None:
    """conv1d, with zeros before the beginning."""
    call = f"causal_conv(x, 12, {size}, dilation = {dilation}, groups = {groups})"
    spec = program(
        f"net g(x: [P, 6]) -> [P, 12] {{ return {call} }}\nexport f(x: [P, 6]) -> [P, 12] {{ return g(x) }}\n"
    )
    weights, _ = load_weights(spec, None)
    x = RNG.standard_normal((2, 9, 6)).astype(np.float32)
    result = load(export(spec, "f", Trained(weights), tmp_path).path, providers="cpu")(x=x)
    parts = {name.split(".", 2)[2]: torch.from_numpy(np.asarray(w)) for name, w in weights.items()}
    if groups == 1:
        names = ["linear_1.weight", *(f"repeat_1.{i}.linear_1.weight" for i in range(size - 1))]
        kernel, bias = torch.stack([parts[n] for n in names], -1), parts["linear_1.bias"]
    else:
        taps, bias = parts["grouped_conv_1.weight"], parts["grouped_conv_1.bias"]
        kernel = taps.reshape(size, 12, 6 // groups).permute(1, 2, 0)
    padded = torch.nn.functional.pad(torch.from_numpy(x).mT, (dilation * (size - 1), 0))
    expected = torch.nn.functional.conv1d(padded, kernel.flip(-1), bias, dilation=dilation, groups=groups).mT
    np.testing.assert_allclose(result, expected.numpy(), atol=1e-5)
