"""An export of a program to one verified `.onnx` file: prepare, build, seal, gate, write."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from mai.compiler.compile_options import BITS, DEFAULTS, CompileOptions, Trained
from mai.compiler.constraints.binding import bind_patterns
from mai.compiler.file_size import LARGEST
from mai.compiler.onnx.calibrate import calibrated
from mai.compiler.onnx.comparing.gate import Gate, Passed
from mai.compiler.onnx.comparing.opened import model_bytes
from mai.compiler.onnx.comparing.self_test import self_test
from mai.compiler.onnx.comparing.shallow import Slice, said, shallow
from mai.compiler.onnx.describing.least import Least
from mai.compiler.onnx.describing.manifest import describe, manifest_of
from mai.compiler.onnx.let_go import let_go
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.precision.products import has_windows
from mai.compiler.onnx.precision.whole import notes
from mai.compiler.onnx.prepared import Prepared, prepare_export, prepare_part, prepare_step, step_options
from mai.compiler.onnx.writing.pieces import large_tensors
from mai.compiler.onnx.writing.unsealed import Unsealed, write_unsealed
from mai.compiler.passes.analyses.tensor_sizes import enormous
from mai.compiler.passes.pipeline import seldom_collected, uncollected
from mai.compiler.program import Program
from mai.runtime.files import MEMORY_SHARE, memory, staged
from mai.runtime.model.data import data_path
from mai.spec.diagnostics import Diagnostic, MaiError

LOOPS = ("Loop", "Scan")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file's size in bytes, its nodes, seconds to build it, and the gate's largest difference.

    The difference is that on the same steps, None without a gate. `apart` is that of runs which choose their own, None where no solver
    does, and `moved` that of the results which few bits change, as a share of them. `identity` tells the file from any other. `notes` say what few bits, `unroll`, `cpu` or `portable` did not do, `warnings` what the gate has seen.
    """

    path: Path
    size: int
    nodes: int
    seconds: float
    error: float | None
    identity: str | None
    apart: float | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    moved: float | None = None


@seldom_collected()
def export(
    program: Program, name: str, trained: Trained, folder: Path, options: CompileOptions = DEFAULTS,
    prepared: Prepared | None = None,
) -> Exported:  # fmt: skip
    """Compile an export to `FOLDER/NAME.EXPORT.onnx`, pass it through the gate, and write it.

    Weights that are too much for one file go into a second one beside, `NAME.EXPORT.onnx.data`.

    Args:
        prepared: the export's graphs under these options, where they are there already.

    Raises:
        MaiError: `looks-ahead`, `no-drafts`, `compile-mismatch`, `precision-loss`, `not-finite` or
            `dimension-too-large`; nothing is written.
    """
    began = time.perf_counter()
    prepared = prepared or prepare_export(program, name, options)
    few = shallow(program, name)
    part = Slice(few, prepare_export(few, name, options)) if few else None
    return _write(program, prepared, trained, folder, options, began, part)


def export_step(
    program: Program, name: str, trained: Trained, folder: Path, options: CompileOptions = DEFAULTS,
    prepared: Prepared | None = None, whole: Exported | None = None,
) -> Exported | None:  # fmt: skip
    """One turn of an export whose text grows, to `FOLDER/NAME.EXPORT.step.onnx`; None where no text grows.

    The gate compares it with torch on states of its own. Beside another file than the `whole` one it is refused by whoever opens both.
    Takes and raises what `export` does.
    """
    began = time.perf_counter()
    turn = prepare_step(program, name, options, prepared)
    if turn is None:
        return None
    few = shallow(program, name)
    turn_of_few = prepare_step(few, name, options) if few else None
    part = Slice(few, turn_of_few) if few and turn_of_few else None
    return _write(program, turn, trained, folder, step_options(options), began, part, whole)


def export_part(
    program: Program, name: str, trained: Trained, folder: Path, options: CompileOptions = DEFAULTS,
    prepared: Prepared | None = None, whole: Exported | None = None,
) -> Exported:  # fmt: skip
    """Some turns of an export's loops, to `FOLDER/NAME.EXPORT.step.onnx`: all of them together compute the bits of its file.

    Beside another file than the `whole` one it is refused by whoever opens both. Takes and raises what `export` does. `Prepared.refusal` says of which exports there is such a file.
    """
    began = time.perf_counter()
    part = prepare_part(program, name, options, prepared)
    few = shallow(program, name)
    slice_ = Slice(few, prepare_part(few, name, options)) if few else None
    return _write(program, part, trained, folder, options, began, slice_, whole)


def _bound(prepared: Prepared, trained: Trained) -> Prepared:
    """The graphs with the tables that patterns of texts are for the tokenizer."""
    plain, optimised = (bind_patterns(graph, trained.tokenizer) for graph in (prepared.plain, prepared.optimised))
    return replace(prepared, plain=plain, optimised=optimised)


def model_of(program: Program, prepared: Prepared, trained: Trained, options: CompileOptions = DEFAULTS) -> ir.Model:
    """The model of a prepared export, with its manifest and the text of the spec as metadata."""
    prepared, trained = _bound(prepared, trained), calibrated(prepared, trained, options)
    chunk, coarse = prepared.chunk(options), prepared.coarse(options.bits)
    coarse = replace(coarse, ranges=trained.ranges, moments=trained.moments, wide=trained.wide) if coarse else None
    model = build(prepared.optimised, trained.weights, options, chunk=chunk, coarse=coarse)
    manifest = manifest_of(program, prepared, trained, options)
    unrolled = options.unroll and not has_loop(model)
    describe(model, manifest.model_copy(update={"unrolled": unrolled}), program.source.text)
    return model


