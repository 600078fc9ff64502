"""Loops over an input of free length: the file computes what a plain loop computes, at every length and batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
Step = Callable[[Array, Array], Array]
CELL = "net cell(h: [2], x: [2]) -> [2] { return tanh(linear(concat(x, h), 2, init = ones, bias = false)) }\n"
RUN = """net run(x: [T, 2], h: [2]) -> [2] {
  repeat T shared as t { h = cell(h, x[t]) }
  return h
}
"""


def cell(h: Array, x: Array) -> Array:
    return np.full(2, np.tanh(x.sum() + h.sum()))


def run(x: Array, h: Array, step: Step = cell) -> Array:
    for row in x:
        h = step(h, row)
    return h


def twice(x: Array) -> Array:
    return run(x, np.zeros(2)) + run(2 * x, np.ones(2))


def integral(x: Array) -> Array:
    h = np.zeros(2)
    for _ in range(4):
        h = h + run(x, h) / 4
    return h


def gradient(x: Array) -> Array:
    """Of the sum of the last state, by central differences."""
    moved = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        moved[place] = (run(x + step, np.zeros(2)).sum() - run(x - step, np.zeros(2)).sum()) / 2e-6
    return moved


NESTED = """export f(x: [T, 2]) -> [2] {
  h = zeros([2])
  repeat T shared as t { repeat T shared as u { h = cell(h, x[t] - x[u]) } }
  return h
}
"""
SPECS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "net": (CELL + RUN + "export f(x: [T, 2]) -> [2] { return run(x, zeros([2])) }", lambda x: run(x, np.zeros(2))),
    "layer": (
        "export f(x: [T, 2]) -> [2] {\n  h = zeros([2])\n"
        "  repeat T shared as t { h = linear(x[t], 2, init = ones, bias = false) + tanh(h) }\n  return h\n}",
        lambda x: run(x, np.zeros(2), lambda h, row: row.sum() + np.tanh(h)),
    ),
    "twice": (CELL + RUN + "export f(x: [T, 2]) -> [2] { return run(x, zeros([2])) + run(2 * x, ones([2])) }", twice),
    "integrate": (
        CELL + RUN + "export f(x: [T, 2]) -> [2] {\n  h = zeros([2])\n"
        "  integrate s in 0..1 using euler(4) { dh/ds = run(x, h) }\n  return h\n}",
        integral,
    ),
    "nested": (CELL + NESTED, lambda x: run(np.concatenate(x[:, None] - x[None]), np.zeros(2))),
    "derivative": (
        CELL + RUN + "export f(x: [T, 2]) -> [T, 2] { return grad(sum(run(x, zeros([2]))), x) }",
        gradient,
    ),
    "lead axes": (
        CELL + RUN + "net each(x: [T, 2]) -> [2] { return run(x, zeros([2])) }\n"
        "export f(x: [T, 2]) -> [3, 2] { return each([x, 2 * x, -x]) }",
        lambda x: np.stack([run(k * x, np.zeros(2)) for k in (1, 2, -1)]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_a_loop_over_an_input_is_a_plain_loop(name: str, program: Maker, tmp_path: Path) -> None:
    text, wanted = SPECS[name]
    spec = program(text)
    model = load(export(spec, "f", Trained(load_weights(spec, None)[0]), tmp_path).path, providers="cpu")
    for length in (1, 2, 5):
        for batch in (1, 3):
            x = np.random.default_rng(length).standard_normal((batch, length, 2)).astype(np.float32) / 3
            expected = np.stack([wanted(np.asarray(example, np.float64)) for example in x])
            np.testing.assert_allclose(np.asarray(model(x=x)), expected, rtol=1e-5, atol=1e-5)


def test_a_loop_may_need_more_rows_of_one_input_than_of_another(program: Maker, tmp_path: Path) -> None:
    """The first state and a noise for each turn: there is a row of `z` more than turns, whatever its axis is called."""
    text = "export f(y: [T], z: [S]) -> [] {\n  h = z[0]\n  repeat T shared as t { h = h / 2 + y[t] * z[t + 1] }\n  return h\n}\n"
    model = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")
    y, z = np.float32([[1, 2, 3]]), np.float32([[8, 1, 1, 1]])
    np.testing.assert_allclose(np.asarray(model(y=y, z=z)), [((8 / 2 + 1) / 2 + 2) / 2 + 3])
