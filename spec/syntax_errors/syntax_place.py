"""The place where the parser stopped, and a repair of it."""

from __future__ import annotations

import re

from mai.spec import words
from mai.spec.record import record

STATEMENTS = frozenset(words.texts(words.of_kind("statement", "branch")))
TYPES = frozenset(["LSQB", *(text.upper() for text in words.texts(words.of_kind("type")))])
OPERAND = re.compile(r"[^\W\d][\w.]*(?:\[[^\[\]]*\])*$|\d[\w.]*$")


@record
class Draft:
    """An edit of a text that is no source yet: words, and for each change the characters from, to, and the text there."""

    words: str
    changes: tuple[tuple[int, int, str], ...]


def draft(begin: int, end: int, text: str, words: str = "write `{}`") -> Draft:
    """One change: another text from `begin` to `end`; `{}` in the words is that text."""
    return Draft(words.replace("{}", text.strip()), ((begin, end, text),))


@record
class Place:
    """Where the parser stopped.

    `token` is the offending text ("" at the end), `rest` all from there on, `line` the statement so far, `before` the
    token before, `accepts` the terminals of the grammar that could stand here; `text` is the whole text, `at` where it is.
    """

    token: str
    rest: str
    line: str
    before: str
    accepts: frozenset[str]
    text: str = ""
    at: int = 0

    @property
    def word(self) -> str:
        """The word that begins the statement."""
        match = re.match(r"\s*([^\W\d]\w*)", self.line + self.token)
        return match[1] if match else ""

    @property
    def opens(self) -> bool:
        """Nothing but that word stands before."""
        return self.line.strip() in ("", self.word)

    @property
    def wants_value(self) -> bool:
        """Whether an expression may begin here."""
        return "NUMBER" in self.accepts

    @property
    def wants_type(self) -> bool:
        """Whether a type must stand here."""
        return bool(self.accepts & TYPES) and self.accepts <= TYPES | {"LPAR"}

    @property
    def named(self) -> bool:
        """A statement's first name has been read, nothing else."""
        return "UPDATE" in self.accepts

    @property
    def assigns_later(self) -> bool:
        """Whether the rest of the line holds an `=` that assigns."""
        return bool(re.match(r"[^\n}]*[^=<>!\n]=[^=]", self.rest))

    @property
    def is_word(self) -> bool:
        """Whether the token begins with a letter."""
        return bool(re.match(r"[^\W\d]", self.token))

    @property
    def is_operand(self) -> bool:
        """Whether the token could be a part of an expression."""
        return bool(re.match(r'[\w"]', self.token)) and self.token not in STATEMENTS

    @property
    def block(self) -> str:
        """The word that begins the block around the place."""
        depth = 0
        for at in range(self.at - 1, -1, -1):
            depth += (self.text[at] == "}") - (self.text[at] == "{")
            if depth < 0:
                return self.text[self.text.rfind("\n", 0, at) + 1 : at].split(maxsplit=1)[0]
        return ""

    @property
    def end(self) -> int:
        """Where the offending text ends."""
        return self.at + len(self.token)

    @property
    def begin(self) -> int:
        """Where the statement begins, after its indent."""
        return self.at - len(self.line.lstrip())

    @property
    def gap(self) -> int:
        """Where the white space before the place begins."""
        return len(self.text[: self.at].rstrip())

    @property
    def stop(self) -> int:
        """Where the statement ends: before the end of its line, or the brace that closes its block."""
        match = re.compile(r"[^\n{}]*").match(self.text, self.at)
        return len(self.text[: match.end() if match else self.at].rstrip())

    @property
    def indent(self) -> str:
        """The white space that begins the line; inside a brace on it, two more."""
        line = self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at]
        own = line[: len(line) - len(line.lstrip())]
        return own + "  " * (line.count("{") > line.count("}"))
