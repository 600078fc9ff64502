"""Walks through the syntax tree, without recursion: a text may nest as deep as it likes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from mai.spec.ast import Expr, Name
from mai.spec.source import Source, Span

N = TypeVar("N")
PLACE = ("span", "depth")  # the fields of every node, in which no nodes are
FIELDS: dict[type[Any], tuple[str, ...]] = {}  # the others, by class


def expressions(node: object) -> Iterator[Expr]:
    """The outermost expressions of a tree."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Expr):
            yield top
        else:
            stack.extend(reversed([*children(top)]))


def children(node: object) -> Iterator[object]:
    """The nodes directly below a node, in the order of the text."""
    if isinstance(node, tuple):
        return iter(node)
    return (getattr(node, name) for name in _fields(type(node)))


def _fields(kind: type[Any]) -> tuple[str, ...]:
    """The fields, of a class of nodes, in which nodes may be; of another class there are none."""
    if kind not in FIELDS:
        names = () if issubclass(kind, (Span, Source)) else getattr(kind, "__match_args__", ())
        FIELDS[kind] = tuple(name for name in names if name not in PLACE)
    return FIELDS[kind]


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
