"""The choice of a token: 100,000 draws in one call against the exact distribution, and the same draws in three backends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.ops.random.choice import Choose
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[..., Program]

SPEC = """export choose(z: [12], temperature: real = 1.0, top_k: int = 0, top_p: real = 1.0, min_p: real = 0.0,
  typical_p: real = 1.0) -> int {
  k ~ categorical(z / temperature, top_k, top_p, min_p, typical_p = typical_p)
  return k
}
"""
DRAWS = 100_000
LOGITS = np.random.default_rng(4).normal(0, 1.5, 12)
SETTINGS: list[dict[str, Any]] = [
    {}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 4}, {"top_k": 50}, {"top_p": 0.7}, {"top_p": 0.05},
    {"min_p": 0.1}, {"min_p": 1.0}, {"top_k": 6, "top_p": 0.8}, {"top_k": 8, "min_p": 0.2, "temperature": 1.3},
    {"typical_p": 0.5}, {"typical_p": 0.9, "temperature": 2.0}, {"top_k": 8, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.6},
]  # fmt: skip


def exact(
    logits: Array, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0, typical_p: float = 1.0
) -> Array:  # fmt: skip
    """The probabilities, by the definitions, one filter after the other."""
    p = np.exp(logits / temperature)
    p /= p.sum()
    order = np.argsort(-p)
    if top_k:
        p[order[top_k:]] = 0
        p /= p.sum()
    before = np.cumsum(p[order]) - p[order]
    p[order[before > top_p]] = 0
    p[p < min_p * p.max()] = 0
    p /= p.sum()
    if typical_p < 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.abs(-np.log(p) - np.nansum(-p * np.log(p)))
        nearest = np.argsort(far)
        before = np.cumsum(p[nearest]) - p[nearest]
        p[nearest[before >= typical_p]] = 0
    return p / p.sum()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_distribution_is_that_of_transformers(settings: dict[str, Any]) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    makers = {
        "temperature": library.TemperatureLogitsWarper, "top_k": library.TopKLogitsWarper, "top_p": library.TopPLogitsWarper,
        "min_p": library.MinPLogitsWarper, "typical_p": library.TypicalLogitsWarper,
    }  # fmt: skip
    for seed in range(20):
        logits = np.random.default_rng(seed).normal(0, 1.5, 12)
        scores = torch.from_numpy(logits)[None]
        for name, make in makers.items():
            if name in settings:
                scores = make(settings[name])(None, scores)
        np.testing.assert_allclose(exact(logits, **settings), torch.softmax(scores, -1)[0], atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_draws_have_the_exact_distribution(program: Maker, tmp_path: Path, settings: dict[str, Any]) -> None:
    model = load(export(program(SPEC), "choose", Trained({}), tmp_path).path, providers="cpu")
    drawn = model(z=np.broadcast_to(LOGITS, (DRAWS, 12)).astype(np.float32), seed=1, **settings)
    counts, p = np.bincount(drawn, minlength=12), exact(LOGITS, **settings)
    assert not counts[p == 0].any()
    if (p > 0).sum() > 1:
        assert chisquare(counts[p > 0], DRAWS * p[p > 0]).pvalue > 1e-4


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_backends_choose_alike(program: Maker, tmp_path: Path, settings: dict[str, Any]) -> None:
    spec = program(SPEC)
    graph = forms.prepare(spec.exports["choose"])
    z = np.random.default_rng(6).normal(0, 2, (500, 12)).astype(np.float32)
    (by_numpy,) = evaluate(graph, {"z": z}, {"seed": 3, **settings}, {})
    (by_torch,) = run(lower(graph, Weights({}), "Choice"), graph, {"z": z}, {"seed": 3, **settings})
    by_onnx = load(export(spec, "choose", Trained({}), tmp_path).path, providers="cpu")(z=z, seed=3, **settings)
    np.testing.assert_array_equal(by_torch, by_numpy)
    np.testing.assert_array_equal(by_onnx, by_numpy)


def test_temperature_zero_is_the_first_of_the_largest(program: Maker, tmp_path: Path) -> None:
    model = load(export(program(SPEC), "choose", Trained({}), tmp_path).path, providers="cpu")
    z = np.zeros((40, 12), np.float32)
    z[:, 3] = z[:, 7] = 2.0
    z[:, 11] = -np.inf
    assert (model(z=z, temperature=0.0, seed=9) == 3).all()
    assert set(model(z=z, temperature=1e-3, seed=9).tolist()) == {3, 7}
    assert 11 not in model(z=z, temperature=9.0, seed=9)


COLD = {
    "divided": "categorical(x / t)",
    "divided before": "categorical(z)",
    "an argument": "categorical(x, temperature = t)",
    "an argument beside a filter": "categorical(x, 2, temperature = t)",
    "with a bias": "categorical(x + 0.1 * t, temperature = t)",
    "twice the temperature": "categorical(x / (2 * t))",
    "seen to by the file": "categorical(where(t > 0, x / (t + 1e-9), 10^9 * x))",
}


@pytest.mark.parametrize("name", COLD)
def test_a_cold_choice_is_the_largest(name: str, program: Maker, tmp_path: Path) -> None:
    text = f"export pick(x: [3], t: real = 1.0) -> class[3] {{\n  z = x / t\n  k ~ {COLD[name]}\n  return k\n}}\n"
    model = load(export(program(text), "pick", Trained({}), tmp_path).path, providers="cpu")
    rows = np.array([[0.5, 5.0, 1.0], [7.0, 5.0, 1.0], [1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_array_equal(model(x=rows, t=0.0), [1, 0, 2])


def test_a_temperature_is_what_the_logits_are_divided_by(program: Maker, tmp_path: Path) -> None:
    text = "export pick(x: [12], t: real = 1.0) -> class[12] {{\n  k ~ {}\n  return k\n}}\n"
    rows = np.broadcast_to(LOGITS, (500, 12)).astype(np.float32)
    drawn = []
    for form in ("categorical(x / t)", "categorical(x, temperature = t)"):
        model = load(export(program(text.format(form)), "pick", Trained({}), tmp_path).path, providers="cpu")
        drawn.append(model(x=rows, t=0.7, seed=3))
    np.testing.assert_array_equal(*drawn)


REFUSED = {
    "a bias": "categorical(x / t + 0.1)",
    "a reciprocal": "categorical((1 / t) * x)",
    "a power": "categorical(x * t^-1)",
    "a shift": "categorical((x + 0.1) / t - 2)",
    "penalised after": "categorical(penalise(x / t, range(2), 1.5))",
    "twice": "categorical(x / t, temperature = t)",
    "of probabilities": "categorical(log_softmax(x / t))",
    "a name between": "categorical(z + 1)",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_division_inside_of_the_logits_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        f"export pick(x: [3], t: real = 1.0) -> class[3] {{\n  z = x / t\n  k ~ {REFUSED[name]}\n  return k\n}}\n",
        encoding="utf-8",
    )
    (error,) = check(path).diagnostics
    assert error.slug == "division-by-zero" and error.span is not None and error.span.line == 3
    assert error.help is not None and "temperature = t" in error.help


def test_a_divisor_that_is_never_0_is_none_of_its_business(program: Maker) -> None:
    program(
        "export pick(x: [3], n: int = 4) -> class[3] {\n  integrate s in 0..1 using euler(n) { dx/ds = -x }\n"
        "  k ~ categorical(x / n + 0.1)\n  return k\n}\n"
    )


@pytest.mark.parametrize("filters", [{"top_k": 3}, {"top_p": 0.6}])
def test_one_filter_without_the_others(filters: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    logits, u = rng.standard_normal((200, 9)), rng.random(200)
    wanted = Choose.reference(np, logits, u, np.asarray(1.0), **{n: np.asarray(v) for n, v in filters.items()})
    tensors = {n: torch.tensor(v) for n, v in filters.items()}
    chosen = Choose.torch(torch, torch.from_numpy(logits), torch.from_numpy(u), torch.tensor(1.0), **tensors)
    np.testing.assert_array_equal(chosen, wanted)
