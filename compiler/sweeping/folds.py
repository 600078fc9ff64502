"""A sweep over the number of a fold, the `k` of `folds(5, fold = k)`: a cross-validation, whose runs are alike but for the rows that are held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mai.compiler.data.splitting.folds import Folds
from mai.compiler.program import Program
from mai.compiler.sweeping.axes import Axis, Choices, Point
from mai.spec.settings import Settings

NO_FOLDS: Sequence[Point] = ({},)


def fold_axes(axes: Mapping[str, Axis], program_at: Callable[[Point], Program | None]) -> dict[str, Choices]:
    """The consts among `axes` that change which fold is held out, and nothing else of the data, with all of their values.

    Args:
        program_at: the program with such values of the consts; None where it is not sound.
    """
    values = {name: _values(axis) for name, axis in axes.items()}
    first = {name: each[0] for name, each in values.items()}
    here = _folds(program_at(first))

    def moves(name: str) -> bool:
        others = (_folds(program_at({**first, name: value})) for value in _near(first[name]))
        return any(_is_another_fold(here, other) for other in others)

    return {name: Choices(values[name]) for name in axes if here and len(values[name]) > 1 and moves(name)}


def fold_count(program: Program) -> int:
    """How many folds the data of a program have, over all train blocks."""
    return max((split.count for split in _folds(program)), default=1)


def _folds(program: Program | None) -> list[Folds]:
    splits = [getattr(training.data, "split", None) for training in program.trainings] if program is not None else []
    return [split for split in splits if isinstance(split, Folds)]


def _is_another_fold(here: Sequence[Folds], there: Sequence[Folds]) -> bool:
    return [*map(_but_the_fold, here)] == [*map(_but_the_fold, there)] and here != there


def _but_the_fold(split: Folds) -> Settings:
    return split.but(fold=0)


def _near(value: str) -> tuple[str, ...]:
    """The whole numbers beside one, of which one at least is a fold where it is one itself."""
    return (str(int(value) + 1), str(int(value) - 1)) if value.isdecimal() else ()


def _values(axis: Axis) -> tuple[str, ...]:
    """The values of a const; of a range of real numbers the least, since a fold has a whole one."""
    if isinstance(axis, Choices):
        return axis.values
    whole = range(int(axis.low), int(axis.high) + 1)
    return tuple(map(str, whole)) if axis.whole else (f"{axis.low:g}",)
