"""Examples that are read as they are asked for: a field's values for all examples, in memory or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import ref

import numpy as np

from mai.compiler.data.fields import bad
from mai.runtime.arrays import Array
from mai.spec.record import record

BLOCK = 1 << 24  # Bytes that are looked at at a time.
SPARSE = 64  # Of rows that are fewer than one in so many each is read alone.
Key = Array | slice


class Rows(Protocol):
    """The values of one field, [n, ...], which are read by their numbers; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """How many there are, and the shape of each."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of their numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key, /) -> Array: ...


class FileRows:
    """Rows [n, ...] that lie in a file one after the other, from an offset on, read one by one.

    The file stays open, so that one which takes its name meanwhile is another. It is not mapped: around a row that is touched the
    system maps 64 kB, which for random rows is soon the whole file, and costs more time than to read the row.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int = 0) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape
        self._file, self._offset = path.open("rb", buffering=0), offset
        self._width = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        self._read: tuple[ref[Array], Array] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Key, /) -> Array:
        """The same rows again, for another field of theirs, are not read again as long as their numbers are there."""
        if isinstance(key, slice):
            return self._rows(key)
        if self._read is None or self._read[0]() is not key:
            self._read = ref(key, self._forget), self._rows(key)
        return self._read[1]

    def _forget(self, key: ref[Array]) -> None:
        if self._read is not None and self._read[0] is key:
            self._read = None

    def _rows(self, key: Key) -> Array:
        if isinstance(key, slice):
            begin, end, step = key.indices(len(self))
            rows = np.empty((max(0, end - begin), *self.shape[1:]), self.dtype)
            self._fill(_bytes(rows), self._offset + begin * self._width)
            return rows if step == 1 else rows[::step]
        if len(key) * self._width > BLOCK and len(key) > len(self) // SPARSE:
            return self._in_blocks(key)
        rows = np.empty((len(key), *self.shape[1:]), self.dtype)
        raw, width, handle = _bytes(rows), self._width, self._file.fileno()
        for place, begin in enumerate((key.astype(np.int64) * width + self._offset).tolist()):
            row = raw[place * width : place * width + width]
            if read_at(handle, [row], begin) < width:
                self._fill(row, begin)
        return rows

    def _in_blocks(self, key: Array) -> Array:
        """A large share of all rows: the file is read once from its beginning, a block at a time."""
        rows, order = np.empty((len(key), *self.shape[1:]), self.dtype), np.argsort(key, kind="stable")
        numbers, step = key[order], max(1, BLOCK // self._width)
        for begin in range(0, len(self), step):
            first, last = np.searchsorted(numbers, [begin, begin + step])
            block = self._rows(slice(begin, begin + step))
            rows[order[first:last]] = block[numbers[first:last].astype(np.int64) - begin]
        return rows

    def _fill(self, buffer: memoryview, begin: int) -> None:
        """Read so many bytes from a place of the file, in several turns. Raises `MaiError` where it has become shorter."""
        while len(buffer):
            count = read_at(self._file.fileno(), [buffer], begin)
            if count == 0:
                raise bad(f"{self.path} has become shorter while it was read")
            buffer, begin = buffer[count:], begin + count


def _bytes(rows: Array) -> memoryview:
    return rows.reshape(-1).view(np.uint8).data


def _read_at(handle: int, buffers: Sequence[memoryview], begin: int) -> int:
    """`os.preadv` of one buffer, where the system has none."""
    os.lseek(handle, begin, os.SEEK_SET)
    piece = os.read(handle, len(buffers[0]))
    buffers[0][: len(piece)] = piece
    return len(piece)


read_at: Callable[[int, Sequence[memoryview], int], int] = getattr(os, "preadv", _read_at)


class Limited:
    """Rows of which the least and the largest number may be known, as `limits`."""

    limits: tuple[float, float] | None


class FieldRows(Limited):
    """One field of records; `limits` are the least and the largest of its numbers."""

    def __init__(self, records: Rows, name: str, limits: tuple[float, float]) -> None:
        self.records, self.name, self.limits = records, name, limits
        base, shape = records.dtype[name].base, records.dtype[name].shape
        self.dtype, self.shape = base, (len(records), *shape)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: Key, /) -> Array:
        """Of many rows at a stretch, some records at a time: the others of their numbers are no more than that in memory."""
        if not isinstance(key, slice):
            return np.ascontiguousarray(self.records[key][self.name])
        begin, end, stride = key.indices(len(self))
        if stride != 1:
            return np.ascontiguousarray(self.records[key][self.name])
        rows, step = (
            np.empty((max(0, end - begin), *self.shape[1:]), self.dtype),
            max(1, BLOCK // self.records.dtype.itemsize),
        )
        for place in range(0, len(rows), step):
            part = rows[place : place + step]
            part[...] = self.records[slice(begin + place, begin + place + len(part))][self.name]
        return rows


class Chosen:
    """Some rows of others, by their numbers."""

    def __init__(self, rows: Rows, numbers: Array) -> None:
        self.rows, self.numbers = rows, numbers
        self.shape, self.dtype = (len(numbers), *rows.shape[1:]), rows.dtype

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: Key, /) -> Array:
        return self.rows[self.numbers[key]]


