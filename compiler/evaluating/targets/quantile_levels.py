"""Which results of an export are quantiles of a field, and of what level: as the objective says by its slopes.

A quantile of level q is learnt by a loss that rises q for each unit that what is right lies above it, and 1 - q for each below (Koenker and
Bassett 1978), however that is written. So the results that meet a field are given numbers of our own, and the objective is computed far
below, and far above: its slopes are the levels. Which number of an export is which result is seen alike, by numbers that are handed through.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from mai.compiler.evaluating.targets.links import Origins, Slot, meetings
from mai.compiler.evaluating.targets.probing import coded, computed, handed_through, shape_of
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import DType
from mai.compiler.program import Program, Training
from mai.runtime.arrays import Array
from mai.spec.record import record

NEAR, FAR = 1e4, 2e4


@record
class Quantile:
    """What one number of a result is: the quantile of this level, of the number of the field at this place."""

    level: float
    place: int


def quantiles_of(program: Program, export: str, field: str) -> dict[str, tuple[Quantile, ...]]:
    """For each output of an export that is quantiles of a field alone: what its numbers are, in their order."""
    graph, quantiles = program.exports[export], dict[tuple[Slot, int], Quantile]()
    for training in program.trainings:
        quantiles |= _made_quantiles(training, field)
    if all(each.level == 0.5 for each in quantiles.values()):
        return {}  # A median is a value like a mean.
    codes, first = coded(graph)
    by_output = {}
    for name, value in zip(graph.output_names, graph.outputs, strict=True):
        handed = handed_through(graph, value, codes) if value.type.dtype is DType.REAL else None
        slots = [first.get(code) for code in handed] if handed is not None else []
        if slots and all(slot in quantiles for slot in slots):
            by_output[name] = tuple(quantiles[slot] for slot in slots if slot is not None)
    return by_output


def _made_quantiles(training: Training, field: str) -> dict[tuple[Slot, int], Quantile]:
    """The numbers of nets' results that a train block makes quantiles of a field."""
    graph, quantiles = training.evaluation, dict[tuple[Slot, int], Quantile]()
    type_ = training.fields.get(field)
    sizes = [size for size in type_.shape if isinstance(size, int)] if type_ is not None else []
    if type_ is None or type_.dtype is not DType.REAL or len(sizes) < type_.rank:
        return quantiles
    codes, first = coded(graph)
    for said in dict.fromkeys(value for name, value in meetings(Origins(graph)) if name == field):
        handed = handed_through(graph, said, codes)
        slopes = _Slopes(training, said, field, sizes) if handed is not None else None
        if handed is not None and slopes is not None:
            for code, level, place in zip(handed, *slopes.levels_and_places(), strict=True):
                if code in first and np.isfinite(level):
                    quantiles[first[code]] = Quantile(round(level, 4), place)
    return quantiles


class _Slopes:
    """How the objectives of a block change with each number of a result that meets a field of these `sizes`."""

    def __init__(self, training: Training, said: Value, field: str, sizes: Sequence[int]) -> None:
        self.graph, self.said, self.field, self.sizes = training.evaluation, said, field, sizes
        self.size = prod(sizes)
        outputs = (self.graph.outputs[objective.output] for objective in training.objectives)
        self.values = [value for value in outputs if value.type.batched]
        shape = shape_of(said) or ()
        self.count = prod(shape)
        self.moved = np.concatenate([np.zeros((1, self.count)), np.eye(self.count)]).reshape(-1, *shape)

    def levels_and_places(self) -> tuple[list[float], list[int]]:
        """For each number the level of its quantile, NaN where it is none, and the place in the field of what it is compared with."""
        if not self.values:
            return [np.nan] * self.count, [0] * self.count
        ones = np.ones(self.size)
        above, below = self._at(NEAR * ones), self._at(-NEAR * ones)
        is_quantile = (above < 0) & (below > 0)
        for side, slopes in ((1, above), (-1, below)):
            is_quantile &= np.isclose(self._at(side * FAR * ones), slopes, rtol=1e-4, atol=0)
        places = np.zeros(self.count, np.int64)
        for bit in range((self.size - 1).bit_length()):
            is_set = (np.arange(self.size) >> bit & 1).astype(bool)
            places += (self._at(np.where(is_set, NEAR, -NEAR)) < 0).astype(np.int64) << bit
        is_quantile &= places < self.size
        sides = np.random.default_rng(0).choice([-1.0, 1.0], self.size)
        expected = np.where(sides[np.minimum(places, self.size - 1)] > 0, above, below)
        is_quantile &= np.isclose(self._at(sides * NEAR), expected, rtol=1e-4, atol=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            levels = np.where(is_quantile, -above / (below - above), np.nan)
        return levels.tolist(), places.tolist()

    def _at(self, right: Array) -> Array:
        """The slopes at results of 0, where the numbers of the field are these."""
        fields = {self.field: right.reshape(self.sizes)}
        results = computed(self.graph, self.values, {self.said: self.moved}, fields, self.count + 1)
        total: Array = np.sum([each.reshape(self.count + 1, -1).sum(1) for each in results], 0)
        with np.errstate(invalid="ignore"):  # Of what is infinite.
            slopes: Array = total[1:] - total[0]
        return slopes
