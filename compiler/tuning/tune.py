"""`mai tune`: a compiled file with the fewest evaluations of the velocity at its quality."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.check import check_text
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.gate import allowance
from mai.compiler.onnx.trial import difference
from mai.compiler.program import Program
from mai.compiler.solvers.grid import Grid, Plan
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.tuning.quality import USUAL, metric_of
from mai.compiler.tuning.sampling import Fields, Sampler, data_of, options_of, with_plan
from mai.compiler.tuning.search import Found, Limits, Point, Search, confirming
from mai.compiler.tuning.subject import METHODS, Subject, refused, subject_of
from mai.compiler.weights.tensor_files import weights_file
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.files import write_atomically
from mai.runtime.model.manifest import Manifest, Measurement, Tuning
from mai.runtime.model.model import Model
from mai.spec.diagnostics import Diagnostic, MaiError

FINE = 100  # Steps of rk4 at least, that stand for the exact solution.
TRIED = 16  # Rows on which the file and what is compiled again are compared.


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for: see `mai tune --help`. `fine` compares with a fine solution and not with the file's defaults."""

    factor: float = 1.02
    fine: bool = False
    metric: str = USUAL
    against: Path | None = None
    weights: Path | None = None
    folder: Path | None = None
    data: tuple[Path, ...] = ()
    sets: Mapping[str, str] | None = None
    samples: int = 1000
    seeds: int = 3
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found; `path` is what was written, or None where the file has the best plan already."""

    found: Found
    current: Plan
    tuned: Tuning
    path: Path | None


Told = Callable[[Point, Point], None]


def tune(path: Path, out: Path, options: Options, told: Told) -> Outcome:
    """Measure how the export of a compiled file could be computed, and write it with the cheapest way that is good enough.

    Raises:
        MaiError: `tune-refused`, `tune-metric`, `tune-mismatch`, `tune-quality`, and what compiling raises. Nothing is written.
        ModelError: the file cannot be opened.
    """
    model = load(path, providers="cpu")
    manifest = model.manifest
    program = _program(model, options)
    if manifest.export not in program.exports:
        raise refused(f"`{manifest.export}` is no export of the text in the file")
    subject = subject_of(program.exports[manifest.export], manifest)
    metric = metric_of(options.metric)
    arrays, steps = load_weights(program, _weights(program, path, options))
    labels = {field: tuple(names) for field, names in manifest.labels.items()}
    data = data_of(program, subject, options.samples, list(options.data) or None, options.against, labels)
    sampler = Sampler(program, manifest, subject, arrays, {})
    current = _current(manifest, subject)
    trial = _check_same(model, sampler, current, data(0))
    place, field = _compared(trial, data(0), subject, options)

    def measure(plan: Plan, seed: int) -> float:
        fields = data(seed)
        made = sampler(plan, seed, fields, _rows(fields, options.samples))[place]
        return metric(made, fields[field] if field is not None else None)

    reference = Plan("rk4", max(FINE, 2 * current.steps)) if options.fine else current
    limits = Limits(options.factor, options.most or current.evaluations, options.seeds, warps=not subject.keeps)
    search = Search(measure, reference, METHODS, limits, told)
    if not math.isfinite(search.reference.mean):
        raise refused(f"the reference, {reference}, gives no finite quality: there is nothing to compare with")
    found = search.run(current)
    if found.chosen is None:
        raise _nothing(found, limits)
    tuned = _tuned(found, current, measure, options, limits)
    if found.chosen.plan == current:
        return Outcome(found, current, tuned, None)
    trained = Trained(arrays, steps, manifest.tokenizer, labels, manifest.loss_change, tuned)
    _write(program, manifest, subject, found.chosen.plan, trained, out)
    return Outcome(found, current, tuned, out)


def _program(model: Model, options: Options) -> Program:
    """The program of the text in the file, its paths starting where the file lies unless a folder is given."""
    place = (options.folder or model.path.parent) / f"{Path(model.manifest.name).name}.mai"
    checked = check_text(place, model.spec, options.sets)
    if checked.program is None:
        raise MaiError(checked.diagnostics)
    return checked.program


def _weights(program: Program, path: Path, options: Options) -> Path | None:
    """The run that the file comes from: its weights lie beside it, unless they are named."""
    if options.weights is not None:
        return weights_file(options.weights)
    beside = path.parent / "weights.safetensors"
    if beside.exists() or not program.weights or program.loading is not None:
        return beside if beside.exists() else None
    message = f"the weights that {path.name} was compiled from are not beside it"
    raise MaiError([Diagnostic("weights-missing", None, message, help="--weights FILE, or the folder of the run")])


def _current(manifest: Manifest, subject: Subject) -> Plan:
    """How the file is computed now: as its spec says, unless it was tuned before."""
    if manifest.tuned is None:
        return subject.plan
    after = manifest.tuned.after
    if after.method not in METHODS or after.steps < 1 or not sum(map(abs, after.grid)) < 1:
        raise refused(f"the file says that it was tuned to {after.method}({after.steps}), which is no plan")
    return Plan(after.method, after.steps, Grid(*after.grid))


def _check_same(model: Model, sampler: Sampler, current: Plan, fields: Fields) -> list[Array]:
    """That these weights and consts give the file's own results. Returns them, for a few rows."""
    few = {name: array[:TRIED] for name, array in fields.items()}
    count = _rows(few, TRIED)
    made = sampler(current, 0, few, count)
    feed: dict[str, Any] = {name: few[name] for name in model.inputs}
    feed |= {name: value for name, value in (("batch", count), ("seed", 0)) if name in model.settings}
    own = model(**feed)
    results = list(own.values()) if isinstance(own, dict) else [own]
    error = max(difference(a, np.asarray(b)) for a, b in zip(made, results, strict=True))
    allowed = 10 * allowance(sampler.subject.graph)
    if not error <= allowed:
        message = f"compiled again, {model.path.name} gives other results (by {error:.0e}): these are not its weights"
        help = "--weights FILE for the weights that it was compiled from, --set for the consts that were set then"
        raise MaiError([Diagnostic("tune-mismatch", None, message, help=help)])
    return made


