"""What a model was trained on: the ranges of each field's numbers, their decimal sign, which were dates, which had a percent sign, and what said that there is no value. They go with the weights, and into compiled files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import permutations
from math import prod
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Columns, Dates, Percents, Rows, Words, choose, rows_of
from mai.compiler.data.source_kinds import Finite
from mai.compiler.data.tables.dialect import Absent
from mai.compiler.data.tables.numerals import OTHER, PERCENT, SHOWN_AS, Decimal
from mai.compiler.ir.types import DType, Type
from mai.compiler.weights.tensor_files import metadata_of
from mai.runtime.arrays import Array
from mai.runtime.inputs.counted_dates import TrainedDates, refusal_of
from mai.runtime.inputs.dates import form_of
from mai.runtime.inputs.framing import Framing
from mai.runtime.model.manifest import DateForm, DateOrder, Facts

FACTS, DECIMAL = "mai.facts", "mai.decimal"
SAMPLE, NUMBERS = (
    20_000,
    1 << 20,
)  # Rows that are looked at, and the numbers of a field: large rows are few, which may be images in files.
MOST_ROWS = 1 << 20  # That are looked at for dates.
MOST = 64  # Numbers of an example that have a range each; of more they share one.
Trained = Mapping[str, Sequence[TrainedDates | None]]
"""By field, for each of its columns how it is written as a date, and of what time; None for one of numbers."""


def facts_of_rows(
    rows: Mapping[str, Rows],
    fields: Mapping[str, Type],
    trained: Array | None,
    finite: Finite,
) -> dict[str, Facts]:
    """What the fields of real numbers are, over the rows that are trained on, or an even choice of them; `finite` says what was found in the files."""
    facts, numbers = {}, None if trained is None else np.sort(trained)
    for name, each in rows.items():
        if fields[name].dtype is DType.REAL and len(each):
            numbers = np.arange(len(each)) if numbers is None else numbers
            most = min(SAMPLE, max(1, NUMBERS // max(1, prod(each.shape[1:]))))
            some = np.asarray(choose(each, numbers[:: -(-len(numbers) // most)])[:], np.float64)
            facts[name] = _facts(some, finite.framing if some.ndim == 4 else None).model_copy(
                update=_of_columns(name, some, finite)
            )
    return facts


def _facts(rows: Array, framing: Framing | None) -> Facts:
    flat = rows.reshape(len(rows), -1)
    columns = flat if flat.shape[1] <= MOST else flat.reshape(-1, 1)
    is_there = np.isfinite(columns)
    there = [column[place] if place.any() else np.zeros(1) for column, place in zip(columns.T, is_there.T, strict=True)]
    return Facts(
        low=[float(each.min()) for each in there],
        high=[float(each.max()) for each in there],
        middle=[float(np.median(each)) for each in there],
        whole=all(bool((each == np.floor(each)).all()) for each in there),
        gaps=not is_there.all(),
        **({} if framing is None else asdict(framing)),
    )


def _of_columns(name: str, rows: Array, finite: Finite) -> dict[str, object]:
    """The facts of a field whose numbers, [n, ...], are columns with names of their own, or dates."""
    names: dict[str, object] = {"columns": list(finite.vectors[name])} if name in finite.vectors else {}
    percents = finite.percents.get(name, ())
    names |= {"percents": list(percents)} if any(PERCENT in each for each in percents) else {}
    names |= {"absent": list(absent)} if (absent := finite.absent.of(name)) else {}
    dates, columns = finite.dates.get(name, ()), rows.reshape(len(rows), -1).T
    if not dates or len(columns) > MOST or len(dates) not in (1, len(columns)):
        return names
    each = dates if len(dates) == len(columns) else dates * len(columns)
    forms = [_date_form(in_utc, days) for in_utc, days in zip(each, columns, strict=True)]
    return names | {"dates": forms, "order": finite.order}


def _date_form(in_utc: bool | None, days: Array) -> DateForm | None:
    """How some days since 1970 are written as dates; None for numbers that are none."""
    if in_utc is None:
        return None
    if in_utc:
        return "utc"
    are_whole = bool((days == np.floor(days))[np.isfinite(days)].all())
    return "day" if are_whole else "time"


def dates_in(facts: Mapping[str, Facts]) -> Dates:
    """Which fields were dates in what was trained on."""
    forms = {name: each.dates for name, each in facts.items() if each.dates}
    return {name: tuple(None if form is None else form == "utc" for form in each) for name, each in forms.items()}


def percents_in(facts: Mapping[str, Facts]) -> Percents:
    """Which fields had a percent sign in what was trained on."""
    return {name: tuple(each.percents) for name, each in facts.items() if each.percents}


def notes_of_zones(trained: Dates, here: Dates) -> list[str]:
    """What is said of fields whose times are in UTC here and were not in the data that are trained on, or the other way round."""
    notes = []
    for name in trained.keys() & here.keys():
        differ = {
            now for then, now in zip(trained[name], here[name], strict=False) if None not in (then, now) and then != now
        }
        if differ:
            have, had = (
                ("have an offset, and are read in UTC", "none")
                if True in differ
                else ("have no offset", "one, and were read in UTC")
            )
            notes.append(f"`{name}`: times here {have}; those that are trained on had {had}")
    return sorted(notes)


def notes_of_percents(trained: Percents, here: Percents) -> list[str]:
    """What is said of fields whose numbers have a percent sign in the data that are trained on, or here, and none in the other."""
    notes = []
    for name in sorted(trained.keys() & here.keys()):
        both = zip(trained[name], here[name], strict=False)
        then, now = next(((a, b) for a, b in both if a and b and (PERCENT in a) != (PERCENT in b)), ("", ""))
        if PERCENT in then:
            read = f"`{now}` is read as {now} %, and not as a share of 1; {SHOWN_AS}"
            notes.append(
                f"`{name}`: numbers that are trained on have a percent sign, as `{then}`, and none here: {read}"
            )
        elif now:
            read = f"`{now}` is read as {now.rstrip(PERCENT).rstrip()}, and not as a share of 1; {SHOWN_AS}"
            notes.append(
                f"`{name}`: numbers have a percent sign here, and none where they are trained on, as `{then}`: {read}"
            )
    return notes


def absent_in(facts: Mapping[str, Facts]) -> Absent:
    """What said in the tables that were trained on that there is no value: in all columns of numbers, and so in those of words, or in some."""
    each = {name: tuple(fact.absent or ()) for name, fact in facts.items()}
    said = dict.fromkeys(value for values in each.values() for value in values)
    everywhere = tuple(value for value in said if all(value in values for values in each.values()))
    return Absent(everywhere, tuple((name, tuple(v for v in own if v not in everywhere)) for name, own in each.items()))


def order_in(facts: Mapping[str, Facts]) -> DateOrder | None:
    """Whether day or month is first in the dates of the tables that were trained on, where a spec said it."""
    return next((each.order for each in facts.values() if each.order is not None), None)


def saved(facts: Mapping[str, Facts], decimal: Decimal | None) -> dict[str, str]:
    """Facts and the decimal sign as the metadata of weights hold them; nothing where there are none."""
    by_field = {FACTS: json.dumps({name: each.model_dump() for name, each in facts.items()})} if facts else {}
    return by_field | ({DECIMAL: decimal} if decimal is not None else {})


def facts_of_weights(path: Path | None) -> dict[str, Facts]:
    """The facts that the weights of a run tell, by field."""
    return facts_in(metadata_of(path))


def facts_in(metadata: Mapping[str, str]) -> dict[str, Facts]:
    """The facts in the metadata of weights, by field."""
    by_field = json.loads(metadata.get(FACTS, "{}"))
    return {name: Facts(**each) for name, each in by_field.items()}


def decimal_of_weights(path: Path | None) -> Decimal | None:
    """The decimal sign of the tables that the weights of a run were trained on, where their numbers told it."""
    return decimal_in(metadata_of(path))


def decimal_in(metadata: Mapping[str, str]) -> Decimal | None:
    """The decimal sign in the metadata of weights."""
    written = metadata.get(DECIMAL)
    return next((sign for sign in OTHER if sign == written), None)


def dates_of_columns(facts: Facts | None, count: int) -> list[TrainedDates | None]:
    """Of each of so many columns of a field, how it was written as a date, and of what time; None for one that was no date."""
    if facts is None or facts.dates is None:
        return [None] * count
    if count == 1 and (form := form_of(facts)) is not None:
        return [TrainedDates(form, min(facts.low), max(facts.high), facts.order)]
    if not len(facts.dates) == len(facts.low) == count:
        return [None] * count
    each = zip(facts.dates, facts.low, facts.high, strict=True)
    return [None if form is None else TrainedDates(form, low, high, facts.order) for form, low, high in each]


def refuse_numbers_for_dates(
    trained: Trained, columns: Columns, dates: Dates, where: str, data: str = "the data"
) -> None:
    """Raise `MaiError` for a number that stands in the place of a date, and is no day near those that were trained on.

    Args:
        columns, dates: what is looked at, and which of it are dates; it is from `where`, the dates that were trained on from `data`.
    """
    for name, ranges in trained.items():
        for range_, numbers in _numbers_for_dates(ranges, columns, dates.get(name, ()), name):
            refusal = refusal_of(name, range_, numbers, data)
            if refusal is not None:
                raise bad(f"{where}: {refusal.message}", help=refusal.help)


def refuse_other_forms(parts: Sequence[tuple[Finite, str]]) -> None:
    """Raise `MaiError` where a field holds dates in some files, and in others numbers that are no days near them; each has its name."""
    for (one, data), (other, where) in permutations(parts, 2):
        refuse_numbers_for_dates(_ranges(one), other.arrays, other.dates, where, data)


def _numbers_for_dates(
    ranges: Sequence[TrainedDates | None], columns: Columns, dates: Sequence[bool | None], name: str
) -> Iterator[tuple[TrainedDates, Array]]:
    """The columns of a field that are numbers here and were dates."""
    if name not in columns or not any(ranges) or isinstance(columns[name], Words):
        return
    if len(ranges) == len(dates) and all(here is not None for there, here in zip(ranges, dates, strict=True) if there):
        return
    rows = rows_of(columns[name])[:MOST_ROWS]
    for number, column in enumerate(rows.reshape(len(rows), -1).T):
        range_ = ranges[number] if number < len(ranges) else ranges[0]
        is_date = dates and dates[min(number, len(dates) - 1)] is not None
        if range_ is not None and not is_date:
            yield range_, column


def _ranges(read: Finite) -> Trained:
    """From when to when the dates of some files are."""
    return {name: [*_ranges_of(read, name, dates)] for name, dates in read.dates.items() if name in read.arrays}


def _ranges_of(read: Finite, name: str, dates: Sequence[bool | None]) -> Iterator[TrainedDates | None]:
    column = read.arrays[name]
    if isinstance(column, Words):
        return
    rows = np.asarray(column[:MOST_ROWS], np.float64)
    columns = rows.reshape(len(rows), -1).T
    for in_utc, days in zip(dates, columns if len(columns) == len(dates) else [rows.reshape(-1)], strict=False):
        there, form = days[np.isfinite(days)], _date_form(in_utc, days)
        yield None if form is None or not len(there) else TrainedDates(form, float(there.min()), float(there.max()))
