"""Memory that is free again, given back to the system: the peak of one phase of a compilation is not added to the next one's.

A session and a traced module are parts of cycles, which Python finds late, and the C library keeps what is freed for the next array. Of a
model of a billion weights that is gigabytes.
"""

from __future__ import annotations

import ctypes
import gc
from functools import cache
from math import prod
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import turns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mai.compiler.ir.graph import Graph

WORTH = 2**28  # Bytes of weights from which it is worth the time.


def weight_bytes(graph: Graph) -> int:
    """How many bytes the weights of a graph are in float32."""
    return sum(4 * prod(weight.shape) * len(turns_of(weight)) for weight in graph.weights.values())


def let_go(graph: Graph) -> None:
    """Give back the memory that was freed since, if the weights of a graph are large."""
    if weight_bytes(graph) >= WORTH:
        gc.collect()
        _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    """The C library's function that gives free memory back; nothing where it has none."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # Not glibc.
        return lambda pad: None
    return trim
