"""What looks at a whole batch, on several processes: the losses, weights and states of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.spec.diagnostics import MaiError
from tests.support.processes import group, together

OPTIONS = Options(quiet=True, device="cpu")
# Ten examples are no equal shares of three. The rate is plain, since a bias before a `batch_norm` has a gradient of rounding alone.
SPEC = """data x: [3], y: [] from npz("points.npz")
net f(x: [3]) -> [2] {
  state m: [3] = 0
  if training { m = 0.9 * m + 0.1 * mean(across(x), axis = 0) }
  h = batch_norm(rearrange(linear(x - m, 8), "k -> k 1 1"))
  return linear(relu(rearrange(h, "k 1 1 -> k")), 2)
}
train(steps = 6, batch = 10, optimizer = sgd(lr = 0.1), clip = 1.0) {
  z ~ normal([2])
  x0 ~ normal([3])
  (a, b) = couple(x0, x)
  p = f(x)
  minimize mean((mean(across(p), axis = 0) - y)^2) + mean((p @ across(p)')^2) + sum((f(a) - z)^2)
  report mean(across(p)), sum(b^2)
}
"""
PLAIN = (
    "data x: [2] from moons()\nnet f(x: [2]) -> [2] {{ return linear(x, 2) }}\ntrain(steps = 1, batch = 4{}) {{ {} }}\n"
)


@pytest.fixture
def _points(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 3)), rng.standard_normal(64)
    np.savez(tmp_path / "points.npz", x=x.astype(np.float32), y=y.astype(np.float32))


def last_line(run: Path) -> dict[str, float]:
    """The last figures of a run, without how fast it was."""
    line: dict[str, float] = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {name: value for name, value in line.items() if name != "examples_per_second"}


@pytest.mark.usefixtures("_points")
@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_processes_see_the_examples_of_each_other(
    count: int, program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec = program(SPEC)
    train(spec, tmp_path / "one", OPTIONS)
    assert together(count, lambda: train(spec, tmp_path / "many", OPTIONS)) == [0] * count
    one, many = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "many"))
    for name, array in one.items():
        np.testing.assert_allclose(many[name], array, atol=2e-6, err_msg=name)
    assert last_line(tmp_path / "many") == pytest.approx(last_line(tmp_path / "one"), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "what"),
    [("mean(across(x)^2)", "`across`"), ("mean(batch_norm(rearrange(x, 'k -> k 1 1'))^2)", "`batch_norm`")],
)
def test_a_batch_in_parts_is_refused(loss: str, what: str, program: Callable[[str], Program]) -> None:
    spec = program(PLAIN.format(", accumulate = 2", f"minimize {loss} + mean(f(x)^2)").replace("'", '"'))
    assert spec.training is not None
    group(2).check(spec.training.graph, 4)
    with pytest.raises(MaiError) as raised:
        group(1).check(spec.training.graph, 4, 2)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.slug == "batch-in-parts"
    assert what in diagnostic.message
    assert diagnostic.span is not None
