"""Room for deep calls: an elaborator and its passes call themselves as deep as a text nests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
SLOTS = 1 << 17  # of 8 bytes; CPython takes the next power of two, so as much again is left for calls


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, object]) -> Any:
    return function(*arguments, **named)


_ROOMY: Callable[..., Any] = _call
if sys.implementation.name == "cpython":  # Others have no such pieces.
    _ROOMY = FunctionType(_call.__code__.replace(co_stacksize=SLOTS), globals(), "in_one_piece")


def in_one_piece(function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """What a function returns, whose calls and theirs have their frames in one piece of memory.

    CPython takes memory for frames from the system in pieces of 16 kB, and gives each back when the first call in it
    returns. A loop whose calls lie across an edge takes and gives a piece back at each of its turns: ten thousand times in the
    check of one U-Net, a fifth of its time. A call that asks for a large frame makes one large piece, which stays until it returns.
    """
    result: R = _ROOMY(function, arguments, named)
    return result
