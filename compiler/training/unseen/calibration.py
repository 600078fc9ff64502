"""The examples by which codes of few bits are chosen: those of the train blocks, or the tokens of a text that an export reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mai.compiler.compile_options import Trained
from mai.compiler.data.batches import load
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import Dim
from mai.compiler.ir.structure import Extend
from mai.compiler.ir.types import DType
from mai.compiler.onnx.precision.moments import Batch, Moments
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.passes import forms
from mai.compiler.program import Training
from mai.runtime.arrays import Array
from mai.runtime.files import plain_bytes, reason
from mai.runtime.text.tokenizer import tokenizer_of
from mai.spec.diagnostics import Diagnostic, MaiError

EXAMPLES = 128
AT_A_TIME = 8
TOKENS = 256  # Of a piece of a text.
PIECES = 8  # Of so many pieces the last one is for measuring.


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of a text, [n, TOKENS] tokens each, and the optimised graph of the export that reads them by the name `port`."""

    graph: Graph
    port: str
    chosen_by: Array
    held_out: Array


def calibrate(exports: Preparations, trained: Trained, folder: Path) -> Moments:
    """The moments of the products of a program for the files that its options name, kept in a folder.

    Raises:
        MaiError: `calibration`: nothing of the program reads such files; or the data cannot be read.
    """
    moments, opset = Moments(folder), exports.options.opset
    for training in exports.program.trainings:
        graph = forms.optimise(forms.select(forms.prepare(training.evaluation), [training.objectives[0].output]))
        if not graph.has(Matching):  # It has no form in ONNX.
            moments.watch(graph, trained.weights, _batches(exports, trained, training), opset)
    if not exports.program.trainings:
        pieces = pieces_of(exports, trained)
        moments.watch(pieces.graph, trained.weights, _in_batches({pieces.port: pieces.chosen_by}), opset)
    if not moments:
        raise _refusal(
            f"no product of {exports.program.name} is calibrated: no matrix is large enough for few bits, or each stands in a loop or "
            "beside an exact matching"
        )
    return moments


def pieces_of(exports: Preparations, trained: Trained) -> Pieces:
    """The files that the options name as tokens, for an export that reads a text, and makes something of each token. Raises as `calibrate`."""
    name = next((name for name, graph in exports.program.exports.items() if _reads_text(graph)), None)
    if name is None or trained.tokenizer is None:
        lacks = "has no export that reads a text alone" if name is None else "has no tokenizer"
        raise _refusal(f"`--calibrate` is for texts here, and {exports.program.name} {lacks}, and no train block")
    text = "\n".join(_text(path) for path in exports.options.calibrate)
    tokens = tokenizer_of(trained.tokenizer).encode(text)
    count = len(tokens) // TOKENS
    if count < 2:
        raise _refusal(
            f"of {len(tokens)} tokens codes are not calibrated: {2 * TOKENS} are the least, and tens of thousands are good"
        )
    pieces = tokens[: count * TOKENS].reshape(count, TOKENS)
    kept = max(1, count // PIECES)
    return Pieces(
        exports[name].optimised,
        exports.program.exports[name].inputs[0].name,
        pieces[:-kept][:EXAMPLES],
        pieces[-kept:][:EXAMPLES],
    )


def _reads_text(graph: Graph) -> bool:
    """Whether a graph reads a text of any length, and nothing else, and has no text that grows."""
    return len(graph.inputs) == 1 and _is_text(graph.inputs[0]) and not any(n.op is Extend for n in graph.walk())


def _is_text(value: Value) -> bool:
    type = value.type
    return type.dtype is DType.INT and type.rank == 1 and isinstance(type.shape[0], Dim) and type.classes is not None


def _text(path: Path) -> str:
    try:
        return plain_bytes(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"{path} cannot be read as a text: {reason(error)}") from error


def _refusal(message: str) -> MaiError:
    return MaiError([Diagnostic("calibration", None, message)])


def _batches(exports: Preparations, trained: Trained, training: Training) -> Iterator[Batch]:
    """Examples that a train block trains on, of the files that the options name."""
    base = Path(exports.program.source.path).parent
    files = exports.options.calibrate
    data = load(training.data, training.fields, training.settings.seed, base, files, training.where, trained.labels)
    return _in_batches({name: np.asarray(rows[:EXAMPLES]) for name, rows in data.batch(0, EXAMPLES).items()})


def _in_batches(fields: Batch) -> Iterator[Batch]:
    if not fields:  # A block that only draws.
        yield {"batch": np.array(EXAMPLES)}
        return
    count = max(map(len, fields.values()))
    for start in range(0, count, AT_A_TIME):
        yield {name: array[start : start + AT_A_TIME] for name, array in fields.items()}
