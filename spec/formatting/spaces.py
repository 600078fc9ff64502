"""Whether a space stands between two pieces of a line."""

from __future__ import annotations

from mai.spec import words
from mai.spec.formatting.pieces import Piece

TIGHT = frozenset({"..", ".", "^"})  # No space on either side.
NO_OPERAND = frozenset({"(", "[", "{", ","})
# After these words a bracket may begin a value, `return (a, b)`: a space that the author wrote stays.
BEFORE_VALUES = frozenset(words.texts(words.of_kind("statement", "clause", "operator")))


def is_unary(pieces: list[Piece], place: int) -> bool:
    """Whether the `-` at a place belongs to what follows alone."""
    if pieces[place].text != "-" or place == 0:
        return False
    before = pieces[place - 1]
    if before.kind == "name" and before.text in BEFORE_VALUES:
        return pieces[place].gap and not (place + 1 < len(pieces) and pieces[place + 1].gap)
    return before.kind == "sign" and not before.closes and before.text != "'"


def is_derivative(pieces: list[Piece], place: int) -> bool:
    """Whether the `/` at a place is that of `dx/ds = ...`, which begins a statement."""
    if pieces[place].text != "/" or place == 0 or place + 2 >= len(pieces) or pieces[place + 2].text != "=":
        return False
    first = pieces[place - 1]
    begins = place == 1 or first.ends > 0 or pieces[place - 2].text in ("{", "}")
    return begins and first.kind == "name" and pieces[place + 1].kind == "name"


def space_between(pieces: list[Piece], place: int, inside: str) -> str:
    """What stands before the piece at a place, in a line, between it and the one before; `inside` is the innermost open bracket."""
    left, right = pieces[place - 1], pieces[place]
    if _is_tight(pieces, place) or right.text in (",", "'") or (right.text == ":" and left.text != ","):
        return ""
    if left.text == ":":
        return "" if inside == "[" else " "
    if right.text in ("(", "["):
        return _before_bracket(left, right)
    return " "


def _is_tight(pieces: list[Piece], place: int) -> bool:
    left, right = pieces[place - 1], pieces[place]
    if "string" in (left.kind, right.kind) and (left.text in TIGHT or right.text in TIGHT):
        return False
    return (
        (left.kind == "sign" and left.text in ("(", "["))
        or (right.kind == "sign" and right.text in (")", "]"))
        or bool(TIGHT & {left.text, right.text})
        or is_unary(pieces, place - 1)
        or is_derivative(pieces, place - 1)
        or is_derivative(pieces, place)
    )


def _before_bracket(left: Piece, right: Piece) -> str:
    """`f(x)`, `x[0]` and `f(x)(y)` have no space; a bracket that begins a value has one."""
    if left.kind == "name":
        return " " if left.text in BEFORE_VALUES and right.gap else ""
    return "" if left.kind == "string" or left.text in (")", "]", "'") else " "
