"""Table files as blocks of Arrow columns: each is read once, from its start, and no more than a block of it is in memory."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai.compiler.data.fields import bad
from mai.compiler.data.files import sheets
from mai.compiler.data.files.read_ahead import ReadAhead
from mai.compiler.data.tables.dialect import (
    UTF8,
    Dialect,
    Stated,
    dialect_of,
    in_full,
    notes_of,
    notes_of_letters,
    with_decimal,
)
from mai.compiler.data.tables.glance import not_json
from mai.compiler.data.tables.header import doubt_of_names, name_columns, note_of_nameless
from mai.compiler.data.tables.kinds import Kind, kind_of, packer_of
from mai.spec.record import record

if TYPE_CHECKING:
    import pyarrow as pa

    Block = Mapping[str, pa.Array]

ROWS = 1 << 16
BYTES = 1 << 22
SHOWN = 60
OTHER_LETTERS = 'say what it is in, as in `encoding = "latin-1"`, or save it as UTF-8'
AGAIN = "is it whole? Copy it again, or write it anew"

END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"  # Of Arrow: no message follows.
MIXED = " changed from "  # What pyarrow says of a column of JSON with values of several kinds.
CUT = "it has no mark of its end, so that it may have been cut between two blocks of rows"


@record
class TableFile:
    """A table on the disk: its kind, its `columns` by what a spec calls them, what is said of the `nameless` ones, and how it is written where it is a text.

    Or `block`, a part of it that has been read, by what the file calls its columns, before which are `first` rows.
    """

    path: Path
    kind: Kind
    columns: Mapping[str, str]
    dialect: Dialect = Dialect()
    notes: tuple[str, ...] = ()
    block: Block | None = None
    first: int = 0
    nameless: str | None = None


def open_table(path: Path, stated: Stated) -> TableFile:
    """A file of any kind, its columns known. Raises `MaiError`."""
    kind = kind_of(path)
    if kind == "sheet":
        return sheets.open_sheet(path, stated)
    if kind not in ("csv", "jsonl"):
        names = _schema(path, kind).names
        notes = (note_of_nameless(names), CUT if kind == "stream" and not _ends(path) else None)
        said = tuple(note for note in notes if note is not None)
        return TableFile(path, kind, name_columns(path, names), with_decimal(stated), said)
    dialect, _ = dialect_of(path, stated)
    with reported(path):
        if kind == "csv":
            dialect = in_full(path, dialect, pieces(path), stated.encoding is None)
        table = TableFile(path, kind, {}, dialect)
        names = _csv_names(table) if kind == "csv" else _json_names(table)
        table = replace(table, columns=name_columns(path, names), nameless=note_of_nameless(names))
        if kind == "csv":
            return _with_sign(table, stated)
        return replace(table, notes=tuple(notes_of_letters(dialect, stated)))


def open_tables(paths: Sequence[Path], stated: Stated) -> list[TableFile]:
    """Files that are one table: one whose own cells do not tell its decimal sign has that of the others. Raises `MaiError`."""
    from mai.compiler.data.tables.signs import common_sign

    tables = [open_table(path, stated) for path in paths]
    sign = common_sign([table for table in tables if table.dialect.is_told])
    if sign is None or stated.decimal is not None:
        return tables
    likely = replace(stated, likely=sign)
    return [
        table
        if table.dialect.is_told or table.kind != "csv"
        else noted(table, replace(table.dialect, decimal=sign, doubtful=None), likely)
        for table in tables
    ]


def _with_sign(table: TableFile, stated: Stated) -> TableFile:
    """A csv file with the decimal sign that its cells tell, and what is to be said of how it is written."""
    from mai.compiler.data.tables.signs import with_sign

    dialect = table.dialect
    if stated.decimal is None:
        dialect = with_sign(dialect, read_blocks(table, list(table.columns.values())), stated.likely)
    return noted(table, dialect, stated)


def noted(table: TableFile, dialect: Dialect, stated: Stated) -> TableFile:
    """A table that is written so, with what is to be said of that."""
    doubt = doubt_of_names([*table.columns.values()])
    notes = (table.nameless, *notes_of(dialect, stated), doubt)
    return replace(table, dialect=dialect, notes=tuple(note for note in notes if note is not None))


def read_blocks(table: TableFile, columns: Sequence[str]) -> Iterator[Block]:
    """Some columns by name, a block of rows at a time. Raises `MaiError` where the file is damaged."""
    if table.block is not None:
        yield {name: table.block[name] for name in columns}
        return
    with reported(table.path):
        yield from READERS[table.kind](table, list(columns))


def notes_on(tables: Sequence[TableFile]) -> list[str]:
    """What was found in the files, those that are alike together."""
    first: dict[str, str] = {}
    for table in tables:
        if table.notes:
            first.setdefault("; ".join(table.notes), table.path.name)
    return [f"{name}: {said}" for said, name in first.items()]


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """What pyarrow says of a damaged file, as an error of the data."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise bad(f"{path} is no text in {error.encoding.upper()}", help=OTHER_LETTERS) from error
    except (pa.ArrowException, OSError, EOFError) as error:
        if "straddling" in str(error):
            raise bad(f"{path} has a row of more than {BYTES >> 20} MB", help="is it a table?") from error
        if "UTF8" in str(error):
            raise bad(f"{path} is no text in UTF-8", help=OTHER_LETTERS) from error
        raise bad(f"{path} cannot be read: {_said(error)}", help=AGAIN) from error


