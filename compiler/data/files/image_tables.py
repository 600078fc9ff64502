"""Tables with images: bytes in a column, or names of files that lie beside the table; the other columns describe each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from mai.compiler.data.fields import bad, check_there
from mai.compiler.data.files.arrow_types import BYTES, PATH, decoded, is_image, is_text
from mai.compiler.data.files.pictures import Cell, Origin
from mai.compiler.data.sources.images import SUFFIXES
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.ir.types import DType, Type
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics import MaiError

LOOKED_AT = 8  # Values of a column of bytes, of which one at least is a picture where it holds some.


def image_column(table: TableFile, stated: str | None = None) -> str:
    """The column that holds images or names their files: the one that is `stated`, or else the one that there is. Raises `MaiError`."""
    if stated is not None:
        check_there(stated, table.columns, "`image` names")
        return stated
    names = image_columns(table)
    if not names:
        raise bad(
            f"{table.path} has no column of images: it has {few_of(table.columns)}",
            help="names of files are `1.png`, `dogs/2.jpg`",
        )
    if len(names) > 1:
        raise bad(
            f"{table.path} has several columns of images: {few_of(names)}", help=f"say which: `image = {names[0]}`"
        )
    return names[0]


def image_columns(table: TableFile) -> list[str]:
    """The columns whose values are images, or whose first value is the name of an image's file."""
    block = next(read_blocks(table, [*table.columns.values()]), {})
    return [name for name, own in table.columns.items() if own in block and _holds_images(decoded(block[own]))]


def columns_beside(table: TableFile) -> list[str]:
    """The columns that hold no images themselves: names of their files are among them."""
    block = next(read_blocks(table, [*table.columns.values()]), {})
    return [name for name, own in table.columns.items() if own not in block or not is_image(block[own].type)]


def _holds_images(column: pa.Array) -> bool:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        first = column.drop_null().slice(0, LOOKED_AT)
        return not len(first) or any(map(_is_picture, first.to_pylist()))
    if not is_text(column.type):
        return is_image(column.type)
    return (_first_text(column) or "").lower().endswith(SUFFIXES)


def _is_picture(file: bytes) -> bool:
    """Whether bytes begin as a picture of some kind does."""
    from PIL import Image

    try:
        Image.open(BytesIO(file)).close()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def _first_text(texts: pa.Array) -> str | None:
    """The first text that is not empty, without the spaces around it."""
    first = next((text for each in texts if (text := each.as_py())), None)
    return None if first is None else first.strip()


def origins_of(table: TableFile, column: str, folder: str = "") -> Iterator[Origin]:
    """The images of a table, row by row; names of files start at the folder of the table, or at a `folder` in it.

    Raises:
        MaiError: the column has other values, a row has no image, or a file is not there.
    """
    for origin in origins_or_why_not(table, column, folder):
        if isinstance(origin, MaiError):
            raise origin
        yield origin


def origins_or_why_not(table: TableFile, column: str, folder: str = "") -> Iterator[Origin | MaiError]:
    """The images of a table, row by row, or why a row has none. Raises `MaiError` where the column has other values."""
    row = table.first
    for block in read_blocks(table, [table.columns[column]]):
        values = decoded(block[table.columns[column]])
        if not (is_text(values.type) or is_image(values.type) or pa.types.is_null(values.type)):
            raise bad(f"{table.path}: `{column}` has neither images nor names of files, but {values.type}")
        for value in values:
            row += 1
            try:
                origin = _origin(table.path, row, value, table.path.parent / folder)
            except MaiError as error:
                yield error
                continue
            what = f"{table.path}, row {row}: `{column}` has no image"
            yield bad(what, help="take the row out") if origin is None else origin


def _origin(table: Path, row: int, value: Any, folder: Path) -> Origin | None:
    """The image that a value is: bytes, or a file; None where there is none."""
    if pa.types.is_struct(value.type) and value.is_valid:
        return _origin(table, row, value[BYTES], folder) or _origin(table, row, value[PATH], folder)
    if not value.is_valid:
        return None
    if not is_text(value.type):
        return Cell(table, row, value.as_buffer())
    name = value.as_py().strip()
    if not name:
        return None
    place: Path = folder / name
    if not place.is_file():
        help = 'names start at the folder of the table, or at another: `folder = "pictures"`'
        raise bad(f"{table}, row {row}: there is no file {place}", "data-missing", help=help)
    return place


def _folder_with(place: Path, name: str) -> Path | None:
    """The only folder in another one that has a file of this name."""
    having = [each for each in sorted(place.iterdir()) if each.is_dir() and (each / name).is_file()]
    return having[0] if len(having) == 1 else None


def columns_of_fields(table: TableFile, image: str, fields: Mapping[str, Type]) -> tuple[str, dict[str, str]]:
    """Which field is the image, and the columns of the others: a column is called as its field, or is the only one beside the image.

    Raises:
        MaiError: a field could be one of several columns, or has none left.
    """
    beside = [name for name in table.columns if name != image]
    columns = {name: name for name in fields if name in beside}
    left = [name for name in fields if name not in columns]
    pictures = [name for name in left if fields[name].dtype is DType.REAL and fields[name].rank > 1]
    if not pictures:  # A column of words or numbers that is called as the image is not meant.
        pictures = [name for name in columns if fields[name].dtype is DType.REAL and fields[name].rank == 3]
        columns = {name: column for name, column in columns.items() if name not in pictures}
    if len(pictures) != 1:
        raise bad(f"one field is an image, `x: [3, 64, 64]`: here are {few_of(pictures) or 'none'}")
    others = [name for name in left if name not in pictures]
    if others and (len(others) > 1 or len(beside) != 1 or columns):
        raise bad(f"{table.path} has no `{others[0]}`; beside images it has {few_of(beside) or 'nothing'}")
    return pictures[0], columns | dict(zip(others, beside, strict=False))


def all_origins(tables: Sequence[TableFile], column: str, folder: str = "") -> list[Origin]:
    """The images of several tables, one table after the other. Raises `MaiError` as `origins_of`."""
    return [origin for table in tables for origin in origins_of(table, column, folder)]


def folder_of_names(table: TableFile, column: str) -> str:
    """The folder in that of a table where names of files start; nothing where they start at the table, or the column holds images."""
    name, place = _first_name(table, column), table.path.parent
    there = None if name is None or (place / name).is_file() else _folder_with(place, name)
    return there.name if there is not None else ""


def _first_name(table: TableFile, column: str) -> str | None:
    """The first name of a file in a column; None where it holds images."""
    block = next(read_blocks(table, [table.columns[column]]), None)
    if block is None:
        return None
    values = decoded(block[table.columns[column]])
    return _first_text(values) if is_text(values.type) else None
