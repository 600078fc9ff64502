"""Diagnostics as text for people, with the lines of the file and carets, and as JSON for editors."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from mai.spec.diagnostics.report import Diagnostic, Label
from mai.spec.source import Source, Span

TAB = 4  # Columns between tab stops.
MAX_COLUMNS = 160  # Of a line of the file that are shown.
MAX_MARGIN = 40  # Columns before and after the place of a diagnostic in a longer line.
MAX_WORD = 80  # Characters of a word in a message.
LONG_WORD = re.compile(rf"\w{{{MAX_WORD + 3},}}")
Paint: TypeAlias = Callable[[str, str], str]  # Puts a text into a style.
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | None"
COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m", "dim": "\x1b[2m", "end": "\x1b[0m"}


def render(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:
    """Diagnostics as text, one after the other, then how many errors and warnings there are."""
    parts = [_one(d, color) for d in diagnostics]
    counts = [(len([d for d in diagnostics if d.severity == s]), s) for s in ("error", "warning")]
    total = ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts if n)
    return "\n\n".join([*parts, *([total] if total else [])])


def _one(diagnostic: Diagnostic, color: bool) -> str:
    paint = _paint if color else _plain
    title = paint(f"{diagnostic.severity}[{diagnostic.slug}]", diagnostic.severity)
    lines = [f"{title}: {printable(diagnostic.message)}"]
    if diagnostic.span is not None:
        lines += _excerpt(diagnostic, diagnostic.span, paint)
    explain = f"(mai explain {diagnostic.slug})"
    help = f"help: {printable(diagnostic.help)}" if diagnostic.help else ""
    return "\n".join([*lines, f"{help}      {paint(explain, 'dim')}"])


def printable(text: str) -> str:
    """Text without control characters, which could move a terminal's cursor, and with overlong words cut."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    return LONG_WORD.sub(lambda word: word[0][:MAX_WORD] + "...", shown)


def _plain(text: str, style: str) -> str:
    return text


def _paint(text: str, style: str) -> str:
    return f"{COLORS[style]}{text}{COLORS['end']}"


def _excerpt(diagnostic: Diagnostic, span: Span, paint: Paint) -> list[str]:
    """The lines of the file that a diagnostic points to, in their order, with carets below."""
    labels = [
        (Label(span, diagnostic.label), "^"),
        *((w, "-") for w in diagnostic.where if w.span.source is span.source),
    ]
    elsewhere = [w for w in diagnostic.where if w.span.source is not span.source]
    numbers = sorted({label.span.line for label, _ in labels})
    width = len(str(numbers[-1]))
    shown = [f"{' ' * width}--> {printable(str(span))}", f"{' ' * width} |"]
    previous = numbers[0]
    for number in numbers:
        if number > previous + 2:
            shown.append("...")
        elif number == previous + 2:
            shown.append(_line(span.source, previous + 1, width, 0))
        own = [x for x in labels if x[0].span.line == number]
        cut = _cut(own[0][0].span)
        shown.append(_line(span.source, number, width, cut))
        own.sort(key=lambda x: x[0].span.start)
        shown += [f"{' ' * width} | {_carets(label, mark, cut, diagnostic, paint)}" for label, mark in own]
        previous = number
    return shown + [f"{' ' * width} = {printable(f'{w.span}: {w.text}')}" for w in elsewhere]


def _cut(span: Span) -> int:
    """How many columns at the start of a long line are left out, so that the place of the diagnostic is in sight."""
    before = _columns(span.source.line(span.line)[: span.column - 1], 0)
    return max(0, before - MAX_MARGIN) if before > MAX_COLUMNS - MAX_MARGIN else 0


def _window(text: str, cut: int) -> str:
    """The columns of a line after the cut that are shown; a wide character is shown whole or not at all."""
    last = cut + MAX_COLUMNS
    if not cut and _columns(text, 0) <= last:
        return text
    window, at = "." * 3 if cut else "", 0
    for c in text:
        begin, at = at, at + _width(c, at)
        if begin >= cut + (3 if cut else 0) and at <= last - 3:
            window += " " * (begin - cut - _columns(window, 0)) + c
    return window + "..." if at > last - 3 else window


def _line(source: Source, number: int, width: int, cut: int) -> str:
    return f"{number:>{width}} | {_window(_expanded(source.line(number)), cut)}".rstrip()


def _carets(label: Label, mark: str, cut: int, diagnostic: Diagnostic, paint: Paint) -> str:
    """The marks under the first line of a label, at most to the end of the line, and the label's text."""
    span = label.span
    line = span.source.line(span.line)
    start = span.column - 1
    begin = _columns(line[:start], 0)
    end = begin + max(1, _columns(line[start : start + span.end - span.start], begin))
    first, last = max(begin - cut, 0), min(end - cut, MAX_COLUMNS)
    carets = paint(mark * max(1, last - first), diagnostic.severity if mark == "^" else "dim")
    words = f" {printable(label.text)}" if label.text else ""
    return " " * min(first, MAX_COLUMNS) + carets + words


def _expanded(text: str) -> str:
    """The text with tabs as spaces up to the next tab stop, and control characters replaced."""
    parts, at = [], 0
    for c in text:
        width = _width(c, at)
        printable = c if c.isprintable() else "\ufffd"
        parts.append(" " * width if c == "\t" else printable)
        at += width
    return "".join(parts)


def _columns(text: str, begin: int) -> int:
    """How many columns a terminal uses for a text that begins at a column."""
    at = begin
    for c in text:
        at += _width(c, at)
    return at - begin


def _width(character: str, at: int) -> int:
    """The columns of a character at column `at`: two for a wide one, none for one that combines with the one before."""
    if character == "\t":
        return TAB - at % TAB
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Diagnostics as a JSON list for editors: lines and columns count from 1, offsets from 0, and ends are excluded.

    `edit` is null, or the changes that mend it together: each a place and the text to put there.
    """
    return json.dumps([_as_data(d) for d in diagnostics], indent=2, ensure_ascii=False)


def _as_data(d: Diagnostic) -> dict[str, Json]:
    where: list[Json] = [{**_place(w.span), "text": w.text} for w in d.where]
    place: dict[str, Json] = _place(d.span) if d.span else {"file": None}
    what: dict[str, Json] = {"slug": d.slug, "severity": d.severity, "message": d.message}
    changes: list[Json] = [{**_place(c.span), "text": c.text} for c in d.edit.changes] if d.edit else []
    return {**what, **place, "label": d.label, "where": where, "help": d.help, "edit": changes or None}


def _place(span: Span) -> dict[str, Json]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.path,
        "start": {"line": line, "column": column, "offset": span.start},
        "end": {"line": end_line, "column": end_column, "offset": span.end},
    }
