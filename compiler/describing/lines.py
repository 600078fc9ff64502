"""Descriptions as lines for a terminal, and the `data` lines that they end with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from pathlib import Path

import pyarrow as pa

from mai.compiler.describing.arrays import ArraysSummary, ArraySummary
from mai.compiler.describing.columns.column import DAY, ColumnSummary
from mai.compiler.describing.columns.numbers import Numbers
from mai.compiler.describing.columns.turns import Turns
from mai.compiler.describing.drawn import DrawnSummary
from mai.compiler.describing.image_tables import images_of_table
from mai.compiler.describing.images import COLOURS, ImagesSummary
from mai.compiler.describing.prompts import lines_of_prompts
from mai.compiler.describing.tables import Field, TableSummary
from mai.compiler.describing.texts import TextSummary
from mai.runtime.inputs.cells import few_of, in_one_line, shortened
from mai.spec.diagnostics import MaiError

Summary = TableSummary | ImagesSummary | TextSummary | ArraysSummary | DrawnSummary
WIDTH, MOST_COLUMNS, MOST_WORDS, FEW = 116, 200, 5, 6
MOST_AS_LABELS = 10  # Different whole numbers: so few may be labels.


def share(part: float, whole: float) -> str:
    """A part of a whole, in per cent, with two digits."""
    percent = 100 * part / max(whole, 1)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def number(value: float) -> str:
    """A number, as short as it can be read: four digits, or all of a whole one."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"


def moment(days: float) -> str:
    """Days since 1970-01-01 as a date, with its time where it has one."""
    text = str(pa.scalar(round(days * DAY), pa.timestamp("us")))
    return text.removesuffix(" 00:00:00")


# ---------------------------------------------------------------- what there is


