"""Data that Python holds, as files that training reads: tables become `.parquet`, arrays `.npz`.

They are written once, under a name made of what is in them, so that a run can be gone on with, evaluated and compared from anywhere.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.compiler.data.fields import bad
from mai.runtime.arrays import write_npz
from mai.runtime.inputs.arguments import of_torch
from mai.runtime.inputs.cells import is_missing
from mai.runtime.model.checksum import sha256_of

if TYPE_CHECKING:
    import pyarrow as pa

    from mai.runtime.arrays import Array

NUMBERS = "biuf"  # The kinds of numpy that training takes.


def write_data(value: object, fields: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """The files of some data, which are written to `folder` where they are no files yet.

    Args:
        value: a path or several; a table of pandas, polars, pyarrow or whatever else exports Arrow; a dictionary of columns; an
            array, a torch tensor or a list for the one field, [examples, ...]; or a tuple of them for `fields`, in their order.

    Raises:
        MaiError: `data-bad`: it is none of these, columns differ in length, or there are not as many as fields.
    """
    paths = _paths(value)
    if paths is not None:
        return paths
    table = _table(value)
    if table is None:
        columns = _columns(value, fields)
        if all(column.dtype.kind in NUMBERS for column in columns.values()):
            return (_save_arrays(columns, folder),)
        table = _table_of(_of_table(columns))
    return (_save_table(table, folder),)


def _paths(value: object) -> tuple[Path, ...] | None:
    if isinstance(value, (str, Path)):
        return (Path(value).absolute(),)
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, (str, Path)) for each in value):
        return tuple(Path(each).absolute() for each in value)
    return None


def _table(value: Any) -> pa.Table | None:
    """A table by Arrow's own protocol, or one of an older pandas; None for anything else."""
    import pyarrow as pa

    if isinstance(value, pa.Table):
        return value
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        value = _with_texts(value)
    try:
        if hasattr(value, "__arrow_c_stream__") and not _is_column(value):
            table = pa.table(value)
        elif hasattr(value, "columns") and hasattr(value, "iloc"):
            table = pa.Table.from_pandas(value, preserve_index=False)
        else:
            return None
    except (ValueError, TypeError, pa.ArrowException) as error:  # Two columns of one name, a column of several kinds.
        help = "each column holds values of one kind: numbers, texts, truths or times; what is missing is None"
        raise bad(f"this is no table: {'; '.join(map(str, error.args))}", help=help) from error
    return table.select([name for name in table.column_names if not name.startswith("__index_level_")])


def _with_texts(frame: Any) -> Any:
    """A frame of pandas in which columns of numbers and texts hold texts, as a file has them: `-` beside 1.5."""
    mixed = [place for place in range(frame.shape[1]) if _mixes(frame.iloc[:, place])]
    if not mixed:
        return frame
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    for place in mixed:
        columns[place] = columns[place].map(lambda cell: None if is_missing(cell) else str(cell))
    return type(frame)(dict(enumerate(columns)), index=frame.index).set_axis(frame.columns, axis=1)


def _mixes(column: Any) -> bool:
    """Whether a column of pandas holds texts, and beside them numbers, truths or times alone."""
    if column.dtype != object:
        return False
    kinds = {type(cell) for cell in column if not is_missing(cell)}
    others = [kind for kind in kinds if not issubclass(kind, str)]
    return 0 < len(others) < len(kinds) and all(issubclass(kind, (int, float, np.generic, date)) for kind in others)


def _is_column(value: object) -> bool:
    """Whether a value is one column, which exports Arrow as tables do: a Series of pandas or polars, an array of pyarrow."""
    import pyarrow as pa

    return isinstance(value, (pa.ChunkedArray, pa.Array)) or hasattr(type(value), "dtype")


def _columns(value: object, fields: Sequence[str]) -> dict[str, Array]:
    """Arrays by field. Raises `MaiError` as `write_data`."""
    if isinstance(value, Mapping):
        columns = {str(name): _array(str(name), each) for name, each in value.items()}
    elif isinstance(value, tuple) and len(value) == len(fields):
        columns = {name: _array(name, each) for name, each in zip(fields, value, strict=True)}
    elif len(fields) == 1:
        columns = {fields[0]: _array(fields[0], value)}
    else:
        names = ", ".join(fields)
        help = f"a dictionary, {{{', '.join(f'{name!r}: ...' for name in fields)}}}, a tuple in that order, or a table"
        raise bad(f"this spec has the fields {names}, and one value is given: {type(value).__name__}", help=help)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise bad(f"fields have one value an example; here are {_said(lengths)}")
    if not columns or not next(iter(lengths.values())):
        raise bad("there are no examples")
    return columns


