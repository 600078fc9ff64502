"""Training runs: resumed bit for bit, killed at any moment, several objectives in turn, and stops that say why."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import checkpoints
from mai.compiler.training.schedules.constant import Constant
from mai.compiler.training.schedules.cosine import Cosine
from mai.compiler.training.schedules.linear import Linear
from mai.compiler.training.settings import Schedule
from mai.compiler.training.step.optimizer import MovingAverage
from mai.compiler.training.trainer import Trainer
from mai.compiler.training.unseen.validation import on_device
from mai.spec.diagnostics import MaiError
from tests.support.command import run_command
from tests.support.served import Run

ROOT = Path(__file__).parents[2]
Maker = Callable[..., Program]
QUIET = {"quiet": True, "device": "cpu"}
KILLS = int(os.environ.get("MAI_KILLS", "3"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moons_flow", "cnn", "gan", "two_layer"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(name: str, example: Maker, tmp_path: Path) -> None:
    program = example(name)
    train(program, tmp_path / "whole", Options(steps=12, batch=16, **QUIET))
    trainer = Trainer(program, program.training, tmp_path / "parts", Options(steps=12, batch=16, **QUIET))  # type: ignore[arg-type]
    (tmp_path / "parts").mkdir()
    trainer.recorder.start(0)
    for step in range(5):
        trainer.step(step, report=True)
    trainer.save(5)
    done = train(program, tmp_path / "parts", Options(steps=12, batch=16, resume=True, **QUIET))
    assert done.steps == 12
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed(tmp_path: Path) -> None:
    spec, options = ROOT / "examples" / "mlp.mai", {"steps": 3000, "save_seconds": 0.05}
    Run(spec, tmp_path / "whole", steps=3000).finish()
    rng, folder = random.Random(4), tmp_path / "killed"
    for _ in range(KILLS):
        run = Run(spec, folder, **options)
        deadline = time.monotonic() + 60
        while not checkpoints(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 0.5))
        run.kill()
    Run(spec, folder, **options).finish()
    assert same(weights(tmp_path / "whole"), weights(folder))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_objectives_in_turn_move_only_their_nets(example: Maker, tmp_path: Path) -> None:
    program = example("gan")
    assert program.training is not None
    tmp_path.mkdir(exist_ok=True)
    trainer = Trainer(program, program.training, tmp_path, Options(batch=8, **QUIET))
    fields = on_device(trainer.data.batch(0, 8), trainer.device)
    before = {n: p.detach().clone() for n, p in trainer.weights.named_parameters()}
    trainer.minimize(trainer.objectives[0], fields, 0, 1.0, False)
    moved = {n.split(".")[0] for n, p in trainer.weights.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"critic"}


def test_a_loss_that_is_not_a_number_stops_with_the_step(program: Maker, tmp_path: Path) -> None:
    spec = program(
        "data x: [2] from moons()\nnet f(x: [2]) -> [] { return linear(x, 1)[0] }\n"
        "train(steps = 50, optimizer = sgd(lr = 1e20)) { minimize log(f(x)^2) * f(x)^4 }\n"
    )
    with pytest.raises(MaiError) as caught:
        train(spec, tmp_path, Options(**QUIET))
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.slug == "loss-not-finite"
    assert "`log(f(x)^2) * f(x)^4`" in diagnostic.message
    assert "at step" in diagnostic.message


def test_records_keep_the_path_of_weights(example: Maker, tmp_path: Path) -> None:
    train(example("two_layer", n="16"), tmp_path, Options(steps=200, **QUIET))
    with np.load(tmp_path / "records.npz") as records:
        assert records["f.u"].shape == (3, 16)
        assert records["f.v.steps"].tolist() == [0, 100, 200]
        assert not np.array_equal(records["f.u"][0], records["f.u"][2])


def test_another_spec_cannot_resume(program: Maker, tmp_path: Path) -> None:
    text = "data x: [2] from moons()\nnet f(x: [2]) -> [N] { return linear(x, N) }\ntrain(steps = 3) { minimize sum(f(x)^2) }\n"
    train(program(text.replace("N", "2")), tmp_path, Options(**QUIET))
    with pytest.raises(MaiError, match="weights-mismatch"):
        train(program(text.replace("N", "3")), tmp_path, Options(resume=True, **QUIET))


def test_learning_rates() -> None:
    def at(schedule: Schedule, step: int) -> float:
        return schedule.factor(step, 100)

    assert [at(Constant(warmup=4), s) for s in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert at(Cosine(), 0) == 1.0
    assert at(Cosine(), 50) == pytest.approx(0.5)
    assert at(Cosine(final=0.1), 100) == pytest.approx(0.1)
    assert at(Linear(warmup=20), 60) == pytest.approx(0.5)


def test_the_moving_average_forgets_its_beginning() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))
    average = MovingAverage({"w": weight}, 0.9)
    expected = 0.0
    for step in range(200):
        weight.data.fill_(float(step))
        average.update(step)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * step
    np.testing.assert_allclose(average.average["w"].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("data", "fields", "slug"),
    [
        ('npz("nowhere.npz")', "x: [2]", "data-missing"),
        ('csv("bad.csv")', "x: [2]", "data-bad"),
        ('csv("good.csv")', "z: [2]", "data-bad"),
        ('csv("good.csv")', "x: [3]", "data-bad"),
        ('csv("good.csv")', "x: [2], y: class[2]", "data-bad"),
        ('csv("nan.csv")', "x: [2]", "data-bad"),
        ('function("sin(x0) * __import__", low = 0, high = 1)', "x: [1], y: []", "data-bad"),
        ('images("nowhere")', "x: [1, 8, 8]", "data-missing"),
    ],
)
def test_bad_data_are_told(data: str, fields: str, slug: str, program: Maker, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x0,x1\n1,2\n3\n")
    (tmp_path / "good.csv").write_text("x0,x1,y\n" + "".join(f"{i},{-i},{i % 3}\n" for i in range(30)))
    (tmp_path / "nan.csv").write_text("x0,x1\n1,nan\n3,4\n")
    spec = program(
        f"data {fields} from {data}\nnet f() -> [] {{\n  param w: [] = 1\n  return w\n}}\ntrain(steps = 1) {{ minimize f()^2 }}\n"
    )
    with pytest.raises(MaiError) as caught:
        train(spec, tmp_path / "run", Options(**QUIET))
    assert [d.slug for d in caught.value.diagnostics] == [slug]


def test_good_files_train(program: Maker, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("x0,x1,y\n" + "".join(f"{i / 10},{-i / 10},{i % 3}\n" for i in range(60)))
    np.savez(tmp_path / "good.npz", x=np.random.randn(50, 2), y=np.arange(50) % 3)
    for source in ('csv("good.csv")', 'npz("good.npz")'):
        spec = program(
            f"data x: [2], y: class[3] from {source}\nnet f(x: [2]) -> [3] {{ return linear(x, 3) }}\n"
            "train(epochs = 2, batch = 10) {\n  minimize cross_entropy(f(x), y)\n  report accuracy(f(x), y)\n}\n"
        )
        done = train(spec, tmp_path / source[:3], Options(**QUIET))
        assert done.steps in (9, 10, 11, 12)
        assert set(done.validation) == {"loss", "accuracy"}


@pytest.mark.slow
def test_a_stopped_run_is_not_compiled_as_an_untrained_one(program: Maker, tmp_path: Path) -> None:
    spec = program("export f(x: [2]) -> [2] { return linear(x, 2) }\n")
    folder = tmp_path / "run"
    command = ("compile", spec.source.path, "--out", folder)
    folder.mkdir()
    (folder / "checkpoint-00000005.safetensors").touch()
    done = run_command(*command, code=1)
    assert "holds a run that was stopped" in done.stderr
    assert f"mai train {spec.source.path} --out {folder} --resume" in done.stderr
    assert list(folder.glob("*.onnx")) == []
    (folder / "checkpoint-00000005.safetensors").unlink()
    assert "no trained weights" in run_command(*command).stderr
