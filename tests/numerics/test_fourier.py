"""Fourier transforms in whole programs: of any length, along any axis, and at a length that the call knows; against numpy's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
LINE = """
# A transform and its inverse.
export line(x: [SIZE]) -> ([SIZE // 2 + 1], [SIZE // 2 + 1], [SIZE]) {
  (re, im) = rfft(x)
  return (re, im, irfft(re, im, SIZE))
}
"""
SPEC = """
# Transforms, their inverses and derivatives.
export plane(x: [h, w]) -> ([h, w], [h, w], [h, w], [h, w]) {
  (re, im) = fft2(x)
  (back, rest) = ifft2(re, im)
  (half_re, half_im) = rfft2(x)
  return (re, im, back, irfft2(half_re, half_im, w))
}
export smooth(x: [30, 2]) -> ([30, 2], [30, 2], [12, 2]) {
  (re, im) = rfft(x, axis = 0)
  low = irfft(re[:5], im[:5], 30, axis = 0)
  fewer = irfft(re[:7], im[:7], 12, axis = 0)
  return (low, grad(sum(sin(low) * range(30)[:, None]), x), fewer)
}
"""


def run(program: Program, name: str, folder: Path, x: Array) -> list[Array]:
    path = export(program, name, Trained(load_weights(program, None)[0]), folder).path
    results = load(path, providers="cpu")(x=x)
    return list(results.values()) if isinstance(results, dict) else [results]


def draw(*shape: int) -> Array:
    return np.asarray(np.random.default_rng(2).standard_normal(shape), np.float32)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 100, 1000, 4099])
def test_a_line_of_any_length(program: Maker, tmp_path: Path, size: int) -> None:
    x = draw(2, size)
    for text in (LINE, LINE.replace("SIZE", str(size))):
        re, im, back = run(program(text), "line", tmp_path, x)
        wanted = np.fft.rfft(np.asarray(x, np.float64))
        np.testing.assert_allclose(re + 1j * im, wanted, atol=4e-6 * np.abs(wanted).max())
        np.testing.assert_allclose(back, x, atol=2e-5)


DERIVED = "export f(x: [SIZE, 2]) -> [SIZE, 2] {\n  (re, im) = rfft(x, axis = 0)\n  y = irfft(sin(re), im * re, SIZE, axis = 0)\n  return grad(sum(y^2), x)\n}\n"


@pytest.mark.parametrize("size", [1, 2, 7, 128, 150])
def test_derivatives_of_any_length(program: Maker, tmp_path: Path, size: int) -> None:
    """In a file, and of torch's own module, against torch's derivatives in float64."""
    x = draw(2, size, 2)
    y = torch.from_numpy(x).double().requires_grad_(True)
    z = torch.fft.rfft(y, dim=1)
    torch.fft.irfft(torch.complex(z.real.sin(), z.imag * z.real), n=size, dim=1).square().sum().backward()
    assert y.grad is not None
    for text in (DERIVED, DERIVED.replace("SIZE", str(size))):
        (slope,) = run(program(text), "f", tmp_path, x)
        np.testing.assert_allclose(slope, y.grad, atol=2e-5 * float(y.grad.abs().max()))


def test_training_goes_back_by_half_of_the_frequencies(program: Maker) -> None:
    for size in (1, 6, 7):
        plain = DERIVED.replace("SIZE", str(size)).replace("grad(sum(y^2), x)", "y^2")
        x, other = (torch.from_numpy(draw(2, size, 2)).double().requires_grad_(True) for _ in range(2))
        lower(forms.prepare(program(plain).exports["f"]), Weights({})).double()(x)[0].sum().backward()
        z = torch.fft.rfft(other, dim=1)
        torch.fft.irfft(torch.complex(z.real.sin(), z.imag * z.real), n=size, dim=1).square().sum().backward()
        torch.testing.assert_close(x.grad, other.grad)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_along_any_axis(program: Maker, axis: int) -> None:
    text = f"export f(x: [2, 3, 4], y: [2, 3, 4]) -> ([2, 3, 4], [2, 3, 4]) {{ return fft(x, y, axis = {axis}) }}"
    x, y = draw(2, 2, 3, 4), draw(2, 2, 3, 4)[::-1]
    re, im = evaluate(forms.prepare(program(text).exports["f"]), {"x": x, "y": y}, {}, {})
    np.testing.assert_allclose(re + 1j * im, np.fft.fft(x + 1j * y, axis=axis + 1), atol=1e-6)


def test_a_plane(program: Maker, tmp_path: Path) -> None:
    x = draw(2, 6, 9)
    re, im, back, again = run(program(SPEC), "plane", tmp_path, x)
    np.testing.assert_allclose(re + 1j * im, np.fft.fft2(x), atol=1e-4)
    np.testing.assert_allclose(back, x, atol=1e-5)
    np.testing.assert_allclose(again, x, atol=1e-5)


def test_frequencies_that_are_left_out(program: Maker, tmp_path: Path) -> None:
    x = draw(3, 30, 2)
    low, slope, fewer = run(program(SPEC), "smooth", tmp_path, x)
    y = torch.from_numpy(x).double().requires_grad_(True)
    kept = torch.fft.rfft(y, dim=1)[:, :5]
    wanted = torch.fft.irfft(kept, n=30, dim=1)
    (torch.sin(wanted) * torch.arange(30)[:, None]).sum().backward()
    np.testing.assert_allclose(low, wanted.detach(), atol=1e-5)
    np.testing.assert_allclose(slope, y.grad, atol=1e-4)
    np.testing.assert_allclose(fewer, np.fft.irfft(np.fft.rfft(x, axis=1)[:, :7], 12, axis=1), atol=1e-5)


def test_frequencies_that_are_not_read_have_no_slope(program: Maker) -> None:
    """Those above n // 2, of a number that only the call knows."""
    spec = "export f(x: [P]) -> [P] { return grad(sum(irfft(sin(x), x^2, 6)^2), x) }"
    graph = forms.prepare(program(spec).exports["f"])
    for size in (1, 3, 4, 5, 9):
        x = draw(2, size)
        y = torch.from_numpy(x).double().requires_grad_(True)
        torch.fft.irfft(torch.complex(y.sin(), y**2), n=6, dim=1).square().sum().backward()
        (slope,) = evaluate(graph, {"x": x}, None, {})
        np.testing.assert_allclose(slope, y.grad, atol=1e-6)


@pytest.mark.parametrize(
    ("line", "says"),
    [("irfft(x, x, 6)", "the frequencies 0 to 3"), ("irfft(x, x[:4], 8)", "the imaginary part")],
)
def test_what_is_refused(program: Maker, line: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        program(f"export f(x: [5]) -> [] {{ return sum({line}) }}")