@singledispatch
def lines(summary: Summary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    """What is in files, line by line; `taken` says of each column what a spec does with it."""
    raise TypeError(type(summary))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


@lines.register
def _(summary: TableSummary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    yield f"{_names(summary.files)}: {_counted(summary.rows, 'row')}, {_counted(len(summary.columns), 'column')} ({summary.kind})"
    yield from (f"  {note}" for note in summary.notes)
    head = ["column", "holds", "missing", "different", *(["the spec"] if taken is not None else []), "values"]
    rows = [head]
    for name, columns in summary.groups():
        many = len(columns) > 1
        title = f"{columns[0].name} .. {columns[-1].name}" if many else name
        marks = [] if taken is None else [taken.get(columns[0].name, "leaves it")]
        rows.append([title, *_cells(columns), *marks, _values(columns)])
    yield from _aligned(rows[:MOST_COLUMNS])
    if len(rows) > MOST_COLUMNS:
        yield f"  and {len(rows) - MOST_COLUMNS:,} more"


@lines.register
def _(summary: ImagesSummary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    yield f"{summary.place}: {len(summary.files):,} images"
    yield "  sizes: " + few_of([f"{w} x {h} ({count:,})" for (w, h), count in summary.sizes], FEW)
    yield "  kinds: " + few_of([f"{COLOURS.get(mode, mode)} ({count:,})" for mode, count in summary.modes], FEW)
    if summary.classes:
        total = len(summary.files)
        yield f"  classes, by folder: {len(summary.classes)}"
        yield from _aligned([[name, f"{count:,}", share(count, total)] for name, count in summary.classes])
    if summary.damaged:
        yield f"  no images that can be read: {few_of([str(each) for each in summary.damaged], FEW)}"


@lines.register
def _(summary: TextSummary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    yield (
        f"{_names(summary.files)}: {summary.size:,} bytes, {summary.characters:,} characters, {len(summary.counts):,} different, "
        f"{summary.lines:,} lines, the longest of {summary.longest:,}"
    )
    frequent = [f"{ascii_or(character)} {share(count, summary.characters)}" for character, count in summary.counts]
    yield "  characters: " + few_of(frequent, 8)
    yield "  begins: " + " ".join(summary.begins.split())[:WIDTH]


@lines.register
def _(summary: ArraysSummary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    yield f"{_names(summary.files)}: {_counted(len(summary.arrays), 'array')}"
    yield from _rows_of(summary, taken)


@lines.register
def _(summary: DrawnSummary, taken: Mapping[str, str] | None = None) -> Iterator[str]:
    yield f"{summary.source}: {summary.says}"
    drawn = f"{summary.count:,} to train on" if summary.count is not None else "drawn anew for every step"
    yield f"  {drawn}; of {len(summary.arrays.arrays[0].examples):,} examples:"
    yield from _rows_of(summary.arrays, None)


def _rows_of(summary: ArraysSummary, taken: Mapping[str, str] | None) -> Iterator[str]:
    marks = [] if taken is None else ["the spec"]
    rows = [["array", "shape", "type", "missing", *marks, "values"]]
    for each in summary.arrays:
        missing = f"{each.missing:,}" if each.missing else ""
        marks = [] if taken is None else [taken.get(each.name, "leaves it")]
        rows.append([each.name, str([*each.shape]), each.dtype, missing, *marks, _array_values(each)])
    yield from _aligned(rows)


# ---------------------------------------------------------------- a line to paste


@singledispatch
def data_line(summary: Summary) -> str:
    """The `data` line that takes all there is, and above it what it leaves out and why, as comments."""
    raise TypeError(type(summary))


@data_line.register
def _(summary: TableSummary) -> str:
    fields = summary.fields()
    images, doubt = _images(summary)
    gone = [(column.name, why) for column, why in summary.left_out()]
    if images is not None:  # A name of a file is not left out: it is the image.
        gone = [(name, why) for name, why in gone if name not in images.columns]
    left = doubt + "".join(f"# left out: {name}: {why}\n" for name, why in gone)
    if images is not None:
        return left + data_line(images)
    if prompts := lines_of_prompts(summary):
        return doubt + "\n".join(prompts)
    if not fields:
        return left.rstrip("\n")
    settings = ", missing = keep" if any(field.has_gaps for field in fields) else ""
    settings += f", dates = {summary.order}" if summary.order is not None else ""
    codes = [each.name for each in fields if each.columns[0].code is not None]
    settings += f", words = {listed(codes)}" if codes else ""
    labels = "".join(
        f"# if {f.name} is a label and no amount: {f.name}: class[{count}]\n"
        for f in fields
        if (count := _may_label(f))
    )
    return (
        left
        + labels
        + spread("data ", [f"{f.name}: {f.type_text}" for f in fields], f"from table({paths(summary.files)}{settings})")
    )


def _may_label(field: Field) -> int:
    """How many labels the whole numbers of a field would be, where they are few and go from 0 on; else 0."""
    column = field.columns[0]
    words = {word for word, _ in column.counts} if len(field.columns) == 1 and column.kind == "whole" else set[str]()
    is_few = 2 <= len(words) <= MOST_AS_LABELS and len(words) == column.distinct
    return len(words) if is_few and words == {*map(str, range(len(words)))} else 0


def _images(summary: TableSummary) -> tuple[ImagesSummary | None, str]:
    """The images of a table, None where it has none, or not all of them are there; and why not, as a comment."""
    try:
        return images_of_table(summary), ""
    except MaiError as error:
        return None, f"# no table of images: {in_one_line(error.diagnostics[0].message)}\n"


@data_line.register
def _(summary: ImagesSummary) -> str:
    width, height = summary.size
    fields = [*summary.fields]
    if not summary.columns and summary.classes:
        fields = [f"{summary.label}: class[{len(summary.classes)}]"]
    x = "x" if not any(field.startswith("x: ") for field in fields) else "image"
    size = f", size = [{height}, {width}]" if len(summary.sizes) > 1 else ""
    left = "# take out what cannot be read\n" if summary.damaged else ""
    left += "".join(
        f"# left out: {table.name}: `mai data {table}` shows what it says of images\n" for table in summary.tables
    )
    source = f'images("{summary.place}"{size}{summary.settings_of_fields or summary.settings})'
    return left + spread("data ", [f"{x}: [{summary.channels}, {height}, {width}]", *fields], f"from {source}")


@data_line.register
def _(summary: TextSummary) -> str:
    return (
        f"data x: tokens[128] from text(bytes, {paths(summary.files)})      # windows of 128 bytes; `const vocab = 256`"
    )


@data_line.register
def _(summary: ArraysSummary) -> str:
    fitting = [each for each in summary.arrays if each.shape and (each.dtype[0] in "biuf" or each.words)]
    rows = Counter(each.shape[0] for each in fitting)
    (usual, most), *less = rows.most_common() or [(0, 0)]
    if not fitting or (less and most == 1):
        return f"# the arrays have no common number of examples: {', '.join(map(str, sorted(rows)))}"
    others = [each.name for each in summary.arrays if each not in fitting]
    unlike = [each.name for each in fitting if each.shape[0] != usual]
    said = f"# left out: {few_of(others)}: no array of numbers or of words\n" if others else ""
    said += f"# left out: {few_of(unlike)}: no array of {usual:,} examples\n" if unlike else ""
    fields = [f"{each.name}: {each.type_text}" for each in fitting if each.name not in unlike]
    return said + spread("data ", fields, f"from arrays({paths(summary.files)})")


def listed(names: Sequence[str]) -> str:
    """Names as a setting takes them: one, or a list."""
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


@data_line.register
def _(summary: DrawnSummary) -> str:
    fields = [f"{each.name}: {each.type_text}" for each in summary.arrays.arrays]
    return spread("data ", fields, f"from {summary.source}()")


def spread(begin: str, parts: Sequence[str], end: str, width: int = WIDTH) -> str:
    """Parts with commas between them, after what begins and before what ends them, in as many lines as they need."""
    text, line = "", begin
    pieces = [part + ("," if place < len(parts) - 1 else "") for place, part in enumerate(parts)]
    for place, piece in enumerate(pieces):
        if len(line) + len(piece) > width and line.strip():
            text, line = f"{text}{line.rstrip()}\n", "  "
        line += piece + (" " if place < len(pieces) - 1 else "")
    gap = "" if end[:1] in ("", ")") else " "
    if len(line) + len(gap) + len(end) <= width:
        return text + line + gap + end
    return f"{text}{line}\n" + (f"  {end}" if gap else end)


def paths(files: Sequence[Path]) -> str:
    """Files as a source takes them: one, or a list."""
    quoted = [f'"{file.as_posix()}"' for file in files]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


# ---------------------------------------------------------------- pieces of lines


def _names(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _cells(columns: Sequence[ColumnSummary]) -> list[str]:
    """What columns hold, how much is missing, how many values differ."""
    first, missing = columns[0], sum(each.missing for each in columns)
    rows = first.rows * len(columns)
    kinds = {
        "number": "numbers",
        "whole": "whole numbers",
        "word": "words",
        "date": "dates",
        "mixed": "words and numbers",
    }
    kind = kinds.get(first.kind, f"[{first.width}]" if first.kind == "list" else first.kind)
    kind = kind if first.turns is None else "conversations"
    if len(columns) > 1:
        kind = f"{len(columns)} of " + (
            "numbers" if any(each.kind == "number" for each in columns) else "whole numbers"
        )
    distinct = "many" if first.distinct is None else f"{first.distinct:,}"
    return [kind, f"{missing:,} ({share(missing, rows)})" if missing else "", "" if len(columns) > 1 else distinct]


def _values(columns: Sequence[ColumnSummary]) -> str:
    first = columns[0]
    if len(columns) > 1:
        parts = [each.numbers for each in columns if each.numbers is not None]
        return f"{number(min(p.low for p in parts))} to {number(max(p.high for p in parts))}"
    few = first.counts and len(first.counts) <= MOST_WORDS + 5
    if first.kind in ("word", "mixed") or (first.kind == "whole" and few):
        if first.is_identifier:
            return few_of([shortened(word) for word in first.words], 2) if first.words else "nearly all differ"
        counted = [f"{shortened(word)} {share(count, first.rows - first.missing)}" for word, count in first.counts]
        return few_of(counted, MOST_WORDS)
    if first.turns is not None:
        return _turns(first.turns)
    zone = " in UTC" if first.in_utc else ""
    return "" if first.numbers is None else _range(first.numbers, first.kind == "date") + zone


def _turns(turns: Turns) -> str:
    """How long conversations are, and who speaks."""
    if not turns.messages.count:
        return turns.complaint or ""
    spans = (_span(turns.messages, "message"), _span(turns.bytes, "byte"))
    said = f"{', '.join(spans)}; {few_of([f'{role} {count:,}' for role, count in turns.roles.most_common()], FEW)}"
    return f"{said}; not read: {turns.complaint}" if turns.complaint else said


def _span(numbers: Numbers, noun: str) -> str:
    low, high = int(numbers.low), int(numbers.high)
    return _counted(low, noun) if low == high else f"{low:,} to {_counted(high, noun)}"


def _range(numbers: Numbers, are_dates: bool = False) -> str:
    if not numbers.count:
        return ""
    shown = moment if are_dates else number
    if numbers.low == numbers.high:
        return f"always {shown(numbers.low)}"
    span = f"{shown(numbers.low)} to {shown(numbers.high)}"
    return span if are_dates else f"{span}, mean {numbers.mean:.4g}, median {numbers.quantile(0.5):.4g}"


def _array_values(array: ArraySummary) -> str:
    if array.labels:
        total = sum(array.labels)
        names = map(shortened, array.words) if array.words else map(str, range(len(array.labels)))
        counted = [f"{name} {share(count, total)}" for name, count in zip(names, array.labels, strict=True)]
        return few_of(counted, MOST_WORDS)
    return _range(array.numbers) if array.numbers.count else "no numbers"


def ascii_or(character: str) -> str:
    """A character as it can be seen: blanks by their names."""
    return {" ": "space", "\n": "newline", "\t": "tab", "\r": "return"}.get(character, character)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cells in columns; the last is as long as it is."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        yield ("  " + "  ".join([*cells, row[-1]])).rstrip()
