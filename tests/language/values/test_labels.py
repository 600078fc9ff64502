"""Labels and tokens stay labels where elements are only moved or chosen, so that a net of tokens takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.program import Program

A, B = np.array([[1, 2, 3], [7, 0, 4]]), np.array([[4, 5, 1], [6, 6, 6]])
MOVED = {
    "concat(a, b)": np.concatenate([A, B], 1),
    "concat([7], a, [0, 1])": np.array([[7, 1, 2, 3, 0, 1], [7, 7, 0, 4, 0, 1]]),
    "[a, b]": np.stack([A, B], 1),
    "[a, b]'": np.stack([A, B], 2),
    "shift(a, 1)": np.array([[0, 1, 2], [0, 7, 0]]),
    "maximum(a, b)": np.maximum(A, B),
    "where(a > b, a, 3)": np.where(A > B, A, 3),
    "flip(tile(a, 2))": np.tile(A, 2)[:, ::-1],
    "(a + b) % vocab": (A + B) % 8,
}
SPEC = """
const vocab = 8
net f(x: tokens[P]) -> [P, vocab] {{
  param table: [vocab, vocab] ~ normal(0, 1)
  return embed(x, vocab) + table[x]
}}
export g(a: tokens[3], b: tokens[3]) -> {shape} {{ return f({moved}) }}
"""


@pytest.mark.parametrize("moved", MOVED)
def test_tokens_are_tokens(program: Callable[[str], Program], moved: str) -> None:
    rows = MOVED[moved]
    spec = program(SPEC.format(shape=[*rows.shape[1:], 8], moved=moved))
    tables: dict[str, Any] = {n: np.random.default_rng(3).normal(size=w.shape) for n, w in spec.weights.items()}
    (result,) = evaluate(spec.exports["g"], {"a": A, "b": B}, {}, tables)
    np.testing.assert_allclose(result, sum(tables.values())[rows])


@pytest.mark.parametrize("moved", ["concat([8], a)", "maximum(a, [9, 1, 1])", "[a, [8, 8, 8]]"])
def test_a_number_beyond_the_vocabulary_is_none(tmp_path: Path, moved: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(SPEC.format(shape=[4, 8], moved=moved), encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert (diagnostic.slug, diagnostic.span and diagnostic.span.text) == ("class-range", moved)
    assert "does not fit `tokens[P]`: labels are 0 to 7" in diagnostic.message


COUNTED = {
    "clip(i, 0, 4)": 5,
    "minimum(maximum(i, 1), 3)": 4,
    "clip(range(4)[:, None] - range(4), -2, 2) + 2": 5,
    "i % 5": 5,
    "2 * (i % 5) + i % 2": 10,
    "int(clip(10 * x, 0, 7))": 8,
    "round(1.5 * tanh(x) + 1.5)": 4,
    "floor(6.9999999 * sigmoid(x))": 8,
    "sum(where(x > 0, 1, 0))": 5,
    "minimum(cumsum(where(x > 0, 1, 0)), 3)": 4,
    "(i % 3)[1:]": 3,
    "int(0.5 * clip(x, 0, 8) + 0.25)": 5,
    "i % 20000000 + 1": 20000001,
}
OPEN = ["i", "i // 2", "clip(i, -1, 4)", "i % -5", "maximum(i, 0)", "int(x)", "floor(clip(x, 0.9, 2) * 3 - 2.7)"]
TABLE = 'export g(i: int[4], x: [4]) -> [2] {{ return sum(reduce(embed({label}, 2), "... d -> d", "sum")[None], axis = 0) }}'


@pytest.mark.parametrize("label", COUNTED)
def test_a_table_has_a_row_for_each_label_that_there_may_be(program: Callable[[str], Program], label: str) -> None:
    (weight,) = program(TABLE.format(label=label)).weights.values()
    assert weight.shape == (COUNTED[label], 2)


@pytest.mark.parametrize("label", OPEN)
def test_a_label_without_bounds_is_refused(tmp_path: Path, label: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(TABLE.format(label=label), encoding="utf-8")
    assert check(path).diagnostics[0].slug == "class-range"