def has_loop(model: ir.Model) -> bool:
    """Whether a host needs to know loops to run a model."""
    return any(node.op_type in LOOPS for node in model.graph.all_nodes())


def _write(
    program: Program, prepared: Prepared, trained: Trained, folder: Path, options: CompileOptions, began: float,
    part: Slice | None, whole: Exported | None = None,
) -> Exported:  # fmt: skip
    """Build a model, write it beside its place, pass it through the gate, and put it there.

    Args:
        began: when its preparation did.
        part: what is compared with torch, where that is not the whole.
        whole: the file whose turns are written.
    """
    prepared = _bound(prepared, trained)
    for diagnostic in enormous(prepared.plain, int(MEMORY_SHARE * memory())):
        raise MaiError([diagnostic])
    path = folder / f"{program.name}.{prepared.plain.name}.onnx"
    with staged(folder, path.name) as stage:
        with uncollected():  # A deep model is a million objects, all of which are there until it is written.
            unsealed, nodes, notes = _unsealed(program, prepared, trained, stage / path.name, options, whole)
        if part is not None and options.verify:
            notes = (*notes, said(prepared, part))
        let_go(prepared.plain)
        seconds = time.perf_counter() - began
        passed = _sealed(unsealed, prepared, trained, options, part)
        size, identity = unsealed.size, unsealed.manifest.identity
    let_go(prepared.plain)
    if unsealed.manifest.data is None:
        data_path(path).unlink(missing_ok=True)  # Of an earlier file of this name.
    if passed is None:
        return Exported(path, size, nodes, seconds, None, identity, notes=notes)
    return Exported(
        path, size, nodes, seconds, passed.error, identity, passed.apart, notes, passed.warnings, passed.moved
    )


def _unsealed(
    program: Program, prepared: Prepared, trained: Trained, path: Path, options: CompileOptions, whole: Exported | None
) -> tuple[Unsealed, int, tuple[str, ...]]:
    """A model built and written, how many nodes it has, and what is to be said of it. Its tensors are in the file alone afterwards."""
    model = model_of(program, prepared, trained, options)
    apart = bool(large_tensors(model)) and (options.external_data or model_bytes(model) > LARGEST)
    nodes, notes = sum(1 for _ in model.graph.all_nodes()), _notes(prepared, model, options)
    turns_of = None if whole is None else whole.identity
    return write_unsealed(model, path, apart=apart, turns_of=turns_of), nodes, notes


def _sealed(
    unsealed: Unsealed, prepared: Prepared, trained: Trained, options: CompileOptions, part: Slice | None
) -> Passed | None:
    """Pass a file through the gate, and write the verdict into it; None where nothing is verified."""
    if not options.verify:
        unsealed.seal()
        return None
    gate = Gate(prepared, trained.weights, options, measured=bool(trained.ranges))
    if part is None:
        fewest, passed = gate.proved(unsealed.path)
    else:
        fewest, passed = _compared_in_part(unsealed, part, trained, options)
        let_go(prepared.plain)
        passed = replace(passed, comparisons=gate.alone(unsealed.path))
    test = self_test(passed.comparisons, prepared.plain, options) if passed.comparisons else None
    unsealed.seal(**fewest.fields(unsealed.manifest), self_test=test)
    return passed


def _compared_in_part(
    unsealed: Unsealed, part: Slice, trained: Trained, options: CompileOptions
) -> tuple[Least, Passed]:
    """The same of few turns of the layers, in a file that is gone afterwards."""
    prepared = _bound(part.prepared, trained)
    with tempfile.TemporaryDirectory(dir=unsealed.path.parent) as folder:
        model = model_of(part.program, prepared, trained, options)
        few = write_unsealed(model, Path(folder) / unsealed.path.name, apart=True)
        del model
        return Gate(prepared, trained.weights, options, measured=bool(trained.ranges)).proved(few.path)


def _notes(prepared: Prepared, model: ir.Model, options: CompileOptions) -> tuple[str, ...]:
    """What an option did not do for a file, and what it does that nobody asked for; a step file says no more of its weights."""
    again = prepared.recomputed
    recomputed = (f"each token computes the whole text again: {again}",) if again else ()
    loops = _note_of_loops(options) if has_loop(model) else ()
    inside = "`--external-data` changed nothing: none of the weights is large enough"
    beside = (inside,) if options.external_data and prepared.whole is None and not large_tensors(model) else ()
    return (*recomputed, *loops, *beside, *(() if prepared.whole else _notes_of_weights(prepared, model, options)))


def _note_of_loops(options: CompileOptions) -> tuple[str, ...]:
    """What is said of a file that has loops."""
    if options.unroll:
        return ("a loop is left, of which only the call knows how many turns it takes",)
    if options.portable:
        return ("it has loops, which IREE and some engines of phones cannot run: `--unroll` writes their turns out",)
    return ()


def _notes_of_weights(prepared: Prepared, model: ir.Model, options: CompileOptions) -> tuple[str, ...]:
    """What is said of weights that are not kept as an option asks."""
    if options.cpu and not has_windows(prepared.optimised):
        return (f"`--cpu` changed nothing in `{prepared.plain.name}`: none of its weights is large enough",)
    if options.bits is None:
        return ()
    layout, best = prepared.coarse(options.bits), prepared.coarse(max(BITS.values()))
    return notes(prepared.optimised, model, layout, best) if layout and best else ()
