"""What is written to a terminal.

A file's titles, names and texts may hold control characters, which would set colours, move the cursor or write over what
stands there: they are shown as escapes, as in `\\x1b`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

# Control characters but tab and newline, separators of lines, marks that turn the direction of a line, halves of characters.
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
COLOURS = re.compile(r"\x1b\[[;?0-9]*[a-zA-Z]")
LAYOUT = {"\n": "\\n", "\t": "\\t"}


def visible(text: str) -> str:
    """A text of any number of lines, with its control characters as escapes."""
    return INVISIBLE.sub(lambda match: _escape(match[0]), text)


def visible_line(text: str) -> str:
    """The same for what stands in a line: newlines and tabs are escapes, too."""
    return "".join(LAYOUT.get(character, character) for character in visible(text))


def echo(text: str, *, err: bool = False, end: str = "\n", colours: bool = False) -> None:
    """Print a text as it is, to stderr where `err`; but for `colours`, which are for terminals unless they are asked for."""
    stream = sys.stderr if err else sys.stdout
    if sys.platform == "win32" and stream.isatty():  # Whose older terminals know no escapes.
        import typer

        typer.echo(text + end, stream, nl=False)
        return
    stream.write((text if colours or stream.isatty() else COLOURS.sub("", text)) + end)
    stream.flush()


def say(message: str, *, err: bool = False) -> None:
    """Print a message of mai's, which may repeat what a file or a user wrote."""
    echo(visible(message), err=err)


def say_text(text: str, *, end: str = "\n") -> None:
    """Print a text that is a file's own, as it is where it goes to a file or to another program."""
    shown = visible(text) if sys.stdout.isatty() else text
    echo(shown, end=end, colours=True)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of words in columns, under a head."""
    table = [head, *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(head))]
    for row in table:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
