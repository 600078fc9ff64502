"""`fixed_point(z, g)`: the derivative of a solution, beside closed forms and beside derivatives through all turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from tests.support.objective import objective

Maker = Callable[[str], Program]
LINEAR = """
# z = 0.1 M z + x, whose solution is (I - 0.1 M)^-1 x.
layer solved(x: [4], M: [4, 4]) -> [4] {
  z = zeros([4])
  repeat 400 until norm(z - old) < 1e-7 * norm(z) {
    old = z
    z = 0.1 * M @ z + x
  }
  return fixed_point(z, 0.1 * M @ z + x)
}
export along(x: [4], M: [4, 4], d: [4, 4]) -> [4] { return jvp(solved(x, M), M, d) }
export back(x: [4], M: [4, 4], c: [4]) -> ([4], [4, 4]) {
  s = sum(c * solved(x, M))
  return (grad(s, x), grad(s, M))
}
"""
ROOT = """
# The root of a, whose derivatives are known. At it dg/dz is 1 - 2 a: nothing that contracts.
export root(a: []) -> ([], [], [], []) {
  x = a
  repeat 50 until abs(x - old) < 1e-6 {
    old = x
    x = (x + a / x) / 2
  }
  y = fixed_point(x, x - (x^2 - a) * x)
  g = grad(y, a)
  h = grad(g, a)
  return (y, g, h, jvp(h, a, 1))
}
"""
TRAINED = """
# The limit of a layer.
data x: [2] from moons()
net f(z: [3], x: [2]) -> [3] { return tanh(0.5 * linear(z, 3) + linear(x, 3)) }
layer limit(x: [2]) -> [3] {
  z = zeros([3])
  repeat 60 until norm(z - old) < 1e-7 {
    old = z
    z = f(z, x)
  }
  return VALUE
}
train(steps = 1, batch = 16, optimizer = adam(lr = 1e-3)) { minimize sum(limit(x)^3) }
export g(x: [2]) -> [3] { return limit(x) }
"""


def results(program: Program, name: str, folder: Path, **inputs: Array) -> list[Array]:
    path = export(program, name, Trained(load_weights(program, None)[0]), folder).path
    result = load(path, providers="cpu")(**inputs)
    return list(result.values()) if isinstance(result, dict) else [result]


@pytest.mark.parametrize(("moves", "wanted"), [("a", "2 * b"), ("b", "2 * a")])
def test_what_does_not_move_moves_no_solution(program: Maker, moves: str, wanted: str) -> None:
    """z = z / 2 + a b: 2 a b."""
    spec = program(
        "export f(a: [], b: []) -> [] {\n  z = 0.0\n  repeat 40 shared { z = z / 2 + a * b }\n"
        f"  return jvp(fixed_point(z, z / 2 + a * b), {moves}, 1) - {wanted}\n}}\n"
    )
    inputs = {"a": np.array([1.5, -2.0]), "b": np.array([0.5, 3.0])}
    np.testing.assert_allclose(evaluate(prepare(spec.exports["f"]), inputs, {}, {})[0], 0, atol=1e-5)


def test_a_linear_fixed_point_has_the_derivative_of_the_inverse(program: Maker, tmp_path: Path) -> None:
    spec, draw = program(LINEAR), np.random.default_rng(0).standard_normal
    x, c, M, d = (draw(s).astype(np.float32) for s in ((5, 4), (5, 4), (5, 4, 4), (5, 4, 4)))
    M *= np.array([0.0, 1, 2, 3, 3], np.float32)[:, None, None]
    inverse = np.linalg.inv(np.eye(4) - 0.1 * M.astype(np.float64))
    z = np.einsum("bij,bj->bi", inverse, x)
    (along,) = results(spec, "along", tmp_path, x=x, M=M, d=d)
    np.testing.assert_allclose(along, np.einsum("bij,bjk,bk->bi", inverse, 0.1 * d, z), rtol=1e-3, atol=1e-4)
    gx, gM = results(spec, "back", tmp_path, x=x, M=M, c=c)
    came = np.einsum("bji,bj->bi", inverse, c)
    np.testing.assert_allclose(gx, came, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gM, 0.1 * came[:, :, None] * z[:, None, :], rtol=1e-3, atol=1e-4)


def test_derivatives_of_derivatives(program: Maker, tmp_path: Path) -> None:
    a = np.array([0.5, 2.0, 8.0], np.float32)
    wanted = [a**0.5, 0.5 * a**-0.5, -0.25 * a**-1.5, 0.375 * a**-2.5]
    for result, exact in zip(results(program(ROOT), "root", tmp_path, a=a), wanted, strict=True):
        np.testing.assert_allclose(result, exact, rtol=1e-4)


def test_what_comes_back_to_one_of_several_values(program: Maker) -> None:
    """In numpy alone: the root of a b, by a, where b and the label k stay."""
    text = ROOT[: ROOT.index("  y = ")].replace(
        "root(a: []) -> ([], [], [], [])", "root(a: [], b: [], k: class[2]) -> ([], [])"
    )
    text = text.replace("x + a / x", "x + a * b / x")
    text += "  y = fixed_point(x, x - (x^2 - a * b * [2, 1][k]) * x)\n  return (y, grad(y, a))\n}\n"
    graph = prepare(program(text).exports["root"])
    feed = {"a": np.array([2.0, 0.5]), "b": np.array([3.0, 8.0]), "k": np.array([1, 1])}
    root, slope = evaluate(graph, feed, {}, {})
    np.testing.assert_allclose(root, np.sqrt([6.0, 4.0]), rtol=1e-6)
    np.testing.assert_allclose(slope, np.array([3.0, 8.0]) / (2 * root), rtol=1e-5)


def test_training_sees_what_going_back_through_all_turns_sees(program: Maker) -> None:
    gradients = []
    for value in ("z", "fixed_point(z, f(z, x))"):
        loss, weights = objective(program(TRAINED.replace("VALUE", value)), adjoint=True)
        gradients.append(torch.autograd.grad(loss, weights))
    for through_turns, implicit in zip(*gradients, strict=True):
        torch.testing.assert_close(implicit, through_turns, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "slug"),
    [("fixed_point(z, f(x0, x))", "zero-derivative"), ("fixed_point(z, concat(z, x))", "shape-mismatch")],
)
def test_what_is_no_fixed_point_is_told(wrong: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(TRAINED.replace("VALUE", wrong).replace("z = zeros", "x0 = zeros([3])\n  z = zeros"))
    assert slug in [d.slug for d in check(path).diagnostics]
