"""A compiled file on every row of a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from mai.compiler.data.facts import absent_in, order_in
from mai.compiler.data.fields import bad
from mai.compiler.data.tables.dialect import Dialect, Stated
from mai.compiler.data.tables.files import TableFile, open_table
from mai.compiler.data.texts.lengths import of_one_length
from mai.compiler.predicting.arrays import ArrayInputs, is_arrays
from mai.compiler.predicting.image_ports import image_port
from mai.compiler.predicting.inputs import Block, TableInputs
from mai.compiler.predicting.kept import KeptColumns
from mai.compiler.predicting.results import COMMAS, as_columns, has_types, table_file
from mai.compiler.predicting.series import Forecaster, forecast, forecaster_of
from mai.compiler.predicting.tag_columns import names_of_columns
from mai.compiler.predicting.unasked import AnswersBeside
from mai.runtime.arrays import Array
from mai.runtime.commands.running import read_value
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.cells import few_of
from mai.runtime.inputs.values import split_word
from mai.runtime.model.model import Model
from mai.spec.record import record

ROWS = 4096  # At a time, by default,
IMAGES = 256  # and of images.


class Inputs(Protocol):
    """What a file is asked of, a block at a time; `notes` say what was found in it, once all is read."""

    def __iter__(self) -> Iterator[Block]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


@record
class Predicted:
    """How many rows there were, how long it took, the names of the columns that are new, and what was found in the table."""

    rows: int
    seconds: float
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def predict(
    model: Model, source: Path, target: Path, settings: Mapping[str, object], seed: int = 0, batch: int = ROWS,
    keep: Sequence[str] | None = None, progress: bool = False, every: bool = False,
) -> Predicted:  # fmt: skip
    """Write the rows of a table with the results of a file beside them; a block of rows is in memory at a time.

    Of a folder of images the rows are their names. Of a file that was trained on windows of a series they are the steps that it forecasts.

    Args:
        model: its inputs are columns of the table by their names; it draws with `seed` for the first `batch` rows, with the next one
            for the rows after them, and so on.
        source, target: a folder of images, numpy's arrays (.npz, .npy), or tables: csv, tsv, jsonl, parquet, feather or a spreadsheet, by their endings; text packed with gz. A csv file
            is written as one that is read, with its separator, decimal sign and letters. Columns of
            a csv file that hold numbers alone are numbers where the target has types.
        settings: of the file, the same for all rows.
        keep: the columns of the table that are written, too; None keeps all.
        progress: whether a bar is shown on a terminal.
        every: of a series, whether all windows are forecast from, and not the last of each series alone.

    Raises:
        MaiError: the table does not fit the file, or is damaged; with the row and the column.
        ModelError: the file refuses a value.
    """
    facts = model.manifest.facts
    stated = Stated(likely=model.manifest.decimal, absent=absent_in(facts), order=order_in(facts))
    table = None if source.is_dir() or is_arrays(source) else open_table(source, stated)
    forecaster = forecaster_of(model, table) if table is not None else None
    if forecaster is not None and table is not None:
        return _predict_series(forecaster, table, target, settings, seed, batch, keep, progress, every)
    if every:
        raise bad(f"{model.path.name} takes no windows of a series: all rows of {source} are asked")
    blocks, columns = _rows(model, source, table, batch)
    kept = _kept(source, columns, keep)
    titles = {} if table is None else dict(table.columns)  # What the table itself calls them.
    began, number = time.monotonic(), 0
    tags = names_of_columns(model)
    old = KeptColumns(kept, table if has_types(target) else None)
    with table_file(target, _form_of(table)) as write, _bar(progress) as bar:
        beside = AnswersBeside(write)
        for part in (part for block in blocks for part in block.parts(batch)):
            count, new = part.rows.num_rows, dict[str, pa.Array]()
            if part.asked is None or len(part.asked):
                answer, calls = _answer(model, part, settings, seed + number)
                new = as_columns(model, answer, [*kept, *titles.values()], tags)
                number += calls
            rows = {titles.get(name, name): each for name, each in old.of(part.rows).items()}
            beside.add(rows, count, part.asked, new)
            if bar is not None:
                bar.update(0, advance=count)
        if not beside.names:
            what = "no row of which the file can be asked" if beside.rows else "no rows"
            raise bad(f"{source} has {what}", help="; ".join(blocks.notes) or None)
    return Predicted(beside.rows, time.monotonic() - began, tuple(beside.names), blocks.notes)


def _form_of(table: TableFile | None) -> Dialect:
    """How a csv file of answers is written: as the one that was read, or as the numbers of the sheet."""
    if table is None or table.kind not in ("csv", "sheet"):
        return COMMAS
    return (
        table.dialect
        if table.kind == "csv" or table.dialect.decimal == "."
        else replace(COMMAS, separator=";", decimal=",")
    )


def _kept(source: Path, columns: Sequence[str], keep: Sequence[str] | None) -> list[str]:
    """The columns that are written, too: those to `keep`, or all. Raises `MaiError` for one that there is not."""
    for name in keep or ():
        if name not in columns:
            raise bad(f"{source} has no column `{name}`; it has {few_of(columns)}")
    return [*columns] if keep is None else [*keep]


def _answer(model: Model, part: Block, settings: Mapping[str, object], seed: int) -> tuple[dict[str, object], int]:
    """What a file gives for some rows, by output, and in how many calls: one for each length of texts that it reads whole."""
    places, answers = list[Array](), list[dict[str, object]]()
    count = part.rows.num_rows if part.asked is None else len(part.asked)
    for rows, lengths in of_one_length(part.counts, count, count):
        values = {name: _taken(array[rows], lengths.get(name)) for name, array in part.values.items()}
        drawn = {"seed": seed + len(answers)} if "seed" in model.settings else {}
        answers.append(model.by_output(model.answer({**values, **settings, **drawn})))
        places.append(rows)
    order = np.argsort(np.concatenate(places))
    free = {n for n, port in model.outputs.items() if part.counts and any(isinstance(s, str) for s in port.shape)}
    joined = {name: _joined([answer[name] for answer in answers], order, name in free) for name in answers[0]}
    return joined, len(answers)


def _taken(rows: Array, length: int | None) -> object:
    """Values as a call takes them: texts as a list, tokens as many as there are."""
    if rows.dtype.kind == "O":
        return rows.tolist()
    return rows if length is None else rows[:, :length]


def _joined(parts: Sequence[Any], order: Array, is_free: bool) -> Any:
    """The results of several calls in the order of the rows; as a list where their sizes are `free`, a text's length or other."""
    if all(isinstance(part, np.ndarray) for part in parts) and not is_free:
        return np.concatenate(parts)[order]
    rows = [row for part in parts for row in part]
    return [rows[place] for place in order]


