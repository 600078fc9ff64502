"""Which rows are trained on, which are held out, and which are for tests: `split = by_group(patient)`.

A split has a seed of its own, and looks at one column at most, so that all runs on the same rows share it. Its rows are told apart
before anything is computed from them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.fields import bad
from mai.compiler.data.random_streams import HOLD_OUT, permutation
from mai.spec.record import record
from mai.spec.settings import MANY, Settings, setting

if TYPE_CHECKING:
    from mai.runtime.arrays import Array

HELD_OUT = 0.1  # The share of the examples that is kept aside for validation, where nothing else is said.
BLOCK = 1 << 20  # Rows that are looked at at a time.
FEWEST = 20  # Of fewer examples, none is held out unless a spec asks for it.


@record
class Parts:
    """The numbers of the rows that are trained on, held out, and for tests; None: all of them, or none."""

    train: Array | None = None
    held_out: Array | None = None
    test: Array | None = None


@record
class NoneHeldOut(Parts):
    """All rows are trained on, where a spec leaves that open: the cause, and what to write so that some are held out."""

    cause: str = ""
    help: str = ""


FEW = NoneHeldOut(
    cause=f"of fewer than {FEWEST} none is held out where a spec does not say so",
    help="`split = random(0.2)` in the data line holds out a fifth, `keep = last` needs none",
)


class Split(Settings):
    """What divides a table: `share` of the rows are held out, `test` of them are for tests. A split `of_time` puts its column in order."""

    of_time: ClassVar[bool] = False

    @property
    def key(self) -> str | None:
        """The column that the split looks at."""
        return None

    @property
    @abstractmethod
    def shares(self) -> tuple[float, float]:
        """The share of the rows that is held out, and the one that is for tests."""

    def misfit(self) -> str | None:
        held_out, test = self.shares
        if held_out + test < 1:
            return None
        return f"leaves nothing to train on: {held_out:g} and {test:g} of the rows are kept aside"

    @abstractmethod
    def parts(self, count: int, key: Array | None) -> Parts:
        """The parts of `count` rows; `key`, whole or real [count], is the column that the split looks at. Raises `MaiError`."""

    def sizes(self, count: int) -> tuple[int, int]:
        """How many of so many are held out and for tests, at least one where a share is asked for."""
        held_out, test = (max(1, int(count * share)) if share else 0 for share in self.shares)
        if held_out + test >= count:
            raise bad(f"`{self.name}` leaves nothing to train on: {held_out + test} of {count} rows are kept aside")
        return held_out, test


class RandomSplit(Split):
    """A random share of the rows is held out, the same whatever the seed of a run."""

    name: ClassVar[str] = "random"
    share: float = setting(default=HELD_OUT, ge=0, lt=1)
    test: float = setting(default=0.0, ge=0, lt=1)
    seed: int = setting(default=0, ge=0, le=MANY)

    @property
    def shares(self) -> tuple[float, float]:
        return self.share, self.test

    def parts(self, count: int, key: Array | None) -> Parts:
        held_out, test = self.sizes(count)
        order = permutation(count, self.seed, HOLD_OUT)
        return _cut(order, held_out, test)


class ColumnSplit(Split):
    """A split that looks at one column."""

    column: str
    share: float = setting(default=HELD_OUT, ge=0, lt=1)
    test: float = setting(default=0.0, ge=0, lt=1)

    @property
    def key(self) -> str:
        return self.column

    @property
    def shares(self) -> tuple[float, float]:
        return self.share, self.test


class TimeSplit(ColumnSplit):
    """The latest rows are for tests, those before them are held out; rows of one time stay together."""

    name: ClassVar[str] = "by_time"
    of_time: ClassVar[bool] = True

    def parts(self, count: int, key: Array | None) -> Parts:
        import numpy as np

        assert key is not None
        held_out, test = self.sizes(count)
        times = np.sort(key)
        first_test = times[count - test] if test else None
        before = count if first_test is None else int(np.searchsorted(times, first_test))
        begin, earliest = times[max(0, before - held_out)] if held_out else first_test, times[0]
        del times
        if begin == earliest:
            raise bad(f"`by_time({self.column})` leaves nothing to train on: too many rows have the first time")
        late = key >= begin
        tests = np.zeros(count, bool) if first_test is None else key >= first_test
        return Parts(*(_some(np.flatnonzero(rows)) for rows in (~late, late & ~tests, tests)))


class GroupSplit(ColumnSplit):
    """A random share of the groups is held out: the rows of a person, or of a device, are never on both sides."""

    name: ClassVar[str] = "by_group"
    seed: int = setting(default=0, ge=0, le=MANY)

    def parts(self, count: int, key: Array | None) -> Parts:
        import numpy as np

        assert key is not None
        groups, of_row = _numbered(key)
        least = 1 + bool(self.share) + bool(self.test)
        if len(groups) < least:
            raise bad(f"`by_group({self.column})` needs {least} groups or more, here {_are(len(groups))}")
        order = permutation(len(groups), self.seed, HOLD_OUT)
        rows = np.cumsum(np.bincount(of_row)[order])
        held_out, test = self.sizes(count)
        first = _groups(rows, 0, held_out, len(groups) - 1 - bool(test))
        second = _groups(rows, first, test, len(groups) - 1)
        part_of_group = np.zeros(len(groups), np.int8)
        part_of_group[order[:first]] = 1
        part_of_group[order[first:second]] = 2
        return parts_by_number(part_of_group[of_row])


class StratifiedSplit(ColumnSplit):
    """The same random share of every label is held out, and of every label something is trained on."""

    name: ClassVar[str] = "stratified"
    seed: int = setting(default=0, ge=0, le=MANY)

    def parts(self, count: int, key: Array | None) -> Parts:
        import numpy as np

        assert key is not None
        self.sizes(count)
        labels, of_row = _numbered(key)
        by_label = np.split(np.argsort(of_row, kind="stable"), np.cumsum(np.bincount(of_row))[:-1])
        parts = np.zeros(count, np.int8)
        for label, rows in enumerate(by_label):
            shuffled = rows[permutation(len(rows), self.seed, HOLD_OUT, label)]
            held_out, test = (round(len(rows) * share) for share in (self.share, self.test))
            held_out = min(held_out, len(rows) - 1)
            test = min(test, len(rows) - 1 - held_out)
            parts[shuffled[:held_out]] = 1
            parts[shuffled[held_out : held_out + test]] = 2
        if (self.share and not (parts == 1).any()) or (self.test and not (parts == 2).any()):
            few = f"each of the {len(labels)} labels has too few rows"
            raise bad(f"`stratified({self.column})` keeps no row aside: {few} for a share of {self.share:g}")
        return parts_by_number(parts)


def usual_parts(count: int) -> Parts:
    """What is held out where a spec says nothing: a tenth, of enough rows."""
    return RandomSplit().parts(count, None) if count >= FEWEST else FEW


def _cut(order: Array, held_out: int, test: int) -> Parts:
    return Parts(order[held_out + test :], _some(order[:held_out]), _some(order[held_out : held_out + test]))


def _numbered(key: Array) -> tuple[Array, Array]:
    """The different values of a column, and for each row which of them it has, in as few bytes as hold that."""
    import numpy as np

    values = np.unique(key)
    numbers = np.empty(len(key), np.min_scalar_type(len(values)))
    for begin in range(0, len(key), BLOCK):
        numbers[begin : begin + BLOCK] = np.searchsorted(values, key[begin : begin + BLOCK])
    return values, numbers


def parts_by_number(part: Array) -> Parts:
    """The rows by the number of their part: 0 is trained on, 1 held out, 2 for tests."""
    import numpy as np

    return Parts(*(_some(np.flatnonzero(part == each)) for each in range(3)))


def _groups(rows: Array, begin: int, wanted: int, most: int) -> int:
    """After which group in their order there are so many rows more; `rows` are sums. As many as are allowed."""
    import numpy as np

    if not wanted:
        return begin
    before = int(rows[begin - 1]) if begin else 0
    return min(max(begin + 1, int(np.searchsorted(rows, before + wanted)) + 1), most)


def _some(rows: Array) -> Array | None:
    return rows if len(rows) else None


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
