"""Samples of an export by any plan, as its ONNX file would compute them, and data for the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mai.compiler.compile_options import CompileOptions, OptionError, Trained
from mai.compiler.data.batches import load
from mai.compiler.data.label_names import Names
from mai.compiler.data.random_streams import generator
from mai.compiler.onnx.comparing.trial import session
from mai.compiler.onnx.export import model_of
from mai.compiler.onnx.lowering.build import serialised
from mai.compiler.onnx.precision.ranges import from_figures
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.passes import forms
from mai.compiler.passes.loops.retime import Switches
from mai.compiler.program import Program
from mai.compiler.solvers.grid import BENDS, Grid, Interval, Plan
from mai.compiler.tuning.subject import Subject, refusal
from mai.runtime.arrays import Array
from mai.runtime.files import UNREADABLE, read_arrays, reason
from mai.runtime.inputs.arguments import prepare
from mai.runtime.model.manifest import Manifest
from mai.spec.diagnostics import Diagnostic, MaiError

Fields = Mapping[str, Array]  # Rows of data by field, [rows, ...] each.
Data = Callable[[int], Fields]  # The data of a seed.
BEND_SETTINGS = tuple(f"bend.{i}" for i in range(BENDS))  # No name of a spec has a dot.
UNEVEN, SOMEWHERE = Grid((1.0, 1.0, 1.0)), Interval(0.25, 0.75)  # One for all that differ in settings alone.
UNSEEN = 10**9  # Added to a seed, the number of a batch that no training run has reached.


def options_of(manifest: Manifest) -> CompileOptions:
    """The options that a file was compiled with.

    Raises:
        MaiError: `tune-refused`: this mai has no such options.
    """
    try:
        return CompileOptions(
            opset=manifest.opset, unroll=manifest.unrolled, precision=manifest.precision, quantize=manifest.quantize,
            settings="required" if manifest.required else "optional",
            draws="portable" if manifest.draw_bits == 32 or manifest.cuda else "fast", cuda=manifest.cuda, cpu=manifest.cpu,
            portable=manifest.portable, external_data=manifest.data is not None,
        )  # fmt: skip
    except OptionError as error:
        raise refusal(f"`{manifest.export}` was compiled with what there is not: {error}") from error


def replace_plan(program: Program, export: str, subject: Subject, plan: Plan) -> Program:
    """The program with the integral of one export computed by another plan."""
    graph = subject.graph
    if plan != subject.plan:
        graph = forms.retimed(graph, plan, subject.switches)
    return replace(program, exports={**program.exports, export: graph})


@dataclass(frozen=True, slots=True)
class Sampler:
    """Computes the results of an export by any plan, by the ONNX graph that the plan would be compiled to.

    Attributes:
        weights: the parameters by name.
        sessions: those that are open, by plan; where the number of steps is a setting, one serves every number.
    """

    program: Program
    manifest: Manifest
    subject: Subject
    weights: Mapping[str, Array]
    sessions: dict[Plan, ort.InferenceSession]

    def __call__(self, plan: Plan, seed: int, fields: Fields, count: int) -> list[Array]:
        """The results [count, ...], in the order of the export, for `count` rows of data; the draws depend on the seed alone."""
        opened = self._session(plan)
        ports = {p.name: p for p in self.manifest.settings}
        values: dict[str, object] = {"batch": count, "seed": seed}
        if self._steps_are_free:
            values[str(self.switches.steps)] = plan.steps
        values = {name: value for name, value in values.items() if name in ports}
        inputs = {p.name: p for p in self.manifest.inputs}
        feed = prepare(inputs, ports, values | {name: fields[name] for name in inputs})
        feed |= self._of_plan(plan)  # Which the file may not have.
        accepted = {i.name for i in [*opened.get_inputs(), *opened.get_overridable_initializers()]}
        results: list[Array] = opened.run(None, {n: a for n, a in feed.items() if n in accepted})
        return results

    @property
    def switches(self) -> Switches:
        """The settings of a graph that is tried: the numbers of its grid are settings, too."""
        return replace(self.subject.switches, bends=BEND_SETTINGS)

    def _of_plan(self, plan: Plan) -> dict[str, Array]:
        """The settings that say what a plan does beside its number of steps."""
        reals = dict(zip(BEND_SETTINGS, plan.grid.bends, strict=True))
        if self.switches.guided is not None:
            reals |= zip(self.switches.guided, (plan.guided.start, plan.guided.stop), strict=True)
        feed = {name: np.array(value, np.float32) for name, value in reals.items()}
        return feed if self.switches.reuse is None else {**feed, self.switches.reuse: np.array(plan.reuse)}

    @property
    def _trained(self) -> Trained:
        ranges = from_figures(self.manifest.ranges)
        return Trained(self.weights, tokenizer=self.manifest.tokenizer, ranges=ranges)

    @property
    def _steps_are_free(self) -> bool:
        """Whether the number of steps is a setting of the file, so that one session serves every number."""
        return self.switches.steps is not None and not self.manifest.unrolled

    def _key(self, plan: Plan) -> Plan:
        """One plan for all that differ in settings alone; the spec's own has its own graph."""
        if plan == self.subject.plan:
            return plan
        if self.switches.reuse is not None and not self.manifest.unrolled:
            plan = replace(plan, reuse=min(plan.reuse, 2))
        if self.switches.guided is not None and not plan.guided.whole:
            plan = replace(plan, guided=SOMEWHERE)
        plan = plan if plan.grid.even else replace(plan, grid=UNEVEN)
        return replace(plan, steps=1) if self._steps_are_free else plan

    @property
    def _tried(self) -> Subject:
        return replace(self.subject, switches=self.switches)

    def _session(self, plan: Plan) -> ort.InferenceSession:
        key = self._key(plan)
        if key not in self.sessions:
            program = replace_plan(self.program, self.manifest.export, self._tried, plan)
            options = options_of(self.manifest)
            prepared = prepare_export(program, self.manifest.export, options)
            model = model_of(program, prepared, self._trained, options)
            self.sessions[key] = session(serialised(model))
        return self.sessions[key]


