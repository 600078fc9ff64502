"""The lines of a spec: their indents, the author's line ends, and where a line that is too long goes on.

An author's line ends stay, at most one empty line between two; so what is one statement stays one. A line that is longer than
`LIMIT` is broken where a line may go on: after a comma, after an operator, before `|>` or the word of a clause.
"""

from __future__ import annotations

from collections.abc import Iterator

from mai.spec import words
from mai.spec.formatting.pieces import Piece, pieces_of
from mai.spec.formatting.spaces import is_derivative, is_unary, space_between
from mai.spec.parsing.layout import CONTINUATION
from mai.spec.record import record

LIMIT, STEP = 120, 2
CLAUSES = frozenset({"from", "using", "until", "keep", "over", "every"})
GOES_ON = frozenset({",", "=", "+=", "-=", "*=", "/=", "~", "+", "-", "*", "/", "@", "//", "%", "^", "|>", "->", ".."}) | {
    "==", "!=", "<=", ">=", "<", ">", *(word.text for word in words.WORDS if word.goes_on)
}  # fmt: skip
# How much worse a break is after these than after a comma or before a clause; in brackets; in an index; and far from the limit.
AFTER = {"+": 2.0, "-": 2.0, "and": 2.0, "or": 2.0, "*": 4.0, "@": 4.0, "=": 5.0}
DEEPER, IN_INDEX, UNUSED = 2.0, 3.0, 4.0


@record
class Open:
    """An open bracket: the indent of lines inside, and that of a line which its partner begins."""

    bracket: str
    inside: int
    outside: int


def format_text(text: str) -> str:
    """A text that can be parsed, in the form that all have; formatted again, it stays as it is."""
    return "".join(line + "\n" for line in _Lines(pieces_of(text)).all())


def indent_after(text: str, line: str) -> int:
    """The indent of a line that follows a text, which need not be finished; an empty line is to have a statement."""
    begins = " ".join(piece.text for piece in pieces_of(line)[:2]) or "x"
    *_, last = _Lines(pieces_of(f"{text}\n{begins}")).all()
    return len(last) - len(last.lstrip())


