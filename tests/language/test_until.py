"""`repeat n until condition`: each example stops by itself, in numpy, torch and ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import Exported, export
from mai.compiler.ops.elementwise.logic import Less
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
PROGRAM = """
# Loops that end by themselves.
export root(a: []) -> ([], int) {
  x = 1 + abs(a)
  n = 0
  repeat 50 until abs(x - old) <= 1e-5 * x {
    old = x
    x = (x + (1 + abs(a)) / x) / 2
    n += 1
  }
  return (x, n)
}
export cloud(a: [P]) -> ([P], [P]) { return newton(a) }
layer newton(a: []) -> ([], int) {
  x = 1 + abs(a)
  n = 0
  repeat 50 shared as i until abs(x - old) <= 1e-5 * x {
    old = x
    x = (x + (1 + abs(a)) / x) / 2
    n = i + 1
  }
  return (x, n)
}
export label(y: class[10], most: int = 20) -> (class[10], int) {
  k = 0
  repeat most until y == 7 or k == 9 {
    y = (3 * y + 1) % 10
    k += 1
  }
  return (y, k)
}
export gcd(a: int, b: int) -> int {
  a = abs(a) + 1
  b = abs(b) + 1
  repeat 50 until b == 0 {
    r = a % b
    a = b
    b = r
  }
  return a
}
export roots(a: []) -> [] {
  a = 4 * sigmoid(a)
  total = 0
  repeat 9 until a <= 0 {
    total += sqrt(a)
    a = a - 1
  }
  return total
}
export slope(a: []) -> [] {
  (x, n) = newton(a)
  return jvp(x, a, 1)
}
"""
GRADIENTS = """
# Some turns, and the derivative through them.
export value(y: [3]) -> [] { return sum(shrunk(y)^3) }
export slope(y: [3]) -> [3] { return grad(sum(shrunk(y)^3), y) }
layer shrunk(y: [3]) -> [3] {
  n = 0
  repeat 30 until sum(y^2) < 0.3 {
    y = 0.7 * y + 0.01 * n * sqrt(abs(y) - min(abs(y)) + 0.1)
    n += 1
  }
  return y
}
"""
SETTING = """
# Turns of which only a call knows how many there are.
export slope(y: [], most: int = 9) -> [] {
  z = y
  repeat max([most, 3]) until z < 1 { z = z / (1 + y^2) }
  return grad(z, y)
}
"""
HOVERS = """
# A condition at the size of float32's roundings.
net f(z: [16], x: [16]) -> [16] { return tanh(linear(z, 16) + linear(x, 16)) }
export limit(x: [16]) -> ([16], int) {
  z = zeros([16])
  k = 0
  repeat 300 until norm(z - old) < 1e-7 {
    old = z
    z = f(z, x)
    k += 1
  }
  return (z, k)
}
export kept(x: [16]) -> [300, 16] {
  z = zeros([16])
  repeat 300 until norm(z - old) < 1e-7 {
    old = z
    z = f(z, x)
  } keep z as zs
  return zs
}
"""


def exported(program: Program, name: str, folder: Path) -> Exported:
    return export(program, name, Trained(load_weights(program, None)[0]), folder)


def newton(a: float) -> tuple[float, int]:
    x, n = np.float32(1 + abs(a)), 0
    while n < 50:
        n += 1
        old, x = x, (x + (1 + abs(a)) / x) / 2
        if abs(x - old) <= 1e-5 * x:
            break
    return float(x), n


def collatz(y: int, most: int) -> tuple[int, int]:
    k = 0
    while k < most:
        y, k = (3 * y + 1) % 10, k + 1
        if y == 7 or k == 9:
            break
    return y, k


def test_each_example_stops_by_itself(program: Maker, tmp_path: Path) -> None:
    spec = program(PROGRAM)
    a = np.array([0.0, 3.0, -80.0, 1e4], np.float32)
    wanted = [newton(float(x)) for x in a]
    assert len({n for _, n in wanted}) > 2
    graph = prepare(spec.exports["root"])
    in_torch = run(lower(graph, Weights(graph.weights)), graph, {"a": a}, {})
    in_numpy = evaluate(graph, {"a": a}, None, {})
    model = load(exported(spec, "root", tmp_path).path, providers="cpu")
    in_onnx = list(model(a=a).values())
    cloud = list(load(exported(spec, "cloud", tmp_path).path, providers="cpu")(a=a[None]).values())
    for values, counts in (in_torch, in_numpy, in_onnx, [x[0] for x in cloud]):
        np.testing.assert_allclose(values, [x for x, _ in wanted], rtol=1e-6)
        np.testing.assert_array_equal(counts, [n for _, n in wanted])
    alone = [model(a=a[i : i + 1]) for i in range(len(a))]
    np.testing.assert_array_equal([x["x"][0] for x in alone], in_onnx[0])


def test_labels_and_a_count_that_is_a_setting(program: Maker, tmp_path: Path) -> None:
    model = load(exported(program(PROGRAM), "label", tmp_path).path, providers="cpu")
    for most in (0, 2, 20):
        labels, counts = model(y=np.arange(10), most=most).values()
        wanted = [collatz(y, most) for y in range(10)]
        np.testing.assert_array_equal(labels, [y for y, _ in wanted])
        np.testing.assert_array_equal(counts, [k for _, k in wanted])


def test_derivatives_go_through_the_turns_taken(program: Maker, tmp_path: Path) -> None:
    spec = program(PROGRAM)
    a = np.array([0.5, 3.0, 80.0], np.float32)
    wanted = 0.5 / np.sqrt(1 + a)
    model = load(exported(spec, "slope", tmp_path).path, providers="cpu")
    np.testing.assert_allclose(model(a=a), wanted, rtol=1e-4)
    graph = prepare(spec.exports["root"])
    x = torch.from_numpy(a).requires_grad_()
    (lower(graph, Weights(graph.weights))(x)[0].sum()).backward()
    np.testing.assert_allclose(x.grad, wanted, rtol=1e-4)


@pytest.fixture
def gradients(program: Maker) -> tuple[Program, Array, Array]:
    """The program of `GRADIENTS`, examples y [3, 3], and what differences in float64 say of their slopes, [3, 3]."""
    spec = program(GRADIENTS)
    y = np.array([[0.1, -0.2, 0.4], [3.0, 2.0, -4.0], [0.7, 0.9, 0.3]], np.float32)
    value, ends = prepare(spec.exports["value"]), []
    for place in range(3):
        step = 1e-6 * np.eye(3)[place]
        ends.append([evaluate(value, {"y": y.astype(np.float64) + sign * step}, None, {})[0] for sign in (1, -1)])
    return spec, y, np.stack([(high - low) / 2e-6 for high, low in ends], 1)


def test_gradients_are_those_of_differences(gradients: tuple[Program, Array, Array]) -> None:
    spec, y, expected = gradients
    (slopes,) = evaluate(prepare(spec.exports["slope"]), {"y": y.astype(np.float64)}, None, {})
    np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-6)


def test_a_file_has_these_gradients(gradients: tuple[Program, Array, Array], tmp_path: Path) -> None:
    spec, y, expected = gradients
    slopes = load(exported(spec, "slope", tmp_path).path, providers="cpu")(y=y)
    np.testing.assert_allclose(slopes, expected, rtol=1e-3, atol=1e-4)


def test_grad_through_turns_of_a_setting_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(SETTING)
    (diagnostic,) = [d for d in check(path).diagnostics if d.severity == "error"]
    assert (
        diagnostic.slug == "not-differentiable"
        and diagnostic.span is not None
        and diagnostic.span.text.startswith("repeat max")
    )


@pytest.mark.parametrize("name", ["limit", "kept"])
def test_roundings_that_decide_are_told(name: str, program: Maker, tmp_path: Path) -> None:
    (warning,) = exported(program(HOVERS), name, tmp_path).warnings
    assert warning.slug == "metastable" and "finer condition" in str(warning.help)


def test_a_file_that_decides_otherwise_is_refused(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = program(HOVERS.replace("1e-7", "1e-3"))
    monkeypatch.setattr(Less, "onnx", staticmethod(lambda op, x, y: op.Less(x, op.Mul(y, 1.5))))
    with pytest.raises(MaiError) as error:
        exported(spec, "limit", tmp_path)
    assert error.value.diagnostics[0].slug == "compile-mismatch"


def test_who_has_stopped_is_not_computed_with_what_it_stopped_at(program: Maker, tmp_path: Path) -> None:
    spec = program(PROGRAM)
    a, b = np.array([11, 35, 0, 5]), np.array([3, 5, 8, 5])
    model = load(exported(spec, "gcd", tmp_path).path, providers="cpu")
    np.testing.assert_array_equal(model(a=a, b=b), np.gcd(a + 1, b + 1))
    graph = prepare(spec.exports["roots"])
    x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    lower(graph, Weights(graph.weights))(x)[0].sum().backward()
    assert torch.isfinite(x.grad).all()
    graph = prepare(spec.exports["gcd"])
    (result,) = run(lower(graph, Weights(graph.weights)), graph, {"a": a, "b": b}, {})
    np.testing.assert_array_equal(result, np.gcd(a + 1, b + 1))
