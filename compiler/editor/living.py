"""A syntax tree of a text that is being written: what cannot be read is left out, and the rest stands where it stood."""

from __future__ import annotations

import re
from functools import lru_cache

from mai.spec import ast
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.parsing.grammar import tables
from mai.spec.parsing.lalr import NotOfTheLanguage, Parser
from mai.spec.parsing.layout import DECLARATIONS, BracketError, check_brackets
from mai.spec.parsing.parse import sound_tree
from mai.spec.parsing.parts import REMEMBERED, parts_of, placed, sound_part
from mai.spec.parsing.tree import TreeBuilder
from mai.spec.record import record
from mai.spec.source import Source

MAX_ROUNDS = 40


@record
class Living:
    """The tree of what can be read of a text, and that part of it: as long as the text, with spaces in the place of the rest."""

    file: ast.File
    text: str


def living(source: Source) -> Living:
    """The tree of all that can be read: of a declaration that is wrong the lines that are right, else nothing."""
    file = sound_tree(source, is_typed=True)
    if file is not None:
        return Living(file, source.text)
    declarations: list[ast.Declaration] = []
    texts: list[str] = []
    for begin, end in parts_of(source.text):
        part, text = _living_part(source.text[begin:end], is_last=end == len(source.text))
        declarations += placed(part, source, begin)
        texts.append(text)
    return Living(ast.File(source, tuple(declarations)), "".join(texts))


@lru_cache(maxsize=REMEMBERED)
def _living_part(part: str, is_last: bool) -> tuple[tuple[ast.Declaration, ...], str]:
    """What can be read of the text of a declaration, and that text; one that is not the last keeps its last line end."""
    sound, text, tried = sound_part(part), part, set[int]()
    if sound is not None:
        return sound, part
    for _ in range(MAX_ROUNDS):
        try:
            return _parsed(text), text
        except _Fault as fault:
            text = _without(text, fault.at, tried, is_last)
    return (), re.sub(r"[^\n]", " ", part)


class _Fault(Exception):
    """A text is not of the language, from a character on."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def _parsed(text: str) -> tuple[ast.Declaration, ...]:
    try:
        check_brackets(text)
    except BracketError as error:
        raise _Fault(error.token.start_pos) from error
    parser = Parser(tables(), text, TreeBuilder(Source("", text), Reporter()))
    try:
        file = parser.parse()
    except NotOfTheLanguage as error:
        raise _Fault(_after(text, parser)) from error
    except MaiError as error:  # More is wrong than a report holds.
        raise _Fault(0) from error
    assert isinstance(file, ast.File)
    return file.declarations


def _after(text: str, parser: Parser) -> int:
    """The first character that was not read."""
    end = parser.entries[-1][2] if parser.entries else 0
    rest = re.compile(r"(?:\s|#[^\n]*)*").match(text, max(end, 0))
    return min(rest.end() if rest else 0, max(len(text) - 1, 0))


def _without(text: str, at: int, tried: set[int], is_last: bool) -> str:
    """The text without the line of a fault; where that was tried, without what it stands in."""
    begin, end = text.rfind("\n", 0, at) + 1, _end_of_line(text, at)
    if begin not in tried:
        tried.add(begin)
        if _closes_itself(text[begin:end]):
            return _blank(text, begin, end)
        closed = _closed(text, at, is_last)
        if closed is not None:
            return closed
        if text[at] in "([" and not re.search(r"[{}]", text[begin:end]):
            return _blank(text, begin, end)
    first, last = _declaration(text, at)
    return _blank(text, first, last)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return end if end >= 0 else len(text)


def _closes_itself(line: str) -> bool:
    return bool(line.strip()) and not DECLARATIONS.match(line) and all(
        line.count(a) == line.count(b) for a, b in ("()", "[]", "{}")
    )  # fmt: skip


def _closed(text: str, at: int, is_last: bool) -> str | None:
    """The text with a `}` at the end of the declaration whose block is not closed yet, in the place of an empty line."""
    if text[at] != "{":
        return None
    _, end = _declaration(text, at)
    space = re.compile(r"\s*$").search(text, at, end)
    if space is None or text.count("\n", space.start(), end) < (1 if is_last and end == len(text) else 2):
        return None
    place = space.start()
    return f"{text[:place]}}}{text[place + 1 :]}"


def _declaration(text: str, at: int) -> tuple[int, int]:
    starts = [m.start() for m in DECLARATIONS.finditer(text)]
    begin = max((s for s in starts if s <= at), default=0)
    return begin, min((s for s in starts if s > at), default=len(text))


def _blank(text: str, begin: int, end: int) -> str:
    return text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]
