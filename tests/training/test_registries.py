"""Everything that is registered works: it checks, loads, trains, integrates with its order, is drawn, and is in the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import is_color_like, to_hex
from matplotlib.markers import MarkerStyle
from PIL import Image
from safetensors.torch import load_file

from mai.compiler.check import check, check_text, misfits
from mai.compiler.compile_options import Trained
from mai.compiler.data.batches import load
from mai.compiler.data.sources import SOURCES
from mai.compiler.elaborate.functions.function_reference import explained, listing
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.grid import Plan
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.settings import OPTIMIZERS, SCHEDULES
from mai.compiler.training.trainer import Trainer
from mai.compiler.tuning.picture import draw_methods
from mai.compiler.tuning.search import Point
from mai.compiler.tuning.subject import METHODS
from mai.runtime import load as load_model

Maker = Callable[[str], Program]
QUIET: dict[str, Any] = {"quiet": True, "device": "cpu"}
ONE = "net f(x: [2]) -> [2] { return linear(tanh(linear(x, 4)), 2) }\ntrain(steps = 2, batch = 4) { minimize sum(f(x)^2) }\n"
# Two objectives over two nets, one of them with a weight that stays; a moving average; clipped gradients.
TWO = (
    """data x: [2] from moons(noise = 0.1)
