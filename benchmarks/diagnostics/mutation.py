"""A text with one mistake, and what a good message says of it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mai.compiler.elaborate.functions.registered import BUILTINS
from mai.spec import ast, prelude_parts
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import parse
from mai.spec.source import Source, Span

NOT_CODE = re.compile(r'"[^"\n]*"|#[^\n]*')
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mistake.

    Attributes:
        text: the file with it.
        lines: where it is, or shows first: the lines that a message may stand on.
        spans: characters from, to: a message at one of these points to the mistake, and to nothing else.
        slugs: the kinds of diagnostics that name it.
        words: what the message, its labels or its help say; of `a|b` one.
        certain: whether it is one in any case; another order of arguments may be meant.
    """

    text: str
    lines: frozenset[int]
    spans: tuple[Range, ...]
    slugs: tuple[str, ...]
    words: tuple[str, ...] = ()
    certain: bool = True


@dataclass(frozen=True)
class Subject:
    """A sound file."""

    path: Path
    text: str

    @cached_property
    def file(self) -> ast.File:
        """Its syntax tree."""
        return parse(Source(str(self.path), self.text, self.path.name), Reporter())

    @cached_property
    def code(self) -> str:
        """The text with strings and comments blanked, so that places stay."""
        return NOT_CODE.sub(lambda m: " " * len(m[0]), self.text)

    @cached_property
    def names(self) -> frozenset[str]:
        """All that has a meaning in it."""
        return frozenset(re.findall(r"\w+", self.code)) | frozenset(BUILTINS) | frozenset(prelude_parts())

    @cached_property
    def functions(self) -> dict[str, ast.Function]:
        """Its nets, layers and exports, by name."""
        return {d.name.id: d for d in self.file.declarations if isinstance(d, ast.Function)}

    def line(self, at: int) -> int:
        """The line of a character, from 1."""
        return self.text.count("\n", 0, at) + 1

    def mutation(
        self,
        begin: int,
        end: int,
        text: str,
        slugs: str,
        *words: str,
        spans: tuple[Range, ...] = (),
        certain: bool = True,
    ) -> Mutation:
        """`text` in the place of some characters; the mistake is that text, unless `spans` (of the new text) say otherwise."""
        new = self.text[:begin] + text + self.text[end:]
        places = spans or ((begin, begin + len(text)),)
        lines = frozenset(new.count("\n", 0, place) + 1 for place, _ in places)
        return Mutation(new, lines, places, tuple(slugs.split()), words, certain)

    def at(self, span: Span, text: str, slugs: str, *words: str, certain: bool = True) -> Mutation:
        """The same for a span."""
        return self.mutation(span.start, span.end, text, slugs, *words, certain=certain)


Kind = Callable[[Subject, random.Random], Iterator[Mutation]]
KINDS: dict[str, Kind] = {}


def kind(make: Kind) -> Kind:
    """Register a kind of mistakes: a function from a sound file to all mistakes of the kind in it."""
    KINDS[make.__name__] = make
    return make


def misspelt(word: str, rng: random.Random, taken: frozenset[str]) -> str | None:
    """A word with one slip of the pen, which is no other word; None for words too short to be known again."""
    if len(word) < 4:
        return None
    for _ in range(8):
        at = rng.randrange(1, len(word) - 1)
        letters = rng.choice("abcdefghijklmnopqrstuvwxyz")
        mutation = rng.choice([
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + letters + word[at + 1 :],
        ])  # fmt: skip
        if mutation != word and mutation not in taken:
            return mutation
    return None
