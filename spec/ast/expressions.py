"""Expressions: numbers, names, calls, indices."""

from __future__ import annotations

from typing import Literal, TypeAlias

from mai.spec.ast.node import node
from mai.spec.source import Span


@node
class Expr:
    """`depth` is the height of the tree below, so that nesting can be bounded without recursion."""

    span: Span
    depth: int


@node
class Number(Expr):
    """A number; whole where it is written without a point or an exponent."""

    value: int | float


@node
class String(Expr):
    """A text in double quotes, without them."""

    value: str


@node
class Bool(Expr):
    """`true` or `false`."""

    value: bool


@node
class Name(Expr):
    """A name that stands for a value or a function."""

    id: str


@node
class Field(Expr):
    """`f.u`: the parameter `u` of the net `f`; `f.linear_1.weight`, of a layer's call in it."""

    base: Expr
    name: str

    @property
    def path(self) -> str | None:
        """The names with points between; None for a field of something else than a name."""
        base = self.base.path if isinstance(self.base, Field) else getattr(self.base, "id", None)
        return None if base is None else f"{base}.{self.name}"


@node
class Unary(Expr):
    """`-x` or `not x`."""

    op: Literal["-", "not"]
    operand: Expr


@node
class Binary(Expr):
    """Arithmetic, comparison (`==`, `<`, ...) and `and`, `or`; `op_span` is the operator's own."""

    op: str
    left: Expr
    right: Expr
    op_span: Span


@node
class Transpose(Expr):
    """`x'`: the last two axes exchanged."""

    operand: Expr


@node
class Stack(Expr):
    """`[a, b]`."""

    items: tuple[Expr, ...]


@node
class Several(Expr):
    """`(a, b)`, the results of a function that has more than one."""

    items: tuple[Expr, ...]


@node
class Argument:
    """One argument of a call; `name` is None for a positional one. `span` covers `name = value`."""

    span: Span
    name: str | None
    name_span: Span | None
    value: Expr


@node
class Call(Expr):
    """`f(a, name = b)`."""

    function: Expr
    arguments: tuple[Argument, ...]


@node
class Pipe(Expr):
    """`x |> f(a)`, which means `f(x, a)`; `right` is a name or a call."""

    left: Expr
    right: Expr


@node
class Slice:
    """`a:b` or `a:b:c` inside an index."""

    span: Span
    start: Expr | None
    stop: Expr | None
    step: Expr | None


@node
class NewAxis:
    """`None` inside an index."""

    span: Span


@node
class OtherAxes:
    """`...` inside an index: a `:` for each axis that the index does not name."""

    span: Span


IndexItem: TypeAlias = Expr | Slice | NewAxis | OtherAxes


@node
class Index(Expr):
    """`x[i, a:b, None, ...]`."""

    base: Expr
    items: tuple[IndexItem, ...]
