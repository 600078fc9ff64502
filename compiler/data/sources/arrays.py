"""Arrays by name: numpy's archives, and its plain files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import find_files, listed
from mai.compiler.data.row_source import RowSource, Wanted
from mai.compiler.data.source_kinds import Finite
from mai.spec.diagnostics import MaiError


class Arrays(RowSource):
    """Arrays by field name, of .npz archives, or of .npy files that are called as the fields; those are read a row at a time."""

    name: ClassVar[str] = "arrays"
    suffixes: ClassVar[tuple[str, ...]] = (".npz", ".npy")
    names_fields: ClassVar[bool] = True

    @classmethod
    def reads(cls, path: Path) -> bool:
        return path.suffix in (".npz", ".npy") and not path.is_dir()

    def columns(self, base: Path) -> dict[str, Column] | None:
        from mai.compiler.data.files.array_headers import shapes_of

        try:
            files = find_files(base, listed(self.path), self.reads)
        except MaiError:
            return None
        shapes = shapes_of(files)
        if shapes is None or (len(files) == 1 and files[0].suffix == ".npy"):
            return None
        return {name: Column(shape, True if whole else None) for name, (shape, whole) in shapes.items()}

    def rows(self, wanted: Wanted) -> Finite:
        from mai.compiler.data.files.array_files import read_arrays

        key = wanted.split.key if wanted.split is not None else None
        arrays = read_arrays(wanted.files, wanted.fields, key)
        if key is not None and (key not in arrays or len(arrays[key].shape) != 1):
            raise bad(
                f"the split looks at `{key}`, which needs to be an array of one number an example; here is {_said(arrays)}"
            )
        return Finite(arrays, key=None if key is None else arrays[key])


def _said(arrays: Mapping[str, object]) -> str:
    return ", ".join(arrays)