class Changed(Limited):
    """Rows that a function of an array makes of others, when they are read: of another type, or of another shape.

    `limits` are the least and the largest of their numbers, where they are known.
    """

    def __init__(self, rows: Rows, change: Callable[[Array], Array], limits: tuple[float, float] | None = None) -> None:
        self.rows, self.change, self.limits = rows, change, limits
        one = change(rows[:1])
        self.shape, self.dtype = (len(rows), *one.shape[1:]), one.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Key, /) -> Array:
        return self.change(self.rows[key])


class Padded(Limited):
    """Rows [n, length] of whole numbers: so many `counts` of `numbers`, from `begins` on, and zeros behind them."""

    def __init__(self, numbers: Array, begins: Array, counts: Array, length: int) -> None:
        self.numbers, self.begins, self.counts = numbers, begins, counts
        self.shape, self.dtype = (len(begins), length), numbers.dtype
        self.limits = (0.0, float(numbers.max(initial=0)))

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, key: Key, /) -> Array:
        place = np.arange(self.shape[1])
        inside = place < self.counts[key][:, None]
        rows = np.zeros(inside.shape, self.dtype)
        rows[inside] = self.numbers[(self.begins[key][:, None] + place)[inside]]
        return rows


class Spans(Limited):
    """Rows [n, length] that are 1 from place `begins` to before place `ends`, and 0 elsewhere."""

    limits = (0.0, 1.0)

    def __init__(self, begins: Array, ends: Array, length: int) -> None:
        self.begins, self.ends = begins, ends
        self.shape, self.dtype = (len(begins), length), np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, key: Key, /) -> Array:
        place = np.arange(self.shape[1])
        rows: Array = ((place >= self.begins[key][:, None]) & (place < self.ends[key][:, None])).astype(np.uint8)
        return rows


class Joined:
    """The rows of several, one after the other."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])
        self.shape, self.dtype = (int(self.ends[-1]), *parts[0].shape[1:]), np.result_type(*[p.dtype for p in parts])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Key, /) -> Array:
        numbers = np.arange(len(self))[key] if isinstance(key, slice) else np.asarray(key)
        part = np.searchsorted(self.ends, numbers, side="right")
        rows = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for place in np.unique(part):
            begin = self.ends[place] - len(self.parts[place])
            rows[part == place] = self.parts[place][numbers[part == place] - begin]
        return rows


@record
class Words:
    """Texts: `numbers`, whole [n], say which of `names` each is."""

    numbers: Rows
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many rows there are, and the shape of each."""
        return self.numbers.shape

    @property
    def first(self) -> str:
        """The first of them."""
        return self.names[int(self.numbers[:1].flat[0])]

    def texts(self, key: Key) -> Array:
        """Some of them as objects, [n]."""
        return np.array(self.names, object)[self.numbers[key]]

    @classmethod
    def of(cls, texts: Array) -> Words:
        """The texts of an array of any shape; names in alphabetical order."""
        names, numbers = np.unique(texts, return_inverse=True)
        return cls(numbers.reshape(texts.shape), tuple(names.tolist()))


Column = Rows | Words
Columns = Mapping[str, Column]
Dates = Mapping[str, tuple[bool | None, ...]]
"""By field, for each of its columns that are dates whether these are in UTC, since they have offsets; None for one of numbers."""
Percents = Mapping[str, tuple[str, ...]]
"""By field, for each of its columns a cell that is a number, with a percent sign where they have one; nothing for one of no numbers."""