net f(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
net g(x: [2]) -> [] { return linear(tanh(linear(x, 8)), 1)[0] }
train(steps = 12, batch = 8, {settings}, ema = 0.9, clip = 1.0, freeze = "f.linear_2.bias") {{
  minimize sum((f(x) - x)^2) over f
  minimize (g(x) - x[0])^2 over g
}}
""".replace("{ return", "{{ return")
    .replace("2) }\nnet", "2) }}\nnet")
    .replace("[0] }\n", "[0] }}\n")
)
# The data line of a source whose own arguments do not do for points in the plane.
LINES = {
    "digits": "x: [64] from digits()",
    "function": 'x: [2], y: [] from function("x0 * sin(x1)")',
    "arrays": 'x: [2] from arrays("points.npz")',
    "npz": 'x: [2] from npz("points.npz")',
    "csv": 'x: [2] from csv("points.csv")',
    "table": 'x: [2] from table("points.csv")',
    "examples": 'x: [2] from examples("points.csv")',
    "series": 'x: [2] from series("points.csv", window = 3)',
    "images": 'x: [1, 1, 2] from images("pictures")',
    "export": 'x: [2] from export("spec.drawn.onnx")',
    "text": "x: tokens[8] from text(bytes)",
    "python": "x: [2] from python(points)",
}
OVERRIDES = {"python": "points.npz"}  # The files of what Python holds.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the sources of files read."""
    folder = tmp_path_factory.mktemp("files")
    points = np.random.default_rng(0).normal(size=(30, 2))
    np.savez(folder / "points.npz", x=points)
    np.savetxt(folder / "points.csv", points, delimiter=",", header="x0,x1", comments="")
    (folder / "pictures").mkdir()
    for i in range(5):
        Image.fromarray(np.full((1, 2), 9 * i, np.uint8)).save(folder / "pictures" / f"{i}.png")
    drawn = check_text(Path("spec.mai"), "export drawn() -> [2] {\n  x ~ normal([2])\n  return x\n}\n").meaning()
    export(drawn, "drawn", Trained({}), folder)
    return folder


@pytest.mark.parametrize("name", [*SOURCES, *OPTIMIZERS, *SCHEDULES, *SOLVERS])
def test_a_name_is_in_the_reference(name: str) -> None:
    assert f"\n- `{name}(" in listing()
    assert explained(name) is not None


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_checks_loads_and_trains(name: str, files: Path, tmp_path: Path) -> None:
    line = LINES.get(name, f"x: [2] from {name}()")
    body = (
        ONE
        if "x: [2]" in line
        else "net f() -> [] {\n  param w: [] = 1\n  return w\n}\ntrain(steps = 2) { minimize f()^2 }\n"
    )
    spec = files / f"{name}.mai"
    spec.write_text(f"const vocab = 256\ndata {line}\n{body}")
    checked = check(spec)
    assert checked.diagnostics == [] and checked.program is not None and checked.program.training is not None
    training = checked.program.training
    assert type(training.data) is SOURCES[name] and misfits(checked.program) == []
    override = [files / OVERRIDES[name]] if name in OVERRIDES else []
    data, again = (load(training.data, training.fields, 0, files, override) for _ in range(2))
    np.testing.assert_array_equal(data.batch(3, 4)["x"], again.batch(3, 4)["x"])
    assert train(checked.program, tmp_path / "run", Options(**QUIET, data=tuple(override))).steps == 2


@pytest.mark.parametrize(
    "settings", [*(f"optimizer = {name}()" for name in OPTIMIZERS), *(f"schedule = {name}()" for name in SCHEDULES)]
)
def test_an_optimizer_or_schedule_trains_and_goes_on_bit_for_bit(settings: str, program: Maker, tmp_path: Path) -> None:
    spec = program(TWO.format(settings=settings))
    assert spec.training is not None
    train(spec, tmp_path / "whole", Options(**QUIET))
    (tmp_path / "parts").mkdir()
    trainer = Trainer(spec, spec.training, tmp_path / "parts", Options(**QUIET))
    before = {name: tensor.clone() for name, tensor in trainer.weights.state_dict().items()}
    trainer.recorder.start(0)
    for step in range(5):
        trainer.step(step, report=False)
    trainer.save(5)
    train(spec, tmp_path / "parts", Options(resume=True, **QUIET))
    whole, parts = (load_file(tmp_path / folder / "weights.safetensors") for folder in ("whole", "parts"))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    still = {name for name in whole if torch.equal(whole[name], before[name])}
    assert still == {"f.linear_2.bias"}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_lowers_a_loss(name: str, program: Maker, tmp_path: Path) -> None:
    spec = program(TWO.format(settings=f"optimizer = {name}()"))
    assert spec.training is not None
    trainer = Trainer(spec, spec.training, tmp_path, Options(steps=300, **QUIET))
    losses = [trainer.step(step, report=False) for step in range(300)]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_share_of_the_rate(name: str) -> None:
    factors = [SCHEDULES[name]().factor(step, 100) for step in range(100)]
    assert all(0 <= factor <= 1 for factor in factors) and max(factors) > 0.9


FIELD, EXACT = "concat([x[1]], [-x[0]])", np.array([[np.cos(1) + 2 * np.sin(1), 2 * np.cos(1) - np.sin(1)]])
START = np.array([[1.0, 2.0]], np.float32)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_has_its_order_in_torch_and_in_onnx(name: str, program: Maker, tmp_path: Path) -> None:
    """The oscillator for a unit of time: twice the steps, 2^order times as exact; or as exact as it is asked to be."""
    solver = SOLVERS[name]
    head, arguments = ("", "rtol = 1e-4, atol = 1e-5") if solver.adaptive else (", steps: int = 4", "steps")
    spec = program(
        f"export f(x: [2]{head}) -> [2] {{\n  integrate s in 0..1 using {name}({arguments}) {{ dx/ds = {FIELD} }}\n  return x\n}}\n"
    )
    graph = forms.prepare(spec.exports["f"])
    module, model = (
        lower(graph, Weights({})),
        load_model(export(spec, "f", Trained({}), tmp_path).path, providers="cpu"),
    )

    def errors(settings: dict[str, int]) -> list[float]:
        ends = (run(module, graph, {"x": START}, settings)[0], model(x=START, **settings))
        return [float(np.abs(np.asarray(end) - EXACT).max()) for end in ends]

    if solver.adaptive:
        assert max(errors({})) < 1e-3
        return
    coarse, fine = errors({"steps": 4}), errors({"steps": 8})
    for few, many in zip(coarse, fine, strict=True):
        gained = np.log2(few / many)
        assert gained > solver.order - 0.35
        assert solver.stochastic or gained < solver.order + 0.35, (
            "without noise, a method for noise may be of a higher order"
        )


def test_solvers_are_drawn_apart() -> None:
    """Every method that `mai tune` measures has a line of its own in its picture."""
    reference = Point(Plan("rk4", 20), (1.0, 1.1))
    points = [Point(Plan(method, 8), (1.0, 1.2)) for method in METHODS]
    _, axes = pyplot.subplots()
    draw_methods(axes, points, reference)
    lines = {str(line.get_label()): (to_hex(line.get_color()), line.get_marker()) for line in axes.lines}
    pyplot.close()
    assert lines == {name: SOLVERS[name].look for name in METHODS}
    looks = [solver.look for solver in SOLVERS.values()]
    assert len(set(looks)) == len(looks)
    for colour, marker in looks:
        assert is_color_like(colour) and MarkerStyle(marker) is not None
