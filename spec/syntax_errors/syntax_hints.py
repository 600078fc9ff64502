"""From where the parser stopped to the message: the place, the rule that fits it, the span."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from lark import UnexpectedInput
from lark.exceptions import UnexpectedToken

from mai.spec.diagnostics.suggest import closest, slips
from mai.spec.parsing.layout import BracketError
from mai.spec.syntax_errors.bracket_repairs import opened, partners, without
from mai.spec.syntax_errors.declarations import HEADS
from mai.spec.syntax_errors.python_habits import HABITS, at_fault
from mai.spec.syntax_errors.syntax_place import STATEMENTS, Draft, Place
from mai.spec.syntax_errors.syntax_repairs import Repair
from mai.spec.syntax_errors.syntax_rules import KEYWORDS, RULES

_COMMENTS = re.compile(r'("[^"\n]*"?)|#[^\n]*')
_STRINGS = re.compile(r'"[^"\n]*"')
_TOKEN = re.compile(r'(?:"[^"\n]*"|\w+|\|>|->|\.\.|//|[-+*/=!<>]=|[^\w\s])$')
_KNOWN = frozenset("0123456789()[]{}+-*/@%^=<>|&!,.:;~'\"_#?“”‘’„«»\n") | {""}  # the language's, or told by a rule
_LOOKALIKES = {
    "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "—": "-", "≤": "<=", "≥": ">=", "≠": "!=",
    "→": "->", "∧": "and", "∨": "or", "¬": "not", "∈": "in", "√": "sqrt(x)", "∞": "inf", "ᵀ": "'", "′": "'", "`": '"',
}  # fmt: skip
NAMELESS = ("missing-equals", "no-effect")  # told of a first word that is taken for a name
MOST_SLIPS = 2
LONGEST_TOKEN = 100  # of the token before: enough to know it by, and the search stays quick on a line without end


@dataclass(frozen=True, slots=True)
class Hint:
    """A syntax error to tell: the span `start` to `end`; `at` is inside the declaration at fault.

    One of the repairs `tries` may mend it, if no other does.
    """

    slug: str
    start: int
    end: int
    message: str
    label: str = ""
    help: str | Draft | None = None
    at: int = 0
    tries: tuple[Draft, ...] = ()


def syntax_hint(error: UnexpectedInput, text: str) -> Hint:
    """The best account of where the parser stopped."""
    text = _COMMENTS.sub(lambda m: m[1] or " " * len(m[0]), text)
    at, end = _where(error, text)
    place = _place(error, text, at, end)
    slug, message, help = _account(place)
    start, end = at_fault(slug, place)
    if slug == "wrong-operator":
        start, end = _whole(text, start, end)
    if place.token in ("", "\n"):
        end = max(len(text[:at].rstrip()), 1)
        start = end - 1
    return Hint(slug, start, end, message, help=help, at=start)


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """Both characters of `**`: the parser stops at one of them."""
    if text[start:end] != "*":
        return start, end
    return start - text[:start].endswith("*"), end + text[end:].startswith("*")


def _place(error: UnexpectedInput, text: str, at: int, end: int) -> Place:
    """The statement begins at its line, or after the brace on its line."""
    line = text.rfind("\n", 0, at) + 1
    code = _STRINGS.sub(lambda m: " " * len(m[0]), text[line:at])
    begin = line + max(code.rfind(c) for c in "{}") + 1
    before = _TOKEN.search(text[begin:at].rstrip()[-LONGEST_TOKEN:])
    parser = error.interactive_parser
    accepts = frozenset[str](parser.accepts() if parser else ())  # type: ignore[no-untyped-call]
    return Place(text[at:end], text[at:], text[begin:at], before[0] if before else "", accepts, text, at)


def _account(place: Place) -> tuple[str, str, str | Draft | None]:
    first = place.token[:1]
    if first not in _KNOWN and not first.isalpha():
        return _strange(first, place)
    meant = closest(place.token, [w for w in KEYWORDS if w.upper() in place.accepts]) if place.is_word else None
    if meant:
        help = _spelt(place.at, place.token, meant)
        return "misspelt", f"`{place.token}` has no place here", help
    for test, slug, message, remedy in (*HABITS, *HEADS, *RULES):
        if test(place):
            meant = _statement(place) if slug in NAMELESS else None
            if meant:
                return "misspelt", f"`{place.word}` begins no statement", _spelt(place.begin, place.word, meant)
            return slug, _filled(message, place), _help(remedy, place)
    shown = place.token.strip()
    return "syntax", f"`{shown}` has no place here" if shown else "the text ends too early", None


def _statement(place: Place) -> str | None:
    """The keyword that the first word of a statement may be a misspelling of: one or two slips away."""
    meant = closest(place.word, sorted(STATEMENTS)) if place.named and place.opens else None
    return meant if meant and slips(place.word, meant) <= MOST_SLIPS else None


def _help(remedy: str | Repair | None, place: Place) -> str | Draft | None:
    help = remedy(place) if callable(remedy) else remedy
    if isinstance(help, Draft):
        return Draft(_filled(help.words, place), help.changes)
    return _filled(help, place) if help else None


def _spelt(at: int, word: str, meant: str) -> Draft:
    return Draft(f"did you mean `{meant}`?", ((at, at + len(word), meant),))


def _strange(character: str, place: Place) -> tuple[str, str, str | Draft | None]:
    """A character that the language lacks, and the one that it looks like."""
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and plain.isdigit():
        message = f"`{character}` is no character of the language: powers are written with `^`"
        return "bad-character", message, Draft(f"write `^{plain}`", ((place.at, place.at + 1, f"^{plain}"),))
    plain = str(unicodedata.decimal(character)) if character.isdecimal() else _LOOKALIKES.get(character, plain)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    message = f"`{shown}` is no character of the language"
    if not plain.isascii() or not plain.isprintable() or plain == character:
        return "bad-character", message, None
    if plain.endswith(")"):  # a call of what follows, which only its writer can bracket
        return "bad-character", message, f"write `{plain}`"
    text = f" {plain} " if plain.isalpha() else plain
    return "bad-character", message, Draft(f"write `{plain}`", ((place.at, place.at + 1, text),))


def _filled(text: str, place: Place) -> str:
    return text.replace("{token}", place.token).replace("{before}", place.before)


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


def bracket_hint(error: BracketError, text: str) -> Hint:
    """A bracket without its partner, or nested too deep."""
    token = error.token
    assert token.start_pos is not None and token.end_pos is not None
    start, end = token.start_pos, token.end_pos
    text = _COMMENTS.sub(lambda m: m[1] or " " * len(m[0]), text)
    if error.kind == "unmatched-bracket":
        begins = opened(text, start)
        help = begins[0] if begins else without(text, start)
        return Hint(error.kind, start, end, f"this `{token}` closes nothing", help=help, at=start)
    if error.kind == "unclosed-bracket":
        return Hint(error.kind, start, end, f"close this `{token}`", at=start, tries=partners(text, start))
    return Hint(error.kind, start, end, "brackets are nested more than 100 levels deep", at=start)
