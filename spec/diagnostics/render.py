"""Diagnostics as people and editors read them: the only caret printer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from mai.spec.diagnostics.report import Diagnostic, Label
from mai.spec.source import Source, Span

TAB = 4
COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m", "dim": "\x1b[2m", "end": "\x1b[0m"}


def render(diagnostics: Sequence[Diagnostic], color: bool = False) -> str:
    """Diagnostics one after the other, and how many there are."""
    parts = [_one(d, color) for d in diagnostics]
    counts = [(len([d for d in diagnostics if d.severity == s]), s) for s in ("error", "warning")]
    total = ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts if n)
    return "\n\n".join([*parts, *([total] if total else [])])


def _one(diagnostic: Diagnostic, color: bool) -> str:
    paint = _paint if color else _plain
    lines = [paint(f"{diagnostic.severity}[{diagnostic.slug}]", diagnostic.severity) + f": {diagnostic.message}"]
    if diagnostic.span is not None:
        lines += _excerpt(diagnostic, diagnostic.span, paint)
    explain = f"(mai explain {diagnostic.slug})"
    lines.append(f"help: {diagnostic.help}      {explain}" if diagnostic.help else f"      {paint(explain, 'dim')}")
    return "\n".join(lines)


def _plain(text: str, style: str) -> str:
    return text


def _paint(text: str, style: str) -> str:
    return f"{COLORS[style]}{text}{COLORS['end']}"


def _excerpt(diagnostic: Diagnostic, span: Span, paint: Any) -> list[str]:
    """The lines that are spoken of, in the order of the text, with their carets."""
    labels = [(Label(span, diagnostic.label), "^"), *((w, "-") for w in diagnostic.where if w.span.source is span.source)]
    elsewhere = [w for w in diagnostic.where if w.span.source is not span.source]
    numbers = sorted({label.span.line for label, _ in labels})
    width = len(str(numbers[-1]))
    shown = [f"{' ' * width}--> {span}", f"{' ' * width} |"]
    previous = None
    for number in numbers:
        if previous is not None and number > previous + 2:
            shown.append("...")
        elif previous is not None and number == previous + 2:
            shown.append(_line(span.source, previous + 1, width))
        shown.append(_line(span.source, number, width))
        own = sorted((x for x in labels if x[0].span.line == number), key=lambda x: x[0].span.start)
        shown += [f"{' ' * width} | {_carets(label, mark, diagnostic, paint)}" for label, mark in own]
        previous = number
    shown += [f"{' ' * width} = {w.span}: {w.text}" for w in elsewhere]
    return shown


def _line(source: Source, number: int, width: int) -> str:
    return f"{number:>{width}} | {_expanded(source.line(number))}".rstrip()


def _carets(label: Label, mark: str, diagnostic: Diagnostic, paint: Any) -> str:
    span = label.span
    line = span.source.line(span.line)
    start = span.column - 1
    end = min(len(line), start + span.end - span.start)
    before, under = _columns(line[:start], 0), _columns(line[start:end], _columns(line[:start], 0))
    carets = paint(mark * max(1, under), diagnostic.severity if mark == "^" else "dim")
    return (" " * before + carets + (f" {label.text}" if label.text else "")).rstrip()


def _expanded(text: str) -> str:
    """Tabs as spaces up to the next tab stop."""
    made = ""
    for c in text:
        made += " " * (TAB - _columns(made, 0) % TAB) if c == "\t" else c
    return made


def _columns(text: str, begin: int) -> int:
    """How many columns a terminal gives a text that begins at a column."""
    at = begin
    for c in text:
        if c == "\t":
            at += TAB - at % TAB
        elif not unicodedata.combining(c):
            at += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return at - begin


def to_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Diagnostics for editors: lines and columns from 1, offsets from 0, ends excluded."""
    return json.dumps([_as_data(d) for d in diagnostics], indent=2, ensure_ascii=False)


def _as_data(d: Diagnostic) -> dict[str, Any]:
    where = [{**_place(w.span), "text": w.text} for w in d.where]
    place = _place(d.span) if d.span else {"file": None}
    return {"slug": d.slug, "severity": d.severity, "message": d.message, **place, "label": d.label, "where": where, "help": d.help}


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.path,
        "start": {"line": line, "column": column, "offset": span.start},
        "end": {"line": end_line, "column": end_column, "offset": span.end},
    }