def _said(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")[:300] if str(error) else type(error).__name__


# ---------------------------------------------------------------- text


def _stream(table: TableFile, ahead: ReadAhead | None = None) -> Any:
    """A text file unpacked, in UTF-8; `ahead` is what reads it in a thread."""
    import pyarrow as pa

    stream = _unpacked(table.path)
    if table.dialect.encoding in UTF8:
        return stream
    decoder = codecs.getincrementaldecoder(table.dialect.encoding)()

    def in_utf8(piece: Any) -> bytes:
        return decoder.decode(piece, not len(piece)).encode()

    return pa.TransformInputStream(stream, in_utf8 if ahead is None else ahead.hold(in_utf8))


def _unpacked(path: Path) -> Any:
    import pyarrow as pa

    file, packer = pa.OSFile(str(path)), packer_of(path)
    return file if packer is None else pa.CompressedInputStream(file, packer)


def pieces(path: Path) -> Iterator[bytes]:
    """A file unpacked, some bytes at a time."""
    with _unpacked(path) as stream:
        while piece := stream.read(BYTES):
            yield piece


def _csv_names(table: TableFile) -> list[str]:
    """The first line of a csv file. Raises `MaiError` where there is none."""
    import pyarrow as pa

    try:
        with _csv(table, {}, lambda row: "skip") as reader:
            return reader.names
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise bad(f"{table.path} needs a line of column names and at least one row") from error
        raise


@contextmanager
def _csv(table: TableFile, types: Mapping[str, object], invalid: Callable[[Any], str]) -> Iterator[ReadAhead]:
    from pyarrow import csv

    with ReadAhead() as ahead:
        ahead.open_reader(
            lambda: csv.open_csv(
                _stream(table, ahead),
                csv.ReadOptions(use_threads=False, block_size=BYTES, **table.dialect.skipped),
                csv.ParseOptions(
                    delimiter=table.dialect.separator,
                    newlines_in_values=True,
                    invalid_row_handler=ahead.hold(invalid),
                ),
                csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=False),
            )
        )
        yield ahead


def _csv_blocks(table: TableFile, columns: list[str]) -> Iterator[Block]:
    """Every value as text: what is a number is for the field to say."""
    import pyarrow as pa

    def refuse(row: Any) -> str:
        raised.append(_ragged(table, row))
        return "error"

    raised: list[Exception] = []
    begin = 0
    try:
        with _csv(table, dict.fromkeys(columns, pa.string()), refuse) as reader:
            for batch in reader:
                _refuse_names(table, batch, columns, begin)
                yield {name: batch.column(place) for place, name in enumerate(columns)}
                begin += len(batch)
    except pa.ArrowInvalid as error:
        if raised:
            raise raised[0] from error
        raise


def _refuse_names(table: TableFile, batch: pa.RecordBatch, columns: list[str], begin: int) -> None:
    """Raise `MaiError` for a row that holds the names of its columns: as words they would be labels without a word said."""
    import pyarrow.compute as pc

    if len(columns) < 2:  # A word that happens to be the name of its column.
        return
    are_names = pc.equal(batch.column(0), columns[0])
    for place, name in enumerate(columns[1:], 1):
        if not pc.any(are_names).as_py():
            return
        are_names = pc.and_(are_names, pc.equal(batch.column(place), name))
    row = pc.index(are_names, True).as_py()
    if row >= 0:
        help = "take such rows out; tables that were put together may stay apart, `table([...])` takes several"
        raise bad(f"{table.path}: row {begin + row + 1:,} repeats the names of the columns", help=help)


def _ragged(table: TableFile, row: Any) -> Exception:
    values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
    text = row.text.replace("\n", " ")[:SHOWN]
    place = f"row {row.number - 1 - sum(table.dialect.skipped.values())}" if row.number is not None else "a row"
    help = "is a quote not closed?" if row.text.count('"') % 2 else None
    return bad(f"{table.path}: {place} has {values}, the header has {row.expected_columns}: {text}", help=help)


# ---------------------------------------------------------------- JSON, a line an example


