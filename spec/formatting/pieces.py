"""A text as its words, signs and comments, and where the author's lines ended."""

from __future__ import annotations

import re

from mai.spec.record import record

_PIECE = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<string>"[^"\n]*") | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?) | (?P<name>\w+)
    | (?P<sign>\|>|->|\.\.\.|\.\.|==|!=|<=|>=|\+=|-=|\*=|/=|//|[^\s\w]) | (?P<end>\n) | (?P<space>[ \t\r]+)""",
    re.VERBOSE,
)


@record
class Piece:
    """A word, a sign or a comment.

    `ends` is how many line ends stand before it, `gap` whether there is a space, `column` where it stood in its line.
    """

    text: str
    kind: str
    ends: int
    gap: bool
    column: int

    @property
    def opens(self) -> bool:
        """Whether it is an opening bracket."""
        return self.kind == "sign" and self.text in "([{"

    @property
    def closes(self) -> bool:
        """Whether it is a closing bracket."""
        return self.kind == "sign" and self.text in ")]}"


def pieces_of(text: str) -> list[Piece]:
    """All pieces of a text that can be parsed, in their order; nothing but spaces and line ends is left out."""
    pieces: list[Piece] = []
    ends, gap, line = 0, False, 0
    for match in _PIECE.finditer(text):
        kind = str(match.lastgroup)
        if kind == "end":
            ends, line = ends + 1, match.end()
        elif kind == "space":
            gap = True
        else:
            pieces.append(Piece(match[0].rstrip(), kind, ends, gap, match.start() - line))
            ends, gap = 0, False
    return pieces
