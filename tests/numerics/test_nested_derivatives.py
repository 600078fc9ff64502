"""Derivatives of derivatives: their values, and that of one number they do not multiply operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.passes import forms
from mai.compiler.passes.forms import derived
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
FUNCTION = "export f(x: []) -> [] {\n  y = exp(2 * x) * sin(x)\n"
X = np.array([-1.0, 0.0, 0.3, 2.0])


def repeated(line: str, order: int) -> str:
    return FUNCTION + f"  {line}\n" * order + "  return y\n}\n"


def value_of(spec: Program, **feed: Array) -> Array:
    return evaluate(derived(spec.exports["f"]), feed, {}, {})[0]


@pytest.mark.parametrize("line", ["y = grad(y, x)", "y = jvp(y, x, ones([]))"])
@pytest.mark.parametrize("order", [1, 2, 3, 7])
def test_the_nth_derivative_is_the_closed_form(line: str, order: int, program: Maker) -> None:
    """exp(2 x) sin(x) is the imaginary part of exp((2 + i) x), whose derivative is (2 + i) times itself."""
    wanted = ((2 + 1j) ** order * np.exp((2 + 1j) * X)).imag
    np.testing.assert_allclose(value_of(program(repeated(line, order)), x=X), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("orders", "more"), [((2, 4, 8), (4, 4)), ((4, 8, 12), (6, 3))], ids=["few", "many"])
def test_derivatives_of_one_number_share_what_they_have_in_common(
    program: Maker, orders: tuple[int, ...], more: tuple[int, int]
) -> None:
    counts = [len(derived(program(repeated("y = grad(y, x)", n)).exports["f"]).nodes) for n in orders]
    assert counts[1] < more[0] * counts[0] and counts[2] < more[1] * counts[1]


def test_mixed_derivatives_of_numbers_and_of_an_array(program: Maker) -> None:
    """u = a^2 exp(b |x|^2): d/da d/db, then the gradient along x, then d/db again."""
    spec = program(
        "export f(x: [3], a: [], b: []) -> [3] {\n  u = a^2 * exp(b * sum(x^2))\n  u = grad(grad(u, b), a)\n"
        "  g = grad(u, x)\n  return jvp(g, b, ones([]))\n}\n"
    )
    rng = np.random.default_rng(0)
    x, a, b = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal(4)
    s = (x**2).sum(-1)
    wanted = (4 * a * s * np.exp(b * s) * (2 + b * s))[:, None] * x
    np.testing.assert_allclose(value_of(spec, x=x, a=a, b=b), wanted, rtol=1e-10)


def test_a_mapped_number_has_the_derivatives_of_each(program: Maker) -> None:
    spec = program(
        "net third(x: []) -> [] { return grad(grad(grad(sin(x) * x, x), x), x) }\n"
        "export f(x: [P]) -> [P] { return third(x) }\n"
    )
    x = np.random.default_rng(1).standard_normal((2, 5))
    np.testing.assert_allclose(value_of(spec, x=x), -3 * np.sin(x) - x * np.cos(x), rtol=1e-10)


@pytest.mark.parametrize("kernel", ["attend(x, x + w, x, 1)", "attend(x, x, x, 1)"])
def test_what_a_kernel_reads_twice_has_its_derivative_once(kernel: str, program: Maker) -> None:
    body = f"{{\n  w = x[0]\n  y = sum({kernel}^3)\n  return %s\n}}\n"
    spec = program("export f(x: [3, 2]) -> [3, 2] " + body % "grad(y, x)" + "export g(x: [3, 2]) -> [] " + body % "y")
    x = torch.tensor([[[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]]], requires_grad=True)
    (wanted,) = torch.autograd.grad(lower(forms.prepare(spec.exports["g"]), Weights({}))(x)[0].sum(), x)
    (ours,) = evaluate(forms.prepare(spec.exports["f"]), {"x": x.detach().numpy()}, {}, {})
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)
