"""Specs and diagnostics as HTML, with colours that can be read on light and on dark ground."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from mai.compiler.editor.outline import TOKEN_KINDS, hints, tokens
from mai.compiler.editor.view import View
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.render import render

COLOURS = {
    "keyword": "#8250df", "function": "#0969da", "class": "#0969da", "type": "#116329", "number": "#0550ae", "string": "#2f7d32",
    "comment": "#7d8590", "parameter": "#953800", "property": "#953800",
}  # fmt: skip
STYLES = {"1;31": "#d1242f", "1;33": "#9a6700", "1;36": "#0969da", "2": "#7d8590"}
SHAPE = '<span style="color:#7d8590;font-size:85%">{}</span>'
_ESCAPE = re.compile("\x1b\\[([0-9;]*)m")


def spec_html(view: View) -> str:
    """A checked text in colours, with the shapes of what it computes behind their names."""
    text, inserts = view.source.text, list[tuple[int, int, str]]()  # Where, which first at one place, what.
    for begin, length, kind in tokens(view):
        colour = COLOURS.get(TOKEN_KINDS[kind])
        if colour is not None:
            inserts += [(begin, 2, f'<span style="color:{colour}">'), (begin + length, 0, "</span>")]
    inserts += [(hint.offset, 1, SHAPE.format(escape(hint.text))) for hint in hints(view, 0, len(text))]
    parts, at = list[str](), 0
    for place, _, insert in sorted(inserts):
        parts += [escape(text[at:place]), insert]
        at = place
    return _block("".join([*parts, escape(text[at:])]))


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


def _block(inner: str) -> str:
    return f'<pre style="line-height:1.45;overflow-x:auto;white-space:pre">{inner}</pre>'
