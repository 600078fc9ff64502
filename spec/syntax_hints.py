"""From where the parser stopped to what is told: the place, the rule that fits it, the span."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from lark import UnexpectedInput
from lark.exceptions import UnexpectedToken

from mai.spec.diagnostics.suggest import closest, slips
from mai.spec.layout import BracketError
from mai.spec.syntax_rules import KEYWORDS, RULES, STATEMENTS, Place, filled

_COMMENTS = re.compile(r'("[^"\n]*"?)|#[^\n]*')
_TOKEN = re.compile(r'(?:"[^"\n]*"|\w+|\|>|->|\.\.|//|[-+*/=!<>]=|[^\w\s])$')
_KNOWN = frozenset("0123456789()[]{}+-*/@%^=<>|&!,.:;~'\"_#?“”‘’„«»\n") | {""}  # the language's, or told by a rule
_LOOKALIKES = {
    "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "—": "-", "≤": "<=", "≥": ">=", "≠": "!=",
    "→": "->", "∧": "and", "∨": "or", "¬": "not", "∈": "in", "√": "sqrt(x)", "∞": "inf", "ᵀ": "'", "′": "'", "`": '"',
}  # fmt: skip
NAMELESS = ("missing-equals", "no-effect")  # told of a first word that is taken for a name
FIRST_WORDS = (
    "misspelt",
    "foreign-keyword",
)  # the fault is the word that begins the statement, which was taken for a name
MOST_SLIPS = 2
LONGEST_TOKEN = 100  # of the token before: enough to know it by, and the search stays quick on a line without end


@dataclass(frozen=True, slots=True)
class Hint:
    """A syntax error to tell: the span `start` to `end`; `at` is inside the declaration at fault."""

    slug: str
    start: int
    end: int
    message: str
    label: str = ""
    help: str | None = None
    at: int = 0
    repair: tuple[tuple[int, int, str], ...] = ()  # Texts in the place of others, which the help tells of.


def syntax_hint(error: UnexpectedInput, text: str) -> Hint:
    """The best account of where the parser stopped."""
    text = _COMMENTS.sub(lambda m: m[1] or " " * len(m[0]), text)
    at, end = _where(error, text)
    place = _place(error, text, at, end)
    slug, message, help = _account(place)
    start, end = _at_fault(slug, place, at, end)
    if slug == "wrong-operator":
        start, end = _whole(text, start, end)
    if place.found in ("", "\n"):
        end = max(len(text[:at].rstrip()), 1)
        start = end - 1
    return Hint(slug, start, end, message, help=help, at=start, repair=_repair(place, text, start))


def _repair(place: Place, text: str, at: int) -> tuple[tuple[int, int, str], ...]:
    """Changes of the text that do what the help says: without Python's import, and with a line for each statement."""
    if place.imports:
        return ((at, at + len(place.statement.strip()), ""),)
    if place.found != ";":
        return ()
    line = text[text.rfind("\n", 0, at) + 1 :]
    indent = "\n" + line[: len(line) - len(line.lstrip())] + "  "
    rest = re.match(r'(?:"[^"\n]*"|[^\n"])*', text[at:])
    marks = [m for m in re.finditer(r'"[^"\n]*"|;[ \t]*', rest[0] if rest else "") if m[0][0] == ";"]
    return tuple(_line_end(text, at + mark.start(), at + mark.end(), indent) for mark in marks)


def _line_end(text: str, start: int, end: int, indent: str) -> tuple[int, int, str]:
    """A new line in the place of a semicolon and the blanks after it; nothing where the line ends there anyway."""
    ends = not text[end:] or text[end] in "\n}"
    return (start, start + 1, "") if ends else (start, end, indent)