def join(columns: Sequence[Column]) -> Column:
    """The rows of several columns of one kind, one after the other."""
    words = [column for column in columns if isinstance(column, Words)]
    if words:
        names = tuple(dict.fromkeys(name for each in words for name in each.names))
        place = {name: number for number, name in enumerate(names)}
        maps = [np.array([place[name] for name in each.names], np.int64) for each in words]
        return Words(np.concatenate([m[each.numbers[:]] for m, each in zip(maps, words, strict=True)]), names)
    rows = [column for column in columns if not isinstance(column, Words)]
    if all(isinstance(each, np.ndarray) for each in rows):
        return np.concatenate([each[:] for each in rows])
    return Joined(rows)


def choose(rows: Rows, numbers: Array) -> Rows:
    """Some rows: an array of an array, else the way to them."""
    return rows[numbers] if isinstance(rows, np.ndarray) else Chosen(rows, numbers)


def rows_of(column: Column) -> Rows:
    """The rows of a column; of words, which of the names each is."""
    return column.numbers if isinstance(column, Words) else column


def change_of(column: Column, function: Callable[[Rows], Rows]) -> Column:
    """A column with other rows, words with their names."""
    return Words(function(column.numbers), column.names) if isinstance(column, Words) else function(column)


def choose_of(column: Column, numbers: Array) -> Column:
    """Some rows of a column, words with their names."""
    return change_of(column, lambda rows: choose(rows, numbers))


def counts_of(rows: Rows) -> Array | None:
    """How many numbers rows of different lengths have, before they were filled up; None for others."""
    match rows:
        case Padded():
            return rows.counts
        case Changed():
            return counts_of(rows.rows)
        case Chosen():
            counts = counts_of(rows.rows)
            return None if counts is None else counts[rows.numbers]
    return None


def change(rows: Rows, function: Callable[[Array], Array], limits: tuple[float, float] | None = None) -> Rows:
    """Rows after a function of each: at once, where that takes no more memory, else when they are read.

    Args:
        limits: the least and the largest number that the function gives, where these are known.
    """
    changed = Changed(rows, function, limits)
    small = isinstance(rows, np.ndarray) and changed.dtype.itemsize <= rows.dtype.itemsize
    return function(rows[:]) if small else changed


def unpacked(rows: Rows) -> tuple[Rows, Callable[[Array], Array] | None]:
    """The rows that others are made of by a function of each, which take fewer bytes, and that function; None where there are none."""
    match rows:
        case Changed():
            inner, before = unpacked(rows.rows)
            after = rows.change
            narrower = before is not None or _width(inner) < _width(rows)
            return (inner, (lambda array: after(before(array))) if before else after) if narrower else (rows, None)
        case Chosen():
            inner, function = unpacked(rows.rows)
            return (Chosen(inner, rows.numbers), function) if function else (rows, None)
    return rows, None


def _width(rows: Rows) -> int:
    """The bytes of a row."""
    return int(np.prod(rows.shape[1:], dtype=np.int64)) * rows.dtype.itemsize


def blocks(rows: Rows) -> Iterator[Array]:
    """All rows, some at a time."""
    size = max(1, int(np.prod(rows.shape[1:], dtype=np.int64)) * rows.dtype.itemsize)
    step = max(1, BLOCK // size)
    return (rows[begin : begin + step] for begin in range(0, len(rows), step))


def limits(rows: Rows) -> tuple[float, float]:
    """The least and the largest of all numbers; (nan, nan) where one of them is not a number."""
    if isinstance(rows, Limited) and rows.limits is not None:
        return rows.limits
    return limits_of(rows)


def limits_of(rows: Rows, chosen: Array | None = None) -> tuple[float, float]:
    """The same, of rows that are looked at one by one: all, or those `chosen`, bool [n]."""
    pairs, begin = [], 0
    for block in blocks(rows):
        some = block if chosen is None else block[chosen[begin : begin + len(block)]]
        begin += len(block)
        if some.size:
            pairs.append((some.min(), some.max()))
    if not pairs:
        return 0, 0
    return float(np.min([low for low, _ in pairs])), float(np.max([high for _, high in pairs]))
