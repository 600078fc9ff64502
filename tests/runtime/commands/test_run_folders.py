"""Run folders without torch: what they say, comparisons, curves, `mai info`, `mai clean`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from safetensors.numpy import save_file

from mai.compiler.training.settings import Best
from mai.runtime.errors import ModelError
from mai.runtime.run_folders.cleaning import clean, not_needed
from mai.runtime.run_folders.comparison import called, folds_in, goal_in, grouped, read_runs, sorted_runs
from mai.runtime.run_folders.curves import draw_curves
from mai.runtime.run_folders.files import LOG
from mai.runtime.run_folders.record import read_record
from mai.runtime.run_folders.summary import Line, note_of_first, summary
from tests.support.command import invoke


def run(folder: Path, width: int = 4, seed: int = 0, auc: float | None = 0.5, done: bool = True) -> Path:
    """A folder as training leaves it."""
    folder.mkdir(parents=True)
    record = {"spec": "/there/s.mai", "sets": {"width": str(width)}, "data": [], "seed": seed, "batch": 8, "steps": 20}
    (folder / "run.json").write_text(json.dumps({**record, "device": "cpu", "began": 1e9 + seed, "version": "0"}))
    lines = [
        {"step": s, "loss": 100 / s, "lr": 0.1} | ({"held-out loss": 90 / s} if s % 10 == 0 else {})
        for s in range(1, 21)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 21, "lo')
    for step in (10, 20):
        (folder / f"checkpoint-{step:08d}.safetensors").write_bytes(b"x" * 20_000)
    if done:
        figures = {"loss": 4.5} | ({"auc": auc} if auc is not None else {})
        metadata = {"trained_steps": "10", "validation": json.dumps(figures), "spec": "s"}
        save_file({"w": np.zeros(3)}, folder / "weights.safetensors", metadata)
    return folder


def test_a_run_says_what_it_is(tmp_path: Path) -> None:
    """Finished, or stopped; a line that was never written to its end, and an older folder, are no error."""
    done, stopped = summary(run(tmp_path / "a")), summary(run(tmp_path / "b", done=False))
    assert (done.state, done.steps, done.kept, done.figures) == ("done", 20, 10, {"loss": 4.5, "auc": 0.5})
    assert (stopped.state, stopped.kept, stopped.figures, stopped.held_out) == ("stopped", 20, {"loss": 4.5}, True)
    assert done.asked is not None and done.asked.sets == {"width": "4"} and len(done.lines) == 20
    (tmp_path / "b" / "run.json").write_text("{")
    assert read_record(tmp_path / "b") is None and summary(tmp_path / "b").asked is None
    (tmp_path / "b" / "failure.json").write_text('{"message": "it diverged"}')
    assert summary(tmp_path / "b").state == "failed"
    (tmp_path / "b" / "checkpoint-mine.safetensors").touch()  # Somebody's own, without a number.
    said = invoke("info", tmp_path / "b").output
    assert "loss 4.5, on held-out examples, the last ones" in said
    assert "failed: it diverged" in said and "checkpoints of the steps 10, 20  0.04 MB" in said
    assert "20 of 20, kept 10" in invoke("info", tmp_path / "a").output


@pytest.mark.parametrize(
    ("figures", "metric", "goal", "is_said"),
    [
        ([0.4, 0.5, 0.6, 0.5, 0.55], "loss", "min", True),
        ([0.4, 0.5, 0.6, 0.5, 0.39], "loss", "min", False),
        ([0.4, 0.4, 0.6, 0.5, 0.5], "loss", "min", False),
        ([0.4, 0.5, 0.6, 0.5], "loss", "min", False),
        ([np.nan, 0.5, 0.6, 0.5, 0.55], "loss", "min", False),
        ([0.9, 0.5, 0.6, 0.5, 0.55], "auc", "max", True),
        ([0.9, 0.5, 0.6, 0.5, 0.55], "loss", "max", False),
    ],
)
def test_a_first_look_that_was_the_best_is_told(
    figures: list[float], metric: str, goal: Literal["min", "max"], is_said: bool
) -> None:
    """Of a run's last block, and of the metric that is kept by; few looks say nothing."""
    name = "auc" if goal == "max" else "loss"
    earlier: list[Line] = [{"step": step, "block": "a", f"held-out {name}": 0.0} for step in (1, 2)]
    lines: list[Line] = [
        {"step": 120 * k, "block": "b", "loss": 1.0, f"held-out {name}": value} for k, value in enumerate(figures, 1)
    ]
    note = note_of_first([*earlier, *lines], metric, goal)
    assert (note is not None) == is_said
    if note is not None:
        assert f"after step 120, was the best: {metric} {figures[0]:g} there, 0.55 at the end" in note
        assert "`evaluate = 12`" in note
        assert note_of_first([*earlier, *lines], metric, goal, {"a": 120}) == note
        assert note_of_first([*earlier, *lines], metric, goal, {"b": 120}) is None, "with other data after that look"
    assert note_of_first([]) is None


