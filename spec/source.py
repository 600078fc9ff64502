"""Source texts, and spans of characters in them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from mai.spec.record import record


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One text and where it came from.

    `path` is shown to people as it stands. `name` is what compiled files call it: its path from the folder of the spec that is
    compiled, so that they are the same wherever that folder is. `in_prelude` is a text of the standard layers.
    """

    path: str
    text: str
    name: str = ""
    in_prelude: bool = False
    line_starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = (0, *(i + 1 for i, c in enumerate(self.text) if c == "\n"))
        object.__setattr__(self, "line_starts", starts)
        object.__setattr__(self, "name", self.name or self.path)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its line break."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]


@record
class Span:
    """The characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line of its first character, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column of its first character, from 1."""
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        """The text that it covers."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, max(self.end, other.end))

    def covers(self, other: Span) -> bool:
        """Whether another span lies in this one, of the same source."""
        return self.source is other.source and self.start <= other.start and other.end <= self.end

    @property
    def note(self) -> str:
        """The place as compiled files name it: `layers.mai:3:5`."""
        return f"{self.source.name}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"
