"""`mai tune` for one file: it is measured, searched, confirmed, and written with the chosen plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mai.compiler.check import check_text
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.comparing.own_steps import allowance
from mai.compiler.onnx.comparing.trial import difference
from mai.compiler.onnx.export import export
from mai.compiler.onnx.precision.ranges import from_figures
from mai.compiler.program import Program
from mai.compiler.solvers.grid import Grid, Interval, Plan
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.run.folder import settle
from mai.compiler.tuning.learning import Learner
from mai.compiler.tuning.quality import WASSERSTEIN, metric_of
from mai.compiler.tuning.sampling import Fields, Sampler, data_of, options_of, replace_plan
from mai.compiler.tuning.search import Limits, OnPoint, Point, Search, SearchResult, confirming_seeds
from mai.compiler.tuning.subject import METHODS, Subject, refusal, subject_of
from mai.compiler.weights.tensor_files import weights_file
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.files import staged
from mai.runtime.model.findings import Measurement, Tuning
from mai.runtime.model.manifest import Manifest
from mai.runtime.model.model import Model
from mai.spec.diagnostics import Diagnostic, MaiError

FINE_STEPS = 100  # Of rk4, at least, for a solution that counts as exact.
LEARNING, LEARNED_ROWS = 10**6, 64  # The seed that grids are learned on, which measures no plan, and its rows.
COMPARED_ROWS = 16  # On which the file and its program compiled again are compared.


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `mai tune`, which its help explains; `fine` takes a fine solution as the reference, not the defaults."""

    factor: float = 1.02
    fine: bool = False
    metric: str = WASSERSTEIN
    against: Path | None = None
    weights: Path | None = None
    folder: Path | None = None
    data: tuple[Path, ...] = ()
    sets: Mapping[str, str] | None = None
    samples: int = 1000
    seeds: int = 3
    most: int | None = None
    guidance: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `mai tune` found.

    Attributes:
        search: everything that was measured.
        current: the plan that the file had.
        tuned: what the manifest says of it.
        path: the file that was written; None where the file had the best plan already.
    """

    search: SearchResult
    current: Plan
    tuned: Tuning
    path: Path | None


def tune(path: Path, out: Path, options: Options, on_point: OnPoint) -> Outcome:
    """Measure plans for the integral of a compiled file, and write the file with the cheapest that is good enough.

    Args:
        path: the file.
        out: the file to write, which may be the same.
        on_point: is called with every plan as it is measured.

    Raises:
        MaiError: `tune-refused`, `tune-metric`, `tune-mismatch`, `tune-quality`, and what compiling raises. Nothing is written.
        ModelError: the file cannot be opened.
    """
    model = load(path, providers="cpu")
    manifest = model.manifest
    program = _program(model, options)
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
        samples = sampler(plan, seed, fields, _rows(fields, options.samples))[place]
        return metric(samples, fields[field] if field is not None else None)

    def ends(plan: Plan) -> Array:
        fields = data(LEARNING)
        few = {name: array[:LEARNED_ROWS] for name, array in fields.items()}
        return sampler(plan, LEARNING, few, _rows(few, LEARNED_ROWS))[place]

    spared = current.spared if options.guidance else replace(current.spared, guidance=0.0)
    limits = Limits(options.factor, options.most or math.ceil(current.cost), options.seeds, not subject.keeps, spared)
    reference = Plan("rk4", max(FINE_STEPS, 2 * current.steps)) if options.fine else current
    result = _search(Search(measure, reference, METHODS, limits, Learner(ends), on_point), current)
    if result.chosen is None:
        raise _quality_error(result, limits)
    tuned = _to_manifest(result, current, measure, options, limits)
    if result.chosen.plan == current:
        return Outcome(result, current, tuned, None)
    dated = {manifest.export: {port.name: port.dates for port in manifest.outputs if port.dates is not None}}
    trained = Trained(arrays, steps, manifest.tokenizer, labels, manifest.loss_change, tuned, manifest.special_tokens,
                      facts=manifest.facts, dated=dated, decimal=manifest.decimal, ranges=from_figures(manifest.ranges))  # fmt: skip
    _write(program, manifest, subject, result.chosen.plan, trained, out)
    return Outcome(result, current, tuned, out)


def _search(search: Search, current: Plan) -> SearchResult:
    """The search from the plan of now. Raises `tune-refused` for a reference without a quality."""
    reference = search.reference
    if not math.isfinite(reference.mean):
        raise refusal(f"the reference, {reference.plan}, gives no finite quality: there is nothing to compare with")
    return search.run(current)


def _program(model: Model, options: Options) -> Program:
    """The program of the text in the file; its paths start at the given folder, or where the file lies."""
    place = (options.folder or model.path.parent) / f"{Path(model.manifest.name).name}.mai"
    program = check_text(place, model.spec, options.sets).meaning()
    if model.manifest.export not in program.exports:
        raise refusal(f"`{model.manifest.export}` is no export of the text in the file")
    return program


def _weights(program: Program, path: Path, options: Options) -> Path | None:
    """The weights that the file was compiled from: those that the options name, or beside it; None where there are none."""
    settle(options.weights or path.parent)
    if options.weights is not None:
        return weights_file(options.weights)
    beside = path.parent / "weights.safetensors"
    if beside.exists() or not program.weights or program.loading is not None:
        return beside if beside.exists() else None
    message = f"the weights that {path.name} was compiled from are not beside it"
    raise MaiError([Diagnostic("weights-missing", None, message, help="--weights FILE, or the folder of the run")])


def _current(manifest: Manifest, subject: Subject) -> Plan:
    """The plan of the file as it is: its spec's, unless it was tuned before."""
    if manifest.tuned is None:
        return subject.plan
    after = manifest.tuned.after
    if any(after.grid):
        message = "the file was tuned by an older mai, to a grid that this one does not make"
        raise refusal(message, help="compile it again from its spec, `mai compile`, and tune that file")
    is_plan = after.method in METHODS and min(after.steps, after.reuse) >= 1 and all(map(math.isfinite, after.bends))
    if not (is_plan and 0 <= after.guided[0] <= after.guided[1] <= 1):
        raise refusal(f"the file says that it was tuned to {after.method}({after.steps}), which is no plan")
    return replace(
        subject.plan, method=after.method, steps=after.steps, grid=Grid(after.bends), reuse=after.reuse,
        guided=Interval(*after.guided),
    )  # fmt: skip