def _rows(fields: Fields, usual_count: int) -> int:
    return min((len(a) for a in fields.values()), default=usual_count)


def _compared(results: Sequence[Array], fields: Fields, subject: Subject, options: Options) -> tuple[int, str | None]:
    """Which result is compared with which field: the first two of one shape that are real numbers."""
    given = {v.name for v in subject.graph.inputs}
    for place, made in enumerate(results):
        for name, array in fields.items():
            if name not in given and array.dtype.kind == "f" == made.dtype.kind and array.shape[1:] == made.shape[1:]:
                return place, name
    if options.metric != USUAL and options.against is None:
        return 0, None
    shown = ", ".join(f"{name or 'the array'} {list(a.shape[1:])}" for name, a in fields.items()) or "none"
    message = f"`{subject.graph.name}` gives {list(results[0].shape[1:])}; there are no data of that shape ({shown})"
    raise refused(message, help="--against data.npy with rows like its results, or a --metric of your own")


def _nothing(found: Found, limits: Limits) -> MaiError:
    best = min(found.curve, key=lambda p: p.mean)
    message = (
        f"nothing of at most {limits.most} evaluations is within {limits.factor:g} times the reference's quality, "
        f"{found.reference.mean:.4g}; the best, {best.plan}, has {best.mean:.4g}"
    )
    if found.refused:
        message += f"; {', '.join(str(p.plan) for p in found.refused)}: within it in the search, but not on other seeds"
    help = "a larger --quality, more evaluations by --most, or more --samples where the spread is large"
    return MaiError([Diagnostic("tune-quality", None, message, help=help)])


def _tuned(
    found: Found, current: Plan, measure: Callable[[Plan, int], float], options: Options, limits: Limits
) -> Tuning:
    """What the manifest says: the figures of what is chosen are those on the confirming seeds."""
    assert found.chosen is not None
    seeds = confirming(limits.seeds)
    known = {p.plan: p for p in (found.reference, found.chosen)}
    before = known.get(current) or Point(current, tuple(measure(current, seed) for seed in seeds))
    even = [p for p in found.curve if p.plan.grid.even]
    return Tuning(
        metric=options.metric,
        factor=options.factor,
        samples=options.samples,
        seeds=len(seeds),
        reference=measured(found.reference, found.reference),
        before=measured(before, found.reference),
        after=measured(found.chosen, found.reference),
        curve=[measured(p, found.searched) for p in sorted(even, key=lambda p: p.plan.evaluations)],
    )


def measured(point: Point, reference: Point) -> Measurement:
    """A point as a manifest holds it."""
    plan, grid = point.plan, point.plan.grid
    return Measurement(
        method=plan.method,
        steps=plan.steps,
        grid=(grid.skew, grid.ends),
        evaluations=plan.evaluations,
        quality=point.mean,
        spread=point.spread(reference),
    )


def _write(program: Program, manifest: Manifest, subject: Subject, plan: Plan, trained: Trained, out: Path) -> None:
    """Compile the export by its plan with everything else as it was, through the gate, and put it in its place."""
    changed = with_plan(program, manifest.export, subject, plan)
    with tempfile.TemporaryDirectory() as folder:
        written = export(changed, manifest.export, trained, Path(folder), options_of(manifest))
        write_atomically(out, written.path.read_bytes())
