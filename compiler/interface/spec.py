"""A spec as a Python object: checked, shown, trained, compiled, called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mai.compiler.check import check_all, check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.data.sources.python import Python
from mai.compiler.export_names import unknown_export
from mai.compiler.interface.options import TrainingOptions, compile_options, training_options
from mai.compiler.interface.results import Findings, Shown
from mai.compiler.interface.scratch import remove_with, scratch_folder
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import MaiError, Reporter
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
                (pandas, polars, pyarrow) for fields by name; a dictionary of the values that `python(points)` names; or paths of files.
            consts: numbers in the place of its `const`s.
        """
        self.text, self.name, self.folder = text.replace("\r\n", "\n"), name, Path(folder)
        self.data, self.consts = data, {const: _written(value) for const, value in consts.items()}
        self.run: Run | None = None
        self._models: dict[str, Model] = {}

    def __getstate__(self) -> dict[str, object]:
        """What it is copied and pickled by: what it was made of, and its run; what was compiled is compiled anew."""
        return {name: vars(self)[name] for name in ("text", "name", "folder", "data", "consts", "run")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _models={})

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
        return check_text(self.path, self.text, self.consts, files).meaning()

    def check(self) -> Findings:
        """What `mai check` says, errors and warnings; it is true where there is no error."""
        try:
            files = self._held_files
        except MaiError as error:  # The text cannot be parsed, or the data are not those of its fields.
            return Findings(tuple(error.diagnostics))
        checked = check_all(self.path, self.consts, {str(self.path): self._source}, files)
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
        self,
        steps: int | None = None,
        *,
        data: object = None,
        out: str | Path | None = None,
        **options: Unpack[TrainingOptions],
    ) -> Run:
        """Train it and compile its exports, as `mai train` does; an interrupt ends it well, and `run.resume()` goes on.

        Args:
            steps: instead of the spec's.
            data: instead of the spec's, for this run; see `Spec`.
            out: the run's folder, by default `runs/NAME`; a run that is in it is moved to `out/before`.
            options: those of the command line: `batch`, `seed`, `device`, `precision`, `only`, `weights`, `quiet`, `track`, `workers`, `compile`,
                `shard`, `debug_nan`, `resume`. `weights`, with which it begins, may be a module of `torch()` or arrays by name, too. With
                `resume=True` it goes on with the run in `out`, which another Python or the command line began, bit for bit.

        Raises:
            MaiError: the spec is not sound, the data do not fit, or the loss is not finite.
        """
        from mai.compiler.interface.compiled import weights_path
        from mai.compiler.interface.run import begin

        options["weights"] = weights_path(options.get("weights"), self._scratch, self.program)
        chosen = training_options({"steps": steps, **options})
        folder = Path(out) if out is not None else Path("runs") / self.name
        self.run = begin(self, folder, self.files_in(folder, data), chosen)
        return self.run

    def export(self, name: str | None = None, weights: object = None, **options: Any) -> Model:
        """One export, compiled and loaded: a function of numpy arrays, `spec.export("sample")(batch=100)`.

        Args:
            name: which one; it may be left out where there is one.
            weights: a file or a run's folder; a module of `torch()`; or arrays by name. By default those of the last `train`, or else the
                spec's first values.
            options: those of `mai compile`, as `quantize="int8"` or `unroll=True`.

        Raises:
            MaiError: there is no such export or option, or the weights do not fit.
        """
        from mai.compiler.interface.compiled import compiled

        chosen = self._export(name)
        if weights is not None or options:
            chosen_weights = self._last_weights if weights is None else weights
            return compiled(self.program, chosen, chosen_weights, compile_options(options), self._held_files)
        if self.run is not None:
            return self.run.export(chosen)
        if chosen not in self._models:
            self._models[chosen] = compiled(self.program, chosen, None, CompileOptions(), self._held_files)
        return self._models[chosen]

    def torch(self, seed: int = 0) -> SpecModule:
        """Its weights as a `torch.nn.Module` with the spec's own names, whose forward is an export; see `SpecModule`.

        They begin as those of the last `train`, or as first values made from `seed`.
        """
        from mai.compiler.interface.torch_module import SpecModule

        return SpecModule(self.program, self._last_weights, seed, self._held_files)

    def __getattr__(self, name: str) -> Model:
        """An export, compiled: `spec.sample`."""
        if "text" not in vars(self) or name.startswith("_") or name not in self.program.exports:
            raise AttributeError(f"a spec has no attribute {name!r}, and this one no export of that name")
        return self.export(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._export_names()]

    # ------------------------------------------------------------- data, text

    def files_in(self, folder: Path, data: object = None) -> tuple[Path, ...]:
        """The files of what a run in a folder is trained on, `data` or the spec's own, where Python holds it; none where the source is read."""
        from mai.compiler.interface.held_data import put, write_data

        if data is not None:
            return write_data(self._of_fields(data), self.fields, folder)
        return tuple(put(file, folder) if file.parent == self._scratch else file for file in self._held_files)

    @cached_property
    def _held_files(self) -> tuple[Path, ...]:
        """The files of its data, which are written once."""
        from mai.compiler.interface.held_data import write_data

        return () if self.data is None else write_data(self._of_fields(self.data), self.fields, self._scratch)

    @cached_property
    def _scratch(self) -> Path:
        folder = scratch_folder().absolute()
        remove_with(self, folder)
        return folder

    @property
    def _source(self) -> Source:
        return Source(str(self.path), self.text, self.path.name)

    @cached_property
    def _data_line(self) -> ast.Data | None:
        declarations = parse(self._source, Reporter()).declarations
        return next((each for each in declarations if isinstance(each, ast.Data)), None)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of Python that its `data` line speaks of: `python(points)`, or `python([a, b])`."""
        return tuple(name.id for name in self.variable_names)

    @property
    def variable_names(self) -> tuple[ast.Name, ...]:
        """These names, as they stand in the text."""
        source = self._data_line.source if self._data_line is not None else None
        if not isinstance(source, ast.Call) or source.function.span.text != Python.name:
            return ()
        values = [argument.value for argument in source.arguments]
        names = [item for value in values for item in (value.items if isinstance(value, ast.Stack) else (value,))]
        return tuple(name for name in names if isinstance(name, ast.Name))

    def _of_fields(self, data: object) -> object:
        """Data as they are, but for a dictionary of the values that the `data` line names, which are those of the fields."""
        names = self.variables
        if not isinstance(data, Mapping) or not names or {*data} != {*names} or {*data} == {*self.fields}:
            return data
        return data[names[0]] if len(names) == 1 else tuple(data[name] for name in names)

    def _export(self, name: str | None) -> str:
        exports = self.exports
        if name is None and len(exports) == 1:
            return exports[0]
        if name in exports:
            return name
        raise unknown_export(self.name, name, exports)

    def _export_names(self) -> tuple[str, ...]:
        try:
            return self.exports
        except MaiError:
            return ()

    @property
    def _last_weights(self) -> Path | None:
        return self.run.weights if self.run is not None else None

    def __repr__(self) -> str:
        first = f"{len(self.text.splitlines())} lines"
        names = self._export_names()
        return f"<Spec {self.name}: {first}, exports {', '.join(names)}>" if names else f"<Spec {self.name}: {first}>"

    def _repr_html_(self) -> str:
        """The text in colours, with the shapes of what it computes."""
        from mai.compiler.editor.desk import Desk
        from mai.compiler.editor.view import View
        from mai.compiler.interface.html import diagnostics_html, spec_html

        view = View(self.path, self._source, Desk().read)
        diagnostics = view.check({}, self.consts, self._held_files).diagnostics
        return spec_html(view) + (diagnostics_html(diagnostics) if diagnostics else "")


def _written(value: object) -> str:
    """A number of Python as the language writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
