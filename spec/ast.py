"""The syntax tree. Every node carries the exact span of its text."""

from __future__ import annotations

from dataclasses import dataclass
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
    """`f.u`: the parameter `u` of the net `f`."""

    base: Expr
    name: str


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
class Index(Expr):
    """`x[i, a:b, None]`."""

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
    """`class[K]`: an integer label below K; `class[K][P]`: P of them."""

    span: Span
    classes: Expr
    dims: tuple[Expr, ...]


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
    """What stands on a line of a block."""

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
    """`return value`."""

    value: Expr


@node
class If(Statement):
    """A choice made when the file is compiled: `if bias { ... } else { ... }`."""

    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@node
class Repeat(Statement):
    """`repeat count { }`, with `shared` and an index where they are written."""

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
    """`append value`, the next token of a text."""

    value: Expr


@node
class Minimize(Statement):
    """`minimize e over f, "g.head.*"`: nets, and parameters by patterns of their names."""

    value: Expr
    over: tuple[Identifier | String, ...]


@node
class Report(Statement):
    """`report a, b`."""

    values: tuple[Expr, ...]


@node
class Record(Statement):
    """`record a, b every n`."""

    values: tuple[Expr, ...]
    every: Expr | None


# --------------------------------------------------------------- declarations


@node
class Declaration:
    """What stands at the top of a file."""

    span: Span


@node
class Const(Declaration):
    """`const name = value`."""

    name: Identifier
    value: Expr


@node
class Let(Declaration):
    """`let name = value`."""

    name: Identifier
    value: Expr


@node
class DataField:
    """`name: type` of a `data` line."""

    span: Span
    name: Identifier
    type: TypeExpr


@node
class Data(Declaration):
    """`data x: [2], y: class[10] from source`."""

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
    """`train(settings) { }`; `head` is the text before the body."""

    settings: tuple[Argument, ...]
    body: tuple[Statement, ...]
    head: Span


@node
class Import(Declaration):
    """`import "path"`."""

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