class _Lines:
    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.open: list[Open] = []
        self.statement = 0  # The indent of the line that the statement began in.
        self.opened = set[int]()  # The pieces that begin a line since a block which was one line is several.

    def all(self) -> Iterator[str]:
        place = 0
        while place < len(self.pieces):
            if place and self._has_empty_line(place):
                yield ""
            end = self._end_of_line(place)
            while place < end:
                line, place = self._line(place, end)
                yield line
                end = min(end, self._end_of_line(place)) if place < end else end

    def _has_empty_line(self, place: int) -> bool:
        in_brackets = bool(self.open) and self.open[-1].bracket != "{"
        before = self.pieces[place - 1].text
        return self.pieces[place].ends > 1 and not in_brackets and before != "{" and self.pieces[place].text != "}"

    def _end_of_line(self, place: int) -> int:
        """The place of the first piece of the author's next line."""
        places = range(place + 1, len(self.pieces))
        return next((i for i in places if self.pieces[i].ends or i in self.opened), len(self.pieces))

    def _line(self, begin: int, end: int) -> tuple[str, int]:
        """One line, from a piece on, and the piece that the next one begins with: `end`, or before where the line is too long."""
        indent = self._indent(begin)
        stop = self._stop(begin, end, indent)
        if stop is not None and self._opens_block(begin, end):
            end = self._end_of_line(begin)
            stop = self._stop(begin, end, indent)
        stop = end if stop is None else stop
        text = " " * indent
        for place in range(begin, stop):
            piece = self.pieces[place]
            if piece.kind == "comment" and place > begin:
                text += " " * max(2, piece.column - len(text)) + piece.text
                continue
            text += (space_between(self.pieces, place, self._inside()) if place > begin else "") + piece.text
            self._step(piece, indent)
        return text.rstrip(), stop

    def _opens_block(self, begin: int, end: int) -> bool:
        """Whether a line that is too long ends with a block, `{ x = 1 }`, which becomes several lines from now on."""
        last = max((i for i in range(begin, end) if self.pieces[i].kind != "comment"), default=begin)
        depth = 0
        for place in range(last, begin, -1):
            piece = self.pieces[place]
            depth += (piece.closes and piece.text == "}") - (piece.opens and piece.text == "{")
            if depth == 0:
                break
        if self.pieces[last].text != "}" or place == begin or place + 1 == last or {place + 1, last} <= self.opened:
            return False
        self.opened |= {place + 1, last}
        return True

    def _inside(self) -> str:
        return self.open[-1].bracket if self.open else ""

    def _step(self, piece: Piece, indent: int) -> None:
        """After a piece of a line with an indent: what is open now."""
        if piece.opens:
            outside = self.statement if piece.text == "{" else indent
            self.open.append(Open(piece.text, outside + STEP, outside))
            if piece.text == "{":
                self.statement = outside + STEP
        elif piece.closes and self.open:
            closed = self.open.pop()
            if closed.bracket == "{":
                self.statement = closed.outside

    def _indent(self, place: int) -> int:
        """The indent of a line that a piece begins."""
        piece, last = self.pieces[place], self.open[-1] if self.open else None
        if piece.closes and last is not None:
            return last.outside
        if last is not None and last.bracket != "{":
            return last.inside
        here = last.inside if last is not None else 0
        if self._goes_on(place):
            return self.statement if piece.text == "else" else self.statement + STEP
        self.statement = here
        return here

    def _goes_on(self, place: int) -> bool:
        """Whether a line outside of brackets belongs to the statement of the one before."""
        piece = self.pieces[place]
        if place == 0 or piece.kind == "comment":
            return False
        before = next((p for p in reversed(self.pieces[:place]) if p.kind != "comment"), None)
        if before is None or (before.text in ("{", "}") and piece.text not in ("else", *CLAUSES, "as")):
            return False
        if before.kind != "string" and before.text in GOES_ON:
            return True
        follows = self.pieces[place + 1].text if place + 1 < len(self.pieces) else ""
        return CONTINUATION.match(f"{piece.text} {follows}") is not None

    # ------------------------------------------------------------------ long lines

    def _stop(self, begin: int, end: int, indent: int) -> int | None:
        """Where a line that is too long ends: at the best place before `LIMIT`, or at its end where there is none; None for any other."""
        inside = [o.bracket for o in self.open]
        column, depth, best, stop = indent, 0, float("inf"), end
        for place in range(begin, end):
            piece = self.pieces[place]
            if piece.kind == "comment":
                return None if column <= LIMIT else stop
            space = space_between(self.pieces, place, inside[-1] if inside else "") if place > begin else ""
            cost = self._cost(place, depth, inside[len(self.open) :]) if place > begin else None
            if cost is not None and column <= LIMIT:
                cost += UNUSED * (LIMIT - column) / LIMIT
                if cost <= best:
                    best, stop = cost, place
            column += len(space) + len(piece.text)
            if piece.opens:
                inside.append(piece.text)
                depth += piece.text != "{"
            elif piece.closes and inside:
                depth -= inside.pop() != "{"
        return None if column <= LIMIT else stop

    def _cost(self, place: int, depth: int, inside: list[str]) -> float | None:
        """How bad it is that a line ends before a piece; None where it may not. `inside` are the brackets that the line has opened."""
        left, right = self.pieces[place - 1], self.pieces[place]
        if "{" in inside or right.closes or left.opens or left.kind == "string":
            return None
        cost = DEEPER * max(depth, 0) + (IN_INDEX if inside[-1:] == ["["] else 0)
        follows = self.pieces[place + 1] if place + 1 < len(self.pieces) else None
        is_clause = right.text in CLAUSES and right.kind == "name" and depth == 0 and _begins_value(follows)
        if left.text == "," or right.text == "|>" or is_clause:
            return cost
        if is_unary(self.pieces, place - 1) or is_derivative(self.pieces, place - 1) or left.text not in AFTER:
            return None
        return cost + AFTER[left.text]


def _begins_value(piece: Piece | None) -> bool:
    return piece is not None and (piece.kind in ("name", "number", "string") or piece.text in ("(", "[", "{", "-"))
