"""Empty axes: a file takes the smallest inputs of which it computes what numpy computes, and refuses smaller ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import Model, load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]


def opened(program: Maker, signature: str, body: str, folder: Path) -> Model:
    made = program(f"export g(x: {signature} {{ return {body} }}\n")
    return load(export(made, "g", Trained({}), folder).path, providers="cpu")


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize(
    ("signature", "body", "expected"),
    [
        ("[T]) -> [T]", "concat(x[1:], zeros([1]), axis = 0)", lambda x: np.append(x[:, 1:], 0 * x[:, :1], 1)),
        ("[T]) -> [T - 1]", "2 * x[1:]", lambda x: 2 * x[:, 1:]),
        ("[T]) -> []", "sum(abs(x[1:] - x[:-1]))", lambda x: np.abs(np.diff(x)).sum(1)),
        ("[T]) -> [1]", "sum(x[1:], keep = true)", lambda x: x[:, 1:].sum(1, keepdims=True)),
    ],
)
def test_an_empty_slice_is_as_numpy_has_it(
    signature: str, body: str, expected: Callable[[Array], Array], rows: int, program: Maker, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).standard_normal((2, rows)).astype(np.float32)
    result = np.asarray(opened(program, signature, body, tmp_path)(x=x))
    assert result.shape == expected(x).shape
    np.testing.assert_allclose(result, expected(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("signature", "body", "least"),
    [
        ("[T]) -> []", "max(x[1:])", 2),  # Of no numbers none is the largest,
        ("[T]) -> []", "mean(x[1:])", 2),  # and none their mean.
        ("[T]) -> [T - 2]", "x[2:]", 2),  # Of one row, numpy's slice has 0 rows, and T - 2 is negative.
        ("[T, 2]) -> [T - 1, 2]", "x[1:]", 1),
        ("[T, 2]) -> [3, 2]", "x[1:4]", 4),  # Of fewer rows numpy's slice has fewer than the type says.
        ("[T, 2]) -> [2, 2]", "x[-2:]", 2),
        ("[T, 2]) -> [2]", "x[6]", 7),
        ("[T, 2]) -> [2]", "x[-3]", 3),
        ("[T]) -> []", "sum(sort(x)[:2])", 2),
    ],
)
def test_the_least_size_is_the_least_that_is_computed(
    signature: str, body: str, least: int, program: Maker, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert opened(program, signature, body, tmp_path).manifest.least.get("T", 1) == least
    assert capfd.readouterr().err == ""


def test_two_free_sizes_are_least_together(program: Maker, tmp_path: Path) -> None:
    model = opened(program, "[T], y: [S]) -> [T + S - 2]", "concat(x[1:], y[1:], axis = 0)", tmp_path)
    one = np.ones((2, 1), np.float32)
    assert np.asarray(model(x=one, y=one)).shape == (2, 0)
