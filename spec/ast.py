"""The syntax tree. Every node carries the exact span of its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal, TypeVar, dataclass_transform

from mai.spec.source import Source, Span

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def node(kind: type[T]) -> type[T]:
    """A dataclass that the type checker holds frozen. To check it at run time too would take two thirds of the import."""
    return dataclass(slots=True, eq=False, repr=False)(kind)


# ---------------------------------------------------------------- expressions


@node
class Expr:
    """`depth` is the height of the tree below, so that nesting can be bounded without recursion."""

    span: Span
    depth: int


@node
class Number(Expr):
    value: int | float


@node
class String(Expr):
    value: str


@node
class Bool(Expr):
    value: bool


@node
class Name(Expr):
    id: str


@node
class Field(Expr):
    """`f.u`: the parameter `u` of the net `f`."""

    base: Expr
    name: str


@node
class Unary(Expr):
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
class Index(Expr):
    base: Expr
    items: tuple[Expr | Slice | NewAxis, ...]


# ---------------------------------------------------------------------- types


@node
class TensorType:
    """`[a, b]`; `[]` is a real scalar."""

    span: Span
    dims: tuple[Expr, ...]


@node
class ScalarType:
    """`int`, `real`, `bool`, or `token` (one token)."""

    span: Span
    kind: Literal["int", "real", "bool", "token"]


@node
class ClassType:
    """`class[K]`: an integer label below K."""

    span: Span
    classes: Expr


@node
class TokensType:
    """`tokens[P]`: a row of P tokens."""

    span: Span
    dims: tuple[Expr, ...]


TypeExpr = TensorType | ScalarType | ClassType | TokensType

# ----------------------------------------------------------------- statements


@node
class Identifier:
    """A name being bound or mentioned outside an expression."""

    span: Span
    id: str


@node
class Statement:
    span: Span


@node
class Assign(Statement):
    """`y = e`; `(a, b) = e` has several targets; `y += e` has an `op` of `+`."""

    targets: tuple[Identifier, ...]
    op: Literal["", "+", "-", "*", "/"]
    value: Expr


@node
class Param(Statement):
    """`param W: T = e` or `param W: T ~ distribution`; `state` is a param that training does not move."""

    name: Identifier
    type: TypeExpr
    init: Expr | None
    trained: bool


@node
class Draw(Statement):
    """`x ~ normal([2])`."""

    name: Identifier
    distribution: Expr


@node
class Return(Statement):
    value: Expr


@node
class If(Statement):
    """A choice made when the file is compiled: `if bias { ... } else { ... }`."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@node
class Repeat(Statement):
    count: Expr
    shared: bool
    index: Identifier | None
    body: tuple[Statement, ...]


@node
class Derivative(Statement):
    """`dx/ds = e`; `state` is `x` and `variable` is `s`, their spans those of `dx` and `ds`."""

    state: Identifier
    variable: Identifier
    value: Expr


@node
class Keep:
    """`keep x as xs`."""

    span: Span
    state: Identifier
    name: Identifier


@node
class Integrate(Statement):
    """`integrate s in a..b using rk4(steps) { ... } keep x as xs`."""

    variable: Identifier
    start: Expr
    stop: Expr
    solver: Expr
    body: tuple[Statement, ...]
    keeps: tuple[Keep, ...]


@node
class Extend(Statement):
    """`extend x by count until stop { ... append next }`."""

    name: Identifier
    count: Expr
    until: Expr | None
    body: tuple[Statement, ...]


@node
class Append(Statement):
    value: Expr


@node
class Minimize(Statement):
    """`minimize e over f, "g.head.*"`: nets, and parameters by patterns of their names."""

    value: Expr
    over: tuple[Identifier | String, ...]


@node
class Report(Statement):
    values: tuple[Expr, ...]


@node
class Record(Statement):
    values: tuple[Expr, ...]
    every: Expr | None


# --------------------------------------------------------------- declarations


@node
class Declaration:
    span: Span


@node
class Const(Declaration):
    name: Identifier
    value: Expr


@node
class Let(Declaration):
    name: Identifier
    value: Expr


@node
class DataField:
    span: Span
    name: Identifier
    type: TypeExpr


@node
class Data(Declaration):
    fields: tuple[DataField, ...]
    source: Expr


@node
class Parameter:
    """A parameter of a layer, net or export. Without a type it is a compile-time value."""

    span: Span
    name: Identifier
    type: TypeExpr | None
    default: Expr | None


@node
class Function(Declaration):
    """A layer, a net or an export; `head` is the span up to the body, for messages.

    `returns` has a type for each result; a layer may leave them out.
    """

    kind: Literal["layer", "net", "export"]
    name: Identifier
    parameters: tuple[Parameter, ...]
    returns: tuple[TypeExpr, ...]
    body: tuple[Statement, ...]
    head: Span


@node
class Train(Declaration):
    settings: tuple[Argument, ...]
    body: tuple[Statement, ...]
    head: Span


@node
class Import(Declaration):
    path: String


@node
class Fill:
    """`"f.head.weight" = "classifier.weight"`: where the parameters of some names come from; several share a `split`."""

    span: Span
    targets: tuple[String, ...]
    value: Expr


@node
class Ignore:
    """`ignore "*.attn.bias"`: tensors of the file that no parameter takes."""

    span: Span
    value: Expr


@node
class Weights(Declaration):
    """`weights from "model.safetensors" { rules }`."""

    path: String
    rules: tuple[Fill | Ignore, ...]
    head: Span


@node
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
        else:
            stack.extend(reversed([*children(top)]))


def children(node: object) -> Iterator[object]:
    """The nodes directly below a node, in the order of the text."""
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node) and not isinstance(node, (Span, Source)):
        yield from (getattr(node, f.name) for f in fields(node))


def names_of(node: object) -> set[str]:
    """The names that an expression, or whatever else of the tree, speaks of."""
    names: set[str] = set()
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Name):
            names.add(top.id)
        stack.extend(children(top))
    return names
