"""A run as a Python object: its figures, its curves, its compiled files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.compiler.compile_options import CompileOptions
from mai.runtime.run_folders.cleaning import BEFORE
from mai.runtime.run_folders.files import WEIGHTS
from mai.runtime.run_folders.record import read_record
from mai.runtime.run_folders.summary import Summary, summary
from mai.runtime.show.drawn import Picture
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.compiler.interface.spec import Spec
    from mai.compiler.training.options import Options
    from mai.runtime.arrays import Array
    from mai.runtime.model.model import Model


class Run:
    """The run in a folder, of `Spec.train` or of `mai train`: `mai.Run("runs/moons")`.

    It is copied and pickled as the name of its folder; a copy does not `resume`.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open a run. Raises `FileNotFoundError` where there is none."""
        from mai.runtime.run_folders.summary import is_run

        self._place = Path(folder)
        if not is_run(self._place):
            raise FileNotFoundError(f"there is no run in {self._place}")
        self._began = _began(self._place)
        self._going: tuple[Spec, Options] | None = None
        self._models: dict[str, Model] = {}

    @property
    def folder(self) -> Path:
        """Where its files are; once another run was trained into its folder, they are in `before` there.

        Raises `MaiError` where they were removed: by a second run, or by hand.
        """
        for place in (self._place, self._place / BEFORE):
            if _began(place) == self._began:
                return place
        message = f"the run that was in {self._place} is there no longer: others were trained into that folder"
        help = "spec.train(out = ...) trains into a folder of its own; specs of several names have several folders"
        raise MaiError([Diagnostic("weights-missing", None, message, help=help)])

    def __reduce__(self) -> tuple[type[Run], tuple[Path]]:
        return Run, (self.folder.absolute(),)

    @cached_property
    def summary(self) -> Summary:
        """What the folder says, as it was when this was first asked."""
        return summary(self.folder)

    @property
    def state(self) -> str:
        """`done`; `stopped`, where `resume()` goes on; or `failed`."""
        return self.summary.state

    @property
    def steps(self) -> int:
        """How many steps it has done."""
        return self.summary.steps

    @property
    def figures(self) -> dict[str, float]:
        """How good its weights are, by the names of the loss and the reports: on held-out examples where there are some."""
        return dict(self.summary.figures)

    @property
    def metrics(self) -> dict[str, Array]:
        """The figures of all reports, an array each, [reports], with NaN where a report lacks one; `step` has their steps."""
        lines = self.summary.lines
        names = dict.fromkeys(name for line in lines for name in line if name != "block")
        return {name: np.array([float(line.get(name, np.nan)) for line in lines]) for name in names}

    @property
    def weights(self) -> Path:
        """The file of its weights. Raises `MaiError` where it has none yet."""
        path = self.folder / WEIGHTS
        if not path.exists():
            raise self._has_not_ended("weights")
        return path

    def export(self, name: str | None = None) -> Model:
        """One of its compiled files, loaded: a function of numpy arrays.

        Raises:
            MaiError: there is no such export, or the run has not ended.
        """
        from mai.runtime.model.loader import load

        files = self.files()
        if not files and self.state != "done":
            raise self._has_not_ended("compiled files")
        if name is None and len(files) == 1:
            (name,) = files
        if name is None or name not in files:
            message = (
                f"{self.folder} has no compiled file of `{name}`"
                if name
                else f"{self.folder} has several files: name one"
            )
            there = ", ".join(files) or "none"
            raise MaiError([Diagnostic("unknown-name", None, message, help=f"there are {there}")])
        if name not in self._models:
            self._models[name] = load(files[name])
        return self._models[name]

    def files(self) -> dict[str, Path]:
        """Its compiled files, by export."""
        files = sorted(self.folder.glob("*.onnx"))
        return {path.name.split(".")[-2]: path for path in files if not path.name.endswith(".step.onnx")}

    def draw(self) -> Picture:
        """Its learning curves. Raises `ModelError` where it has no figures yet."""
        from mai.runtime.run_folders.curves import draw_run

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "curves.svg"
            draw_run(self.folder, path)
            return Picture(path.read_bytes(), is_vector=True)

    def finish(self) -> Run:
        """End a run that was stopped: it takes no more steps, and has the weights and the compiled files of what it has learnt.

        One that has ended stays as it is.

        Raises:
            MaiError: it is not of this Python, or its spec has several train blocks, of which the later ones are lacking.
        """
        if self._going is not None and len(self._going[0].program.trainings) > 1:
            message = f"the run in {self.folder} has train blocks that are not trained yet"
            raise MaiError([Diagnostic("weights-missing", None, message, help="go on with it: run.resume()")])
        return self.resume(steps=self.steps)

    def resume(self, **options: Any) -> Run:
        """Go on where it was stopped, bit for bit as if it had not been. One that has ended stays as it is, unless `steps` are more than it has.

        Raises:
            MaiError: it was begun elsewhere: its spec goes on with it, `spec.train(resume=True, out=run.folder)`.
        """
        if self._going is None:
            asked = self.summary.asked
            help = f"its spec goes on with it: spec.train(resume=True, out={str(self.folder)!r})"
            if asked and Path(asked.spec).is_file():
                help += f"; or mai train {asked.spec} --resume --out {self.folder}"
            message = f"the run in {self.folder} was begun elsewhere"
            raise MaiError([Diagnostic("weights-missing", None, message, help=help)])
        spec, options_before = self._going
        spec.run = _train(spec, self.folder, replace(options_before, resume=True, weights=None, **options))
        return spec.run

    def _has_not_ended(self, lacking: str) -> MaiError:
        message = f"the run in {self.folder} has no {lacking} yet: it was {self.state}"
        help = "run.resume() goes on with it; run.finish() ends it here, with what it has learnt"
        return MaiError([Diagnostic("weights-missing", None, message, help=help)])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items())
        return f"<Run {self.folder}: {self.state}, {self.steps:,} steps{', ' + shown if shown else ''}>"

    def _repr_html_(self) -> str:
        """The figures and the curves."""
        from mai.runtime.errors import ModelError
        from mai.runtime.show.notebook import table_html

        rows = [[name, f"{value:.4g}"] for name, value in self.figures.items()]
        head = [f"{self.folder.name}, {self.state}", f"after {self.steps:,} steps"]
        try:
            curves = self.draw().data.decode()
        except ModelError:
            curves = ""
        return table_html(head, rows) + curves[curves.find("<svg") :]


def _began(folder: Path) -> float | None:
    """When the run in a folder began, which no other run did; None where it does not say."""
    record = read_record(folder)
    return record.began if record is not None else None


def begin(spec: Spec, folder: Path, data: tuple[Path, ...], options: Mapping[str, Any]) -> Run:
    """Train a spec into a folder, on files of data or on the spec's own."""
    from mai.compiler.training.options import Options

    return _train(spec, folder, Options(**options, data=data, sets=spec.consts))


def _train(spec: Spec, folder: Path, options: Options) -> Run:
    from mai.compiler.compiling import compile_all
    from mai.compiler.training import loop

    program = spec.program_for(options.data)
    result = loop.train(program, folder, options)
    run = Run(folder)
    run._going = spec, options
    if result.weights is not None:
        compile_all(
            program, list(program.exports), result.weights, folder, CompileOptions(), check=True, data=options.data,
            report=lambda written: None,
        )  # fmt: skip
    return run
