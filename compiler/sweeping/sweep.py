"""Runs of one spec with many settings and seeds, each in a folder of its own; what is done already is not done again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from mai.compiler.program import Program
from mai.compiler.sweeping.axes import Point, in_words
from mai.compiler.sweeping.folds import NO_FOLDS
from mai.compiler.sweeping.jobs import Job, last_words
from mai.compiler.training.run.folder import checkpoints
from mai.compiler.training.run.record import digest
from mai.compiler.training.settings import Best
from mai.runtime.files import write_atomically
from mai.runtime.inputs.cells import few_of
from mai.runtime.run_folders.comparison import SWEEP
from mai.runtime.run_folders.files import LOG
from mai.runtime.run_folders.goals import usual_direction
from mai.runtime.run_folders.summary import summary
from mai.runtime.run_folders.tables import Row, as_values, pooled
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest
from mai.spec.record import record

Say = Callable[[str], None]
SHOWN = 3  # Runs that failed for one reason, by name.


class RunsJobs(Protocol):
    """What runs jobs, several at a time."""

    count: int
    interrupted: bool

    def run(self, jobs: Sequence[Job], done: Callable[[Job, int], None]) -> None:
        """Run all; `done` hears of each that has ended, with its exit code."""


@record
class Goal:
    """What runs are compared by: the name of a figure, and whether it is to be small (`min`) or large (`max`)."""

    figure: str
    direction: str

    @property
    def sign(self) -> int:
        """1 where smaller is better, else -1."""
        return 1 if self.direction == "min" else -1


def goal_of(program: Program, by: str | None, direction: str | None) -> Goal:
    """The figure that runs of a program are compared by: by default what the spec keeps the best of, or the loss.

    Raises:
        MaiError: no train block reports a figure of that name.
    """
    training = program.trainings[-1]
    kept = training.settings.keep
    usual = (kept.metric, kept.direction) if isinstance(kept, Best) else ("loss", "min")
    names = ["loss", *(report.name for report in training.reports)]
    if by is not None and by not in names:
        guess = closest(by, names)
        help = f"did you mean `{guess}`?" if guess else "a `report e as name` adds one"
        message = f"`{by}` is no figure of {program.name}: it has {', '.join(names)}"
        raise MaiError([Diagnostic("unknown-name", None, message, help=help)])
    figure = by or usual[0]
    return Goal(figure, direction or (usual[1] if figure == usual[0] else usual_direction(figure)))


class Sweep:
    """The runs of a sweep: where they are, what they were asked for, what has become of them.

    Args:
        file: the spec.
        folder: of the sweep; a run's is called by its settings and its seed.
        words: further words of `mai train`, the same for all runs.
        exports: the names of the program's exports, of which a run that has come to an end has files.
        folds: what each choice of settings is run with, beside every seed, so that every row is held out once: values of consts.
    """

    def __init__(
        self, file: Path, text: str, folder: Path, words: Sequence[str], seeds: int, name: str, exports: Sequence[str], goal: Goal,
        jobs: RunsJobs, say: Say, folds: Sequence[Point] = NO_FOLDS,
    ) -> None:  # fmt: skip
        self.file, self.folder, self.words, self.seeds = file, folder, tuple(words), seeds
        self.jobs, self.say, self.folds = jobs, say, folds
        self.files = [f"{name}.{export}.onnx" for export in exports]
        self.goal, self.asked = goal, {"spec": digest(text), "words": [*words]}
        self.failures: dict[Path, str] = {}
        self._began: dict[Path, float] = {}
        self._count = 0

    def begin(self) -> None:
        """Make the folder, or go on with the sweep in it. Raises `MaiError` where that was of another text or other words."""
        place = self.folder / SWEEP
        try:
            before = json.loads(place.read_text(encoding="utf-8"))["asked"]
        except (OSError, ValueError, KeyError, TypeError):
            before = self.asked
        if before != self.asked:
            what = "of another text of the spec" if before["spec"] != self.asked["spec"] else "begun with other options"
            message = f"the sweep in {self.folder} was {what}: its runs do not compare with new ones"
            raise MaiError([Diagnostic("weights-mismatch", None, message, help="another folder: --out")])
        self.write([])

    def run(self, points: Sequence[Point]) -> None:
        """Run every point with every seed, as far as that is not done. What fails is reported, and the others go on."""
        several = [{**point, **fold} for point in points for fold in self.folds]
        jobs = {self._place(point, seed): (point, seed) for point in several for seed in range(self.seeds)}
        waiting = {folder: each for folder, each in jobs.items() if not self._is_done(folder)}
        for folder in jobs.keys() - waiting.keys():
            self.say(f"{folder.name}: done before")
        self._count += len(waiting)
        self.jobs.run([self._job(folder, *each) for folder, each in waiting.items()], self._ended)

    def rows(self, points: Sequence[Point]) -> list[Row]:
        """What every point has come to."""
        return [self._row(point) for point in points]

    def write(self, rows: Sequence[Row]) -> None:
        """The results, into the folder."""
        values = {
            "asked": self.asked,
            "goal": {"figure": self.goal.figure, "direction": self.goal.direction},
            "folds": [*self.folds[0]],
            "rows": as_values(rows),
        }
        write_atomically(self.folder / SWEEP, (json.dumps(values, indent=2) + "\n").encode())

    def failed(self) -> Iterator[str]:
        """What is said of the runs that failed: how many, and each reason with those that gave it, the most frequent first."""
        if self.failures:
            yield f"{len(self.failures):,} failed; {LOG} of their folders in {self.folder} has all that each said"
        reasons: dict[str, list[str]] = {}
        for folder, reason in self.failures.items():
            reasons.setdefault(reason, []).append(folder.name)
        for reason, names in sorted(reasons.items(), key=lambda each: -len(each[1])):
            yield f"  {len(names):,}: {reason}: {few_of(names, SHOWN)}"

    def _row(self, point: Point) -> Row:
        folds = [[self._place({**point, **fold}, seed) for seed in range(self.seeds)] for fold in self.folds]
        done = [[summary(place).figures for place in places if self._is_done(place)] for places in folds]
        failed = sum(place in self.failures for places in folds for place in places)
        return Row(point, pooled(done), sum(map(len, done)), failed)

    def _place(self, point: Point, seed: int) -> Path:
        return self.folder / ",".join([*([in_words(point)] if point else []), f"seed={seed}"])

    def _is_done(self, folder: Path) -> bool:
        return summary(folder).state == "done" and all((folder / name).exists() for name in self.files)

    def _job(self, folder: Path, point: Point, seed: int) -> Job:
        sets = [word for name, value in point.items() for word in ("--set", f"{name}={value}")]
        resume = ["--resume"] if checkpoints(folder) else []
        place = ("--out", str(folder), "--seed", str(seed))
        words = ("train", str(self.file), *place, *sets, *self.words, *resume, "--quiet")
        self._began.setdefault(folder, time.monotonic())
        return Job(words, folder)

    def _ended(self, job: Job, code: int) -> None:
        """Tell what has become of one run."""
        if code == 0 and self._is_done(job.folder):
            figure = summary(job.folder).figures.get(self.goal.figure)
            shown = "" if figure is None else f": {self.goal.figure} {figure:.4g}"
            self.failures.pop(job.folder, None)
            self.say(f"{job.folder.name}{shown}")
        elif not self.jobs.interrupted:
            self.failures[job.folder] = last_words(job.folder)
            self.say(f"{job.folder.name} FAILED: {self.failures[job.folder]}")
