"""Arrays by name: numpy's archives, and its plain files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import find_files, listed
from mai.compiler.data.places import Places
from mai.compiler.data.row_source import RowSource, Wanted
from mai.compiler.data.source_kinds import Finite
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.data.rows import Column as Array

SMALL = 1 << 22  # Bytes of files whose numbers `mai check` looks at.


class Arrays(RowSource):
    """Arrays by field name, of .npz archives, or of .npy files that are called as the fields; those are read a row at a time.

    Rows with NaN are refused, left out (`missing = drop`) or kept, for `fill(x)` and `missing(x)`.
    """

    name: ClassVar[str] = "arrays"
    suffixes: ClassVar[tuple[str, ...]] = (".npz", ".npy")
    names_fields: ClassVar[bool] = True
    missing: Literal["refuse", "keep", "drop"] = "refuse"

    @classmethod
    def reads(cls, path: Path) -> bool:
        return path.suffix in (".npz", ".npy") and not path.is_dir()

    def columns(self, base: Path) -> dict[str, Column] | None:
        from mai.compiler.data.files.array_headers import shapes_of

        files = self._files(base)
        shapes = shapes_of(files) if files else None
        if shapes is None or (len(files) == 1 and files[0].suffix == ".npy"):
            return None
        return {name: Column(shape, True if whole else None) for name, (shape, whole) in shapes.items()}

    def check_cells(self, base: Path, fields: Mapping[str, Type]) -> None:
        """What reading says of small files, where a number is not finite."""
        from mai.compiler.data.files.array_headers import has_unfinite

        files = self._files(base)
        real = {name: type_ for name, type_ in fields.items() if type_.dtype is DType.REAL}
        if sum(file.stat().st_size for file in files) <= SMALL and has_unfinite(files, real):
            from mai.compiler.data.batches import typed_rows

            read = self.rows(Wanted(files, files, fields))
            typed_rows({name: read.arrays[name] for name in real if name in read.arrays}, real, read.has_gaps)

    def _files(self, base: Path) -> list[Path]:
        """The files; none where one is not there."""
        try:
            return find_files(base, listed(self.path), self.reads)
        except MaiError:
            return []

    def rows(self, wanted: Wanted) -> Finite:
        import numpy as np

        from mai.compiler.data.files.array_files import read_arrays
        from mai.compiler.data.files.array_gaps import refuse_infinite

        key = wanted.split.key if wanted.split is not None else None
        arrays = read_arrays(wanted.files, wanted.fields, key)
        if key is not None and (key not in arrays or len(arrays[key].shape) != 1):
            raise bad(
                f"the split looks at `{key}`, which needs to be an array of one number an example; here is {_said(arrays)}"
            )
        asked = {n: array for n, array in arrays.items() if wanted.fields is None or n in wanted.fields or n == key}
        if self.missing == "drop":
            return _without_gaps(arrays, asked, key)
        if self.missing == "keep":
            refuse_infinite(asked)
        count = next(iter(arrays.values())).shape[0]
        split, places = None if key is None else arrays[key], Places(np.arange(count))
        return Finite(arrays, key=split, has_gaps=self.missing == "keep", places=places)


def _without_gaps(arrays: Mapping[str, Array], asked: Mapping[str, Array], key: str | None) -> Finite:
    """The rows that have all values that are `asked` for. Raises `MaiError` where there is none."""
    from mai.compiler.data.files.array_gaps import rows_without_gaps
    from mai.compiler.data.rows import choose_of

    count = next(iter(arrays.values())).shape[0]
    rows = rows_without_gaps(asked, count)
    if not len(rows):
        raise bad("every row lacks a value", help="`missing = keep` keeps them, for `fill(x)`")
    kept = arrays if len(rows) == count else {name: choose_of(array, rows) for name, array in arrays.items()}
    left_out = count - len(rows)
    notes = (f"{left_out:,} of {count:,} rows lack a value, and are left out",) if left_out else ()
    return Finite(dict(kept), key=None if key is None else kept[key], notes=notes, places=Places(rows))


def _said(arrays: Mapping[str, object]) -> str:
    return ", ".join(arrays)
