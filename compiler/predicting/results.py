"""Results as columns of a table, and the files that they are written to."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from csv import writer
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import decoded
from mai.compiler.data.tables.dialect import Dialect
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.predicting.sheets import write_sheet
from mai.runtime.arrays import with_words
from mai.runtime.inputs.labels import label_names, result_names

if TYPE_CHECKING:
    from mai.runtime.arrays import Array
    from mai.runtime.model.manifest import DateForm, Port
    from mai.runtime.model.model import Model

MOST_COLUMNS = 4096
MOST_DAYS, MINUTES = 700_000, 24 * 60  # From 1970, in years 54 to 3886; of a day.
WITHOUT_TYPES = (".csv", ".tsv")  # Files in which a number is a text.
COMMAS = Dialect()
Write = Callable[[pa.Table], None]


def as_columns(
    model: Model, answer: object, taken: list[str], names: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> dict[str, pa.Array]:
    """What a call returned as columns: labels by their names, dates as such, a vector as `y0`, `y1`, ... or `y.NAME`, a text as it is.

    Args:
        names: those of the numbers of an output, where it has none of labels.
        taken: names that columns have already; a result of one of them is called `NAME_predicted`.
    """
    columns: dict[str, pa.Array] = {}
    for name, values in model.by_output(answer).items():
        columns |= _of_result(model, name, values, names.get(name, ()))
    return {f"{name}_predicted" if name in taken else name: column for name, column in columns.items()}


def _of_result(model: Model, name: str, values: object, own: Sequence[str]) -> dict[str, pa.Array]:
    if isinstance(values, (str, list)):
        return {name: _of_any_size([values] if isinstance(values, str) else values)}
    array, port, manifest = np.asarray(values), model.outputs[name], model.manifest
    names = label_names(manifest, port) if port.dtype == "int64" else result_names(manifest, port)
    if port.dates is not None:
        array = as_dates(array, port.dates, name)
    if array.ndim <= 1:
        return {name: _words(array, names) if names and port.dtype == "int64" else _column(array, port)}
    flat = array.reshape(len(array), -1)
    if flat.shape[1] > MOST_COLUMNS:
        raise bad(
            f"`{name}` has {flat.shape[1]:,} numbers a row, more than a table has columns",
            help="mai run FILE --out x.npz",
        )
    named = next((each for each in (names, own) if len(each) == flat.shape[1]), None)
    titles = [f"{name}.{each}" for each in named] if named else [f"{name}{i}" for i in range(flat.shape[1])]
    return {title: _column(np.ascontiguousarray(flat[:, i]), port) for i, title in enumerate(titles)}


def _column(numbers: Array, port: Port) -> pa.Array:
    column = pa.array(numbers)
    return column.cast(pa.timestamp("s", "UTC")) if port.dates == "utc" else column


def as_dates(days: Array, form: DateForm, name: str) -> Array:
    """Days since 1970-01-01 as numpy's dates, to the nearest day or minute; NaN as NaT. Raises `MaiError` for days of no calendar."""
    if (np.abs(days) > MOST_DAYS).any():
        what = f"`{name}` is a date, and {np.abs(days).max():.3g} days from 1970 are in no calendar"
        raise bad(what, help="`mai run FILE --out x.npz` writes the numbers")
    unit, count = ("D", 1) if form == "day" else ("m", MINUTES)
    whole = np.round(np.nan_to_num(days.astype(np.float64)) * count).astype(np.int64)
    dates = np.where(np.isnan(days), np.datetime64("NaT"), whole.astype(f"datetime64[{unit}]"))
    return dates.astype(f"datetime64[{unit if form == 'day' else 's'}]")


def _words(labels: Array, names: list[str]) -> pa.Array:
    return pa.array([names[k] if 0 <= k < len(names) else str(k) for k in labels.tolist()])


def _of_any_size(values: Sequence[object]) -> pa.Array:
    """Texts, or arrays each of its own shape as lists of numbers."""
    if all(isinstance(value, str) for value in values):
        return pa.array(values, pa.string())
    arrays = [np.asarray(value) for value in values]
    kind = pa.from_numpy_dtype(arrays[0].dtype)
    for _ in arrays[0].shape:
        kind = pa.list_(kind)
    return pa.array([array.tolist() for array in arrays], kind)


# ------------------------------------------------------------------ files


