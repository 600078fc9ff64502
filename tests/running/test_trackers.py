"""`--track`: figures and settings go to other programs by accelerate's trackers; one that is not installed is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.figures.trackers import PACKAGES, check_trackers
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] { return linear(x, 2) }
train first(steps = 3, batch = 8) { minimize sum((f(x) - x)^2) }
train second(steps = 2, batch = 8) { minimize sum((f(x) + x)^2) over f }
export g(x: [2]) -> [2] { return f(x) }
"""


class Heard:
    """Notes what a tracker is told."""

    def __init__(self, said: list[Any], *place: object, **options: object) -> None:
        self.said = said
        said.append(("open", place, options))

    def start(self) -> None:
        self.said.append("start")

    def store_init_configuration(self, values: dict[str, object]) -> None:
        self.said.append(values)

    def log(self, values: dict[str, float], step: int) -> None:
        self.said.append((step, values))

    def finish(self) -> None:
        self.said.append("finish")


def trained(program: Callable[[str], Program], folder: Path, names: Sequence[str]) -> None:
    options = Options(quiet=True, device="cpu", track=tuple(names), sets={"width": "8"})
    train(program(SPEC), folder, options)


@pytest.mark.parametrize(
    ("name", "of"), [("tensorboard", "TensorBoardTracker"), ("wandb", "WandBTracker"), ("mlflow", "MLflowTracker")]
)
def test_what_a_tracker_hears(
    program: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, of: str
) -> None:
    """The same figures as in `metrics.jsonl`, by the names of their blocks, and the settings as they are."""
    said: list[Any] = []
    monkeypatch.setattr(f"accelerate.tracking.{of}", lambda *place, **options: Heard(said, *place, **options))
    monkeypatch.setattr("mai.compiler.training.run.figures.trackers.find_spec", lambda package: package)
    trained(program, tmp_path / "run", [name])
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = [each for each in said if isinstance(each, tuple) and isinstance(each[0], int)]
    expected = [
        (line.pop("step"), {f"{line['block']}/{n}": v for n, v in line.items() if n != "block"}) for line in lines
    ]
    assert steps == expected and said.count("finish") == said.count("start") == 2
    first = next(each for each in said if isinstance(each, dict))
    assert (first["steps"], first["batch"], first["width"], first["seed"]) == (3, 8, "8", 0)
    assert all(isinstance(value, (bool, int, float, str)) for value in first.values())


@pytest.mark.parametrize("name", PACKAGES)
def test_the_real_one(
    program: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where it is installed, offline."""
    pytest.importorskip(PACKAGES[name])
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    trained(program, tmp_path / "run", [name])
    where = {"tensorboard": "run/tensorboard/*tfevents*", "wandb": "run/wandb/offline-run*", "mlflow": "mlflow.db"}
    assert list(tmp_path.glob(where[name]))


def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mai.compiler.training.run.figures.trackers.find_spec", lambda package: None)
    with pytest.raises(MaiError) as error:
        check_trackers(["mlflow"])
    assert error.value.diagnostics[0].message == "--track mlflow: mlflow is not installed"
    (tmp_path / "s.mai").write_text(SPEC)
    for name in ("paper", "mlflow"):
        done = invoke("train", tmp_path / "s.mai", "--out", tmp_path / "run", "--track", name)
        assert done.exit_code != 0 and not (tmp_path / "run").exists()
