"""The examples that a trained model is looked at with: those that its training has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.batches import load
from mai.compiler.data.rows import Rows
from mai.compiler.program import Program, Training

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


def held_out(
    program: Program, training: Training, labels: Mapping[str, tuple[str, ...]], files: Sequence[Path]
) -> Callable[[int], dict[str, Array]]:
    """The first so many examples of a program's data that are for tests, or held out, by field; those of the first step where there are none.

    Args:
        labels: the names of labels that the weights were trained with.
        files: data in the place of the spec's own.

    Raises:
        MaiError: the data cannot be read.
    """
    base = Path(program.source.path).parent
    data = load(training.data, training.fields, training.settings.seed, base, files, training.where, labels)

    def first(count: int) -> dict[str, Array]:
        examples: Mapping[str, Rows] = data.test or data.validation or data.batch(0, count)
        return {name: rows[:count] for name, rows in examples.items()}

    return first