def _predict_series(
    forecaster: Forecaster, table: TableFile, target: Path, settings: Mapping[str, object], seed: int, batch: int,
    keep: Sequence[str] | None, progress: bool, every: bool,
) -> Predicted:  # fmt: skip
    """Write forecasts: their rows are steps of the future, which the table has not."""
    if keep is not None:
        raise bad("a forecast has rows of its own, and none of the table's columns", help="leave out `--keep`")
    began, rows = time.monotonic(), 0
    with table_file(target, _form_of(table)) as write, _bar(progress) as bar:

        def count(part: pa.Table) -> None:
            nonlocal rows
            rows += part.num_rows
            write(part)

        done = (lambda n: bar.update(0, advance=n)) if bar is not None else (lambda n: None)
        names, notes = forecast(forecaster, table, settings, seed, batch, every, count, done)
    return Predicted(rows, time.monotonic() - began, tuple(names), notes)


def _rows(model: Model, source: Path, table: TableFile | None, batch: int) -> tuple[Inputs, list[str]]:
    """What a file takes of a folder of images, of a table of them, or of the rows of a table or of arrays; and the columns that can be kept."""
    if is_arrays(source):
        arrays = ArrayInputs(model, source, batch)
        return arrays, arrays.columns
    if table is None:
        from mai.compiler.predicting.images import ImageInputs, images_of_folder

        return ImageInputs(model, images_of_folder(source, min(batch, IMAGES))), ["file"]
    return _image_rows(model, table, batch) or (TableInputs(model, table), [*table.columns])


def _image_rows(model: Model, table: TableFile, batch: int) -> tuple[Inputs, list[str]] | None:
    """What a file takes of a table of images, and the columns beside them; None where it takes none, or the table has none."""
    if image_port(model) is None:
        return None
    from mai.compiler.data.files.image_tables import columns_beside, image_columns
    from mai.compiler.predicting.images import ImageInputs, images_of_table

    columns = image_columns(table)
    if not columns:
        return None
    beside = columns_beside(table)
    return ImageInputs(model, images_of_table(table, columns[0], beside, min(batch, IMAGES))), beside


def read_settings(model: Model, words: Sequence[str]) -> dict[str, object]:
    """Settings from `name=value` words. Raises `ModelError` for what is no setting of the file."""
    values: dict[str, object] = {}
    for word in words:
        name, text = split_word(word)
        if name in model.inputs:
            raise ModelError("input-unknown", f"`{name}` is a column of the table, and no setting")
        if name not in model.settings:
            raise unknown_name_error(name, list(model.settings))
        values[name] = read_value(model, model.settings[name], text, None)
    return values


def _bar(progress: bool) -> AbstractContextManager[Any]:
    """A count of rows that moves, on a terminal."""
    if not progress:
        return nullcontext()
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:,.0f} rows"), TextColumn("{task.speed:,.0f} a second"), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("rows", total=None)
    return bar
