"""How many threads a step is computed with."""

from __future__ import annotations

import torch

from mai.compiler.ir.graph import Graph
from mai.compiler.ops.work import known_sizes, multiply_adds

SMALL_STEP = 1e9  # Multiply-adds.


def choose_threads(graph: Graph, batch: int, device: torch.device, threads: int) -> None:
    """Small steps lose more by waiting for threads than they gain: they have one. The rule depends on the spec alone."""
    work = batch * multiply_adds(graph, known_sizes(graph))
    is_small = device.type == "cpu" and work < SMALL_STEP
    torch.set_num_threads(1 if is_small else threads)
