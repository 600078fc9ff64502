"""Train blocks without data, objectives that are not due at every step, numbers with names, parameters as values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from mai.spec.diagnostics import MaiError
from mai.spec.format import format_file

Maker = Callable[[str], Program]
# u' = -u, u(0) = 1, of drawn times alone; a second net is moved at every third step.
DECAY = """
net u(t: []) -> [] { return linear(tanh(linear([t], 16)), 1)[0] }
net w(t: []) -> [] { return linear([t], 1)[0] }
train(steps = 400, batch = 64, optimizer = adam(lr = 1e-2)) {
  t ~ uniform(0, 1)
  v = u(t)
  minimize (grad(v, t) + v)^2 + (u(0) - 1)^2 over u
  minimize (w(t) - t)^2 over w every 3
  report (u(1) - exp(-1))^2 as error, t
}
export solution(t: []) -> [] { return u(t) }
"""


def trained(program: Program, out: Path, **options: object) -> dict[str, np.ndarray]:
    train(program, out, Options(quiet=True, device="cpu", **options))  # type: ignore[arg-type]
    return load_file(out / "weights.safetensors")


def test_an_equation_is_solved_from_drawn_points(program: Maker, tmp_path: Path) -> None:
    spec = program(DECAY)
    weights = trained(spec, tmp_path / "run")
    solution = load(export(spec, "solution", Trained(weights), tmp_path).path, providers="cpu")
    t = np.linspace(0, 1, 11, dtype=np.float32)
    np.testing.assert_allclose(solution(t=t), np.exp(-t), atol=0.03)
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["error"] < 1e-3 and 0 < last["t"] < 1


def test_an_objective_is_minimized_every_so_many_steps(program: Maker, tmp_path: Path) -> None:
    spec = program(DECAY)
    after = {steps: trained(spec, tmp_path / str(steps), steps=steps) for steps in (2, 3, 5)}
    before = {n: p.detach().numpy() for n, p in Weights(spec.weights).initialise(0).named_parameters()}
    name = next(n for n in before if n.startswith("w.") and n.endswith("weight"))
    np.testing.assert_array_equal(after[2][name], before[name])
    assert (after[3][name] != before[name]).any()
    np.testing.assert_array_equal(after[5][name], after[3][name])
    assert all((after[5][n] != after[3][n]).any() for n in before if n.startswith("u."))


def test_it_goes_on_as_if_it_had_not_stopped(program: Maker, tmp_path: Path) -> None:
    spec = program(DECAY)
    whole = trained(spec, tmp_path / "whole", steps=10)
    trained(spec, tmp_path / "parts", steps=5)
    parts = trained(spec, tmp_path / "parts", steps=10, resume=True)
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)
    last = [json.loads((tmp_path / n / "metrics.jsonl").read_text().splitlines()[-1]) for n in ("whole", "parts")]
    assert last[0]["loss"] == last[1]["loss"]


def test_a_file_of_data_has_no_fields_to_fill(program: Maker, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones((30, 2)))
    with pytest.raises(MaiError, match="no `data` line"):
        trained(program(DECAY), tmp_path / "run", data=(tmp_path / "x.npz",))


# Least squares with a penalty on one parameter: the minimum is known.
RIDGE = """
data x: [2], y: [] from npz("x.npz")
net f(x: [2]) -> [] { return linear(x, 1, bias = false)[0] }
train(steps = 800, batch = 50, optimizer = sgd(lr = 0.1)) {
  minimize (f(x) - y)^2 + 0.5 * sum(f.linear_1.weight^2)
  record f.linear_1.weight every 400
}
export g(x: [2]) -> [] { return f(x) }
export length() -> [] { return norm(f.linear_1.weight) }
"""


def test_parameters_are_values(program: Maker, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 2)).astype(np.float32)
    x = np.concatenate([x, x[:10]])  # some are held out: every row has a twin that is not
    y = x @ np.array([1.0, -2.0], np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    spec = program(RIDGE)
    weights = trained(spec, tmp_path / "run")
    slopes = weights["f.linear_1.weight"][0].astype(np.float64)
    assert np.linalg.norm(slopes) < 0.9 * np.linalg.norm([1.0, -2.0])  # shrunk by the penalty
    model = load(export(spec, "length", Trained(weights), tmp_path).path, providers="cpu")
    np.testing.assert_allclose(model(), [np.linalg.norm(slopes)], rtol=1e-6)


REFUSED = {
    "report x as loss": ("duplicate-name", "loss"),
    "report x as a, 2 * x as a": ("duplicate-name", "a"),
    "minimize x every 0": ("repeat-count", "0"),
    "minimize x + f.weight": ("unknown-name", "f.weight"),
    "minimize x + sum(f.linear_1.weigth)": ("unknown-name", "f.linear_1.weigth"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused(line: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    body = f"  x ~ uniform(0, 1)\n  minimize f([x])^2\n  {line}\n"
    path.write_text(
        f"net f(x: [1]) -> [] {{ return linear(x, 1)[0] }}\ntrain(steps = 1) {{\n{body}}}\n", encoding="utf-8"
    )
    error = next(d for d in check(path).diagnostics if d.severity == "error")
    assert (error.slug, error.span and error.span.text) == REFUSED[line]


def test_they_are_written_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(DECAY, encoding="utf-8")
    checked = check(path).program
    assert checked is not None
    text = format_file(checked.file)
    assert "over w every 3" in text and "as error, t" in text


def test_labels_that_are_computed_stand_beside_draws(program: Maker, tmp_path: Path) -> None:
    """A label as another net sees it is no number of an example: draws of a step stay what they are."""
    text = """
net f(y: class[4]) -> [2] { return embed(y, 2) }
train(steps = 3, batch = 8) {
  y ~ integers(0, 3)
  z ~ normal([2])
  minimize sum((f(y + 1) - z)^2)
}
export g(y: class[4]) -> [2] { return f(y) }
"""
    result = train(program(text), tmp_path / "run", Options(quiet=True, device="cpu"))
    assert math.isfinite(result.figures["loss"])
