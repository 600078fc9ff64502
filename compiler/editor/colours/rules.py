"""What a piece of text is by its letters: the rules that every colouring is made from.

A rule is a regular expression in what Python, Oniguruma (TextMate) and JavaScript (CodeMirror) have in common. The first that fits at a
place wins, so that all of them agree; `tests/editor/test_colours.py` compares them on every example. Words come from the language's one
table. Most of them are names elsewhere (`data = x`, `at(k)`), so a rule says what stands around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from mai.spec.record import record
from mai.spec.words import DECLARATIONS, DISTRIBUTIONS, Kind, of_kind, texts

Colour = Literal[
    "comment", "string", "number", "declaration", "control", "type", "constant", "word operator", "draw", "function", "name", "operator", "bracket"
]  # fmt: skip
NAME = r"(?![\d⁰¹²³⁴-⁹¼-¾])(?:(?![⁰¹²³⁴-⁹])\w)+"
_ALONE = r"(?![\w.])"  # Ends a word.
_BEGINS = r"(?<![\w.])(?<![^\s{}] )(?<![^\s{}])"  # A statement begins here: a line, or what follows a brace.
_IS_NO_NAME = r"(?!\s*(?:[-+*/]?=|\())"
_GOES_ON = r"(?!\s+(?:and|or)(?![\w.]))(?=\s+[\w(\[\"-]|\s*\{)"


@record
class Rule:
    """A regular expression, and the colour of what it fits."""

    colour: Colour
    pattern: str


def _any(words: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


def _of(*kinds: Kind) -> str:
    return _any(texts(of_kind(*kinds)))


RULES = (
    Rule("comment", r"#[^\n]*"),
    Rule("string", r'"[^"\n]*"'),
    Rule("number", r"(?<![\w⁰¹²³⁴-⁹])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"),
    Rule("declaration", rf"{_BEGINS}{_any(texts(DECLARATIONS))}{_ALONE}(?!\s*[-+*/]?=)(?=\s*[\w(\"]|\s*\{{)"),
    Rule("control", rf"(?<![\w.])(?:if|else|return){_ALONE}(?!\s*[-+*/]?=)"),
    Rule("control", rf"{_BEGINS}{_of('statement', 'rule')}{_ALONE}(?!\s*[-+*/]?=)(?=\s*[\w(\[\"-])"),
    Rule("control", rf"(?<=\s){_of('clause')}{_ALONE}{_IS_NO_NAME}{_GOES_ON}"),
    Rule("constant", rf"(?<![\w.]){_of('value')}{_ALONE}"),
    Rule("word operator", rf"(?<![\w.]){_of('operator')}{_ALONE}"),
    Rule("type", rf"(?:(?<=[:>] )|(?<=> \()){_of('type')}{_ALONE}"),
    Rule("type", r"(?<=, )(?:real|int|bool)(?=[,)])"),
    Rule("draw", rf"(?<![\w.]){_any(DISTRIBUTIONS)}(?=\()"),
    Rule("function", rf"(?<![\w.]){NAME}(?=\()"),
    Rule("name", NAME),
    Rule("operator", r"->|\.\.\.?|\|>|//|[-+*/]=|[<>=!]=|[-+*/@%^<>=~':.]"),
    Rule("bracket", r"[()\[\]{},]"),
)  # fmt: skip


@cache
def _scanner() -> re.Pattern[str]:
    return re.compile("|".join(f"({rule.pattern})" for rule in RULES))


def pieces(text: str) -> Iterator[tuple[int, int, Colour]]:
    """The pieces of a text: where each begins and ends, and its colour. What no rule fits is left out."""
    for piece in _scanner().finditer(text):
        assert piece.lastindex is not None
        yield piece.start(), piece.end(), RULES[piece.lastindex - 1].colour
