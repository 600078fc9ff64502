"""Types as they are written."""

from __future__ import annotations

from typing import Literal

from mai.spec.ast.expressions import Expr
from mai.spec.ast.node import node
from mai.spec.source import Span


@node
class TensorType:
    """`[a, b]`; `[]` is a real scalar."""

    span: Span
    dims: tuple[Expr, ...]


@node
class AnyType:
    """`[...]`: a real tensor of whatever shape a call hands over."""

    span: Span


@node
class ScalarType:
    """`int`, `real`, `bool`, or `token` (one token); `int[a, b]` and `bool[a, b]` have axes."""

    span: Span
    kind: Literal["int", "real", "bool", "token"]
    dims: tuple[Expr, ...] = ()


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


TypeExpr = TensorType | AnyType | ScalarType | ClassType | TokensType
