"""A text that is typed is read by its declarations: those that did not change are read once, and moved to where they stand now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from mai.spec import ast
from mai.spec.ast_walk import is_plain
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.parsing.grammar import tables
from mai.spec.parsing.lalr import NotOfTheLanguage, Parser
from mai.spec.parsing.layout import DECLARATIONS, BracketError, check_brackets
from mai.spec.parsing.tree import TreeBuilder
from mai.spec.source import Source, Span

REMEMBERED = 500  # Declarations; a long text has some forty.

Declarations = tuple[ast.Declaration, ...]


def parts_of(text: str) -> Iterator[tuple[int, int]]:
    """Where the declarations begin and end; what stands before the first is a part, too."""
    starts = [match.start() for match in DECLARATIONS.finditer(text)]
    bounds = [0, *(start for start in starts if start), len(text)]
    yield from pairwise(bounds)


def sound_file(source: Source) -> ast.File | None:
    """The tree of a text that is read by its declarations; None for one in which something is wrong."""
    declarations: list[ast.Declaration] = []
    for begin, end in parts_of(source.text):
        part = sound_part(source.text[begin:end])
        if part is None:
            return None
        declarations += placed(part, source, begin)
    return ast.File(source, tuple(declarations))


@lru_cache(maxsize=REMEMBERED)
def sound_part(text: str) -> Declarations | None:
    """The declarations of a part, as a text of its own; None where something is wrong with it."""
    file = sound_whole(Source("", text))
    return None if file is None else file.declarations


def sound_whole(source: Source) -> ast.File | None:
    """The tree of a text that is read at once; None for one in which something is wrong."""
    report = Reporter()
    try:
        check_brackets(source.text)
        file = Parser(tables(), source.text, TreeBuilder(source, report)).parse()
    except (BracketError, NotOfTheLanguage, MaiError):
        return None
    assert isinstance(file, ast.File)
    return None if report.diagnostics else file


def placed(declarations: Declarations, source: Source, begin: int) -> Declarations:
    """Declarations of a part that begins at a character of a source."""

    def move(node: Any) -> Any:
        kind = type(node)
        if kind is Span:
            return Span(source, node.start + begin, node.end + begin)
        if kind is tuple:
            return tuple([move(each) for each in node])
        rebuild = _REBUILD.get(kind)
        if rebuild is None:
            rebuild = _REBUILD[kind] = _rebuilding(kind)
        return rebuild(node, move)

    result: Declarations = move(declarations)
    return result


Rebuild = Callable[[Any, Callable[[Any], Any]], Any]
_REBUILD: dict[type[object], Rebuild] = {}


def _rebuilding(kind: type[object]) -> Rebuild:
    """How a node is made again, with other nodes and spans below it; what is no node stays as it is."""
    if not is_dataclass(kind):
        return lambda node, _: node
    kept = [(field.name, is_plain(field) and "Span" not in str(field.type)) for field in fields(kind)]

    def rebuild(node: Any, move: Callable[[Any], Any]) -> Any:
        return kind(*[getattr(node, name) if plain else move(getattr(node, name)) for name, plain in kept])

    return rebuild
