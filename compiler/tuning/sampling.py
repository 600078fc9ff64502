"""Samples of an export by any plan, as its ONNX file would give them, beside data for the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler import passes
from mai.compiler.compile_options import CompileOptions, OptionError, Trained
from mai.compiler.data.batches import load
from mai.compiler.data.label_names import Names
from mai.compiler.data.source_kinds import generator
from mai.compiler.onnx.build import serialised
from mai.compiler.onnx.export import model_of
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.onnx.trial import session
from mai.compiler.program import Program
from mai.compiler.solvers.grid import Plan
from mai.compiler.tuning.subject import Subject, refused
from mai.runtime.arrays import Array
from mai.runtime.files import UNREADABLE, read_arrays
from mai.runtime.inputs.arguments import prepare
from mai.runtime.model.manifest import Manifest
from mai.spec.diagnostics import Diagnostic, MaiError

Fields = Mapping[str, Array]
Data = Callable[[int], Fields]
UNSEEN = 10**9  # The batch of a seed: one that no training has come to.


def options_of(manifest: Manifest) -> CompileOptions:
    """The options that a file was compiled with. Raises `MaiError`, `tune-refused`, where there are no such."""
    try:
        return CompileOptions(
            opset=manifest.opset, unroll=manifest.unrolled, precision=manifest.precision, quantize=manifest.quantize,
            settings="required" if manifest.required else "optional",
        )  # fmt: skip
    except OptionError as error:
        raise refused(f"`{manifest.export}` was compiled with what there is not: {error}") from error


def with_plan(program: Program, export: str, subject: Subject, plan: Plan) -> Program:
    """The program with one export computed by a plan."""
    made = subject.graph if plan == subject.plan else passes.retimed(subject.graph, plan, subject.setting)
    return replace(program, exports={**program.exports, export: made})


@dataclass(frozen=True, slots=True)
class Sampler:
    """`sampler(plan, seed, fields, count)`: the results for `count` rows of data; a row's draws are a function of the seed.

    Models are kept in `opened`, by method and grid where the number of steps is a setting.
    """

    program: Program
    manifest: Manifest
    subject: Subject
    weights: Mapping[str, Array]
    opened: dict[Plan, Any]

    def __call__(self, plan: Plan, seed: int, fields: Fields, count: int) -> list[Array]:
        held = self._session(plan)
        ports = {p.name: p for p in self.manifest.settings}
        values: dict[str, Any] = {"batch": count, "seed": seed}
        if self._free:
            values[str(self.subject.setting)] = plan.steps
        values = {name: value for name, value in values.items() if name in ports}
        inputs = {p.name: p for p in self.manifest.inputs}
        feed = prepare(inputs, ports, values | {name: fields[name] for name in inputs})
        known = {i.name for i in [*held.get_inputs(), *held.get_overridable_initializers()]}
        made: list[Array] = held.run(None, {n: a for n, a in feed.items() if n in known})
        return made

    @property
    def _free(self) -> bool:
        """Whether the number of steps is left to a call."""
        return self.subject.setting is not None and not self.manifest.unrolled

    def _session(self, plan: Plan) -> Any:
        key = replace(plan, steps=1) if self._free else plan
        if key not in self.opened:
            program = with_plan(self.program, self.manifest.export, self.subject, plan)
            options = options_of(self.manifest)
            prepared = prepare_export(program, self.manifest.export, options)
            model = model_of(program, prepared, Trained(self.weights), options)
            self.opened[key] = session(serialised(model))
        return self.opened[key]


def data_of(
    program: Program, subject: Subject, count: int, override: list[Path] | None, against: Path | None, labels: Names
) -> Data:
    """`data(seed)`: up to `count` rows of every field, others for every seed; nothing for a spec without data.

    `labels` are the names of the file's labels.

    Raises:
        MaiError: the data cannot be read, or they lack an input of the export.
    """
    inputs = {v.name for v in subject.graph.inputs}
    made = _given(against, count, inputs) if against is not None else _stated(program, count, override, labels)
    lacking = [v.name for v in subject.graph.inputs if v.name not in made(0)]
    if lacking:
        names = ", ".join(made(0)) or "nothing"
        message = f"`{subject.graph.name}` takes `{lacking[0]}`, and the data hold {names}"
        raise refused(message, help=f"--against data.npz with `{lacking[0]}` beside the results to compare with")
    return made


def _stated(program: Program, count: int, override: list[Path] | None, labels: Names) -> Data:
    """The data of the spec."""
    training = program.training
    if training is None:
        return lambda seed: {}
    base = Path(program.source.path).parent
    source = load(training.data, training.fields, training.settings.seed, base, override, training.where, labels)
    return lambda seed: source.batch(UNSEEN + seed, count)


def _given(path: Path, count: int, inputs: set[str]) -> Data:
    """Rows of a file: the one array of a `.npy`, those of a `.npz` by name. What is no input is real."""
    try:
        arrays = read_arrays(path)
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        message = f"--against {path}: no numpy array (.npy, .npz): {reason}"
        raise MaiError([Diagnostic("data-bad", None, message)]) from error
    rows = {len(a) if a.ndim else 0 for a in arrays.values()}
    if len(rows) != 1 or rows == {0}:
        raise MaiError(
            [Diagnostic("data-bad", None, f"--against {path}: its arrays need rows, of all the same number")]
        )
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            message = f"--against {path}: {name or 'the array'} holds what is no finite number"
            raise MaiError([Diagnostic("data-bad", None, message)])
    (total,) = rows
    arrays = {name: a if name in inputs else a.astype(np.float32) for name, a in arrays.items()}

    def chosen(seed: int) -> Fields:
        order = generator(UNSEEN, seed).permutation(total)[:count]
        return {name: array[order] for name, array in arrays.items()}

    return chosen
