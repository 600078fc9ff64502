"""The syntax tree. Every node carries the exact span of its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal

from mai.spec.source import Source, Span

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Expr:
    """`depth` is the height of the tree below, so that nesting can be bounded without recursion."""

    span: Span
    depth: int


@dataclass(frozen=True, slots=True)
class Number(Expr):
    value: int | float


@dataclass(frozen=True, slots=True)
class String(Expr):
    value: str


@dataclass(frozen=True, slots=True)
class Bool(Expr):
    value: bool


@dataclass(frozen=True, slots=True)
class Name(Expr):
    id: str


@dataclass(frozen=True, slots=True)
class Field(Expr):
    """`f.u`: the parameter `u` of the net `f`."""

    base: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    op: Literal["-", "not"]
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """Arithmetic, comparison (`==`, `<`, ...) and `and`, `or`; `op_span` is the operator's own."""

    op: str
    left: Expr
    right: Expr
    op_span: Span


@dataclass(frozen=True, slots=True)
class Transpose(Expr):
    operand: Expr


@dataclass(frozen=True, slots=True)
class Stack(Expr):
    """`[a, b]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; `name` is None for a positional one. `span` covers `name = value`."""

    span: Span
    name: str | None
    name_span: Span | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Pipe(Expr):
    """`x |> f(a)`, which means `f(x, a)`; `right` is a name or a call."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Slice:
    """`a:b` or `a:b:c` inside an index."""

    span: Span
    start: Expr | None
    stop: Expr | None
    step: Expr | None


@dataclass(frozen=True, slots=True)
class NewAxis:
    """`None` inside an index."""

    span: Span


@dataclass(frozen=True, slots=True)
class Index(Expr):
    base: Expr
    items: tuple[Expr | Slice | NewAxis, ...]


# ---------------------------------------------------------------------- types


@dataclass(frozen=True, slots=True)
class TensorType:
    """`[a, b]`; `[]` is a real scalar."""

    span: Span
    dims: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ScalarType:
    """`int`, `real`, `bool`, or `token` (one token)."""

    span: Span
    kind: Literal["int", "real", "bool", "token"]


@dataclass(frozen=True, slots=True)
class ClassType:
    """`class[K]`: an integer label below K."""

    span: Span
    classes: Expr


@dataclass(frozen=True, slots=True)
class TokensType:
    """`tokens[P]`: a row of P tokens."""

    span: Span
    dims: tuple[Expr, ...]


TypeExpr = TensorType | ScalarType | ClassType | TokensType

# ----------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name being bound or mentioned outside an expression."""

    span: Span
    id: str


@dataclass(frozen=True, slots=True)
class Statement:
    span: Span


@dataclass(frozen=True, slots=True)
class Assign(Statement):
    """`y = e`; `(a, b) = e` has several targets; `y += e` has an `op` of `+`."""

    targets: tuple[Identifier, ...]
    op: Literal["", "+", "-", "*", "/"]
    value: Expr


@dataclass(frozen=True, slots=True)
class Param(Statement):
    """`param W: T = e` or `param W: T ~ distribution`; `state` is a param that training does not move."""

    name: Identifier
    type: TypeExpr
    init: Expr | None
    trained: bool


@dataclass(frozen=True, slots=True)
class Draw(Statement):
    """`x ~ normal([2])`."""

    name: Identifier
    distribution: Expr


@dataclass(frozen=True, slots=True)
class Return(Statement):
    value: Expr


@dataclass(frozen=True, slots=True)
class If(Statement):
    """A choice made when the file is compiled: `if bias { ... } else { ... }`."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Statement):
    count: Expr
    shared: bool
    index: Identifier | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Derivative(Statement):
    """`dx/ds = e`; `state` is `x` and `variable` is `s`, their spans those of `dx` and `ds`."""

    state: Identifier
    variable: Identifier
    value: Expr


@dataclass(frozen=True, slots=True)
class Keep:
    """`keep x as xs`."""

    span: Span
    state: Identifier
    name: Identifier


@dataclass(frozen=True, slots=True)
class Integrate(Statement):
    """`integrate s in a..b using rk4(steps) { ... } keep x as xs`."""

    variable: Identifier
    start: Expr
    stop: Expr
    solver: Expr
    body: tuple[Statement, ...]
    keeps: tuple[Keep, ...]


@dataclass(frozen=True, slots=True)
class Extend(Statement):
    """`extend x by count until stop { ... append next }`."""

    name: Identifier
    count: Expr
    until: Expr | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Append(Statement):
    value: Expr


@dataclass(frozen=True, slots=True)
class Minimize(Statement):
    value: Expr
    over: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True)
class Report(Statement):
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Record(Statement):
    values: tuple[Expr, ...]
    every: Expr | None


# --------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Declaration:
    span: Span


@dataclass(frozen=True, slots=True)
class Const(Declaration):
    name: Identifier
    value: Expr


@dataclass(frozen=True, slots=True)
class Let(Declaration):
    name: Identifier
    value: Expr


@dataclass(frozen=True, slots=True)
class DataField:
    span: Span
    name: Identifier
    type: TypeExpr


@dataclass(frozen=True, slots=True)
class Data(Declaration):
    fields: tuple[DataField, ...]
    source: Expr


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a layer, net or export. Without a type it is a compile-time value."""

    span: Span
    name: Identifier
    type: TypeExpr | None
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Function(Declaration):
    """A layer, a net or an export; `head` is the span up to the body, for messages."""

    kind: Literal["layer", "net", "export"]
    name: Identifier
    parameters: tuple[Parameter, ...]
    returns: TypeExpr | None
    body: tuple[Statement, ...]
    head: Span


@dataclass(frozen=True, slots=True)
class Train(Declaration):
    settings: tuple[Argument, ...]
    body: tuple[Statement, ...]
    head: Span


@dataclass(frozen=True, slots=True)
class Import(Declaration):
    path: String


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file."""

    source: Source
    declarations: tuple[Declaration, ...]


def expressions(node: object) -> Iterator[Expr]:
    """The outermost expressions of a tree."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Expr):
            yield top
        elif isinstance(top, tuple):
            stack.extend(reversed(top))
        elif is_dataclass(top) and not isinstance(top, (Span, Source)):
            stack.extend(getattr(top, f.name) for f in reversed(fields(top)))
