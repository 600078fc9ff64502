"""Steps of a table of tokens as single calls of generated code."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from mai.compiler.ir.operation import Operation
from mai.compiler.ops.texts.constraint import Follows, IsWhole, Walk


def walk(tokens: Tensor, before: Tensor, table: str) -> Tensor:
    """The state after the tokens of rows; see `ops/texts/constraint.py`."""
    return Walk.torch(torch, tokens, before, table=table)  # type: ignore[arg-type, return-value]


def follows(state: Tensor, left: Tensor, table: str, count: int) -> Tensor:
    """Which tokens may come next."""
    return Follows.torch(torch, state, left, table=table, count=count)  # type: ignore[arg-type, return-value]


def is_whole(state: Tensor, table: str) -> Tensor:
    """Whether texts are whole."""
    return IsWhole.torch(torch, state, table=table)  # type: ignore[arg-type, return-value]


CALLS: dict[type[Operation], Callable[..., Tensor]] = {Walk: walk, Follows: follows, IsWhole: is_whole}

for _function in CALLS.values():
    fx.wrap(_function.__name__)
