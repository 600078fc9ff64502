"""A spec as a Python object: checked, shown, trained, compiled, called."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai.compiler.check import check_all, check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.data.sources.python import Python
from mai.compiler.interface.results import Findings, Shown
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, MaiError, Reporter
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source

if TYPE_CHECKING:
    from mai.compiler.interface.run import Run
    from mai.compiler.interface.torch_module import SpecModule
    from mai.runtime.model.model import Model

ENDING = ".mai"


def read(path: str | Path, *, data: object = None, **consts: object) -> Spec:
    """The spec in a file.

    Args:
        data: what is trained on in the place of its `data` line's source; see `Spec`.
        consts: numbers in the place of its `const`s: `mai.read("flow.mai", width=64)`.

    Raises:
        MaiError: the file cannot be read, or has no such const.
    """
    place = Path(path)
    return Spec(load_source(place, Reporter()).text, place.stem, data=data, folder=place.parent, **consts)


class Spec:
    """A text in the language, which Python holds.

    What is wrong with it is raised where it is needed, as `MaiError`; `check()` says it without raising. An export is called by its
    name: `spec.sample(batch=100)`. It runs with the weights of the last `train`, or with the first values that the spec gives.

    Attributes:
        text: the text.
        name: what it is called, as a file's name without `.mai`.
        folder: where the files are that it names.
        data: what is trained on in the place of the source that it names, or None.
        run: the last run of `train`, or None.
    """

    def __init__(
        self, text: str, name: str = "spec", *, data: object = None, folder: str | Path = ".", **consts: object
    ) -> None:
        """Hold a text.

        Args:
            data: an array for the one field, [examples, ...]; a tuple of arrays for the fields in their order; a dictionary or a table
                (pandas, polars, pyarrow) for fields by name; or paths of files.
            consts: numbers in the place of its `const`s.
        """
        self.text, self.name, self.folder = text.replace("\r\n", "\n"), name, Path(folder)
        self.data, self.consts = data, {const: _written(value) for const, value in consts.items()}
        self.run: Run | None = None
        self._models: dict[tuple[str, Path | None], Model] = {}

    @property
    def path(self) -> Path:
        """Where the text stands, or would stand as a file."""
        return self.folder / f"{self.name}{ENDING}"

    @cached_property
    def program(self) -> Program:
        """Its meaning: graphs, weights, train blocks. Raises `MaiError` with all that is wrong."""
        return self.program_for(self._held_files)

    def program_for(self, files: tuple[Path, ...]) -> Program:
        """Its meaning, with the sizes of these files of data. Raises `MaiError`."""
        checked = check_text(self.path, self.text, self.consts, files)
        if checked.program is None:
            raise MaiError(checked.diagnostics)
        return checked.program

    def check(self) -> Findings:
        """What `mai check` says, errors and warnings; it is true where there is no error."""
        source = Source(str(self.path), self.text, self.path.name)
        checked = check_all(self.path, self.consts, {str(self.path): source}, self._held_files)
        return Findings(tuple(checked.diagnostics))

    def show(self, stage: str = "summary", export: str | None = None, after: str | None = None) -> Shown:
        """What `mai show` says: a `stage` of summary, ast, ir, torch, onnx or diagram, which is drawn in a notebook.

        Raises:
            MaiError: the spec is not sound, or there is no such stage, export or pass.
        """
        from mai.compiler.show import emit_text

        suffix = ".svg" if stage == "diagram" else ""
        return Shown(emit_text(self.program, self.path, stage, export, suffix, after), is_picture=stage == "diagram")

    @property
    def exports(self) -> tuple[str, ...]:
        """The names of its exports."""
        return tuple(self.program.exports)

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what training moves, by name."""
        weights = self.program.weights.items()
        return {name: tuple(map(int, weight.shape)) for name, weight in weights if weight.trained}

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields of its `data` line."""
        line = self._data_line
        return tuple(field.name.id for field in line.fields) if line is not None else ()

    # ------------------------------------------------------------ train, run

    def train(
        self, steps: int | None = None, *, data: object = None, out: str | Path | None = None, **options: Any
    ) -> Run:
        """Train it and compile its exports, as `mai train` does; an interrupt ends it well, and `run.resume()` goes on.

        Args:
            steps: instead of the spec's.
            data: instead of the spec's, for this run; see `Spec`.
            out: the run's folder, by default `runs/NAME`; a run that is in it is moved to `out/before`.
            options: `batch`, `seed`, `device`, `precision`, `only`, `weights`, `quiet`, `track`, `shard`, `debug_nan`: as on the command line.

        Raises:
            MaiError: the spec is not sound, the data do not fit, or the loss is not finite.
        """
        from mai.compiler.interface.run import begin

        folder = Path(out) if out is not None else Path("runs") / self.name
        self.run = begin(self, folder, self.files(folder, data), {"steps": steps, **options})
        return self.run

    def export(self, name: str | None = None, weights: object = None, **options: Any) -> Model:
        """One export, compiled and loaded: a function of numpy arrays, `spec.export("sample")(batch=100)`.

        Args:
            name: which one; it may be left out where there is one.
            weights: a file or a run's folder; a module of `torch()`; or arrays by name. By default those of the last `train`, or else the
                spec's first values.
            options: those of `mai compile`, as `quantize="int8"` or `unroll=True`.

        Raises:
            MaiError: there is no such export, or the weights do not fit.
            OptionError: an option has a value that there is not.
        """
        from mai.compiler.interface.compiled import compiled

        chosen = self._export(name)
        if weights is None and self.run is not None and not options:
            return self.run.export(chosen)
        if weights is None and not options:
            key = chosen, None
            if key not in self._models:
                self._models[key] = compiled(self.program, chosen, None, CompileOptions())
            return self._models[key]
        return compiled(self.program, chosen, self._weights(weights), CompileOptions(**options))

    def torch(self, seed: int = 0) -> SpecModule:
        """Its weights as a `torch.nn.Module` with the spec's own names, whose forward is an export; see `SpecModule`.

        They begin as those of the last `train`, or as first values made from `seed`.
        """
        from mai.compiler.interface.torch_module import SpecModule

        return SpecModule(self.program, self._weights(None), seed, self._held_files)

    def __getattr__(self, name: str) -> Model:
        """An export, compiled: `spec.sample`."""
        if name.startswith("_") or name not in self.program.exports:
            raise AttributeError(f"a spec has no attribute {name!r}, and {self.name} has no export of that name")
        return self.export(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._export_names()]

    # ------------------------------------------------------------- data, text

    def files(self, folder: Path, data: object = None) -> tuple[Path, ...]:
        """The files of what is trained on, written into `folder` where Python holds it; none where the spec's own source is read."""
        from mai.compiler.interface.held_data import write_data

        value = self.data if data is None else data
        return () if value is None else write_data(value, self.fields, folder)

    @cached_property
    def _held_files(self) -> tuple[Path, ...]:
        """The files of its data before any run, which a check may look at."""
        return self.files(Path(tempfile.mkdtemp(prefix="mai-")))

    @cached_property
    def _data_line(self) -> ast.Data | None:
        file = parse(Source(str(self.path), self.text, self.path.name), Reporter())
        return next((each for each in file.declarations if isinstance(each, ast.Data)), None)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of Python that its `data` line speaks of: `python(points)`."""
        source = self.program_for(()).data
        return source.variables if isinstance(source, Python) else ()

    def _export(self, name: str | None) -> str:
        exports = self.exports
        if name is None and len(exports) == 1:
            return exports[0]
        if name in exports:
            return name
        message = f"{self.name} has no export `{name}`" if name else f"{self.name} has {len(exports)} exports: name one"
        raise MaiError([Diagnostic("unknown-name", None, message, help=f"there are {', '.join(exports)}")])

    def _export_names(self) -> tuple[str, ...]:
        try:
            return self.exports
        except MaiError:
            return ()

    def _weights(self, weights: Any) -> Any:
        return self.run.weights if weights is None and self.run is not None else weights

    def __repr__(self) -> str:
        first = f"{len(self.text.splitlines())} lines"
        names = self._export_names()
        return f"<Spec {self.name}: {first}, exports {', '.join(names)}>" if names else f"<Spec {self.name}: {first}>"

    def _repr_html_(self) -> str:
        """The text in colours, with the shapes of what it computes."""
        from mai.compiler.interface.html import diagnostics_html, spec_html

        shown = spec_html(self.path, Source(str(self.path), self.text, self.path.name))
        findings = self.check()
        return shown + (diagnostics_html(findings.diagnostics) if findings.diagnostics else "")


def _written(value: object) -> str:
    """A number of Python as the language writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
