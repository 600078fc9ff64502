"""What is evaluated: a compiled file, or the one of a run's folder whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.check import check_text
from mai.compiler.evaluating.targets.target import NoAnswer, Target, choice, find_target, refusal
from mai.compiler.mending import Checked
from mai.compiler.program import Program
from mai.runtime.model.loader import load
from mai.runtime.run_folders.record import RunRecord, read_record
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.runtime.model.model import Model


@record
class Subject:
    """A file, the program in it, what its results are compared with, and what its run was asked for, where its folder says so."""

    model: Model
    program: Program
    target: Target
    run: RunRecord | None

    @property
    def export(self) -> str:
        """The export that the file is of."""
        return self.model.manifest.export


@record
class Asked:
    """What the command line says of the subject: `sets` are consts, as they were set when the spec was trained."""

    export: str | None = None
    target: str | None = None
    output: str | None = None
    sets: Mapping[str, str] | None = None
    provider: str | None = None
    threads: int | None = None


def open_subject(path: Path, asked: Asked) -> Subject:
    """The file that a path names, or the one in a run's folder.

    Raises:
        MaiError: there is none, its text is not sound for this mai, or what it is compared with is not known.
        ModelError: a file is damaged.
    """
    models = [
        load(file, providers=asked.provider, threads=asked.threads) for file in compiled_files(path, asked.export)
    ]
    if len(models) == 1:
        return _subject(models[0], asked)
    subjects, errors = list[Subject](), list[MaiError]()
    for model in models:
        try:
            subjects.append(_subject(model, asked))
        except MaiError as error:
            errors.append(error)
    if len(subjects) == 1:
        return subjects[0]
    if not subjects:
        kind = NoAnswer if all(isinstance(error, NoAnswer) for error in errors) else MaiError
        raise kind([diagnostic for error in errors for diagnostic in error.diagnostics])
    several = " and ".join(f"`{subject.export}`" for subject in subjects)
    raise choice(f"{several} of {path} can be evaluated", f"one at a time: --export {subjects[0].export}")


def compiled_files(path: Path, export: str | None) -> Sequence[Path]:
    """The compiled files that are meant: those of a folder that answer in one call, or the one of an export. Raises `MaiError` where there is none."""
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.glob("*.onnx")) if not file.name.endswith(".step.onnx")]
    if export is not None:
        files = [file for file in files if file.name.endswith(f".{export}.onnx")]
    if not files:
        what = f"no file of `{export}`" if export is not None else "no compiled file"
        raise MaiError(
            [Diagnostic("file-not-found", None, f"there is {what} in {path}", help="mai train SPEC --out RUN")]
        )
    return files


def check_compiled(model: Model, run: RunRecord | None, sets: Mapping[str, str] | None = None) -> Checked:
    """The text in a file that was compiled in a `run`, if it was in one: where the spec stood, and with the run's consts, or other `sets`."""
    if run is None:
        return check_text(model.path.parent / f"{Path(model.manifest.name).name}.mai", model.spec, sets)
    return check_text(Path(run.spec), model.spec, sets or run.sets)


def _subject(model: Model, asked: Asked) -> Subject:
    run = read_record(model.path.parent)
    program = check_compiled(model, run, asked.sets).meaning()
    export = model.manifest.export
    if export not in program.exports or not program.trainings:
        raise refusal(f"{model.path} was trained on nothing that it could be compared with")
    if model.manifest.draws and asked.target is None:
        help = "say what it is an answer to, if it is one: --target FIELD"
        raise refusal(f"`{export}` draws what it gives, so that no example has one right answer", help)
    return Subject(model, program, find_target(program, export, asked.target, asked.output), run)
