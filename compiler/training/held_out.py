"""The examples that a trained model is looked at with: those that its training has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.batches import load
from mai.compiler.program import Program, Training

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


def held_out(
    program: Program, training: Training, labels: Mapping[str, tuple[str, ...]], files: Sequence[Path]
) -> Callable[[int], dict[str, Array]]:
    """The first so many held-out examples of a program's data, by field, or those of the first step where none are held out.

    Args:
        labels: the names of labels that the weights were trained with.
        files: data in the place of the spec's own.

    Raises:
        MaiError: the data cannot be read.
    """
    base = Path(program.source.path).parent
    data = load(training.data, training.fields, training.settings.seed, base, files, training.where, labels)

    def first(count: int) -> dict[str, Array]:
        examples = data.validation or data.batch(0, count)
        return {name: array[:count] for name, array in examples.items()}

    return first
