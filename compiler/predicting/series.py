"""Forecasts: a file that was trained on windows of a series, asked of a table of rows in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import group_columns
from mai.compiler.data.sources.series import Series
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.windows.latest import Asked, read_asked
from mai.compiler.evaluating.subject import check_compiled
from mai.compiler.evaluating.targets.links import fields_read, types_read
from mai.compiler.ir.types import Type
from mai.compiler.predicting.far_numbers import FarNumbers
from mai.compiler.predicting.results import as_columns
from mai.runtime.arrays import Array
from mai.runtime.run_folders.record import read_record
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

STEP, FROM, ROW = "step", "from", "row"


@record
class Forecaster:
    """A file whose inputs are windows: the series of its spec, and the field of each input with its type."""

    model: Model
    series: Series
    columns: Mapping[str, str]
    fields: Mapping[str, Type]


def forecaster_of(model: Model, table: TableFile) -> Forecaster | None:
    """How a table is read for a file that takes windows of a series; None where its rows are the examples themselves.

    A file that takes several numbers of which the table has one column is asked for windows, if its spec says what these are.
    """
    groups = group_columns([*table.columns], model.inputs)
    if all(len(groups.get(name, ())) == _numbers(port.shape) for name, port in model.inputs.items()):
        return None
    program = check_compiled(model, read_record(model.path.parent)).program
    if program is None or not program.trainings or not isinstance(program.trainings[-1].data, Series):
        return None
    columns = fields_read(program, model.manifest.export, model.inputs)
    fields = types_read(program, model.manifest.export, columns)
    return Forecaster(model, program.trainings[-1].data, columns, fields)


def _numbers(shape: Sequence[int | str]) -> int | None:
    sizes = [size for size in shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == len(shape) else None


def forecast(
    forecaster: Forecaster, table: TableFile, settings: Mapping[str, object], seed: int, batch: int, every: bool,
    write: Callable[[pa.Table], None], done: Callable[[int], None],
) -> tuple[list[str], tuple[str, ...]]:  # fmt: skip
    """Write the forecasts of a table, a row for each step of each window, with its series, its time, and where it was made.

    Returns:
        The names of the results' columns, and notes on what was found.

    Raises:
        MaiError: the table is damaged, or has no whole window.
        ModelError: the file refuses a value.
    """
    model, names = forecaster.model, list[str]()
    labels = {field: tuple(names) for field, names in model.manifest.labels.items()}
    asked = read_asked(forecaster.series, table, forecaster.fields, labels, every)
    far = {name: FarNumbers(model.manifest.facts.get(name), [name]) for name in forecaster.columns}
    for number, begin in enumerate(range(0, len(asked.last), batch)):
        chosen = slice(begin, begin + batch)
        drawn = {"seed": seed + number} if "seed" in model.settings else {}
        values = {name: asked.rows[field][chosen] for name, field in forecaster.columns.items()}
        for name, each in far.items():
            each.add([values[name]])
        results = model.by_output(model.answer({**values, **settings, **drawn}))
        steps, rows = _by_step(results, forecaster.series.horizon)
        first = _first_columns(forecaster.series, asked, chosen, steps)
        new = as_columns(model, rows, [*first])
        names = [*new]
        write(pa.table({**first, **new}))
        done(len(asked.last[chosen]))
    return names, (*asked.notes, *(note for each in far.values() for note in each.notes()))


def _by_step(results: Mapping[str, Any], horizon: int) -> tuple[int, dict[str, Any]]:
    """How many rows a window has, and each result with so many: those with an axis of the horizon are cut along it, others are repeated."""
    axes = {name: _axis(value, horizon) for name, value in results.items()}
    if not horizon or all(axis is None for axis in axes.values()):
        return 1, dict(results)
    rows: dict[str, Any] = {}
    for name, value in results.items():
        axis = axes[name]
        if axis is None:
            is_list = isinstance(value, list)  # Of texts, or of rows of unlike lengths.
            rows[name] = [each for each in value for _ in range(horizon)] if is_list else np.repeat(value, horizon, 0)
        else:
            moved = np.moveaxis(np.asarray(value), axis, 1)
            rows[name] = moved.reshape(-1, *moved.shape[2:])
    return horizon, rows


def _axis(value: Any, horizon: int) -> int | None:
    """The axis of a result, [n, ...], along which the steps lie."""
    shape = () if isinstance(value, (str, list)) else np.shape(value)
    return next((place for place, size in enumerate(shape) if place and size == horizon), None)


def _first_columns(series: Series, asked: Asked, chosen: slice, steps: int) -> dict[str, pa.Array]:
    """What stands before the results: the series, the time, and of several steps their number and the time that they were made from."""
    columns: dict[str, pa.Array] = {}
    last, time = asked.last[chosen], series.time or ROW
    if asked.groups is not None and series.group is not None:
        columns[series.group] = pa.array([asked.names[group] for group in asked.groups[chosen] for _ in range(steps)])
    if not series.horizon or steps == 1 < series.horizon:
        return columns | {time: _times(last, asked.in_utc)}
    columns[time] = _times(asked.following[chosen].reshape(-1), asked.in_utc)
    columns[STEP] = pa.array(np.tile(np.arange(1, steps + 1), len(last)))
    return columns | {FROM: _times(np.repeat(last, steps), asked.in_utc)}


def _times(values: Array, in_utc: bool) -> pa.Array:
    """Dates without an hour as dates, others to the second where they are no finer, and numbers without a fraction as whole ones.

    Dates `in_utc` have their hour, and say so.
    """
    if values.dtype.kind == "M":
        units = [values.astype(f"datetime64[{unit}]") for unit in (("s",) if in_utc else ("D", "s"))]
        exact = next((each for each in units if (each.astype(values.dtype) == values).all()), values)
        return pc.assume_timezone(pa.array(exact), "UTC") if in_utc else pa.array(exact)
    is_whole = values.dtype.kind == "f" and bool((values == np.floor(values)).all())
    return pa.array(values.astype(np.int64) if is_whole else values)
