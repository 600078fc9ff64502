"""Letters that look like others: the message names the letter of a name typed on another keyboard, since nobody can see it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from mai.spec.diagnostics.edit import Edit, put
from mai.spec.source import Span

# Cyrillic and Greek letters by the Latin ones that they look like; a final sigma is a sigma (Unicode's confusables, in part).
LOOKS_LIKE = str.maketrans(
    "авекмнорстухіјѕԁԛԝАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοςκν",
    "aBeKMHopcTyxijsdqwABEKMHOPCTYXIJSABEZHIKMNOPTYXoσkv",
)


def look_alike(span: Span, names: Iterable[str]) -> Edit | None:
    """The known name that the one in `span` looks like, and which letter makes it another; None for no such name."""
    name = span.text
    for other in names:
        if other != name and len(other) == len(name) and _looks(other) == _looks(name):
            wrong, right = next((a, b) for a, b in zip(name, other, strict=True) if a != b)
            return put(
                span,
                other,
                f"write `{{}}`: here `{wrong}` is {_described(wrong)}, there `{right}` is {_described(right)}",
            )
    return None


def _looks(name: str) -> str:
    return unicodedata.normalize("NFKC", name).translate(LOOKS_LIKE)


def _described(letter: str) -> str:
    """`the Cyrillic U+0430`; `the micro sign U+00B5`."""
    words = unicodedata.name(letter, "letter").split(" LETTER")[0].lower().split()
    script = words[0].title() if words[0] in ("cyrillic", "greek", "latin") else " ".join(words)
    return f"the {script} U+{ord(letter):04X}"
