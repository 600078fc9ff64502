"""A job: a file and inputs in a folder, an engine's process, and how far its results are from the file's self-test."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.hosts_matrix.engines import BUILD, ENGINES, Command, Engine
from benchmarks.hosts_matrix.limited import TooLong, run_limited
from benchmarks.hosts_matrix.subjects import Subject
from mai.compiler.onnx.comparing.trial import difference as apart_from
from mai.runtime.arrays import Array
from mai.runtime.self_test.compare import difference
from mai.runtime.self_test.record import Recipe
from mai.runtime.self_test.verification import arrays_of

SECONDS = 240  # Of processors, that a file may take.
NARROW_SEED = 2**31 - 5
EQUAL, REFUSED, WRONG = "equal", "refused", "wrong"
Outcome = dict[str, Any]  # `result`, one of these three, `error` by which it differs, `reason` in the engine's words.


@dataclass(frozen=True, slots=True)
class Job:
    """A file's self-test in an engine's folder; `path` is the form of the file that the engine gets."""

    name: str
    subject: Subject
    path: Path

    @property
    def folder(self) -> Path:
        """Where its inputs and results are."""
        return BUILD / "jobs" / self.name / self.subject.kind / self.subject.name

    @property
    def outputs(self) -> list[str]:
        """The results that are asked for."""
        return list(self.subject.test.runs[0].outputs)

    @property
    def is_done(self) -> bool:
        """Whether all results are there, or why there are none."""
        last = len(self.subject.test.runs) - 1
        return any((self.folder / file).exists() for file in ("refused.txt", f"out_{last}.json", f"out_{last}.txt"))

    def write(self) -> None:
        """The folder with the file and its inputs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _write_job(self.folder, self.path, self.inputs(), self.outputs)

    def inputs(self) -> list[dict[str, Array]]:
        """What each run of the self-test feeds."""
        names = {i.name for i in self.session().get_inputs()}
        engine, runs = ENGINES[self.name], self.subject.test.runs
        return [{n: a for n, a in _arrays(self.subject, r.recipe, engine).items() if n in names} for r in runs]

    def session(self) -> ort.InferenceSession:
        """ONNX Runtime here."""
        return ort.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])

    def outcome(self, said: str) -> Outcome:
        """What came of it; `said` is why, where a process ended without a word."""
        refused = self.folder / "refused.txt"
        if refused.exists() or not self.is_done:
            reason = refused.read_text(encoding="utf-8") if refused.exists() else said
            return {"result": REFUSED, "reason": " ".join(reason.split())[:600]}
        expected = None
        if ENGINES[self.name].narrow or self.path != self.subject.path:
            session = self.session()
            expected = [session.run(self.outputs, feeds) for feeds in self.inputs()]
        outcome = _judged(self.folder, self.subject, self.outputs, expected)
        shutil.rmtree(self.folder)
        return outcome


def run(command: Command, jobs: list[Job]) -> list[Outcome | None]:
    """Run jobs of one engine, in one process as far as that goes: those that it did not come to have processes of their own.

    Nothing comes of a job that takes longer than `SECONDS`.
    """
    for job in jobs:
        job.write()
    if len(jobs) > 1:
        with suppress(TooLong):
            _process(command, jobs)
    return [_outcome(command, job) for job in jobs]


def _outcome(command: Command, job: Job) -> Outcome | None:
    try:
        return job.outcome("" if job.is_done else _process(command, [job]))
    except TooLong:
        print(f"{job.name} has not done {job.subject.name} in {SECONDS} s", file=sys.stderr, flush=True)
        return None


def _process(command: Command, jobs: list[Job]) -> str:
    """Run jobs in a process of the engine's; what it says where it fails."""
    return run_limited([*command, *(str(job.folder) for job in jobs)], SECONDS * len(jobs))


def _arrays(subject: Subject, recipe: Recipe, engine: Engine) -> dict[str, Array]:
    """The inputs and settings of a run."""
    if engine.narrow and "seed" in recipe.settings:
        recipe = recipe.model_copy(update={"settings": {**recipe.settings, "seed": NARROW_SEED}})
    return arrays_of(subject.manifest, recipe)


def _judged(folder: Path, subject: Subject, outputs: list[str], expected: list[list[Array]] | None) -> Outcome:
    """How far results are from the self-test, or from what ONNX Runtime has `expected` here of another form or seed."""
    worst, wrong = 0.0, ""
    for number, run in enumerate(subject.test.runs):
        results = _results(folder, number)
        for place, name in enumerate(outputs):
            real = results[name].dtype.kind == "f"
            if expected is None:
                apart = difference(results[name], run.outputs[name])
            else:
                apart = apart_from(results[name], expected[number][place])
            worst = max(worst, apart)
            if not apart <= (subject.test.tolerance if real else 0.0):
                wrong = name
    return {"result": WRONG if wrong else EQUAL, "error": worst, **({"reason": f"`{wrong}` differs"} if wrong else {})}


def _write_job(folder: Path, path: Path, runs: list[dict[str, Array]], outputs: list[str]) -> None:
    """As JSON, and as words for programs that read no JSON."""
    shutil.copy(path, folder / "model.onnx")
    lines, described = ["model.onnx"], []
    for number, inputs in enumerate(runs):
        ports = {}
        for place, (name, value) in enumerate(inputs.items()):
            array, file = np.asarray(value, order="C"), f"in_{number}_{place}.bin"
            array.tofile(folder / file)
            ports[name] = {"file": file, "dtype": array.dtype.name, "dims": list(array.shape)}
            dims = " ".join(map(str, (array.ndim, *array.shape)))
            lines.append(f"input {name} {array.dtype.name} {dims} {file} {array.nbytes}")
        described.append(ports)
        lines += [f"output {name} out_{number}_{i}.bin" for i, name in enumerate(outputs)] + ["end"]
    job = {"model": "model.onnx", "runs": described, "outputs": outputs}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (folder / "job.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _results(folder: Path, number: int) -> dict[str, Array]:
    answer = folder / f"out_{number}.json"
    if answer.exists():
        ports = json.loads(answer.read_text(encoding="utf-8"))
    else:
        rows = [line.split() for line in (folder / f"out_{number}.txt").read_text(encoding="utf-8").splitlines()]
        ports = {
            name: {"file": file, "dtype": dtype, "dims": list(map(int, dims))} for name, file, dtype, *dims in rows
        }
    return {n: np.fromfile(folder / p["file"], p["dtype"]).reshape(p["dims"]) for n, p in ports.items()}
