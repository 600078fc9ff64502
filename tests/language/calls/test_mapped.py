"""A call is mapped over the axes that its arguments have before those of their types: of all arguments together, as numpy does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
NET = "net k(a: [2], b: [2], s: []) -> [] { return tanh(sum((s * linear(a, 3) - linear(b, 3))^2)) }\n"


def of_one(weights: dict[str, Array], a: Array, b: Array, s: float) -> float:
    first, second = (weights[f"k.linear_{i}.weight"] @ x + weights[f"k.linear_{i}.bias"] for i, x in ((1, a), (2, b)))
    return float(np.tanh(((s * first - second) ** 2).sum()))


CALLS: dict[str, tuple[str, Callable[..., list[object]]]] = {
    "all pairs": (
        "export f(x: [N, 2], y: [M, 2], s: []) -> [N, M] { return k(x[:, None], y, s) }",
        lambda k, x, y, s: [[k(a, b, s) for b in y] for a in x],
    ),
    "a column and a row": (
        "export f(x: [N, 2], y: [M, 2], s: []) -> [M, N] { return k(x, y[:, None], range(M)[:, None] * s) }",
        lambda k, x, y, s: [[k(a, b, s * i) for a in x] for i, b in enumerate(y)],
    ),
    "one row of several": (
        "export f(x: [N, 2], y: [M, 2], s: []) -> [M] { return k(x[:1], y, s) }",
        lambda k, x, y, s: [k(x[0], b, s) for b in y],
    ),
    "a derivative of all pairs": (
        "export f(x: [N, 2], y: [M, 2], s: []) -> [N] { return sum(k(x[:, None], y, s) + 0 * grad(sum(k(x[:, None], y, s)), s), axis = 1) }",
        lambda k, x, y, s: [sum(k(a, b, s) for b in y) for a in x],
    ),
    "in a loop": (
        "export f(x: [N, 2], y: [M, 2], s: []) -> [N, M] {\n  z = zeros([N, M])\n  repeat 2 shared { z += k(x[:, None], y, s) }\n  return z\n}",
        lambda k, x, y, s: [[2 * k(a, b, s) for b in y] for a in x],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_axes_of_size_one_and_lacking_ones_are_stretched(name: str, program: Maker, tmp_path: Path) -> None:
    line, expected = CALLS[name]
    spec = program(NET + line + "\n")
    weights, _ = load_weights(spec, None)
    model = load(export(spec, "f", Trained(weights), tmp_path).path, providers="cpu")
    generator = np.random.default_rng(0)
    x, y, s = (generator.normal(0, 0.5, shape).astype(np.float32) for shape in ((2, 3, 2), (2, 4, 2), (2,)))

    def k(a: Array, b: Array, s: float) -> float:
        return of_one(weights, a, b, s)

    np.testing.assert_allclose(
        np.asarray(model(x=x, y=y, s=s)), [expected(k, *each) for each in zip(x, y, s, strict=True)], atol=1e-5
    )


def test_axes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(NET + "export f(x: [3, 2], y: [4, 2]) -> [3] { return k(x, y, 1) }\n", encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "shape-mismatch"
    assert diagnostic.message == "`k` is mapped over [3] of one argument and [4] of another"
