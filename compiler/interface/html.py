"""Specs, diagnostics and tables as HTML, with colours that can be read on light and on dark ground."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from mai.compiler.editor.outline import TOKEN_KINDS, hints, tokens
from mai.compiler.editor.view import View
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.render import render
from mai.spec.source import Source

COLOURS = {
    "keyword": "#8250df", "function": "#0969da", "class": "#0969da", "type": "#116329", "number": "#0550ae", "string": "#2f7d32",
    "comment": "#7d8590", "parameter": "#953800", "property": "#953800", "macro": "#953800",
}  # fmt: skip
STYLES = {"1;31": "#d1242f", "1;33": "#9a6700", "1;36": "#0969da", "2": "#7d8590"}
_ESCAPE = re.compile("\x1b\\[([0-9;]*)m")


def spec_html(path: Path, source: Source) -> str:
    """A spec in colours, with the shapes of what it computes behind their names."""
    view = View(path, source, lambda path: None)
    view.check({})
    marks = [(begin, begin + length, TOKEN_KINDS[kind]) for begin, length, kind in tokens(view)]
    shapes = {hint.offset: hint.text for hint in hints(view, 0, len(source.text))}
    return _block("".join(_pieces(source.text, marks, shapes)))


def _pieces(text: str, marks: Sequence[tuple[int, int, str]], shapes: dict[int, str]) -> Iterable[str]:
    at = 0
    for begin, end, kind in marks:
        yield _with_shapes(text, at, begin, shapes)
        colour = COLOURS.get(kind)
        shown = escape(text[begin:end])
        yield f'<span style="color:{colour}">{shown}</span>' if colour else shown
        yield _shape(shapes.get(end))
        at = end
    yield _with_shapes(text, at, len(text), shapes)


def _with_shapes(text: str, begin: int, end: int, shapes: dict[int, str]) -> str:
    shown, at = "", begin
    for place in sorted(place for place in shapes if begin < place <= end):
        shown += escape(text[at:place]) + _shape(shapes[place])
        at = place
    return shown + escape(text[at:end])


def _shape(text: str | None) -> str:
    return f'<span style="color:#7d8590;font-size:85%">{escape(text)}</span>' if text else ""


def diagnostics_html(diagnostics: Sequence[Diagnostic]) -> str:
    """What `mai check` prints, with its colours."""
    return _block(_from_terminal(render(diagnostics, color=True)))


def _from_terminal(text: str) -> str:
    """The escapes of a terminal as spans."""
    parts, is_open = [], False
    for place, piece in enumerate(_ESCAPE.split(text)):
        if place % 2 == 0:
            parts.append(escape(piece))
            continue
        parts.append("</span>" * is_open)
        is_open = piece in STYLES
        parts.append(f'<span style="color:{STYLES[piece]};font-weight:600">' if is_open else "")
    return "".join(parts) + "</span>" * is_open


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of words under a head."""
    cells = "".join(f'<th style="text-align:left">{escape(word)}</th>' for word in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(word)}</td>' for word in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _block(inner: str) -> str:
    return f'<pre style="line-height:1.45;overflow-x:auto;white-space:pre">{inner}</pre>'
