"""Which examples the batches of steps have: a function of the seed and the step alone, whoever asks, and in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mai.compiler.data.random_streams import FRESH, ORDER, generator, permutation
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError, placed
from mai.spec.source import Span

Fields = dict[str, Array]
Order = Callable[[int, int], Array]
"""The numbers of the examples of a step, [size], given the step and the size."""
ALL = slice(None)


class Batches(Protocol):
    """The batches of a run."""

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        """The examples at some `places` of the batches of some steps, one step after the other, by field: [steps * places, ...]."""

    def packed(self, steps: range, size: int, places: slice = ALL) -> Fields:
        """What `unpack` makes these examples of, in fewer bytes where there is such a form: an image's pixels, say."""
        return self.rows(steps, size, places)

    def unpack(self, fields: Fields) -> Fields:
        """The examples themselves."""
        return fields


class Table(Protocol):
    """Examples that have numbers."""

    def take(self, numbers: Array) -> Fields:
        """Some of them, by field."""

    def take_packed(self, numbers: Array) -> Fields:
        """What `unpack` makes them of, in fewer bytes where there is such a form."""
        return self.take(numbers)

    def unpack(self, fields: Fields) -> Fields:
        """The examples that were packed."""
        return fields


@dataclass(frozen=True, slots=True)
class Ordered(Batches):
    """Examples that have numbers: only those that are asked for are read."""

    order: Order
    table: Table

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        return self.table.take(self._numbers(steps, size, places))

    def packed(self, steps: range, size: int, places: slice = ALL) -> Fields:
        return self.table.take_packed(self._numbers(steps, size, places))

    def unpack(self, fields: Fields) -> Fields:
        return self.table.unpack(fields)

    def _numbers(self, steps: range, size: int, places: slice) -> Array:
        numbers = [self.order(step, size)[places] for step in steps]
        return numbers[0] if len(numbers) == 1 else np.concatenate(numbers)


@dataclass(frozen=True, slots=True)
class Fresh(Batches):
    """Examples that are drawn anew for every step: all of a batch together, by one stream of random numbers."""

    draw: Callable[[np.random.Generator, int], Fields]
    seed: int

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        drawn = [self.draw(generator(self.seed, FRESH, step), size) for step in steps]
        return {name: np.concatenate([batch[name][places] for batch in drawn]) for name in drawn[0]}


@dataclass(frozen=True, slots=True)
class Placed(Batches):
    """The same batches; errors about a file that is read for one are reported at the `data` line, `where`."""

    batches: Batches
    where: Span | None

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        with told_at(self.where):
            return self.batches.rows(steps, size, places)

    def packed(self, steps: range, size: int, places: slice = ALL) -> Fields:
        with told_at(self.where):
            return self.batches.packed(steps, size, places)

    def unpack(self, fields: Fields) -> Fields:
        return self.batches.unpack(fields)


@contextmanager
def told_at(where: Span | None) -> Iterator[None]:
    """Errors without a place are reported at this one."""
    try:
        yield
    except MaiError as error:
        raise placed(error, where) from error


def epochs(count: int, seed: int) -> Order:
    """All of `count` examples in a new order every epoch; what is left of an epoch that is no whole batch is left out."""
    orders: dict[int, Array] = {}

    def order(step: int, size: int) -> Array:
        size = min(size, count)
        epoch, place = divmod(step, count // size)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = permutation(count, seed, ORDER, epoch)
        return orders[epoch][place * size : (place + 1) * size]

    return order


def starts(count: int, seed: int) -> Order:
    """Numbers below `count`, drawn anew for every step."""
    return lambda step, size: generator(seed, FRESH, step).integers(0, count, size)
