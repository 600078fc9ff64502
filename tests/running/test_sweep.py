"""`mai sweep`: what is run, what is not run again, tables of means and deviations, failures that stop nobody else, searches."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mai.compiler.check import check
from mai.compiler.program import Program
from mai.compiler.sweeping.axes import Choices, Point, Range, grid, read_axes
from mai.compiler.sweeping.folds import NO_FOLDS, fold_axes
from mai.compiler.sweeping.jobs import Job, Jobs
from mai.compiler.sweeping.search import search
from mai.compiler.sweeping.sweep import Goal, Sweep, goal_of
from mai.runtime.command_line.markers import Misuse
from mai.runtime.run_folders.tables import Row, lines, sorted_rows
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

SPEC = """const width = 4
data x: [2] from table("t.csv")
net f(x: [2]) -> [2] { return linear(linear(x, width), 2) }
train(steps = 4, batch = 8, keep = best(size, max)) {
  minimize sum((f(x) - x)^2)
  report mean(across(f(x))^2) as size
}
export g(x: [2]) -> [2] { return f(x) }
"""


class Trainings:
    """What `mai train` leaves, without its work: the loss is (width - 20)^2 and the seed; a width of 13 fails."""

    def __init__(self, count: int = 1) -> None:
        self.count, self.interrupted = count, False
        self.ran: list[str] = []

    def run(self, jobs: Sequence[Job], done: Callable[[Job, int], None]) -> None:
        for job in jobs:
            self.ran.append(" ".join(job.words))
            done(job, self._one(job))

    def _one(self, job: Job) -> int:
        words = dict(word.split("=") for word in job.words if word.startswith(("width=", "k=")))
        width, seed = float(words["width"]), int(job.words[job.words.index("--seed") + 1])
        job.folder.mkdir(parents=True, exist_ok=True)
        fold = float(words.get("k", 0))
        if width == 13:
            (job.folder / "log.txt").write_text("well\nerror[not-finite]: no number\nhelp: none\n")
            return 1
        values = {"spec": "", "sets": words, "data": [], "began": float(len(self.ran))}
        (job.folder / "run.json").write_text(json.dumps(values))
        figures = json.dumps({"loss": (width - 20) ** 2 + seed + 10 * fold})
        save_file({"w": np.zeros(1)}, job.folder / "weights.safetensors", {"validation": figures, "trained_steps": "9"})
        (job.folder / "s.g.onnx").touch()
        return 0


def sweep(
    folder: Path,
    jobs: Any,
    seeds: int = 2,
    text: str = "t",
    words: Sequence[str] = (),
    folds: Sequence[Point] = NO_FOLDS,
) -> tuple[Sweep, list[str]]:
    said: list[str] = []
    sweep_of_spec = Sweep(
        Path("s.mai"), text, folder, words, seeds, "s", ["g"], Goal("loss", "min"), jobs, said.append, folds
    )
    sweep_of_spec.begin()
    return sweep_of_spec, said


def test_a_grid_with_seeds(tmp_path: Path) -> None:
    """Means and deviations by their definitions; one that fails is told, and the others go on."""
    jobs = Trainings()
    sweep_of_spec, said = sweep(tmp_path, jobs)
    points = grid(read_axes(["width=4,13,16"]))
    sweep_of_spec.run(points)
    assert len(jobs.ran) == 6 and sum("width=13" in name for name in map(str, sweep_of_spec.failures)) == 2
    assert "width=13,seed=0 FAILED: error[not-finite]: no number" in said
    assert [*sweep_of_spec.failed()] == [
        f"2 failed; log.txt of their folders in {sweep_of_spec.folder} has all that each said",
        "  2: error[not-finite]: no number: width=13,seed=0, width=13,seed=1",
    ]
    rows = sorted_rows(sweep_of_spec.rows(points), "loss", "min")
    assert [row.settings["width"] for row in rows] == ["16", "4", "13"]
    assert rows[0].mean("loss") == 16.5 and rows[0].deviation("loss") == pytest.approx(math.sqrt(0.5))
    assert (rows[2].runs, rows[2].failed, rows[2].mean("loss")) == (0, 2, None)
    assert "16.5 ± 0.71" in "\n".join(lines(rows))


def test_folds(tmp_path: Path) -> None:
    """Each choice is run with all of them: a fold counts once, by the mean over its seeds, here as in `mai runs`."""
    jobs, folds = Trainings(), grid(read_axes(["k=0,1,2"]))
    sweep_of_spec, _ = sweep(tmp_path, jobs, folds=folds)
    sweep_of_spec.run(points := grid(read_axes(["width=19,13,16"])))
    assert len(jobs.ran) == 3 * 3 * 2
    rows = sorted_rows(sweep_of_spec.rows(points), "loss", "min")
    assert [(row.settings, row.runs, row.failed) for row in rows] == [
        ({"width": "19"}, 6, 0),
        ({"width": "16"}, 6, 0),
        ({"width": "13"}, 0, 6),
    ]
    assert rows[0].figures["loss"] == [1.5, 11.5, 21.5] and rows[0].deviation("loss") == 10
    sweep_of_spec.write(rows)
    said = invoke("runs", tmp_path).output
    assert "means over folds" in said and "11.5 ± 10" in said


def test_which_const_is_a_fold(tmp_path: Path) -> None:
    """The one that changes which fold is held out, and nothing else of the data."""
    split = 'table("t.csv", split = folds(4, fold = k, seed = s))'
    (tmp_path / "s.mai").write_text("const k = 0\nconst s = 0\n" + SPEC.replace('table("t.csv")', split))

    def at(point: Point) -> Program | None:
        return check(tmp_path / "s.mai", point).program

    axes = read_axes(["k=0..3", "s=0,1", "width=4,8"])
    assert fold_axes(axes, at) == {"k": Choices(("0", "1", "2", "3"))}
    assert fold_axes(read_axes(["width=4,8", "k=1"]), at) == {}
    assert [*fold_axes(read_axes(["k=3,9"]), at)] == ["k"]  # Of which one is none: its run says so.


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """More values and seeds add to it; a run with a checkpoint goes on; other texts and options are refused."""
    first = Trainings()
    sweep_of_spec, _ = sweep(tmp_path, first, seeds=1)
    sweep_of_spec.run(grid(read_axes(["width=4,5"])))
    (tmp_path / "width=5,seed=1").mkdir()
    (tmp_path / "width=5,seed=1" / "checkpoint-00000003.safetensors").touch()
    again = Trainings()
    more, said = sweep(tmp_path, again)
    more.run(grid(read_axes(["width=4,5"])))
    assert [("--resume" in ran, "width=5" in ran) for ran in again.ran] == [(False, False), (True, True)]
    assert said.count("width=4,seed=0: done before") == 1
    for other in ({"text": "u"}, {"words": ["--steps", "9"]}):
        with pytest.raises(MaiError, match="weights-mismatch"):
            sweep(tmp_path, Trainings(), **other)  # type: ignore[arg-type]


def test_the_figure_that_is_compared(program: Callable[[str], Program]) -> None:
    """What the spec keeps the best of, or what is asked for."""
    spec = program(SPEC)
    assert goal_of(spec, None, None) == Goal("size", "max") and goal_of(spec, "loss", None) == Goal("loss", "min")
    assert goal_of(spec, "size", "min").sign == 1
    with pytest.raises(MaiError) as error:
        goal_of(spec, "auc", None)
    assert "it has loss, size" in error.value.diagnostics[0].message


def test_axes() -> None:
    axes = read_axes(["a=1,2", "b=1e-3..1:log", "c=2..6"])
    assert axes == {"a": Choices(("1", "2")), "b": Range(1e-3, 1, False, True), "c": Range(2, 6, True, False)}
    assert grid(read_axes(["a=1,2", "b=3,4"]))[1] == {"a": "1", "b": "4"} and grid({}) == [{}]
    for wrong in (["a"], ["a="], ["a=1,,2"], ["a=1,1"], ["a=2..1"], ["a=0..1:log"], ["a=x..y"], ["a=1", "a=2"]):
        with pytest.raises(Misuse):
            read_axes(wrong)
    with pytest.raises(Misuse) as error:
        grid(axes)
    assert "--search 20" in error.value.message


def test_rows_without_a_number_come_last() -> None:
    rows = [Row({"a": str(k)}, {"m": [value]}, 1) for k, value in enumerate((math.nan, 1.0, 3.0))]
    assert [row.settings["a"] for row in sorted_rows(rows, "m", "max")] == ["2", "1", "0"]


def test_a_search(tmp_path: Path) -> None:
    """It comes near the best, goes on where it ended, and survives points that fail."""
    pytest.importorskip("optuna")
    axes = read_axes(["width=2..60"])
    sweep_of_spec, _ = sweep(tmp_path, Trainings(), seeds=1)
    assert len(search(sweep_of_spec, axes, 8)) <= 8
    jobs = Trainings(2)
    more, _ = sweep(tmp_path, jobs, seeds=1)
    tried = search(more, axes, 25)
    assert len(jobs.ran) <= 25 and len({ran.split("width=")[1] for ran in jobs.ran}) == len(jobs.ran)
    best = sorted_rows(more.rows(tried), "loss", "min")[0]
    assert abs(float(best.settings["width"]) - 20) <= 4


def test_a_search_runs_all_folds_of_what_it_tries(tmp_path: Path) -> None:
    """What was tried before is known, whichever fold it held out."""
    pytest.importorskip("optuna")
    for _ in range(2):
        jobs = Trainings()
        sweep_of_spec, _ = sweep(tmp_path, jobs, seeds=1, folds=grid(read_axes(["k=0,1,2"])))
        tried = search(sweep_of_spec, read_axes(["width=2..60"]), 3)
    assert len(list(tmp_path.glob("*seed=0"))) == 3 * len(tried) and not jobs.ran


def test_a_search_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    sweep_of_spec, _ = sweep(tmp_path, Trainings())
    with pytest.raises(MaiError) as error:
        search(sweep_of_spec, read_axes(["width=2..60"]), 3)
    assert "needs Optuna" in error.value.diagnostics[0].message


@pytest.mark.slow
def test_real_runs(tmp_path: Path) -> None:
    """Two seeds and a value that fails, by the command; then again."""
    (tmp_path / "s.mai").write_text(SPEC)
    (tmp_path / "t.csv").write_text("x0,x1\n" + "1,2\n3,4\n" * 20)
    words = (
        "sweep",
        tmp_path / "s.mai",
        "--set",
        "width=3,0",
        "--seeds",
        "2",
        "--jobs",
        "2",
        "--out",
        tmp_path / "all",
    )
    done = invoke(*words, "--device", "cpu")
    assert done.exit_code == 1 and "2 failed" in done.output and "±" in done.output
    assert {each.name for each in (tmp_path / "all").iterdir()} > {"width=3,seed=0", "width=3,seed=1", "sweep.json"}
    row = json.loads((tmp_path / "all" / "sweep.json").read_text())["rows"][0]
    assert row["settings"] == {"width": "3"} and len(row["figures"]["size"]["values"]) == 2
    assert invoke(*words, "--device", "cpu").output.count("done before") == 2


def test_jobs_end_when_they_are_told_to(tmp_path: Path) -> None:
    """What has not begun does not begin; the codes of the others are heard."""
    jobs, heard = Jobs(1), dict[str, int]()
    jobs.interrupted = True
    jobs.run([Job(("explain",), tmp_path / "a")], lambda job, code: heard.update({job.folder.name: code}))
    assert heard == {}