def test_a_sweep_of_which_no_run_began_says_where_to_look(tmp_path: Path) -> None:
    for name in ("w=1", "w=2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / LOG).write_text("error: there is no file t.csv\n")
    with pytest.raises(ModelError, match=r"none of the 2 runs in .* has begun") as caught:
        read_runs([tmp_path])
    assert caught.value.help == f"{tmp_path / 'w=1' / LOG} says why"


def test_runs_beside_each_other(tmp_path: Path) -> None:
    """The best first; seeds together; what is called apart is what differs."""
    for width, seed, auc in ((4, 0, 0.5), (4, 1, 0.7), (8, 0, 0.9)):
        run(tmp_path / f"deep/w{width}s{seed}", width, seed, auc)
    run(tmp_path / "z", 8, 1, None, done=False)
    runs = sorted_runs(read_runs([tmp_path]), "auc", "max")
    assert [each.folder.name for each in runs] == ["w8s0", "w4s1", "w4s0", "z"]
    assert called(runs)[:2] == ["width=8", "width=4"]
    rows = grouped(runs, "auc", "max")
    assert [(row.settings, row.runs, row.mean("auc")) for row in rows] == [
        ({"width": "8"}, 1, 0.9),
        ({"width": "4"}, 2, pytest.approx(0.6)),
    ]
    done = invoke("runs", tmp_path, "--by", "auc", "--out", tmp_path / "c.svg")
    assert done.exit_code == 0 and "0.6 ± 0.14" in done.output and "deep/w8s0" in done.output
    picture = (tmp_path / "c.svg").read_text()
    assert picture.count("<!-- width=8 -->") == 1 and "held-out" not in picture
    assert "sorted by auc, the largest first" in done.output
    values = json.loads(invoke("runs", tmp_path, "--json").output)
    assert len(values["runs"]) == 4 and values["settings"][0]["runs"] in (1, 2)
    (tmp_path / "none").mkdir()
    assert f"note: {tmp_path / 'none'} holds no run" in invoke("runs", tmp_path / "deep", tmp_path / "none").output
    (tmp_path / "deep" / "w9s0").mkdir()
    (tmp_path / "deep" / "w9s0" / "log.txt").write_text("error: no")
    said = invoke("runs", tmp_path / "deep").output
    assert "note: 1 more: just starting, or ended before training began (log.txt says which): w9s0" in said
    said = str(invoke("draw", tmp_path / "deep", "--out", tmp_path / "d.png").exception)
    assert "is the folder of several runs (`mai runs" in said
    with pytest.raises(ModelError, match="no runs in"):
        read_runs([tmp_path / "none"])


@pytest.mark.parametrize("damage", ["[]", "{", '{"goal": null}', '{"goal": {}, "folds": 3}', "{}"])
def test_a_sweep_that_says_nothing_right_is_passed_over(damage: str, tmp_path: Path) -> None:
    for name, text in {"a": damage, "b": '{"goal": {"figure": "auc", "direction": "max"}, "folds": ["part"]}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "sweep.json").write_text(text, encoding="utf-8")
    folders = [tmp_path / "a", tmp_path / "b"]
    assert (goal_in(folders, None, None), folds_in(folders)) == (("auc", "max"), ["part"])
    assert (goal_in(folders[:1], None, None), folds_in(folders[:1])) == (("loss", "min"), [])


@pytest.mark.parametrize(
    ("figure", "direction"),
    [
        ("r2", "max"),
        ("val_auc", "max"),
        ("accuracy.top5", "max"),
        ("loss", "min"),
        ("f1_loss", "min"),
        ("error", "min"),
        ("maps", "min"),
        ("valAUC", "max"),
        ("log_likelihood", "max"),
        ("negative_log_likelihood", "min"),
        ("neg_elbo", "min"),
        ("accuracy_gap", "min"),
        ("reward_mse", "min"),
    ],
)
def test_the_name_of_a_figure_tells_which_is_best(figure: str, direction: str, tmp_path: Path) -> None:
    """By which runs are sorted, and `keep = best` chooses; what is asked for comes first."""
    assert goal_in([tmp_path], figure, None)[1] == direction == Best(metric=figure).direction
    assert goal_in([tmp_path], figure, "min")[1] == Best(metric=figure, goal="min").direction == "min"


def test_curves_of_one_run(tmp_path: Path) -> None:
    """Two panels' worth: the loss on batches and held-out examples, the step that was kept; no constant rate."""
    run(tmp_path / "a")
    assert invoke("draw", tmp_path / "a", "--out", tmp_path / "a.svg").exit_code == 0
    picture = (tmp_path / "a.svg").read_text()
    assert all(f"<!-- {text} -->" in picture for text in ("batches", "held-out examples", "kept", "loss"))
    assert "<!-- lr -->" not in picture
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "metrics.jsonl").touch()
    with pytest.raises(ModelError, match="no figures"):
        draw_curves([summary(empty)], tmp_path / "b.svg")
    with pytest.raises(ModelError, match=r"it has 1,310 steps, and its first figures come after more"):
        draw_curves([replace(summary(empty), steps=1310)], tmp_path / "b.svg")


def test_what_can_go(tmp_path: Path) -> None:
    """All checkpoints of a run that is done; of another all but the one that it goes on from. Nothing else."""
    done, stopped = run(tmp_path / "a"), run(tmp_path / "b", done=False)
    run(done / "before")
    assert [each.path.name for each in not_needed(stopped, 0, False)] == ["checkpoint-00000010.safetensors"]
    assert len(list(not_needed(done, 1, True))) == 2
    assert "would remove" in invoke("clean", tmp_path, "--dry-run").output and len(list(done.iterdir())) == 6
    assert len(clean(done, 0, False)) == 2
    assert {each.name for each in done.iterdir()} == {"run.json", "metrics.jsonl", "weights.safetensors", "before"}
    assert invoke("clean", done, "--before").exit_code == 0 and not (done / "before").exists()


def test_a_run_that_is_written_to_is_not_cleaned(tmp_path: Path) -> None:
    import os

    from mai.runtime.files import locked

    handle = locked(os.open(run(tmp_path / "a"), os.O_RDONLY))
    try:
        with pytest.raises(ModelError, match="a training writes"):
            clean(tmp_path / "a", 0, False)
    finally:
        os.close(handle or 0)
