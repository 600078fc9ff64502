"""All examples of some files, for a model that is compared with their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from mai.compiler.data.batches import match_fields, source_of, typed_rows
from mai.compiler.data.facts import (
    dates_in,
    dates_of_columns,
    notes_of_percents,
    notes_of_zones,
    percents_in,
    refuse_numbers_for_dates,
)
from mai.compiler.data.fields import bad
from mai.compiler.data.label_names import Names, notes_of_unknown, number_labels
from mai.compiler.data.places import Places
from mai.compiler.data.rows import Column, Columns, Rows, Words, choose_of, rows_of
from mai.compiler.data.source_kinds import Finite, Request, Source
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Facts
from mai.spec.record import record
from mai.spec.settings import fields as setting_names

APART = ("split", "validation", "test")  # Settings of a source that keep some rows from others.


@record
class WholeFiles:
    """Examples by field, in the order of the files; `places` are their numbers, from 0, or the rows of the files where they are `in_files`.

    `missing` counts those that were left out, since they lack an answer; `notes` say what was found in the files, and `what` of which part
    of the data they are, in words.
    """

    rows: Mapping[str, Rows]
    places: Array
    labels: Names
    missing: int = 0
    notes: tuple[str, ...] = ()
    in_files: Places | None = None
    what: str = ""


def read_whole(
    source: Source,
    fields: Mapping[str, Type],
    base: Path,
    files: Sequence[Path],
    trained_labels: Names,
    answers: Collection[str],
    tokenizer: str | None = None,
    decimal: Decimal | None = None,
    facts: Mapping[str, Facts] | None = None,
) -> WholeFiles:
    """All examples of files, none kept apart, whatever the source says.

    Args:
        source: as the spec has it; its path gives place to the files.
        trained_labels: the names of labels that a run knows, by field.
        answers: the fields that a model is compared with, if there are any. A label of one that the run does not know is refused, whatever
            the source takes otherwise, and an example without one of them is left out where the source takes what is missing.
        tokenizer: that of the run, as its manifest states it.
        decimal: the decimal sign of the run's tables, for files that do not tell theirs.
        facts: of the fields that the run was trained on: the columns of those that have names of their own, and which were dates.

    Raises:
        MaiError: `data-missing` or `data-bad`.
    """
    vectors = {name: tuple(each.columns) for name, each in (facts or {}).items() if each.columns}
    finite = _read(source, Request(base, files, 0, fields, tokenizer, decimal, vectors))
    trained = {name: dates_of_columns(each, len(each.low)) for name, each in (facts or {}).items()}
    refuse_numbers_for_dates(trained, finite.arrays, finite.dates, str(files[0]))
    columns: dict[str, Column] = match_fields(finite.arrays, fields, source.names_fields)
    count = min(column.shape[0] for column in columns.values())
    places = np.arange(count)
    for answer in answers if finite.has_gaps else ():
        places = np.intersect1d(places, _with_answer(columns[answer], count))
    if len(places) < count:
        columns = {name: choose_of(column, places) for name, column in columns.items()}
    if not len(places):
        wanted = " and ".join(f"`{answer}`" for answer in answers)
        raise bad(f"{files[0]} has no example" + (f" with a value of {wanted}" if wanted else ""))
    rows, labels = _numbers(columns, fields, trained_labels, answers, finite.has_gaps)
    in_files = None if finite.places is None else finite.places.of(places)
    notes = (
        *finite.notes,
        *notes_of_unknown([columns], trained_labels),
        *notes_of_zones(dates_in(facts or {}), finite.dates),
        *notes_of_percents(percents_in(facts or {}), finite.percents),
    )
    return WholeFiles(rows, places, labels, count - len(places), notes, in_files)


def _read(source: Source, request: Request) -> Finite:
    files = request.files
    if not source.reads_files:
        source = source_of(files[0], source)
    apart = {name: None for name in APART if name in setting_names(type(source))}
    if len(files) > 1 and not source.reads_files:
        raise bad(f"--data: `{source.name}` reads one file, these are {len(files)}")
    reading = source.but(**apart).read(request)
    if isinstance(reading, Finite):
        return reading
    raise bad(f"{files[0]} has no examples with answers: `{source.name}` is a text, or drawn without end")


def _with_answer(column: Column, count: int) -> Array:
    """The places of the examples whose answer is not missing."""
    values = rows_of(column)[:count]
    is_there = values >= 0 if values.dtype.kind == "i" else ~np.isnan(values)
    return np.flatnonzero(is_there.reshape(count, -1).all(1))


def _numbers(
    columns: Columns, fields: Mapping[str, Type], trained_labels: Names, answers: Collection[str], has_gaps: bool
) -> tuple[dict[str, Rows], Names]:
    """Words as the labels of the run, and every field in its type."""
    unnamed = [
        n for n in fields if fields[n].dtype is DType.INT and isinstance(columns[n], Words) and n not in trained_labels
    ]
    if unnamed:
        raise bad(f"`{unnamed[0]}` holds words, and this run was trained on numbers: it has no names of its labels")
    rows, labels = dict[str, Rows](), dict(trained_labels)
    for names, gaps in (
        ([n for n in fields if n not in answers], has_gaps),
        ([n for n in fields if n in answers], False),
    ):
        types = {name: fields[name] for name in names}
        (numbered,), more = number_labels([{name: columns[name] for name in names}], types, trained_labels, None, gaps)
        rows |= typed_rows(numbered, types, gaps)
        labels |= more
    return rows, labels
