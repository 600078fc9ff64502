"""Statements: what stands on a line of a block."""

from __future__ import annotations

from typing import Literal

from mai.spec.ast.expressions import Expr, String
from mai.spec.ast.node import node
from mai.spec.ast.types import TypeExpr
from mai.spec.source import Span


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
    """`param W: T = e` or, `drawn`, `param W: T ~ distribution`; `state` is a param that training does not move.

    Only a state has no `type`: it is that of its first value.
    """

    name: Identifier
    type: TypeExpr | None
    init: Expr | None
    trained: bool
    drawn: bool


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
    """`repeat count { } keep x as xs`, with `shared`, an index and a condition that ends it where they are written."""

    count: Expr
    shared: bool
    index: Identifier | None
    until: Expr | None
    body: tuple[Statement, ...]
    keeps: tuple[Keep, ...]


@node
class Derivative(Statement):
    """`dx/ds = e`; `state` is `x` and `variable` is `s`, their spans those of `dx` and `ds`."""

    state: Identifier
    variable: Identifier
    value: Expr


@node
class Noise(Statement):
    """`noise dB: [m]`, the increments of Brownian motions that are driven by nothing else; `name` is `dB`."""

    name: Identifier
    type: TypeExpr


@node
class Keep:
    """`keep x as xs`, or `keep x at times as xs` after an `integrate`."""

    span: Span
    state: Identifier
    name: Identifier
    times: Expr | None = None


@node
class Integrate(Statement):
    """`integrate s in a..b using rk4(steps) { ... } until x < 0 as hit keep x as xs`."""

    variable: Identifier
    start: Expr
    stop: Expr
    solver: Expr
    body: tuple[Statement, ...]
    until: Expr | None
    hit: Identifier | None
    keeps: tuple[Keep, ...]


@node
class Extend(Statement):
    """`extend x by count until stop { ... append next }`; with a search, `using beam(width) { ... score z } keep x as texts, score as scores`."""

    name: Identifier
    count: Expr
    until: Expr | None
    search: Expr | None
    body: tuple[Statement, ...]
    keeps: tuple[Keep, ...] = ()


@node
class Append(Statement):
    """`append value`, the next token of a text."""

    value: Expr


@node
class Score(Statement):
    """`score value`, how likely each next token of a text is, in an `extend` that searches."""

    value: Expr


@node
class Minimize(Statement):
    """`minimize e over f, "g.head.*" every n`: nets, and parameters by patterns of their names."""

    value: Expr
    over: tuple[Identifier | String, ...]
    every: Expr | None


@node
class Reported:
    """`b as accuracy` in a `report`: a number, and the name that it is shown under, if it is given one."""

    span: Span
    value: Expr
    name: Identifier | None


@node
class Report(Statement):
    """`report a, b as accuracy`."""

    values: tuple[Reported, ...]


@node
class Record(Statement):
    """`record a, b every n`."""

    values: tuple[Expr, ...]
    every: Expr | None


@node
class Check(Statement):
    """`check condition`, in a claim: what has to hold."""

    value: Expr
