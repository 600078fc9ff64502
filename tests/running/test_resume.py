"""Going on: killed, stopped or damaged at any moment, a resumed run ends bit for bit where an uninterrupted one does."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run.folder import WEIGHTS, checkpoints, make_room
from mai.compiler.training.trainer import Trainer
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime.run_folders.record import read_record
from mai.spec.diagnostics import MaiError
from tests.support.served import Run

Maker = Callable[..., Program]
QUIET: dict[str, Any] = {"quiet": True, "device": "cpu"}
KILLS = int(os.environ.get("MAI_KILLS", "3"))
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] {
  param u: [2, 16] ~ normal(0, 1)
  return u @ relu(linear(x, 16))
}
net g(x: [2]) -> [] {
  param v: [16] ~ normal(0, 1)
  return mean(v * relu(linear(x, 16)))
}
train(steps = 1500, batch = 16, optimizer = adamw(lr = 1e-3), schedule = cosine(warmup = 20), ema = 0.99, clip = 1.0) {
  z ~ normal([2])
  minimize softplus(g(f(z))) + softplus(-g(x)) over g
  minimize softplus(-g(f(z))) over f
  report sum(f(z)^2)
  record f.u every 100
}
"""
BEST = """data x: [2], y: [] from function("sin(9 * x0 + 4 * x1)", count = 400)
net f(x: [2]) -> [] {
  param u: [16] ~ normal(0, 1)
  return sum(u * tanh(linear(x, 16)))
}
train(steps = 1000, batch = 1, optimizer = sgd(lr = 0.1), ema = 0.5, keep = best) {
  minimize (f(x) - y)^2
  record f.u every 100
}
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def figures(folder: Path) -> list[dict[str, float]]:
    """The lines of `metrics.jsonl`, without what the clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "examples_per_second"} for line in lines]


def assert_same_run(a: Path, b: Path) -> None:
    one, other = weights(a), weights(b)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert figures(a) == figures(b)
    with np.load(a / "records.npz") as kept, np.load(b / "records.npz") as again:
        assert kept.files == again.files
        for name in kept.files:
            np.testing.assert_array_equal(kept[name], again[name])


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(program: Maker, tmp_path: Path) -> None:
    """Two objectives, draws, a schedule, a moving average and records; the first kill may come before any checkpoint."""
    spec = Path(program(SPEC).source.path)
    assert_same_run(*_whole_and_killed(spec, tmp_path, random.Random(7), longest=0.3))


def _whole_and_killed(spec: Path, folder: Path, rng: random.Random, longest: float) -> tuple[Path, Path]:
    """The folders of two runs: one was left alone, the other was killed again and again, within `longest` seconds of some progress, and ended."""
    whole, killed = folder / "whole", folder / "killed"
    Run(spec, whole).finish()
    for turn in range(KILLS):
        run = Run(spec, killed, save_seconds=0.02)
        _await_progress(killed, turn)
        time.sleep(rng.uniform(0.0, longest))
        assert run.kill() in (-signal.SIGKILL, 0)
    Run(spec, killed, save_seconds=0.02).finish()
    return whole, killed


def _await_progress(folder: Path, turn: int) -> None:
    """Until a run has written something of its own: metrics the first time, then a new checkpoint."""
    before, deadline = set(checkpoints(folder)), time.monotonic() + 60
    while time.monotonic() < deadline:
        has_begun = (folder / "metrics.jsonl").exists() if turn == 0 else set(checkpoints(folder)) - before
        if has_begun:
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_the_best_weights_survive_being_killed(program: Maker, tmp_path: Path) -> None:
    """Steps so long that the loss goes up and down: the best is not the last."""
    spec = Path(program(BEST).source.path)
    whole, killed = _whole_and_killed(spec, tmp_path, random.Random(3), longest=0.2)
    assert_same_run(whole, killed)
    assert 0 < int(TensorFiles(killed / WEIGHTS).metadata["trained_steps"]) < 1000


def interrupted(trainer: Trainer, at: int, how: Callable[[], None]) -> None:
    """Have something happen in the middle of a step."""
    fields = trainer.feed.at

    def served(step: int) -> Any:
        if step == at:
            how()
        return fields(step)

    vars(trainer.feed)["at"] = served


