"""Tables with images: bytes in a column, or names of files that lie beside the table; the other columns are what is known of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mai.compiler.data.fields import bad, check_there
from mai.compiler.data.files.pictures import Cell, Origin
from mai.compiler.data.sources.images import SUFFIXES
from mai.compiler.data.tables.cells import is_text
from mai.compiler.data.tables.features import BYTES, PATH, is_image
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.ir.types import DType, Type
from mai.runtime.inputs.cells import few_of


def image_column(table: TableFile, stated: str | None = None) -> str:
    """The column that holds images or names their files: the one that is `stated`, or else the one that there is. Raises `MaiError`."""
    if stated is not None:
        check_there(stated, table.columns, "`image` names")
        return stated
    found = image_columns(table)
    if not found:
        raise bad(
            f"{table.path} has no column of images: it has {few_of(table.columns)}",
            help="names of files are `1.png`, `dogs/2.jpg`",
        )
    if len(found) > 1:
        raise bad(
            f"{table.path} has several columns of images: {few_of(found)}", help=f"say which: `image = {found[0]}`"
        )
    return found[0]


def image_columns(table: TableFile) -> list[str]:
    """The columns whose values are images, or whose first value is the name of an image's file."""
    block = next(read_blocks(table, [*table.columns.values()]), {})
    return [name for name, own in table.columns.items() if own in block and _holds_images(block[own])]


def _holds_images(column: pa.Array) -> bool:
    if not is_text(column.type):
        return is_image(column.type)
    first = next((text for text in column.to_pylist() if text), "")
    return first.strip().lower().endswith(SUFFIXES)


def origins_of(table: TableFile, column: str) -> Iterator[Origin]:
    """The images of a table, row by row. Raises `MaiError` for a row without one, and for a file that is not there."""
    row = 0
    for block in read_blocks(table, [table.columns[column]]):
        for value in block[table.columns[column]]:
            row += 1
            origin = _origin(table.path, row, value)
            if origin is None:
                raise bad(f"{table.path}, row {row}: `{column}` has no image", help="take the row out")
            yield origin


def _origin(table: Path, row: int, value: Any) -> Origin | None:
    """The image that a value is: bytes, or a file; None where there is none."""
    if pa.types.is_struct(value.type) and value.is_valid:
        return _origin(table, row, value[BYTES]) or _origin(table, row, value[PATH])
    if not value.is_valid:
        return None
    if not is_text(value.type):
        return Cell(table, row, value.as_buffer())
    name = value.as_py().strip()
    if not name:
        return None
    place = table.parent / name
    if not place.is_file():
        raise bad(
            f"{table}, row {row}: there is no file {place}",
            "data-missing",
            help="names start at the folder of the table",
        )
    return place


def columns_of_fields(table: TableFile, image: str, fields: Mapping[str, Type]) -> tuple[str, dict[str, str]]:
    """Which field is the image, and the columns of the others: a column is called as its field, or is the only one beside the image.

    Raises:
        MaiError: a field could be one of several columns.
    """
    beside = [name for name in table.columns if name != image]
    columns = {name: name for name in fields if name in beside}
    left = [name for name in fields if name not in columns]
    pictures = [name for name in left if fields[name].dtype is DType.REAL and fields[name].rank > 1]
    if len(pictures) != 1:
        raise bad(f"one field is an image, `x: [3, 64, 64]`: here are {few_of(pictures) or 'none'}")
    others = [name for name in left if name not in pictures]
    if others and (len(others) > 1 or len(beside) != 1):
        raise bad(f"{table.path} has no `{others[0]}`; beside images it has {few_of(beside) or 'nothing'}")
    return pictures[0], columns | dict(zip(others, beside, strict=False))


def all_origins(tables: Sequence[TableFile], column: str) -> list[Origin]:
    """The images of several tables, one table after the other."""
    return [origin for table in tables for origin in origins_of(table, column)]