def _check_same(model: Model, sampler: Sampler, current: Plan, fields: Fields) -> list[Array]:
    """Check that the program with these weights and consts has the file's own results, which are returned for a few rows."""
    few = {name: array[:COMPARED_ROWS] for name, array in fields.items()}
    count = _rows(few, COMPARED_ROWS)
    results = sampler(current, 0, few, count)
    feed: dict[str, object] = {name: few[name] for name in model.inputs}
    feed |= {name: value for name, value in (("batch", count), ("seed", 0)) if name in model.settings}
    own = model(**feed)
    expected = list(own.values()) if isinstance(own, dict) else [own]
    error = max(difference(a, np.asarray(b)) for a, b in zip(results, expected, strict=True))
    allowed = 10 * allowance(sampler.subject.graph)
    if not error <= allowed:
        message = f"compiled again, {model.path.name} gives other results (by {error:.0e}): these are not its weights"
        help = "--weights FILE for the weights that it was compiled from, --set for the consts that were set then"
        raise MaiError([Diagnostic("tune-mismatch", None, message, help=help)])
    return results


def _rows(fields: Fields, default: int) -> int:
    """How many rows all fields have; the default where there are no fields."""
    return min((len(a) for a in fields.values()), default=default)


def _compared(results: Sequence[Array], fields: Fields, subject: Subject, options: Options) -> tuple[int, str | None]:
    """Which result is compared with which field of the data: the first two of one shape that are real numbers."""
    inputs = {v.name for v in subject.graph.inputs}
    for place, result in enumerate(results):
        for name, array in fields.items():
            alike = array.dtype.kind == "f" == result.dtype.kind and array.shape[1:] == result.shape[1:]
            if name not in inputs and alike:
                return place, name
    if options.metric != WASSERSTEIN and options.against is None:
        return 0, None
    shown = ", ".join(f"{name or 'the array'} {list(a.shape[1:])}" for name, a in fields.items()) or "none"
    message = f"`{subject.graph.name}` gives {list(results[0].shape[1:])}; there are no data of that shape ({shown})"
    raise refusal(message, help="--against data.npy with rows like its results, or a --metric of your own")


def _quality_error(result: SearchResult, limits: Limits) -> MaiError:
    best = min(result.curve, key=lambda p: p.mean)
    message = (
        f"nothing of at most {limits.most} evaluations is within {limits.factor:g} times the reference's quality, "
        f"{result.reference.mean:.4g}; the best, {best.plan}, has {best.mean:.4g}"
    )
    if result.refused:
        message += (
            f"; {', '.join(str(p.plan) for p in result.refused)}: within it in the search, but not on other seeds"
        )
    help = "a larger --quality, more evaluations by --most, or more --samples where the spread is large"
    return MaiError([Diagnostic("tune-quality", None, message, help=help)])


def _to_manifest(
    result: SearchResult, current: Plan, measure: Callable[[Plan, int], float], options: Options, limits: Limits
) -> Tuning:
    """What the manifest says of a search; the figures of the chosen plan are those on the seeds that confirm."""
    assert result.chosen is not None
    seeds = confirming_seeds(limits.seeds)
    confirmed = {p.plan: p for p in (result.reference, result.chosen)}
    before = confirmed.get(current) or Point(current, tuple(measure(current, seed) for seed in seeds))
    even = [p for p in result.curve if p.plan.plain]
    return Tuning(
        metric=options.metric,
        factor=options.factor,
        samples=options.samples,
        seeds=len(seeds),
        reference=measurement(result.reference, result.reference),
        before=measurement(before, result.reference),
        after=measurement(result.chosen, result.reference),
        curve=[measurement(p, result.searched) for p in sorted(even, key=lambda p: p.plan.evaluations)],
    )


def measurement(point: Point, reference: Point) -> Measurement:
    """A measured plan as the manifest holds it, with its spread against the reference."""
    plan = point.plan
    return Measurement(
        method=plan.method,
        steps=plan.steps,
        bends=plan.grid.bends,
        evaluations=plan.evaluations,
        reuse=plan.reuse,
        guided=(plan.guided.start, plan.guided.stop),
        cost=round(plan.cost, 2),
        quality=point.mean,
        spread=point.spread(reference),
    )


def _write(program: Program, manifest: Manifest, subject: Subject, plan: Plan, trained: Trained, out: Path) -> None:
    """Compile the export by a plan, everything else as it was, through the gate, and replace the file."""
    changed = replace_plan(program, manifest.export, subject, plan)
    with staged(out.parent, out.name) as folder:
        written = export(changed, manifest.export, trained, folder, options_of(manifest))
        if manifest.data is not None and written.path.name != out.name:
            raise refusal(f"{written.path.name} finds the data beside it by its name: --out cannot give it another")
        written.path.rename(folder / out.name)
