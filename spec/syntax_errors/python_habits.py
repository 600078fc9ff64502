"""Statements of Python that people write by habit: their messages, and what mends them."""

from __future__ import annotations

import re

from mai.spec.diagnostics.foreign import FOREIGN, METHODS, MODULES
from mai.spec.syntax_errors.syntax_place import Draft, Place
from mai.spec.syntax_errors.syntax_rules import Rule

NOTHING_TO_WRITE = ("step", "zero_grad", "train", "eval", "cuda", "cpu", "to", "manual_seed", "seed")


def statement(place: Place) -> str:
    """The whole statement, as far as it is on its line."""
    return place.text[place.begin : place.stop]


def imports(place: Place) -> bool:
    """Whether it imports a module of Python."""
    match = re.match(r"(?:import|from)\s+(\w+)", statement(place))
    return match is not None and match[1] in MODULES


def _call(place: Place) -> re.Match[str] | None:
    """A call that stands alone: what it is `of`, the name that is called `last`."""
    return re.match(r"(?:(?P<of>[\w.]+)\.)?(?P<last>\w+)\s*\(", statement(place)) if place.named else None


def _is_habit(place: Place) -> bool:
    call = _call(place)
    return call is not None and call["last"] in METHODS


def _instead(place: Place) -> Draft | str | None:
    call = _call(place)
    if call is None:
        return None
    words = METHODS[call["last"]].replace("{of}", call["of"] or "e")
    if call["last"] == "backward" and call["of"]:
        return Draft(words, ((place.begin, place.stop, f"minimize {call['of']}"),))
    return _without(place, words) if call["last"] in NOTHING_TO_WRITE else words


def _without(place: Place, words: str) -> Draft:
    """The file without the statement, and without its line where it stands alone on it."""
    begin = place.text.rfind("\n", 0, place.begin) + 1
    alone = not place.text[begin : place.begin].strip() and place.text[place.stop : place.stop + 1] == "\n"
    return Draft(words, ((begin, place.stop + 1, "") if alone else (place.begin, place.stop, ""),))


def _takes_shape_apart(place: Place) -> bool:
    return place.named and place.token == "," and re.search(r"\.(shape|size\(\))$", statement(place)) is not None


HABITS: list[Rule] = [
    (imports, "foreign-keyword", "a spec imports nothing of Python: layers and functions are there by themselves",
     lambda p: _without(p, f"take out `{statement(p)}`")),
    (_is_habit, "foreign-keyword", "a call alone does nothing here", _instead),
    (_takes_shape_apart, "foreign-keyword", "a shape is not taken apart", FOREIGN["size"]),
    (lambda p: p.named and re.match(r"self\.\w+\s*=[^=]", statement(p)) is not None,
     "foreign-keyword", "there is no `self`: a net's tensors are named in its block",
     "write `param W: [3, 2] ~ normal(0, 1)`, or `y = linear(x, 8)` where a layer is used"),
    (lambda p: p.token.startswith('"') and re.search(r"\b[fFrRbB]$", p.line) is not None,
     "foreign-keyword", "a text stands as it is: nothing is filled in", None),
]  # fmt: skip


def at_fault(slug: str, place: Place) -> tuple[int, int]:
    """The whole statement, its first word, or what the parser stopped at, by what is wrong there."""
    alone = place.named and place.token in (".", "(", ",")
    if (slug == "no-effect" and place.named) or (slug == "foreign-keyword" and (alone or imports(place))):
        return place.begin, place.stop
    taken_for_a_name = slug in ("misspelt", "foreign-keyword") and place.named
    if slug == "misplaced-declaration" or taken_for_a_name:
        return place.begin, place.begin + len(place.word)
    if slug == "unclosed-string" and place.before.startswith('"') and not place.token.startswith('"'):
        begin = place.text.rindex(place.before, 0, place.at)
        return begin, begin + 1
    if place.before == "lambda":
        begin = place.text.rindex("lambda", 0, place.at)
        return begin, begin + len("lambda")
    return place.at, place.end
