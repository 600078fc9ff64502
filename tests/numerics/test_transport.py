"""Transport: closed forms, POT, derivatives, and the same values in numpy, torch and ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
TWO = "export f(x: [N, d], y: [M, d]) -> {} {{ return {} }}\n"
SAME = "export f(x: [N, 2], y: [N, 2]) -> [] {{ return {} }}\n"
SINKHORN = "sinkhorn_divergence(x, y, epsilon = 0.2, iterations = {})"


def clouds(count: int = 12, other: int = 15, width: int = 2, seed: int = 1) -> tuple[Array, Array]:
    """Two batches of two clouds."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, count, width)), 0.6 * rng.standard_normal((2, other, width)) + 0.8


def value(program: Program, x: Array, y: Array, **settings: Any) -> Array:
    distance: Array = evaluate(forms.prepare(program.exports["f"]), {"x": x, "y": y}, settings, {})[0]
    return distance


def entropic(x: Array, y: Array, epsilon: float) -> float:
    """The least <P, C> + epsilon KL(P | a x b), by POT until it stands still."""
    a, b = (np.full(len(c), 1 / len(c)) for c in (x, y))
    costs = ot.dist(x, y)
    plan = ot.sinkhorn(a, b, costs, epsilon, method="sinkhorn_log", numItermax=3_000, stopThr=1e-9, warn=False)
    return float((plan * costs).sum() + epsilon * (plan * np.log(plan * plan.size)).sum())


def debiased(x: Array, y: Array, epsilon: float) -> float:
    return entropic(x, y, epsilon) - (entropic(x, x, epsilon) + entropic(y, y, epsilon)) / 2


# ------------------------------------------------------------------ Sinkhorn


def test_the_divergence_is_that_of_pot(program: Maker) -> None:
    x, y = clouds()
    distance = value(program(TWO.format("[]", "sinkhorn_divergence(x, y, epsilon = 0.2)")), x, y)
    np.testing.assert_allclose(distance, [debiased(a, b, 0.2) for a, b in zip(x, y, strict=True)], rtol=1e-3)


def test_a_point_weighs_as_much_as_its_copies(program: Maker) -> None:
    """Weights are shares; a point without weight is none. The derivative by them is that of differences."""
    x, y = clouds(6, 7)
    spec = """
export f(x: [N, 2], y: [M, 2], a: [N], b: [M]) -> [] { return sinkhorn_divergence(x, y, 0.2, 100, a = a, b = b) }
export g(x: [N, 2], y: [M, 2], a: [N], b: [M]) -> [N] { return grad(sinkhorn_divergence(x, y, 0.2, 100, a = a, b = b), a) }
"""
    checked = program(spec)
    a, b = np.asarray([[1.0, 2, 3, 0, 1, 1]] * 2), np.asarray([[3.0, 1, 1, 1, 2, 1, 1]] * 2)
    feed = {"x": x, "y": y, "a": a, "b": b}
    (ours,) = evaluate(forms.prepare(checked.exports["f"]), feed, {}, {})
    copies = [np.repeat(c, w[0].astype(int), axis=1) for c, w in ((x, a), (y, b))]
    alone = value(program(TWO.format("[]", "sinkhorn_divergence(x, y, 0.2, 100)")), *copies)
    np.testing.assert_allclose(ours, alone, rtol=1e-6)
    (slope,) = evaluate(forms.prepare(checked.exports["g"]), feed, {}, {})
    step = np.zeros_like(a)
    step[:, 1] = 1e-4
    ends = [evaluate(forms.prepare(checked.exports["f"]), feed | {"a": a + s * step}, {}, {})[0] for s in (1, -1)]
    np.testing.assert_allclose(slope[:, 1], (ends[0] - ends[1]) / 2e-4, rtol=1e-2)


