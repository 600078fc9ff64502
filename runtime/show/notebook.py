"""What notebooks show: tables as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LEFT = 'style="text-align:left"'


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of words under a head, whose last cell is as wide as the rest of the rows."""
    lines = list(rows)
    wide = max((len(row) for row in lines), default=1) - len(head) + 1
    cells = "".join(
        f"<th {LEFT}{f' colspan={wide}' if word is head[-1] and wide > 1 else ''}>{escape(word)}</th>" for word in head
    )
    body = "".join("<tr>" + "".join(f"<td {LEFT}>{escape(word)}</td>" for word in row) + "</tr>" for row in lines)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
