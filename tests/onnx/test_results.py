"""Functions with several results: what they are called, and what they are under the axes that a call maps over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import Model, load
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
COUPLING = """
# A volume-preserving step and how it turns: (x, y) -> (x, y + f(x)), and f(x).
net f(x: [], y: []) -> ([2], []) {
  moved = x^2
  return ([x, y + moved], moved)
}
export step(p: [2]) -> ([2], []) { return f(p[0], p[1]) }
export cloud(p: [P, 2]) -> ([P, 2], [P], int) {
  (q, moved) = f(p[:, 0], p[:, 1])
  return (q, moved, argmax(moved))
}
"""


def opened(program: Program, name: str, folder: Path) -> Model:
    return load(export(program, name, Trained(load_weights(program, None)[0]), folder).path, providers="cpu")


def test_each_result_of_a_mapped_call_is_mapped(program: Maker, tmp_path: Path) -> None:
    spec = program(COUPLING)
    p = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    result = opened(spec, "cloud", tmp_path)(p=p)
    square = p[..., 0] ** 2
    assert list(result) == ["q", "moved", "cloud_2"]
    np.testing.assert_allclose(result["q"], np.stack([p[..., 0], p[..., 1] + square], -1), rtol=1e-6)
    np.testing.assert_allclose(result["moved"], square, rtol=1e-6)
    np.testing.assert_array_equal(result["cloud_2"], square.argmax(1))
    one = opened(spec, "step", tmp_path)(p=p[:, 0])
    np.testing.assert_array_equal(one["step_0"], result["q"][:, 0])
    np.testing.assert_array_equal(one["step_1"], result["moved"][:, 0])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("export f(x: [2]) -> ([2], [2]) { return split(concat(x, x), 2) }", ["f_0", "f_1"]),
        ("export f(x: [2]) -> ([2], [2]) {\n  y = 2 * x\n  return (y, x)\n}", ["y", "f_1"]),
        ("export f(x: [2]) -> ([2], [2]) {\n  y = 2 * x\n  return (y, y)\n}", ["f_0", "f_1"]),
        ("export f(x: [2]) -> ([2], []) {\n  turns = sum(x)\n  return (x, turns)\n}", ["f_0", "f_1"]),
        ("export f(x: [2], f_1: [2]) -> ([2], [2]) { return (x, f_1) }", ["f_result_0", "f_result_1"]),
        (
            "export f(x: [2]) -> ([2], [2]) {\n  if 1 == 1 { return split(concat(x, x), 2) }\n  return (x, x, x)\n}",
            ["f_0", "f_1"],
        ),
        ("export f(f: [2]) -> [2] { return 2 * f }", ["f_result"]),
    ],
)
def test_results_have_names_of_their_own(text: str, names: list[str], program: Maker, tmp_path: Path) -> None:
    model = opened(program(text), "f", tmp_path)
    assert list(model.outputs) == names
    model(**{name: np.ones((1, 2)) for name in model.inputs})


@pytest.mark.parametrize("name", ["turns", "evaluations"])
def test_a_result_is_not_taken_for_a_counter(name: str, program: Maker, tmp_path: Path) -> None:
    """Files count turns and evaluations in outputs of these names."""
    spec = program(f"export {name}(x: [2]) -> [2] {{ return 2 * x }}\n")
    model = opened(spec, name, tmp_path)
    assert [port.name for port in model.manifest.outputs] == [f"{name}_result"]
    np.testing.assert_array_equal(model(x=np.ones((1, 2), np.float32)), [[2, 2]])


def test_a_whole_number_that_may_be_zero_divides_nothing(program: Maker, tmp_path: Path) -> None:
    spec = program(
        "export f(a: int, b: int) -> int { return a % b }\nexport g(a: int, b: int) -> int { return a % maximum(b, 1) }\n"
    )
    with pytest.raises(MaiError, match="may be 0"):
        opened(spec, "f", tmp_path)
    assert opened(spec, "g", tmp_path)(a=np.array([7, 7]), b=np.array([0, 4])).tolist() == [0, 3]
