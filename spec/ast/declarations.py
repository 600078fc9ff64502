"""Declarations, and the file that they make."""

from __future__ import annotations

from typing import Literal

from mai.spec.ast.expressions import Argument, Expr, String
from mai.spec.ast.node import node
from mai.spec.ast.statements import Identifier, Statement
from mai.spec.ast.types import TypeExpr
from mai.spec.source import Source, Span


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

    `returns` has a type for each result; a layer may leave them out. `count` says how many nets a family has.
    """

    kind: Literal["layer", "net", "export"]
    name: Identifier
    count: Expr | None
    parameters: tuple[Parameter, ...]
    returns: tuple[TypeExpr, ...]
    body: tuple[Statement, ...]
    head: Span


@node
class Twin(Declaration):
    """`net slow = average(f, 0.999)`, `net reference = copy(f)`: a second set of a net's parameters."""

    name: Identifier
    value: Expr


@node
class Train(Declaration):
    """`train(settings) { }` or `train name(settings) { }`; `head` is the text before the body."""

    name: Identifier | None
    settings: tuple[Argument, ...]
    body: tuple[Statement, ...]
    head: Span


@node
class Claim(Declaration):
    """`claim name(settings) { }`: what the trained model is said to be; `head` is the text before the body."""

    name: Identifier
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
