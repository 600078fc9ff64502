"""Where the columns of a table are kept as arrays: in memory while they are small, else in a file that later runs find again.

A file holds records, one a row: what a batch needs of a row lies together. It is found by the table's files (their places, sizes and
times) and by what is read of them, and goes when these are gone or have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Column, Dates, FieldRows, FileRows, Percents, Words
from mai.runtime.arrays import Array
from mai.spec.record import record

IN_MEMORY = 1 << 27  # Bytes of a table that are kept there.
FORM = 4  # Of the files, and of how cells are read, as which words are missing; files of another form are never read.
RECORDS, ABOUT = "records.bin", "about.json"
PART = "part-"


@record
class TableColumns:
    """The columns of a table, by name; what is to be said of them; which of them are dates; and how their percents are written."""

    columns: dict[str, Column]
    notes: tuple[str, ...]
    dates: Dates
    percents: Percents


def folder() -> Path:
    """Where tables are kept: MAI_CACHE, or the user's own folder for such files."""
    named, usual = os.environ.get("MAI_CACHE"), os.environ.get("XDG_CACHE_HOME")
    place = Path(named) if named else (Path(usual) if usual else Path.home() / ".cache") / "mai"
    return place / "columns"


class Store:
    """The columns of one table, by name: `add` takes blocks of rows, `columns` gives all."""

    def __init__(self, files: Sequence[Path], reads: Mapping[str, Any]) -> None:
        self.files = [
            {"path": str(f.absolute()), "size": f.stat().st_size, "time": f.stat().st_mtime_ns} for f in files
        ]
        key = json.dumps([FORM, self.files, dict(reads)], sort_keys=True)
        self.place = folder() / hashlib.sha256(key.encode()).hexdigest()[:32]
        self.count = 0
        self._blocks: list[dict[str, Array]] = []
        self._bytes = 0
        self._limits: dict[str, tuple[float, float]] = {}
        self._part: Path | None = None

    def find(self) -> TableColumns | None:
        """What an earlier run has kept, if one has."""
        try:
            about = json.loads((self.place / ABOUT).read_text(encoding="utf-8"))
            dates = {name: tuple(each) for name, each in about["dates"].items()}
            percents = {name: tuple(each) for name, each in about["percents"].items()}
            return TableColumns(_opened(self.place, about), tuple(about["notes"]), dates, percents)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def add(self, block: dict[str, Array]) -> None:
        """Some more rows of every column, each [n, ...]."""
        rows = len(next(iter(block.values())))
        if not rows:
            return
        for name, array in block.items():
            low, high = (float(fold.reduce(array, None)) if array.size else 0.0 for fold in (np.fmin, np.fmax))
            before = self._limits.get(name, (low, high))
            self._limits[name] = min(low, before[0]), max(high, before[1])
        self.count += rows
        self._bytes += sum(array.nbytes for array in block.values())
        self._blocks.append(block)
        if self._part is not None or self._bytes > IN_MEMORY:
            self._write()

    def columns(
        self, names: Mapping[str, Sequence[str]], notes: Sequence[str], dates: Dates, percents: Percents
    ) -> TableColumns:
        """All columns; those of words have the `names` of their numbers. Raises `MaiError` where they cannot be written."""
        if self._part is None:
            arrays = {
                name: np.concatenate([b[name] for b in self._blocks])
                for name in (self._blocks[0] if self._blocks else ())
            }
            columns: dict[str, Column] = {n: Words(a, tuple(names[n])) if n in names else a for n, a in arrays.items()}
            return TableColumns(columns, tuple(notes), dates, percents)
        size = (self._part / RECORDS).stat().st_size
        kept = f"{self.count:,} rows are kept as numbers in {self.place} ({size / 1e6:,.0f} MB), where the next run finds them"
        about = {
            "files": self.files, "dtype": self._described, "count": self.count, "limits": self._limits,
            "names": {name: list(each) for name, each in names.items()}, "notes": list(notes),
            "dates": dates, "percents": percents,
        }  # fmt: skip
        with _reported(self.place):
            (self._part / ABOUT).write_text(json.dumps(about), encoding="utf-8")
            _put(self._part, self.place)
        _clear()
        return TableColumns(_opened(self.place, about), (*notes, kept), dates, percents)

    def drop(self) -> None:
        """Leave nothing behind of a table that was not read to its end."""
        if self._part is not None:
            shutil.rmtree(self._part, ignore_errors=True)

    def _write(self) -> None:
        """Take what is in memory to the file."""
        with _reported(self.place):
            if self._part is None:
                self.place.parent.mkdir(parents=True, exist_ok=True)
                self._part = Path(tempfile.mkdtemp(prefix=PART, dir=self.place.parent))
                first = self._blocks[0]
                self._described = [[name, a.dtype.str, list(a.shape[1:])] for name, a in first.items()]
            with (self._part / RECORDS).open("ab") as file:
                for block in self._blocks:
                    records = np.empty(len(next(iter(block.values()))), _dtype(self._described))
                    for name, array in block.items():
                        records[name] = array
                    records.tofile(file)
        self._blocks = []


def _dtype(described: Sequence[Sequence[Any]]) -> np.dtype[np.generic]:
    return np.dtype([(name, dtype, tuple(shape)) for name, dtype, shape in described])


def _opened(place: Path, about: Mapping[str, Any]) -> dict[str, Column]:
    dtype = _dtype(about["dtype"])
    if (place / RECORDS).stat().st_size != about["count"] * dtype.itemsize:
        raise ValueError("not all of it was written")
    records = FileRows(place / RECORDS, dtype, (about["count"],))
    columns: dict[str, Column] = {}
    for name in dtype.names or ():
        rows = FieldRows(records, name, tuple(about["limits"][name]))
        columns[name] = Words(rows, tuple(about["names"][name])) if name in about["names"] else rows
    return columns


def _put(part: Path, place: Path) -> None:
    """Give a folder its name; where another process was first, its own is as good."""
    try:
        part.rename(place)
    except OSError:
        shutil.rmtree(place if not (place / ABOUT).exists() else part, ignore_errors=True)
        if part.exists():
            part.rename(place)


def _clear() -> None:
    """Remove the tables whose files are gone or have changed."""
    for about in folder().glob(f"*/{ABOUT}"):
        try:
            files = json.loads(about.read_text(encoding="utf-8"))["files"]
            now = [os.stat(each["path"]) for each in files]
            if all((s.st_size, s.st_mtime_ns) == (f["size"], f["time"]) for s, f in zip(now, files, strict=True)):
                continue
        except (OSError, ValueError, KeyError, TypeError):
            pass
        shutil.rmtree(about.parent, ignore_errors=True)


@contextmanager
def _reported(place: Path) -> Iterator[None]:
    """What a full or closed disk says, as an error of the data."""
    try:
        yield
    except OSError as error:
        message = (
            f"a table of this size is kept as numbers in {place.parent}, which cannot be written: {error.strerror}"
        )
        raise bad(message, help="set MAI_CACHE to a folder with room") from error