@pytest.mark.slow
def test_the_defaults_have_nearly_converged(program: Maker) -> None:
    x, y = clouds(24, 24)
    distance = value(program(TWO.format("[]", "sinkhorn_divergence(x, y)")), x, y)
    wanted = [debiased(a, b, 0.05) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(distance, wanted, rtol=5e-3)


def test_a_cloud_that_is_moved_has_moved_by_so_much(program: Maker) -> None:
    """S_ε of a cloud and itself shifted is |shift|^2, for every ε: the plan's entropy is the same in all three terms."""
    x, _ = clouds()
    shift = np.array([1.5, -0.5])
    distance = value(
        program(TWO.format("[]", "sinkhorn_divergence(x, y, epsilon = 0.5, iterations = 200)")), x, x + shift
    )
    np.testing.assert_allclose(distance, shift @ shift, rtol=1e-4)


def test_it_is_symmetric_and_zero_between_equals(program: Maker) -> None:
    x, y = clouds()
    divergence = program(TWO.format("[]", SINKHORN.format(200)))
    np.testing.assert_allclose(value(divergence, x, y), value(divergence, y, x), rtol=1e-6)
    np.testing.assert_allclose(value(divergence, x, x), 0, atol=1e-5)
    assert (value(divergence, x, y) > 0).all()


def test_far_from_the_origin_no_digits_are_lost(program: Maker) -> None:
    x, y = (c.astype(np.float32) for c in clouds())
    near, far = (_in_torch(program(TWO.format("[]", SINKHORN.format(50))), a, b) for a, b in ((x, y), (x + 64, y + 64)))
    np.testing.assert_allclose(near, far, rtol=1e-4)


def _in_torch(program: Program, x: Array, y: Array) -> Array:
    graph = forms.prepare(program.exports["f"])
    module = lower(graph, Weights({}), "F")
    distance: Array = run(module, graph, {"x": x.astype(np.float32), "y": y.astype(np.float32)}, {})[0]
    return distance


def test_the_envelope_gives_the_gradient(program: Maker) -> None:
    """Against differences of the value, and against torch's way back through the whole iteration."""
    x, y = clouds(6, 7)
    call = SINKHORN.format(300)
    gradient = value(program(TWO.format("[N, d]", f"grad({call}, x)")), x, y)
    along = np.random.default_rng(2).standard_normal(x.shape)
    plain = program(TWO.format("[]", call))
    difference = (value(plain, x + 1e-5 * along, y) - value(plain, x - 1e-5 * along, y)) / 2e-5
    np.testing.assert_allclose((gradient * along).sum((1, 2)), difference, rtol=1e-5)
    through = program(TWO.format("[]", SINKHORN.format("300, unrolled = true")))
    for other in (plain, through):
        np.testing.assert_allclose(_gradient_in_torch(other, x, y), gradient, rtol=2e-3, atol=2e-5)


def _gradient_in_torch(program: Program, x: Array, y: Array) -> Array:
    a, b = (torch.from_numpy(c.astype(np.float32)) for c in (x, y))
    module = lower(forms.prepare(program.exports["f"]), Weights({}), "F")
    module(a.requires_grad_(True), b)[0].sum().backward()
    assert a.grad is not None
    gradient: Array = a.grad.numpy()
    return gradient


def test_second_derivatives_go_through_the_iteration(program: Maker) -> None:
    x, y = clouds(4, 5)
    call = SINKHORN.format("40, unrolled = true")
    gradient = program(TWO.format("[N, d]", f"grad({call}, x)"))
    second = program(TWO.format("[N, d]", f"jvp(grad({call}, x), x, y[:N] * x)"))
    along = y[:, :4] * x
    difference = (value(gradient, x + 1e-5 * along, y) - value(gradient, x - 1e-5 * along, y)) / 2e-5
    np.testing.assert_allclose(value(second, x, y), difference, rtol=1e-4, atol=1e-7)


# -------------------------------------------------------------------- sliced


def test_slices_of_a_moved_cloud(program: Maker) -> None:
    """A shift by t moves every slice by <u, t>: in the mean |t|^2 / d."""
    x, _ = clouds()
    sliced = program(SAME.format("sliced_wasserstein(x, y, projections = 4000)"))
    distance = value(sliced, x, x + np.array([1.5, -0.5]), seed=3)
    np.testing.assert_allclose(distance, 2.5 / 2, rtol=0.05)
    assert value(sliced, x, x, seed=3).max() < 1e-12


def test_given_the_directions_it_is_that_of_pot(program: Maker) -> None:
    x, y = clouds(12, 12)
    distance = value(program(SAME.format("sliced_wasserstein(x, y, projections = 9)")), x, y, seed=5)
    directions = program("export f(x: [N, 2], y: [N, 2]) -> [9, 2] { return sliced_wasserstein(x, y) }\n" + SLICED)
    drawn = value(directions, x, y, seed=5)
    np.testing.assert_allclose((drawn**2).sum(-1), 1, rtol=1e-6)
    assert not np.allclose(drawn[0], drawn[1])
    for i in range(2):
        wanted = ot.sliced_wasserstein_distance(x[i], y[i], projections=drawn[i].T) ** 2
        np.testing.assert_allclose(distance[i], wanted, rtol=1e-6)


# A draw's place is its name in the spec: under the same name these are the same directions.
SLICED = "layer sliced_wasserstein(x: [N, 2], y: [N, 2]) -> [9, 2] { return directions(9, x, y) }\n"


def test_sorting_is_differentiated_by_its_permutation(program: Maker) -> None:
    text = "export f(x: [N], y: [N]) -> [N] { return grad(sum(sort(x) * y), x) }\n"
    x, y = np.random.default_rng(4).standard_normal((2, 3, 7))
    distance = value(program(text), x, y)
    for row in range(3):
        np.testing.assert_allclose(distance[row][np.argsort(x[row])], y[row])


# ------------------------------------------------------------------ parities


@pytest.mark.parametrize("call", [SINKHORN.format(30), "sliced_wasserstein(x, y)", "mean(sort(x') * y')"])
def test_numpy_torch_and_onnx_agree(call: str, program: Maker, tmp_path: Path) -> None:
    spec = program(SAME.format(call))
    x, y = (c.astype(np.float32) for c in clouds(12, 12))
    wanted = value(spec, x, y)
    np.testing.assert_allclose(_in_torch(spec, x, y), wanted, rtol=1e-4, atol=1e-5)
    model = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")
    np.testing.assert_allclose(model(x=x, y=y), wanted, rtol=1e-4, atol=1e-5)


def test_more_axes_are_more_clouds(program: Maker) -> None:
    call = SINKHORN.format(20)
    x, y = np.random.default_rng(6).standard_normal((2, 2, 3, 5, 2))
    many = program(f"export f(x: [B, N, 2], y: [B, N, 2]) -> [B] {{ return {call} }}\n")
    one = program(SAME.format(call))
    wanted = value(one, x.reshape(6, 5, 2), y.reshape(6, 5, 2)).reshape(2, 3)
    np.testing.assert_allclose(value(many, x, y), wanted, rtol=1e-12)