def _said(lengths: Mapping[str, int]) -> str:
    return " and ".join(f"{count:,} of `{name}`" for name, count in lengths.items())


def _array(name: str, value: Any) -> Array:
    """A column as an array, [examples, ...]; a torch tensor may be on any device."""
    try:
        value = of_torch(value) if hasattr(value, "detach") else value
        array = np.ma.asarray(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    except ValueError as error:
        raise bad(f"`{name}` has rows of different lengths", help="all examples have one shape") from error
    except (TypeError, RuntimeError) as error:
        raise bad(f"`{name}` has no numbers as an array: {error}", help="give it as an array of numpy") from error
    if np.ma.is_masked(array):
        help = "leave these examples out, or put numbers there: value.filled(0)"
        raise bad(f"`{name}` has values under a mask, which are no data", help=help)
    if array.dtype.kind == "c":
        raise bad(f"`{name}` has complex numbers", help="two fields have their parts: value.real and value.imag")
    if array.ndim == 0:
        raise bad(f"`{name}` needs an array with one row an example, this is {type(value).__name__}")
    return array


def _of_table(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Fields as columns of a table. Raises `MaiError` where two would have one name, or a field is no column."""
    named = [each for name, column in columns.items() for each in _in_columns(name, column)]
    count = Counter(name for name, _ in named)
    twice = next((name for name in count if count[name] > 1), None)
    if twice is not None:
        raise bad(f"two fields would have the column `{twice}`", help="call one of them something else")
    return dict(named)


def _in_columns(name: str, column: Array) -> list[tuple[str, Array]]:
    """A field as columns of a table: those of a matrix [examples, n] are called as a table's, `x0`, `x1`, ..."""
    if column.ndim > 2:
        raise bad(
            f"`{name}` is {list(column.shape)}, and beside words a field is one number or one row of them an example"
        )
    return [(name, column)] if column.ndim == 1 else [(f"{name}{i}", each) for i, each in enumerate(column.T)]


def _table_of(columns: Mapping[str, Array]) -> pa.Table:
    """Columns of which some are words. Raises `MaiError` where one of them is no column of a table."""
    import pyarrow as pa

    try:
        return pa.table({name: pa.array(column.tolist()) for name, column in columns.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise bad(f"these columns are no table: {error}") from error


def _save_arrays(columns: Mapping[str, Array], folder: Path) -> Path:
    path = _scratch(folder, ".npz")
    write_npz(path, columns)
    return _named(path)


def _save_table(table: pa.Table, folder: Path) -> Path:
    """Raises `MaiError` where a column is of a kind that no file has."""
    import pyarrow as pa
    from pyarrow import parquet

    table, path = _with_plain_words(table), _scratch(folder, ".parquet")
    try:
        parquet.write_table(table, path)
    except pa.ArrowException as error:
        for name in table.column_names:
            _check_kept(name, table.select([name]))
        raise bad(f"this table cannot be kept in a file: {error}") from error
    return _named(path)


def _check_kept(name: str, column: pa.Table) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        parquet.write_table(column, pa.BufferOutputStream())
    except pa.ArrowException as error:
        help = "leave it out, or give it as numbers or texts"
        raise bad(f"`{name}` cannot be kept in a file of a table: {error}", help=help) from error


def _with_plain_words(table: pa.Table) -> pa.Table:
    """A table in which words that are kept once, as polars has its `Categorical` and `Enum`, are texts, which files can hold."""
    import pyarrow as pa

    for place, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type) and pa.types.is_string_view(column.type.value_type):
            chunks = [each.dictionary.cast(pa.string()).take(each.indices) for each in column.chunks]
            table = table.set_column(place, table.column_names[place], pa.chunked_array(chunks, pa.string()))
    return table


def _scratch(folder: Path, suffix: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"data-partial{suffix}"


def _named(path: Path) -> Path:
    """The file under the name of its bytes."""
    return path.rename(path.with_stem(f"data-{sha256_of(path)[:12]}")).absolute()


def put(file: Path, folder: Path) -> Path:
    """A file that was written elsewhere, in a folder, too: without a copy where the file system allows it."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.absolute() / file.name
    if not place.exists():  # Else it has these bytes, as its name says.
        try:
            place.hardlink_to(file)
        except OSError:
            shutil.copy(file, place)
    return place
