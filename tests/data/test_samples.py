"""Which examples a batch has, and which rows a fold holds out: functions of the seed and the step, or of the split alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.check import check
from mai.compiler.data.batches import load
from mai.compiler.data.splitting.folds import Folds
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.samples import Balanced, Weighted
from mai.spec.diagnostics import MaiError
from mai.spec.settings import SettingsError

LABELS = np.array([0] * 90 + [1] * 8 + [2] * 2)
SPEC = """data x: [], w: [], y: class[3] from table("t.csv"{})
net f(x: []) -> [3] {{ return linear([x], 3) }}
train(steps = {}, batch = 30, sample = {}) {{ minimize cross_entropy(f(x), y) }}
"""


def written(folder: Path) -> None:
    rows = "".join(f"{i},{(i % 4) / 2},{'abc'[label]}\n" for i, label in enumerate(LABELS))
    (folder / "t.csv").write_text("x,w,y\n" + rows)


def test_every_label_is_as_frequent_and_every_example_comes() -> None:
    order = Balanced(field="y").order(LABELS, 7)
    batches = [order(step, 31) for step in range(60)]
    assert all(np.ptp(np.bincount(LABELS[batch], minlength=3)) <= 1 for batch in batches)
    seen = Counter(np.concatenate(batches).tolist())
    assert len(seen) == len(LABELS)
    for label in range(3):
        counts = [seen[row] for row in np.flatnonzero(label == LABELS)]
        assert max(counts) - min(counts) <= 1
    again = Balanced(field="y").order(LABELS, 7)
    np.testing.assert_array_equal(again(17, 31), batches[17])
    assert (Balanced(field="y").order(LABELS, 8)(17, 31) != batches[17]).any()


def test_an_example_comes_as_often_as_its_weight() -> None:
    weights = np.array([0, 1, 2, 5], np.float32)
    order = Weighted(field="w").order(weights, 0)
    counts = np.bincount(np.concatenate([order(step, 100) for step in range(100)]), minlength=4)
    np.testing.assert_allclose(counts / 10_000, weights / 8, atol=0.02)
    np.testing.assert_array_equal(order(3, 100), Weighted(field="w").order(weights, 0)(3, 100))
    for wrong in ([0, 0], [-1, 2], [np.nan, 1]):
        with pytest.raises(MaiError, match="weights of 0 or more"):
            Weighted(field="w").order(np.array(wrong), 0)


def test_a_block_trains_on_what_is_chosen(program: Callable[..., Program], tmp_path: Path) -> None:
    """Resumed, it goes on as if it had not stopped; held-out rows are never chosen."""
    written(tmp_path)
    for name, steps in (("whole", 6), ("half", 3)):
        spec = program(SPEC.format(", split = stratified(y, 0.2)", steps, "balanced(y)"))
        train(spec, tmp_path / name, Options(quiet=True, device="cpu"))
    spec = program(SPEC.format(", split = stratified(y, 0.2)", 6, "balanced(y)"))
    train(spec, tmp_path / "half", Options(quiet=True, device="cpu", resume=True))
    first, second = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "whole", tmp_path / "half"))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    training = spec.trainings[0]
    data = load(training.data, training.fields, 0, tmp_path)
    assert data.validation is not None
    batch = data.sampled("y", Balanced(field="y").order, 0).rows(range(1), 60)
    assert not set(batch["x"].tolist()) & set(data.validation["x"][:].tolist())


@pytest.mark.parametrize(
    ("sample", "said"),
    [("balanced(w)", "needs a field of labels"), ("weighted(y)", "needs a field of numbers"), ("balanced(z)", "`z` is none"),
     ("balance(y)", "there is no sample `balance`")],
)  # fmt: skip
def test_what_cannot_be_chosen_by_is_told(sample: str, said: str, tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "m.mai").write_text(SPEC.format("", 5, sample))
    (diagnostic,) = check(tmp_path / "m.mai").diagnostics
    assert said in diagnostic.message


@pytest.mark.parametrize("settings", [{}, {"labels": "y"}, {"groups": "g"}, {"labels": "y", "test": 0.2}])
def test_every_row_is_held_out_once(settings: dict[str, object]) -> None:
    key = {"labels": LABELS, "groups": np.arange(100) // 7}.get(next(iter(settings), ""))
    parts = [Folds.of({"count": 5, "fold": fold, **settings}).parts(100, key) for fold in range(5)]
    held_out = [part.held_out for part in parts if part.held_out is not None]
    tests = [[] if part.test is None else part.test.tolist() for part in parts]
    assert all(each == tests[0] for each in tests) and len(tests[0]) == 100 * float(str(settings.get("test", 0)))
    assert sorted(np.concatenate([*held_out, tests[0]]).tolist()) == [*range(100)]
    for part in parts:
        assert part.train is not None and part.held_out is not None
        assert len(part.train) + len(part.held_out) + len(tests[0]) == 100
        if key is not None and "groups" in settings:
            assert not {*key[part.train]} & {*key[part.held_out]}
        elif key is not None:
            counts = np.bincount(key[part.held_out], minlength=3)
            assert np.abs(counts - np.array([90, 8, 2]) / 100 * len(part.held_out)).max() < 1.6


def test_folds_that_there_are_not() -> None:
    with pytest.raises(SettingsError, match="no fold 5"):
        Folds.of({"count": 5, "fold": 5})
    with pytest.raises(MaiError, match="needs 5 rows or more"):
        Folds.of({"count": 5}).parts(3, None)


def test_a_fold_is_a_number_of_the_spec(tmp_path: Path) -> None:
    written(tmp_path)
    text = "const k = 0\n" + SPEC.format(", split = folds(5, fold = k, labels = y)", 5, "balanced(y)")
    (tmp_path / "m.mai").write_text(text)
    rows = []
    for fold in range(5):
        program = check(tmp_path / "m.mai", {"k": str(fold)}).program
        assert program is not None
        data = load(program.trainings[0].data, program.trainings[0].fields, 0, tmp_path)
        assert data.validation is not None
        rows += data.validation["x"][:].tolist()
    assert sorted(rows) == [*range(100)]
