"""Walks through the syntax tree, without recursion: a text may nest as deep as it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, fields, is_dataclass
from operator import attrgetter
from typing import Any, TypeVar

from mai.spec.ast import Expr, If, Name, Statement
from mai.spec.source import Source, Span

N = TypeVar("N")
PLACE = ("span", "depth")  # The fields of every node, in which no nodes are.
PLAIN = {"Span", "Source", "str", "bool", "int", "float", "None"}  # What has no nodes in it; `Literal[...]` besides.
Parts = Callable[[Any], tuple[object, ...]]
PARTS: dict[type[object], Parts] = {tuple: tuple}  # What is directly below a node, by its class.


def expressions(node: object) -> Iterator[Expr]:
    """The outermost expressions of a tree."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Expr):
            yield top
        else:
            stack.extend(reversed([*children(top)]))


def children(node: object) -> tuple[object, ...]:
    """The nodes directly below a node, and tuples of them, in the order of the text; None for one that is left out."""
    kind = type(node)
    if kind not in PARTS:
        PARTS[kind] = _parts(kind)
    return PARTS[kind](node)


def _parts(kind: type[object]) -> Parts:
    """What has the fields of a node in which nodes may be; of another class there are none."""
    written = fields(kind) if is_dataclass(kind) and not issubclass(kind, (Span, Source)) else ()
    names = [field.name for field in written if field.name not in PLACE and not is_plain(field)]
    if len(names) < 2:
        return (lambda node: (getattr(node, names[0]),)) if names else lambda _: ()
    return attrgetter(*names)


def is_plain(field: Field[object]) -> bool:
    """Whether a field of a node has no nodes in it; it may have a place."""
    written = str(field.type)
    return written.startswith("Literal[") or set(written.split(" | ")) <= PLAIN


def with_branches(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Statements, and behind each `if` those of both its branches."""
    stack = [*statements][::-1]
    while stack:
        top = stack.pop()
        yield top
        if isinstance(top, If):
            stack.extend(reversed((*top.then, *top.otherwise)))


def nodes_of(tree: object, kind: type[N]) -> Iterator[N]:
    """Every node of a kind, at any depth."""
    stack = [tree]
    while stack:
        top = stack.pop()
        if isinstance(top, kind):
            yield top
        stack.extend(children(top))


def names_of(node: object) -> set[str]:
    """The names that an expression, or whatever else of the tree, speaks of."""
    return {name.id for name in nodes_of(node, Name)}
