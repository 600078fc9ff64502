"""The library of samplers, against plain loops of the papers' algorithms, and the law of their samples for Gaussian data.

Data of variance 1/4 have closed forms: the noise of x at time s is sqrt(1 - k) x / (k / 4 + 1 - k), the example behind
x = x0 + σ e is x / (1 + 4 σ^2), and the probability flow scales x with the deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load
from mai.runtime.arrays import Array

Make = Callable[[str], Program]
HEAD = """import "std/diffusion"
layer eps(x: [...], s: []) -> [...] { return sqrt(1 - kept_cosine(s)) * x / (0.25 * kept_cosine(s) + 1 - kept_cosine(s)) }
layer den(x: [...], σ: []) -> [...] { return x / (1 + 4 * σ^2) }
layer jump(x: [...], σ: []) -> [...] { return x * sqrt((0.25 + 0.002^2) / (0.25 + σ^2)) }
layer shifted(x: [2], s: [], y: class[3]) -> [2] { return eps(x, s) + one_hot(y, 3)[:2] }
"""
LEVELS = {"low": 0.002, "high": 80.0, "rho": 7.0}


def run(make: Make, folder: Path, call: str, shape: str = "[2]", inputs: str = "", **values: Any) -> Array:
    spec = make(f"{HEAD}export f(z: {shape}{inputs}) -> {shape} {{ return {call} }}\n")
    path = export(spec, "f", Trained({}), folder).path
    return np.asarray(load(path, providers="cpu")(**values), np.float64)


def kept(s: float) -> float:
    angle, first = (s + 0.008) / 1.008 * np.pi / 2, 0.008 / 1.008 * np.pi / 2
    return float(1e-4 + (1 - 1e-4) * (np.cos(angle) / np.cos(first)) ** 2)


def clean(x: Array, s: float) -> Array:
    noise = np.sqrt(1 - kept(s)) * x / (0.25 * kept(s) + 1 - kept(s))
    return np.asarray((x - np.sqrt(1 - kept(s)) * noise) / np.sqrt(kept(s)))


def scales(s: float) -> tuple[float, float, float]:
    """α, σ and λ = log(α / σ)."""
    k = min(kept(s), 1 - 1e-6)
    return float(np.sqrt(k)), float(np.sqrt(1 - k)), float(np.log(k / (1 - k)) / 2)


def ddim(x: Array, steps: int) -> Array:
    for i in range(steps):
        s, t = 1 - i / steps, 1 - (i + 1) / steps
        x0 = clean(x, s)
        noise = (x - np.sqrt(kept(s)) * x0) / np.sqrt(1 - kept(s))
        x = np.sqrt(kept(t)) * x0 + np.sqrt(max(1 - kept(t), 0)) * noise
    return x


def dpm_solver(x: Array, steps: int) -> Array:
    """Algorithm 2 of Lu et al. (2022), with the last step to the example itself."""
    outputs: list[Array] = []
    lambdas: list[float] = []
    for i in range(steps):
        s, t = 1 - i / steps, 1 - (i + 1) / steps
        (_, sigma, lam), (alpha_t, sigma_t, lam_t) = scales(s), scales(t)
        outputs.append(clean(x, s))
        lambdas.append(lam)
        d = outputs[-1]
        if i:
            r = (lam - lambdas[-2]) / (lam_t - lam)
            d = (1 + 1 / (2 * r)) * outputs[-1] - 1 / (2 * r) * outputs[-2]
        x = outputs[-1] if i == steps - 1 else sigma_t / sigma * x - alpha_t * np.expm1(-(lam_t - lam)) * d
    return x


def unipc(x: Array, steps: int) -> Array:
    """UniPC-2 with B_2(h) of Zhao et al. (2023), its coefficients by solving equations (5) of the paper's appendix."""
    outputs, times = [clean(x, 1.0)], [1.0]
    for i in range(steps - 1):
        t = 1 - (i + 1) / steps
        (_, sigma, lam), (alpha_t, sigma_t, lam_t) = scales(times[-1]), scales(t)
        h = lam_t - lam
        hh, b_h = -h, np.expm1(-h)
        first = sigma_t / sigma * x - alpha_t * np.expm1(hh) * outputs[-1]
        phi2 = np.expm1(hh) / hh - 1
        phi3 = phi2 / hh - 0.5
        if i:
            r = (scales(times[-2])[2] - lam) / h
            d1 = (outputs[-2] - outputs[-1]) / r
            guess = first - alpha_t * b_h * 0.5 * d1
            rhos = np.linalg.solve(np.array([[1, 1], [r, 1]]), np.array([phi2, 2 * phi3]) / b_h)
        else:
            d1, guess, rhos = 0 * x, first, np.array([0, 0.5])
        new = clean(guess, t)
        x = first - alpha_t * b_h * (rhos[0] * d1 + rhos[1] * (new - outputs[-1]))
        outputs.append(new)
        times.append(t)
    return outputs[-1]