@contextmanager
def table_file(path: Path, like: Dialect = COMMAS) -> Iterator[Write]:
    """A file that tables are written to, one after the other; it is there once all are.

    Args:
        like: how a csv file is written; a tsv file has tabs all the same.

    Raises:
        MaiError: no table has this ending, or it cannot be written.
    """
    packed, ending = path.suffix.lower() == ".gz", _ending(path)
    text = replace(like, separator="\t") if ending == ".tsv" else like
    form = partial(_csv, like=text) if ending in WITHOUT_TYPES else FORMS.get(ending)
    if form is None or (packed and ending not in (*WITHOUT_TYPES, ".jsonl")):
        raise bad(
            f"mai cannot write a table {path.name}", help=f"use {', '.join([*WITHOUT_TYPES, *FORMS])}, or .csv.gz"
        )
    part = path.with_name(f".{path.name}.part")
    try:
        with pa.output_stream(str(part), compression="gzip" if packed else None) as stream, form(stream) as write:
            yield write
        part.replace(path)
    except UnicodeEncodeError as error:
        letters = error.object[error.start : error.end]
        what = f"`{letters}` cannot be written to {path}, which has the letters of the table that was read, {error.encoding}"
        raise bad(what, help="write a .jsonl or .parquet file, or save the table as UTF-8") from error
    except OSError as error:
        raise bad(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def has_types(path: Path) -> bool:
    """Whether a file of this name tells numbers from texts."""
    return _ending(path) not in WITHOUT_TYPES


def _ending(path: Path) -> str:
    """What a name ends with, that of packing aside."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


@contextmanager
def _opened(open_: Callable[[pa.Schema], Any]) -> Iterator[Write]:
    """One of pyarrow's writers, opened when the first table says which columns there are."""
    opened: list[Any] = []

    def write(table: pa.Table) -> None:
        if not opened:
            opened.append(open_(table.schema))
        opened[0].write_table(table)

    try:
        yield write
    finally:
        for each in opened:
            each.close()


@contextmanager
def _csv(stream: IO[bytes], like: Dialect) -> Iterator[Write]:
    """Rows in a text: with its separator, its decimal sign in the numbers that are new, its letters, and quotes where they are needed."""
    encoder, is_first = codecs.getincrementalencoder(like.encoding)(), True
    special = f'["\\r\\n{re.escape(like.separator)}]'

    def write(table: pa.Table) -> None:
        nonlocal is_first
        columns = zip(table.column_names, table.columns, strict=True)
        cells = [_quoted(_cells(name, each, like.decimal), special) for name, each in columns]
        rows = pc.binary_join_element_wise(*cells, like.separator, null_handling="replace", null_replacement="")
        nothing = '""' if len(cells) == 1 else ""  # An empty line would be no row.
        head = io.StringIO()
        if is_first:
            writer(head, delimiter=like.separator, lineterminator="\n").writerow(table.column_names)
        is_first = False
        stream.write(encoder.encode(head.getvalue() + "".join(f"{row or nothing}\n" for row in rows.to_pylist())))

    yield write


def _quoted(texts: pa.Array, special: str) -> pa.Array:
    """Texts as cells: in quotes where they hold one of the `special` letters."""
    needs = pc.match_substring_regex(texts, special).fill_null(False)
    if not pc.any(needs).as_py():
        return texts
    doubled = pc.replace_substring(pc.filter(texts, needs), '"', '""')
    return pc.replace_with_mask(texts, needs, pc.binary_join_element_wise('"', doubled, '"', ""))


def _cells(name: str, column: pa.ChunkedArray, decimal: Decimal) -> pa.Array:
    """A column as texts: lists and objects as JSON, numbers with their sign. Raises `MaiError` for bytes."""
    values = decoded(column.combine_chunks())
    if pa.types.is_nested(values.type):
        texts = (
            None if value is None else json.dumps(with_words(value), default=str, ensure_ascii=False)
            for value in values.to_pylist()
        )
        return pa.array(texts, pa.string())
    try:
        text = values.cast(pa.string())
    except pa.ArrowException as error:
        what = f"the column `{name}` cannot be written as text: its values are of the kind {values.type}"
        raise bad(what, help="write a .parquet file, or leave it out: `--keep` names the columns that stay") from error
    return pc.replace_substring(text, ".", ",") if pa.types.is_floating(values.type) and decimal == "," else text


@contextmanager
def _parquet(stream: IO[bytes]) -> Iterator[Write]:
    from pyarrow import parquet

    with _opened(lambda schema: parquet.ParquetWriter(stream, schema)) as write:
        yield write


@contextmanager
def _feather(stream: IO[bytes]) -> Iterator[Write]:
    with _opened(lambda schema: pa.ipc.new_file(stream, schema)) as write:
        yield write


@contextmanager
def _jsonl(stream: IO[bytes]) -> Iterator[Write]:
    def write(table: pa.Table) -> None:
        rows = zip(*map(_as_json, table.columns), strict=True)
        names = table.column_names
        lines = (json.dumps(dict(zip(names, row, strict=True)), default=str, allow_nan=False) for row in rows)
        stream.write("".join(f"{line}\n" for line in lines).encode())

    yield write


def _as_json(column: pa.ChunkedArray) -> list[object]:
    """The values of a column for JSON, which has null for NaN and words for what is infinite."""
    values: list[object] = column.to_pylist()
    is_plain = not pa.types.is_floating(column.type) or pc.all(pc.is_finite(column)).as_py() is not False
    return values if is_plain and not pa.types.is_nested(column.type) else [with_words(v, nan=None) for v in values]


FORMS = {".parquet": _parquet, ".feather": _feather, ".jsonl": _jsonl, ".xlsx": write_sheet}
