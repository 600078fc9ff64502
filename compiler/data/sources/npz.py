"""Arrays of a numpy archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source, is_file

if TYPE_CHECKING:
    from mai.compiler.data.source_kinds import Arrays

HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}


class Npz(Source):
    """Arrays by field name in a numpy .npz file."""

    name: ClassVar[str] = "npz"
    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    reads_files: ClassVar[bool] = True
    names_fields: ClassVar[bool] = True
    path: str

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return cls(path=str(path)) if path.suffix in cls.suffixes and not path.is_dir() else None

    def columns(self, base: Path) -> dict[str, Column] | None:
        return _headers(base / self.path) if is_file(base / self.path) else None

    def read(self, request: Request) -> Reading:
        import numpy as np

        from mai.runtime.files import UNREADABLE, read_arrays

        path = request.file(self.path)
        try:
            arrays = read_arrays(path)
            if "" in arrays:
                raise ValueError("it holds one array, without a name")
        except UNREADABLE as error:
            raise bad(f"{path} is not a numpy .npz file of plain arrays: {error}") from error
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
                raise bad(f"{path}: `{name}` is not an array of numbers")
        _check_lengths(path, arrays)
        return Finite(arrays)


def _headers(path: Path) -> dict[str, Column] | None:
    """The shapes that the headers of an archive's arrays state; None where they cannot be read."""
    import zipfile

    import numpy as np

    from mai.runtime.files import UNREADABLE

    columns = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    read = HEADERS[np.lib.format.read_magic(file)]
                    shape, _, dtype = getattr(np.lib.format, read)(file)
                columns[member.removesuffix(".npy")] = Column(shape[1:], True if dtype.kind in "iub" else None)
    except UNREADABLE:
        return None
    return columns


def _check_lengths(path: Path, arrays: Arrays) -> None:
    lengths = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if not lengths or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise bad(f"the arrays of {path} need one common number of examples, these have {lengths}")
