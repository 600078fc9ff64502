"""The loop: objectives in turn, averages, reports, records, validation, and stops that say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.check import unmoved
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.checkpoint import latest
from mai.compiler.training.trainer import Trainer
from mai.compiler.training.unseen.validation import on_device
from mai.spec.diagnostics import MaiError

Maker = Callable[..., Program]
QUIET: dict[str, Any] = {"quiet": True, "device": "cpu"}
PAIR = """data x: [2] from moons()
net f() -> [] {
  param a: [] = 2
  return a
}
net g() -> [] {
  param b: [] = 3
  return b
}
"""


def trainer(spec: Program, out: Path, **options: Any) -> Trainer:
    assert spec.training is not None
    return Trainer(spec, spec.training, out, Options(**QUIET, **options))


def live(run: Trainer) -> dict[str, np.ndarray[Any, Any]]:
    return run.weights.numpy()


def test_objectives_take_turns_and_the_later_sees_what_the_earlier_did(program: Maker, tmp_path: Path) -> None:
    """d(ab)/da = b moves `a` first; then -d(ab)/db = -a moves `b`, with the `a` that is already moved."""
    head = (
        "train(steps = 3, optimizer = sgd(lr = 0.1)) {\n  minimize f() * g() over f\n  minimize -f() * g() over g\n}\n"
    )
    run = trainer(program(PAIR + head), tmp_path)
    a, b = 2.0, 3.0
    for step in range(3):
        total = run.step(step, report=True)
        moved = a - 0.1 * b
        assert total == pytest.approx(a * b - moved * b, rel=1e-5)
        a, b = moved, b + 0.1 * moved
        assert live(run)["f.a"] == pytest.approx(a, rel=1e-5)
        assert live(run)["g.b"] == pytest.approx(b, rel=1e-5)


@pytest.mark.parametrize(("place", "net"), [(0, "critic"), (1, "generator")])
def test_a_turn_of_a_gan_moves_its_own_net_alone(place: int, net: str, example: Maker, tmp_path: Path) -> None:
    run = trainer(example("gan"), tmp_path, batch=8)
    fields = on_device(run.data.batch(0, 8), run.device)
    before = live(run)
    run.minimize(run.objectives[place], fields, 0, 1.0, False)
    moved = {name for name, value in live(run).items() if not np.array_equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(f"{net}.")}
    left = [p for n, p in run.weights.named_parameters() if not n.startswith(f"{net}.")]
    assert all(p.grad is None for p in left)


def test_the_average_is_exported_and_the_weights_go_on(program: Maker, tmp_path: Path) -> None:
    """The gradient is 1, so after t steps w = 1 - t / 10; e <- d e + (1 - d) w, d = min(decay, (1 + t) / (10 + t))."""
    spec = program(
        "data x: [2] from moons()\nnet f() -> [] {\n  param w: [] = 1\n  return w\n}\n"
        "train(steps = 40, optimizer = sgd(lr = 0.1), ema = 0.5) { minimize f() }\n"
    )
    train(spec, tmp_path, Options(**QUIET))
    average = 1.0
    for step in range(40):
        keep = min(0.5, (1 + step) / (10 + step))
        average = keep * average + (1 - keep) * (1 - (step + 1) / 10)
    assert float(load_file(tmp_path / "weights.safetensors")["f.w"]) == pytest.approx(average, rel=1e-4)
    last = latest(tmp_path)
    assert last is not None
    assert float(last.tensors["weights/f.w"]) == pytest.approx(-3.0, rel=1e-4)
    assert float(last.tensors["average/f.w"]) == pytest.approx(average, rel=1e-4)


FIT = """data x: [1], y: [] from function("x0", count = 40)
net f(x: [1]) -> [] {
  param w: [] = 0
  return w * x[0]
}
"""


def test_validation_is_made_with_the_average_and_leaves_the_weights(program: Maker, tmp_path: Path) -> None:
    spec = program(FIT + "train(steps = 9, ema = 0.9, optimizer = sgd(lr = 0.5)) { minimize (f(x) - y)^2 }\n")
    run = trainer(spec, tmp_path)
    for step in range(9):
        run.step(step, report=False)
    assert run.average is not None
    assert run.data.validation is not None
    before = live(run)["f.w"].copy()
    x, y = run.data.validation["x"][:, 0], run.data.validation["y"]
    expected = float(np.mean((float(run.average.average["f.w"]) * x - y) ** 2))
    assert run.validate()["loss"] == pytest.approx(expected, rel=1e-4)
    assert abs(float(before) - float(run.average.average["f.w"])) > 1e-3
    np.testing.assert_array_equal(live(run)["f.w"], before)


BEST = (
    FIT.replace("x0", "sin(4 * x0)")
    + "train(steps = 30, batch = 2, keep = best, optimizer = sgd(lr = 1.5)) { minimize (f(x) - y)^2 }\n"
)


@pytest.mark.parametrize("ema", ["", ", ema = 0.5"])
def test_the_best_weights_are_kept(program: Maker, tmp_path: Path, ema: str) -> None:
    """They are those that a run ends with which stops at the step of the lowest held-out loss."""
    text = BEST.replace("steps = 30", "steps = 30" + ema)
    done = train(program(text), tmp_path / "best", Options(**QUIET))
    lines = [json.loads(line) for line in (tmp_path / "best" / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["held-out loss"] for line in lines if "held-out loss" in line}
    assert done.kept == min(losses, key=lambda step: losses[step])
    assert done.kept < done.steps == 30
    assert done.validation["loss"] == min(losses.values()) < losses[30]
    run = trainer(program(text.replace("best", "last")), tmp_path)
    for step in range(done.kept):
        run.step(step, report=False)
    with run.averaged():
        wanted = live(run)["f.w"].copy()
    kept = load_file(tmp_path / "best" / "weights.safetensors")["f.w"].numpy()
    np.testing.assert_array_equal(kept, wanted)


@pytest.mark.parametrize("head", ["minimize f()", "minimize f() over f"])
def test_the_best_needs_held_out_examples(program: Maker, tmp_path: Path, head: str) -> None:
    spec = program(PAIR + f"train(steps = 3, keep = best) {{ {head} }}\n")
    with pytest.raises(MaiError, match="bad-setting"):
        train(spec, tmp_path, Options(**QUIET))


def test_reports_are_means_over_the_batch_and_change_nothing(program: Maker, tmp_path: Path) -> None:
    head = (
        "train(steps = 7, batch = 36, optimizer = sgd(lr = 0.5)) {\n  distance = abs(f(x) - y)\n  minimize distance^2\n"
    )
    spec, silent = program(FIT + head + "  report distance\n}\n"), program(FIT + head + "}\n")
    run, other = trainer(spec, tmp_path), trainer(silent, tmp_path)
    for step in range(7):
        rows = run.data.batch(step, 36)
        error = live(run)["f.w"] * rows["x"][:, 0] - rows["y"]
        run.step(step, report=True)
        other.step(step, report=False)
        assert run.figures["loss"] == pytest.approx(float(np.mean(error**2)), rel=1e-4)
        assert run.figures["distance"] == pytest.approx(float(np.mean(np.abs(error))), rel=1e-4)
    np.testing.assert_array_equal(live(run)["f.w"], live(other)["f.w"])


def test_metrics_tell_a_long_run_in_about_a_hundred_lines(program: Maker, tmp_path: Path) -> None:
    spec = program(
        FIT + "train(steps = 250, schedule = linear(), optimizer = sgd(lr = 0.5)) { minimize (f(x) - y)^2 }\n"
    )
    done = train(spec, tmp_path, Options(**QUIET))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert 100 <= len(steps) <= 130
    assert steps[-1] == 250
    assert lines[-1]["loss"] == pytest.approx(done.figures["loss"])
    assert lines[-1]["lr"] == pytest.approx(0.5 / 250)
    assert lines[-1]["held-out loss"] == pytest.approx(done.validation["loss"])
    assert 10 <= sum("held-out loss" in line for line in lines) <= 22


def test_records_are_the_weights_at_their_steps(program: Maker, tmp_path: Path) -> None:
    head = "train(steps = 10, optimizer = sgd(lr = 0.1)) {\n  minimize f() - g()\n  record f.a every 4\n  record g.b every 5\n}\n"
    train(program(PAIR + head), tmp_path, Options(**QUIET))
    with np.load(tmp_path / "records.npz") as records:
        assert set(records.files) == {"f.a", "f.a.steps", "g.b", "g.b.steps"}
        assert records["f.a.steps"].tolist() == [0, 4, 8]
        np.testing.assert_allclose(records["f.a"], [2.0, 1.6, 1.2], rtol=1e-5)
        assert records["g.b.steps"].tolist() == [0, 5, 10]
        np.testing.assert_allclose(records["g.b"], [3.0, 3.5, 4.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("objective", "shown"),
    [("log(f() - 2)", "infinite"), ("sqrt(1 - f())", "not a number"), ("1 / (f() - 2)", "infinite")],
)
def test_a_loss_that_is_not_finite_stops_with_its_step_and_objective(
    objective: str, shown: str, program: Maker, tmp_path: Path
) -> None:
    spec = program(PAIR + f"train(steps = 9) {{ minimize {objective} }}\n")
    with pytest.raises(MaiError) as caught:
        train(spec, tmp_path, Options(**QUIET))
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.slug == "loss-not-finite"
    assert diagnostic.message == f"at step 1 the objective `{objective}` is {shown}; there is no checkpoint yet"
    assert "no learning rate is the cause" in (diagnostic.help or "")
    assert diagnostic.span is not None
    assert spec.source.text[diagnostic.span.start : diagnostic.span.end] == f"minimize {objective}"
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_late_failure_names_the_last_good_checkpoint(program: Maker, tmp_path: Path) -> None:
    """`a` falls from 2 by 0.5 a step, so that it is 0, and 0 log(a) is not a number, when the fifth begins."""
    spec = program(PAIR + "train(steps = 9, optimizer = sgd(lr = 0.5)) { minimize f() + 0 * log(f()) }\n")
    with pytest.raises(MaiError) as caught:
        train(spec, tmp_path, Options(save_seconds=0.0, **QUIET))
    message = caught.value.diagnostics[0].message
    assert message.startswith("at step 5 ") and "a smaller learning rate" in (caught.value.diagnostics[0].help or "")
    assert message.endswith(f"the last good checkpoint is {tmp_path / 'checkpoint-00000004.safetensors'}")
    last = latest(tmp_path)
    assert last is not None
    assert float(last.tensors["weights/f.a"]) == 0.0


def test_the_command_line_outranks_the_spec(program: Maker, tmp_path: Path) -> None:
    spec = program(FIT + "train(epochs = 3, batch = 6, seed = 1) { minimize (f(x) - y)^2 }\n")
    own = trainer(spec, tmp_path)
    assert (own.steps, own.batch, own.seed) == (18, 6, 1)
    chosen = trainer(spec, tmp_path, steps=4, batch=1000, seed=2)
    assert (chosen.steps, chosen.batch, chosen.seed) == (4, 36, 2)
    for precision, product in (("bf16", torch.bfloat16), ("float32", torch.float32)):  # One program may train in both.
        with trainer(spec, tmp_path, precision=precision).processes.context():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is product


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "there is no device `tpu`"),
        ({"precision": "int8"}, "there is no precision `int8`"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_settings_that_this_machine_has_not(options: Any, message: str, program: Maker, tmp_path: Path) -> None:
    spec = program(FIT + "train(steps = 1) { minimize (f(x) - y)^2 }\n")
    with pytest.raises(MaiError, match="bad-setting") as caught:
        train(spec, tmp_path, Options(**{**QUIET, **options}))
    assert caught.value.diagnostics[0].message == message


def test_epochs_need_data_with_an_end(program: Maker, tmp_path: Path) -> None:
    spec = program(PAIR + "train(epochs = 2) { minimize f() * g() }\n")
    with pytest.raises(MaiError, match="bad-setting"):
        train(spec, tmp_path, Options(**QUIET))


STILL = [
    "minimize sum(x^2)",
    "minimize 0",
    "minimize stop_gradient(f()) * sum(x)",
    "minimize f() over g",
    "minimize floor(f()) * stop_gradient(g())",
]


@pytest.mark.parametrize("objective", STILL)
def test_an_objective_that_no_parameter_moves(objective: str, program: Maker, tmp_path: Path) -> None:
    spec = program(f"{PAIR}train(steps = 1, batch = 2) {{\n  {objective}\n}}\n")
    with pytest.raises(MaiError) as caught:
        train(spec, tmp_path / "run", Options(**QUIET))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "nothing-to-train" and diagnostic.span is not None and diagnostic.span.line == 11
    assert unmoved(spec) == [diagnostic]


@pytest.mark.parametrize("example_name", ["gan", "two_layer", "neural_ode", "char_gpt", "reflow"])
def test_examples_have_something_to_train(example_name: str, example: Maker) -> None:
    assert unmoved(example(example_name)) == []