def run_of_spec(program: Program, out: Path, **options: Any) -> Trainer:
    assert program.training is not None
    out.mkdir(exist_ok=True)
    return Trainer(program, program.training, out, Options(**QUIET, **options))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_finishes_the_step_and_saves(number: signal.Signals, program: Maker, tmp_path: Path) -> None:
    spec, before = program(SPEC), signal.getsignal(number)
    train(spec, tmp_path / "whole", Options(steps=230, **QUIET))
    run = run_of_spec(spec, tmp_path / "parts", steps=230)
    interrupted(run, 117, lambda: os.kill(os.getpid(), number))
    done = run.run()
    assert (done.steps, done.stopped, done.weights) == (118, True, None)
    assert signal.getsignal(number) is before
    assert not (tmp_path / "parts" / WEIGHTS).exists()
    assert checkpoints(tmp_path / "parts")[-1].name == "checkpoint-00000118.safetensors"
    train(spec, tmp_path / "parts", Options(steps=230, resume=True, **QUIET))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(program: Maker, tmp_path: Path) -> None:
    spec = program(SPEC)
    train(spec, tmp_path / "whole", Options(steps=40, **QUIET))
    run = run_of_spec(spec, tmp_path / "parts", steps=40, save_seconds=0.0)
    interrupted(run, 25, lambda: setattr(run, "stop", True))
    run.run()
    earlier, last = checkpoints(tmp_path / "parts")
    last.write_bytes(last.read_bytes()[:1000])
    checkpoint = ck.latest(tmp_path / "parts")
    assert checkpoint is not None
    assert checkpoint.step == int(earlier.stem[-8:])
    train(spec, tmp_path / "parts", Options(steps=40, resume=True, **QUIET))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ck.write(tmp_path, ck.Checkpoint(1, {"weights/a": torch.ones(3)}, {}))

    def dies(source: str, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        ck.write(tmp_path, ck.Checkpoint(2, {"weights/a": torch.zeros(3)}, {}))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001.safetensors"]
    checkpoint = ck.latest(tmp_path)
    assert checkpoint is not None
    assert torch.equal(checkpoint.tensors["weights/a"], torch.ones(3))


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (5, 90, 100_000_000):
        ck.write(tmp_path, ck.Checkpoint(step, {"weights/a": torch.full((1,), float(step))}, {}))
    assert [ck.read(path).step for path in checkpoints(tmp_path)] == [90, 100_000_000]


def test_a_new_run_leaves_the_one_before_in_a_folder_of_its_own(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all that is a run's, and nothing else; stopped, it does not lie beside files of another."""
    spec, run, before = program(SPEC), tmp_path / "run", tmp_path / "run" / "before"
    train(spec, run, Options(steps=30, seed=1, **QUIET))
    for name in ("spec.sample.onnx", "spec.sample.step.onnx", "other.sample.onnx", "spec.v2.sample.onnx", "notes.txt"):
        (run / name).write_text(name)
    assert "held a run" not in capsys.readouterr().err
    first = {path.name: path.read_bytes() for path in run.iterdir()}
    again = run_of_spec(spec, run, steps=10)
    interrupted(again, 5, lambda: setattr(again, "asked", True))
    assert again.run().weights is None
    mine = {"notes.txt", "other.sample.onnx", "spec.v2.sample.onnx"}
    assert {path.name: path.read_bytes() for path in before.iterdir()} == {n: first[n] for n in first.keys() - mine}
    assert all((run / name).read_text() == name for name in mine)
    names = {"checkpoint-00000006.safetensors", "metrics.jsonl", "records.npz", "run.json", "before"}
    assert {path.name for path in run.iterdir()} == mine | names
    said = f"{run} held a run: it is in {before} now; --out {before} --resume goes on with it\n"
    assert capsys.readouterr().err == said
    assert train(spec, before, Options(steps=31, seed=1, resume=True, **QUIET)).steps == 31


def test_the_earlier_run_before_is_replaced(program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is said. Nothing else in that folder is touched, and nothing is moved that the new run reads."""
    spec, before = program(SPEC), tmp_path / "run" / "before"
    before.mkdir(parents=True)
    (before / "mine.txt").write_text("mine")
    for steps in (3, 4, 5):
        train(spec, tmp_path / "run", Options(steps=steps, **QUIET))
        (tmp_path / "run" / "spec.path.onnx").write_text(str(steps))
        assert (f"the run that was in {before} is removed" in capsys.readouterr().err) == (steps == 5)
    assert [path.name for path in checkpoints(before)] == ["checkpoint-00000004.safetensors"]
    assert (before / "spec.path.onnx").read_text() == "4"
    assert (before / "mine.txt").read_text() == "mine"
    make_room(tmp_path / "run", spec, [tmp_path / "run" / "spec.path.onnx"])
    assert (tmp_path / "run" / "spec.path.onnx").read_text() == "5"
    assert not checkpoints(tmp_path / "run")


@pytest.mark.parametrize(
    "how", [{"data": (Path("none.csv"),)}, {"device": "tpu"}, {"weights": Path("none.safetensors")}]
)
def test_what_fails_before_it_trains_moves_nothing(
    how: dict[str, Any], program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = program(SPEC)
    train(spec, tmp_path / "run", Options(steps=3, **QUIET))
    contents = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    capsys.readouterr()
    with pytest.raises(MaiError):
        train(spec, tmp_path / "run", Options(**{**QUIET, **how}))
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == contents
    assert capsys.readouterr().err == ""


def test_weights_that_have_moved_are_not_needed_again(program: Maker, tmp_path: Path) -> None:
    """A run on top of the weights in its own folder, which are in `before` by then."""
    spec, run = program(SPEC), tmp_path / "run"
    train(spec, run, Options(steps=3, **QUIET))
    more: dict[str, Any] = {"weights": run / WEIGHTS, **QUIET}
    parts = run_of_spec(spec, run, steps=9, weights=run / WEIGHTS)
    interrupted(parts, 4, lambda: setattr(parts, "asked", True))
    parts.run()
    assert not (run / WEIGHTS).exists()
    train(spec, run, Options(steps=9, resume=True, **more))
    whole = Options(steps=9, weights=run / "before" / WEIGHTS, **QUIET)
    train(spec, tmp_path / "whole", whole)
    assert_same_run(tmp_path / "whole", run)


def test_a_finished_run_stays_as_it_is(program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = program(SPEC)
    train(spec, tmp_path, Options(steps=12, **QUIET))
    before, shown = weights(tmp_path), figures(tmp_path)
    done = train(spec, tmp_path, Options(steps=12, resume=True, **QUIET))
    assert (done.steps, done.stopped) == (12, False)
    after = weights(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert figures(tmp_path) == shown
    assert "note" not in capsys.readouterr().err
    others = program(SPEC.replace("moons()", "moons(noise = 0.2)"))
    train(others, tmp_path, Options(steps=12, resume=True, weights=tmp_path, **QUIET))
    said = capsys.readouterr().err
    assert f"note: the run in {tmp_path} began with other examples: it goes on with these" in said
    assert f"note: a run begins with weights of a file; that in {tmp_path} goes on with its own" in said


CONSTANT = """const goal = 3
data x: [1], y: [] from function("x0 * 0 + 3", count = 40)
net f() -> [] {
  param w: [] = 0
  return w
}
train(steps = 3, batch = 4, optimizer = sgd(lr = 0.1), keep = best, evaluate = 1) {
  minimize (f() - y * goal / 3)^2
}
"""


@pytest.mark.parametrize(
    ("old", "new", "note", "goal"),
    [("+ 3", "- 4", "other examples", -4), ("goal = 3", "goal = -4", "another text of the spec, or other consts", -4)],
)
def test_the_best_is_judged_by_what_there_is_now(
    old: str, new: str, note: str, goal: float, program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what they did on the examples of before, the weights of then would stay the best for ever."""
    train(program(CONSTANT), tmp_path, Options(**QUIET))
    before = float(weights(tmp_path)["f.w"])
    spec = program(CONSTANT.replace(old, new))
    done = train(spec, tmp_path, Options(resume=True, **QUIET))
    assert note in capsys.readouterr().err
    assert done.validation["loss"] == pytest.approx((before - goal) ** 2)
    train(spec, tmp_path, Options(steps=12, resume=True, sets={"goal": "7"}, **QUIET))
    assert float(weights(tmp_path)["f.w"]) < 0
    record = read_record(tmp_path)
    assert record is not None
    assert (record.steps, record.sets, record.since) == (12, {"goal": "7"}, {"": 3})


def test_where_there_is_nothing_to_resume_that_is_said(program: Maker, tmp_path: Path) -> None:
    spec = program(SPEC)
    with pytest.raises(MaiError, match="there is no run in") as caught:
        train(spec, tmp_path / "none", Options(steps=8, resume=True, **QUIET))
    assert caught.value.diagnostics[0].help == "without --resume it begins one"
    assert not (tmp_path / "none").exists()
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoint-00000003.safetensors").write_text("half a checkpoint")
    with pytest.raises(MaiError, match=r"no checkpoint in .*run can be read"):
        train(spec, run, Options(steps=8, resume=True, **QUIET))
    assert len(list(run.iterdir())) == 1


@pytest.mark.parametrize(("changed", "message"), [({"seed": 5}, "had seed 0"), ({"batch": 7}, "batch 16")])
def test_another_seed_or_batch_cannot_resume(changed: Any, message: str, program: Maker, tmp_path: Path) -> None:
    spec = program(SPEC)
    train(spec, tmp_path, Options(steps=4, **QUIET))
    with pytest.raises(MaiError, match="weights-mismatch") as caught:
        train(spec, tmp_path, Options(steps=8, resume=True, **changed, **QUIET))
    assert message in caught.value.diagnostics[0].message


def test_a_record_added_later_begins_where_the_run_goes_on(program: Maker, tmp_path: Path) -> None:
    train(program(SPEC), tmp_path / "run", Options(steps=100, **QUIET))
    more = program(SPEC.replace("  record", "  record g.v every 50\n  record"))
    train(more, tmp_path / "run", Options(steps=200, resume=True, **QUIET))
    with np.load(tmp_path / "run" / "records.npz") as records:
        assert records["f.u.steps"].tolist() == [0, 100, 200]
        assert records["g.v.steps"].tolist() == [150, 200]


def test_checkpoints_that_stay(program: Maker, tmp_path: Path) -> None:
    """The last few, and those of every so many steps, counted through the run; the run goes on from the last."""
    for rule, steps in (("last(3)", [10]), ("every(4)", [4, 8, 10]), ("every(4, count = 1)", [4, 8, 10])):
        spec = program(SPEC.replace("train(", f"train(checkpoints = {rule}, ", 1))
        run = tmp_path / rule[:8]
        train(spec, run, Options(steps=10, **QUIET))
        assert [int(path.stem[-8:]) for path in checkpoints(run)] == steps
        train(spec, run, Options(steps=11, resume=True, **QUIET))
        assert [int(path.stem[-8:]) for path in checkpoints(run)][-1] == 11
