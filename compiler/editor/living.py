"""A syntax tree of a text that is being written: what cannot be read is left out, and the rest stands where it stood."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
MAX_OPEN = 8  # Lines that open a block, or end one, that are tried where another end is missing, or too many.


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
    sound = sound_part(part)
    if sound is not None:
        return sound, part
    reading = _read(part)
    for _ in range(MAX_ROUNDS):
        if reading.declarations is not None:
            return reading.declarations, reading.text
        reading = _further(reading, is_last)
    return (), re.sub(r"[^\n]", " ", part)


@record
class Reading:
    """A text as far as it can be read: its declarations, or None and the first character that is not of the language."""

    text: str
    reach: int
    declarations: tuple[ast.Declaration, ...] | None = None


def _further(reading: Reading, is_last: bool) -> Reading:
    """The text without what is wrong where the reading ends: of what may be left out, what lets most be read."""
    best, text, at = reading, reading.text, reading.reach
    for other in map(_read, _without(text, at, is_last)):
        if other.declarations is not None:
            return other
        best = max(best, other, key=lambda each: each.reach)
    return best if best.reach > at else _read(_blank(text, *_declaration(text, at)))


def _read(text: str) -> Reading:
    try:
        check_brackets(text)
    except BracketError as error:
        return Reading(text, error.token.start_pos)
    parser = Parser(tables(), text, TreeBuilder(Source("", text), Reporter()))
    try:
        file = parser.parse()
    except NotOfTheLanguage:
        return Reading(text, _after(text, parser))
    except MaiError:  # More is wrong than a report holds.
        return Reading(text, 0)
    assert isinstance(file, ast.File)
    return Reading(text, len(text) + 1, file.declarations)


def _after(text: str, parser: Parser) -> int:
    """The first character that was not read."""
    end = parser.entries[-1][2] if parser.entries else 0
    rest = re.compile(r"(?:\s|#[^\n]*)*").match(text, max(end, 0))
    return min(rest.end() if rest else 0, max(len(text) - 1, 0))


def _without(text: str, at: int, is_last: bool) -> Iterator[str]:
    """What a text may be without the fault at `at`, each time without something else."""
    begin, end = _line(text, at)
    yield from _blanked(text, begin, end)
    yield from _blanked(
        text, *_code_before(text, begin)
    )  # It may lack what this line was read as: `h =`, and below it `y = x`.
    if text[at] == "{":
        yield from _closed(text, at, is_last)
        _, last = _declaration(text, at)
        lines = dict.fromkeys(_line(text, end + m.start()) for m in re.finditer("{", text[end:last]))
        yield from (_blank(text, *line) for line in [*lines][::-1][:MAX_OPEN] if _opens(text[slice(*line)]) > 0)
    elif text[at] == "}":
        first, _ = _declaration(text, at)
        ends = [m.span() for m in re.finditer(r"(?m)^[ \t]*}[ \t]*$", text[:end]) if m.start() > first]
        yield from (_blank(text, *line) for line in ends[::-1][:MAX_OPEN])


def _blanked(text: str, begin: int, end: int) -> Iterator[str]:
    """The text without a line that neither begins a declaration nor opens or ends a block."""
    line = text[begin:end]
    if line.strip() and not DECLARATIONS.match(line) and not _opens(line):
        yield _blank(text, begin, end)


def _code_before(text: str, begin: int) -> tuple[int, int]:
    """The last line before a place that is neither empty nor a comment."""
    while begin > 0:
        begin, end = _line(text, begin - 1)
        if text[begin:end].strip() and not text[begin:end].lstrip().startswith("#"):
            return begin, end
    return 0, 0


def _opens(line: str) -> int:
    return line.count("{") - line.count("}")


def _line(text: str, at: int) -> tuple[int, int]:
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, end if end >= 0 else len(text)


def _closed(text: str, at: int, is_last: bool) -> Iterator[str]:
    """The text with a `}` at the end of the declaration whose block is not closed yet, in the place of an empty line."""
    _, end = _declaration(text, at)
    space = re.compile(r"\s*$").search(text, at, end)
    if space is not None and text.count("\n", space.start(), end) >= (1 if is_last and end == len(text) else 2):
        yield f"{text[: space.start()]}}}{text[space.start() + 1 :]}"


def _declaration(text: str, at: int) -> tuple[int, int]:
    starts = [m.start() for m in DECLARATIONS.finditer(text)]
    begin = max((s for s in starts if s <= at), default=0)
    return begin, min((s for s in starts if s > at), default=len(text))


def _blank(text: str, begin: int, end: int) -> str:
    return text[:begin] + re.sub(r"[^\n]", " ", text[begin:end]) + text[end:]
