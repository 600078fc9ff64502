"""What the data say of weights that no run of mai has written: first values, the names of labels, the ranges of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mai.compiler.data import facts, label_names
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.column_shapes import read_in_place
from mai.compiler.data.label_names import Names
from mai.compiler.data.row_source import RowSource
from mai.compiler.data.sources.table import Table
from mai.compiler.ir.types import DType
from mai.compiler.program import Program, Training
from mai.compiler.training.first_values import compute_all_first_values, names_of_first_values
from mai.compiler.training.initial_weights import initial_weights
from mai.compiler.weights.tensor_files import metadata_of
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError

SPEC = "spec"  # In the metadata of the weights that a run writes.


def first_weights(program: Program, seed: int, files: Sequence[Path] = ()) -> Mapping[str, Array] | None:
    """The first values of a program in which the examples say some; None where they say none.

    Args:
        files: instead of the data that the spec names.

    Raises:
        MaiError: the data cannot be read.
    """
    if not names_of_first_values(program):
        return None
    weights = initial_weights(program, None, seed)
    compute_all_first_values(program, weights, seed, files)
    return {name: tensor.numpy() for name, tensor in weights.state_dict().items()}


def told_by_data(program: Program, weights: Path | None, seed: int, files: Sequence[Path] = ()) -> dict[str, str]:
    """What a run's weights would say of the data in their metadata, for first values and for weights that were trained elsewhere.

    Nothing where the data are not here.
    """
    if weights is not None and SPEC in metadata_of(weights):
        return {}
    names: Names = {}
    metadata: dict[str, str] = {}
    for training in program.trainings:
        if _may_have_words(training, files):
            data = _read(program, training, seed, files, names)
            names = data.labels if data is not None else names
            metadata |= facts.saved(data.facts, data.decimal) if data is not None else {}
    return label_names.saved(names) | metadata


def _may_have_words(training: Training, files: Sequence[Path]) -> bool:
    """Whether the data are rows of files in which a field may be words: labels with names, or the dates of a table."""
    source = read_in_place(training.data, files)
    has_labels = any(type_.dtype is DType.INT for type_ in training.fields.values())
    return isinstance(source, Table) or (isinstance(source, RowSource) and has_labels)


def _read(program: Program, training: Training, seed: int, files: Sequence[Path], names: Names) -> Dataset | None:
    """The examples of a train block, whose labels have the numbers that earlier blocks gave them; None where they cannot be read."""
    base = Path(program.source.path).parent
    try:
        return load(training.data, training.fields, seed, base, files, training.where, names)
    except MaiError:
        return None
