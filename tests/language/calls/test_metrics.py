"""Metrics of the prelude, beside scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load

SPEC = """
export area(x: [N], y: class[2][N]) -> [] { return auc(x, y) }
export explained(x: [N], t: [N]) -> [] { return r2(x, t) }
export pinball(x: [], t: []) -> [] { return quantile_loss(x, t, 0.9) }
export classes(z: [N, 3], y: class[3][N]) -> ([], []) { return (f1_of_classes(z, y), calibration_error(z, y)) }
export binary(said: [N], y: class[2][N]) -> ([], [], []) { return (precision(said, y), recall(said, y), f1(said, y)) }
"""


@pytest.fixture
def run(program: Callable[[str], Program], tmp_path: Path) -> Callable[..., object]:
    spec = program(SPEC)

    def run(name: str, **values: np.ndarray) -> object:
        batch = {n: array[None] if name != "pinball" else array for n, array in values.items()}
        return load(export(spec, name, Trained({}), tmp_path).path, providers="cpu")(**batch)

    return run


@pytest.mark.parametrize("count", [2, 3, 8, 500])
def test_as_scikit_learn(run: Callable[..., object], count: int) -> None:
    """With ties among scores, and all labels there."""
    draw = np.random.default_rng(count)
    y, x = draw.integers(0, 2, count), draw.integers(0, 5, count).astype(np.float32)
    y[:2] = 0, 1
    t = (x + draw.normal(size=count)).astype(np.float32)
    said = (x > 2).astype(np.float32)
    assert np.allclose(run("area", x=x, y=y), metrics.roc_auc_score(y, x), atol=1e-6)
    assert np.allclose(run("explained", x=x, t=t), metrics.r2_score(t, x), atol=1e-4)
    assert np.allclose(np.mean(run("pinball", x=x, t=t)), metrics.mean_pinball_loss(t, x, alpha=0.9), atol=1e-5)
    expected = [f(y, said, zero_division=0) for f in (metrics.precision_score, metrics.recall_score, metrics.f1_score)]
    assert np.allclose(np.stack(list(run("binary", said=said, y=y).values()), 1), expected, atol=1e-6)


def test_of_classes(run: Callable[..., object]) -> None:
    draw = np.random.default_rng(0)
    z, y = draw.normal(size=(300, 3)).astype(np.float32), draw.integers(0, 3, 300)
    score, error = (float(v[0]) for v in run("classes", z=z, y=y).values())
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    top, right = p.max(1), p.argmax(1) == y
    bins = np.minimum((top * 10).astype(int), 9)
    gaps = [abs((top[bins == b] - right[bins == b]).sum()) for b in range(10)]
    assert np.allclose(score, metrics.f1_score(y, z.argmax(1), average="macro"), atol=1e-6)
    assert np.allclose(error, sum(gaps) / 300, atol=1e-5)