def _at_fault(slug: str, place: Place, at: int, end: int) -> tuple[int, int]:
    """The whole statement, its first word, or what the parser stopped at."""
    begin, statement = at - len(place.line.lstrip()), place.statement.strip()
    alone = place.named and place.found in (".", "(", ",")
    if (slug == "no-effect" and place.named) or (slug == "foreign-keyword" and (alone or place.imports)):
        return begin, begin + len(statement)
    if slug == "misplaced-declaration" or (slug in FIRST_WORDS and place.named):
        return begin, begin + len(place.word)
    if place.before == "lambda":
        begin = at - len(place.line) + place.line.rindex("lambda")
        return begin, begin + len("lambda")
    return at, end


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """Both characters of `**`: the parser stops at one of them."""
    if text[start:end] != "*":
        return start, end
    return start - text[:start].endswith("*"), end + text[end:].startswith("*")


def _place(error: UnexpectedInput, text: str, at: int, end: int) -> Place:
    """The statement begins at its line, or after the brace on its line."""
    begin = max(text.rfind(c, 0, at) for c in "\n{}") + 1
    before = _TOKEN.search(text[begin:at].rstrip()[-LONGEST_TOKEN:])
    parser = error.interactive_parser
    accepts = frozenset[str](parser.accepts() if parser else ())  # type: ignore[no-untyped-call]
    return Place(text[at:end], text[at:], text[begin:at], before[0] if before else "", accepts)


def _account(place: Place) -> tuple[str, str, str | None]:
    first = place.found[:1]
    if first not in _KNOWN and not first.isalpha():
        return _strange(first)
    meant = closest(place.found, [w for w in KEYWORDS if w.upper() in place.accepts]) if place.is_word else None
    if meant:
        return "misspelt", f"`{place.found}` has no place here: did you mean `{meant}`?", None
    for test, slug, message, help in RULES:
        if test(place):
            meant = _statement(place) if slug in NAMELESS else None
            if meant:
                return "misspelt", f"`{place.word}` begins no statement: did you mean `{meant}`?", None
            return slug, filled(message, place), filled(help, place) if help else None
    shown = place.found.strip()
    return "syntax", f"`{shown}` has no place here" if shown else "the text ends too early", None


def _statement(place: Place) -> str | None:
    """The word that may have been meant by the first of a statement, a slip of the pen or two away."""
    meant = closest(place.word, sorted(STATEMENTS)) if place.named and place.opens else None
    return meant if meant and slips(place.word, meant) <= MOST_SLIPS else None


def _strange(character: str) -> tuple[str, str, str | None]:
    """A character that the language lacks, and the one that it looks like."""
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and plain.isdigit():
        message = f"`{character}` is no character of the language: powers are written with `^`"
        return "bad-character", message, f"write `^{plain}`"
    plain = str(unicodedata.decimal(character)) if character.isdecimal() else _LOOKALIKES.get(character, plain)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    help = f"write `{plain}`" if plain.isascii() and plain.isprintable() and plain != character else None
    return "bad-character", f"`{shown}` is no character of the language", help


def _where(error: UnexpectedInput, text: str) -> tuple[int, int]:
    if not isinstance(error, UnexpectedToken):
        at = min(error.pos_in_stream or 0, max(len(text) - 1, 0))
        match = re.compile(r"[^\W\d]\w*|.").match(text, at)
        return at, match.end() if match else at + 1
    token = error.token
    if token.type == "$END" or token.start_pos is None:
        end = len(text.rstrip())
        return end, end
    if token.type == "NEWLINE":
        return token.start_pos, token.start_pos + 1
    return token.start_pos, token.end_pos or token.start_pos + 1


def bracket_hint(error: BracketError) -> Hint:
    """A bracket without its partner, or nested too deep."""
    token = error.token
    assert token.start_pos is not None and token.end_pos is not None
    message = {
        "unclosed-bracket": f"close this `{token}`",
        "unmatched-bracket": f"this `{token}` closes nothing",
        "too-deep": "brackets are nested more than 100 levels deep",
    }[error.kind]
    return Hint(error.kind, token.start_pos, token.end_pos, message, at=token.start_pos)