def edm(x: Array, steps: int) -> Array:
    """Algorithm 1 of Karras et al. (2022)."""
    low, high, rho = LEVELS.values()
    ramp = np.linspace(0, 1, steps)
    levels = [*((high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho), 0.0]
    x = levels[0] * x
    for level, after in pairwise(levels):
        d = (x - x / (1 + 4 * level**2)) / level
        new = x + (after - level) * d
        if after > 0:
            new = x + (after - level) * (d + (new - new / (1 + 4 * after**2)) / after) / 2
        x = new
    return x


@pytest.mark.parametrize(
    ("call", "reference"),
    [("ddim(z, eps, n)", ddim), ("dpm_solver(z, eps, n)", dpm_solver), ("unipc(z, eps, n)", unipc), ("edm(z, den, n)", edm)],
)  # fmt: skip
def test_a_sampler_is_its_papers_algorithm(
    call: str, reference: Callable[[Array, int], Array], program: Make, tmp_path: Path
) -> None:
    z = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    for steps in (2, 7, 20):
        result = run(program, tmp_path, call, inputs=", n: int = 5", z=z, n=steps)
        np.testing.assert_allclose(result, reference(z.astype(float), steps), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("call", "order"), [("ddim(z, eps, n)", 1), ("dpm_solver(z, eps, n)", 2), ("unipc(z, eps, n)", 2)]
)
def test_samplers_tend_to_the_flow(call: str, order: int, program: Make, tmp_path: Path) -> None:
    z = np.random.default_rng(1).standard_normal((16, 2)).astype(np.float32)
    exact = z * np.sqrt(0.25 / (0.25 * 1e-4 + 1 - 1e-4))
    errors = [np.abs(run(program, tmp_path, call, inputs=", n: int = 5", z=z, n=n) - exact).max() for n in (10, 40)]
    assert errors[0] / errors[1] > 4**order * 0.8


@pytest.mark.parametrize(
    "call",
    ["ddpm(z, eps, 200)", "dpm_solver_sde(z, eps, 40)", "ddim(z, eps, 100, eta = 0.5)", "edm(z, den, 40, churn = 20)", "consistency(z, jump, 4)"],
)  # fmt: skip
def test_samples_have_the_law_of_the_data(call: str, program: Make, tmp_path: Path) -> None:
    z = np.random.default_rng(2).standard_normal((8000, 2)).astype(np.float32)
    result = run(program, tmp_path, call, z=z, seed=3)
    assert abs(result.std() - 0.5) < 0.02
    assert np.abs(result.mean(0)).max() < 0.03
    assert abs(np.mean(result[:, 0] * result[:, 1])) < 0.02


def test_a_sampler_takes_any_shape(program: Make, tmp_path: Path) -> None:
    z = np.random.default_rng(4).standard_normal((2, 3, 4, 5)).astype(np.float32)
    result = run(program, tmp_path, "ddim(z, eps, 6)", shape="[3, 4, 5]", z=z)
    np.testing.assert_allclose(result, ddim(z.astype(float), 6), rtol=1e-3, atol=1e-4)


def test_guidance_is_rescaled_and_limited(program: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    x, s, y = rng.standard_normal((6, 2)), np.linspace(0.1, 0.9, 6), np.array([0, 1, 2, 0, 1, 2])
    text = "guided(z, s, given = shifted(y = y), free = shifted(y = 2), scale = w, rescale = 0.7, from = 0.2, to = 0.8)"
    result = run(
        program, tmp_path, text, inputs=", s: [], y: class[3], w: real = 2.0",
        z=x.astype(np.float32), s=s.astype(np.float32), y=y, w=3.0,
    )  # fmt: skip
    for row in range(6):
        noise = np.sqrt(1 - kept(s[row])) * x[row] / (0.25 * kept(s[row]) + 1 - kept(s[row]))
        corrupted = noise + np.eye(3)[y[row]][:2]
        mixed = noise + 3 * (corrupted - noise)
        mixed = mixed * (0.7 * corrupted.std() / mixed.std() + 0.3) if 0.2 <= s[row] <= 0.8 else corrupted
        np.testing.assert_allclose(result[row], mixed, rtol=1e-4, atol=1e-5)


def test_a_library_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text('import "std/difusion"\nexport f(x: [2]) -> [2] { return x }\n')
    (only,) = check(path).diagnostics
    assert (only.slug, only.help) == ("import-not-found", 'write `"std/diffusion"`')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("export f(x: [...]) -> [2] { return x }", "whatever shape a call hands over"),
        ("data x: [...] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\ntrain(steps = 1) { minimize sum(f(x)^2) }", "whatever shape"),
        ("layer f(x: [...]) -> [2] { return x }\nexport g(x: [3]) -> [3] { return f(x) }", "promises [2]"),
    ],
)  # fmt: skip
def test_any_shape_is_of_calls_alone(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(text + "\n")
    assert any(said in d.message for d in check(path).diagnostics)