def data_of(
    program: Program, subject: Subject, count: int, override: list[Path] | None, against: Path | None, labels: Names
) -> Data:
    """The data to compare samples with, and to take the inputs of the export from.

    Args:
        count: the most rows of a seed.
        override: files for the spec's `data` line, as in training.
        against: a .npy or .npz to use instead of the spec's data.
        labels: the names of the file's labels, by field.

    Returns:
        A function of a seed: up to `count` rows of every field, other rows for every seed; no field for a spec without data.

    Raises:
        MaiError: the data cannot be read, or they lack an input of the export.
    """
    inputs = {v.name for v in subject.graph.inputs}
    if against is not None:
        data = _data_of_file(against, count, inputs)
    else:
        data = _data_of_spec(program, count, override, labels)
    lacking = [v.name for v in subject.graph.inputs if v.name not in data(0)]
    if lacking:
        names = ", ".join(data(0)) or "nothing"
        message = f"`{subject.graph.name}` takes `{lacking[0]}`, and the data hold {names}"
        raise refusal(message, help=f"--against data.npz with `{lacking[0]}` beside the results to compare with")
    return data


def _data_of_spec(program: Program, count: int, override: list[Path] | None, labels: Names) -> Data:
    training = program.training
    if training is None:
        return lambda seed: {}
    base = Path(program.source.path).parent
    source = load(training.data, training.fields, training.settings.seed, base, override, training.where, labels)
    return lambda seed: source.batch(UNSEEN + seed, count)


def _data_of_file(path: Path, count: int, inputs: set[str]) -> Data:
    """Rows of a file: the one array of a .npy, those of a .npz by name. What is no input is made real."""
    try:
        arrays = read_arrays(path)
    except UNREADABLE as error:
        message = f"--against {path}: no numpy array (.npy, .npz): {reason(error)}"
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

    def rows_of_seed(seed: int) -> Fields:
        order = generator(UNSEEN, seed).permutation(total)[:count]
        return {name: array[order] for name, array in arrays.items()}

    return rows_of_seed