def _json_lines(table: TableFile) -> Iterator[bytes]:
    """Whole lines, many at a time: a last one without an end is among those before it, so that its values are of the same kinds."""
    whole = left = b""
    with _stream(table) as stream:
        while piece := stream.read(BYTES):
            lines, end, left = (left + piece).rpartition(b"\n")
            if end and whole:
                yield whole
            whole = lines + end or whole
    if (whole + left).strip():
        yield whole + left


def _json_table(table: TableFile, lines: bytes, before: int) -> pa.Table:
    """Lines as a table; times stay texts, since Arrow takes the offset off those that have one."""
    import pyarrow as pa
    from pyarrow import json

    from mai.compiler.data.tables.mixed import read_mixed

    options = json.ReadOptions(use_threads=False, block_size=max(len(lines), 2) + 1)
    try:
        read = json.read_json(BytesIO(lines), options)
        times = [(field.name, pa.string()) for field in read.schema if pa.types.is_timestamp(field.type)]
        if not times:
            return read
        return json.read_json(BytesIO(lines), options, json.ParseOptions(explicit_schema=pa.schema(times)))
    except pa.ArrowInvalid as error:
        mixed = read_mixed(lines, table.path, before) if MIXED in str(error) else None
        if mixed is not None:
            return mixed
        message = re.sub(r"in row (\d+)", lambda m: f"in row {int(m[1]) + 1 + before}", _said(error))
        message = not_json(lines, before) or message
        raise bad(
            f"{table.path}: {message}", help="every line is one JSON object, `{...}`, with values of one kind"
        ) from error


def _json_names(table: TableFile) -> list[str]:
    for lines in _json_lines(table):
        if lines.lstrip()[:1] == b"[":
            help = "write an object a line: `df.to_json(..., orient='records', lines=True)`"
            raise bad(f"{table.path} is one list, and not an object a line", help=help)
        return [str(name) for name in _json_table(table, lines, 0).schema.names]
    raise bad(f"{table.path} needs at least one row")


def _json_blocks(table: TableFile, columns: list[str]) -> Iterator[Block]:
    import pyarrow as pa

    before = 0
    for lines in _json_lines(table):
        read = _json_table(table, lines, before)
        before += len(read)
        lacking = pa.nulls(len(read))
        present = {name: read.column(name).combine_chunks() for name in columns if name in read.schema.names}
        yield {name: present.get(name, lacking) for name in columns}


# ---------------------------------------------------------------- Arrow's own files


def _schema(path: Path, kind: Kind) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    with reported(path):
        if kind == "parquet":
            return parquet.read_schema(path)
        with pa.OSFile(str(path)) as file:
            return (pa.ipc.open_file if kind == "feather" else pa.ipc.open_stream)(file).schema


def _ends(path: Path) -> bool:
    """Whether an Arrow stream has the mark of its end."""
    with path.open("rb") as file:
        file.seek(-min(len(END_OF_STREAM), path.stat().st_size), os.SEEK_END)
        return file.read() == END_OF_STREAM


def shapes_of(path: Path) -> dict[str, tuple[int, ...]] | None:
    """The shape of a row's value in each column of one of Arrow's own files; None where only reading tells."""
    import pyarrow as pa

    schema = _schema(path, kind_of(path))
    if any(pa.types.is_list(field.type) or pa.types.is_large_list(field.type) for field in schema):
        return None
    return {f.name: (f.type.list_size,) if pa.types.is_fixed_size_list(f.type) else () for f in schema}


def _parquet_blocks(table: TableFile, columns: list[str]) -> Iterator[Block]:
    from pyarrow import parquet

    from mai.compiler.data.files.arrow_types import label_names, with_names

    with parquet.ParquetFile(table.path, memory_map=False, buffer_size=BYTES, pre_buffer=False) as file:
        names = label_names(file.schema_arrow)
        for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
            yield with_names(table.path, {name: batch.column(name) for name in columns}, names)


def _arrow_blocks(table: TableFile, columns: list[str]) -> Iterator[Block]:
    import pyarrow as pa

    from mai.compiler.data.files.arrow_types import label_names, with_names

    with pa.memory_map(str(table.path)) as file:
        reader = pa.ipc.open_stream(file) if table.kind == "stream" else pa.ipc.open_file(file)
        names = label_names(reader.schema)
        places = range(reader.num_record_batches) if table.kind == "feather" else None
        for batch in reader if places is None else map(reader.get_batch, places):
            for begin in range(0, len(batch), ROWS):
                part = batch.slice(begin, ROWS)
                yield with_names(table.path, {name: part.column(name) for name in columns}, names)


READERS: dict[Kind, Callable[[TableFile, list[str]], Iterator[Block]]] = {
    "csv": _csv_blocks,
    "jsonl": _json_blocks,
    "parquet": _parquet_blocks,
    "feather": _arrow_blocks,
    "stream": _arrow_blocks,
    "sheet": lambda table, columns: sheets.sheet_blocks(table, columns, ROWS),
}
