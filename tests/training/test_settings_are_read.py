"""Every setting of a train block does something: what trains asks for its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.settings import TorchOptimizer, TrainSettings
from mai.spec.settings import Settings, choices, fields

CHOICES = {choice: [*mark.models] for choice, mark in choices(TrainSettings).items()}
# The n-th head has the n-th of each choice, as long as there are some: all are in one of them.
HEADS = [
    {choice: names[place] for choice, names in CHOICES.items() if place < len(names)}
    for place in range(max(map(len, CHOICES.values())))
]
# Arguments with which each setting of a model has something to say in eight steps; those that are needed among them.
ARGUMENTS = {
    "best": "patience = 1000", "every": "steps = 2", "group": 'names = "f.*", lr = 1e-3', "balanced": "y", "weighted": "w",
    "plateau": "every = 1, patience = 0",
}  # fmt: skip
SPEC = """data y: class[2], w: [], x: [] from table("rows.csv")
net f(x: []) -> [2] {{ return linear([x], 2) }}
train(epochs = 0.8, batch = 4, {head}) {{ minimize cross_entropy(f(x), y) }}
"""
Reads = set[tuple[type[Settings], str]]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The settings that were asked for one by one since the program was checked: copies of all of them do not count."""
    asked: Reads = set()

    def ask(self: Settings, name: str) -> object:
        if name in fields(type(self)):
            asked.add((type(self), name))
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Settings, "__getattribute__", ask)
    return asked


def expected(model: type[Settings]) -> Iterator[tuple[type[Settings], str]]:
    """The settings of a model that something must ask for; the arguments of torch's classes are handed over as a whole."""
    yield from ((model, name) for name in fields(model) if not issubclass(model, TorchOptimizer))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["optimizer"])
def test_settings_are_read(
    head: dict[str, str], program: Callable[[str], Program], tmp_path: Path, reads: Reads
) -> None:
    (tmp_path / "rows.csv").write_text("y,w,x\n" + "a,1,2\nb,2,0.5\n" * 20)
    written = (f"{choice} = {name}({ARGUMENTS.get(name, '')})" for choice, name in head.items())
    checked = program(SPEC.format(head=", ".join(written)))
    reads.clear()
    train(checked, tmp_path / "run", Options(quiet=True, device="cpu"))
    models: list[type[Settings]] = [choices(TrainSettings)[choice].models[name] for choice, name in head.items()]
    assert {each for model in [TrainSettings, *models] for each in expected(model)} - reads == set()
