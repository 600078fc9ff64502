"""How a process computes steps: with how many threads, and in which memory."""

from __future__ import annotations

import ctypes

import torch

from mai.compiler.ir.graph import Graph
from mai.compiler.ops.work import known_sizes, multiply_adds

SMALL_STEP = 1e9  # Multiply-adds.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # The names of glibc's `mallopt(3)`.
MOST, LARGE, LARGE_BEFORE = 2**31 - 1, 2**30, 2**25  # Bytes; glibc before 2.35 takes no more than the last.


def choose_threads(graph: Graph, batch: int, device: torch.device, threads: int) -> None:
    """Small steps lose more by waiting for threads than they gain: they have one. The rule depends on the spec alone."""
    work = batch * multiply_adds(graph, known_sizes(graph))
    is_small = device.type == "cpu" and work < SMALL_STEP
    torch.set_num_threads(1 if is_small else threads)


def keep_memory(device: torch.device) -> None:
    """Keep what a step frees for the next one.

    glibc gives it back, and the system clears each page of it anew: a tenth of the processor's time of a step, measured. Tensors above
    `LARGE` are given back as ever. Other C libraries have no such setting, and devices keep memory by themselves.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # Not glibc.
        return
    if device.type == "cpu":
        set_option(TRIM_THRESHOLD, MOST)
        set_option(MMAP_THRESHOLD, LARGE) or set_option(MMAP_THRESHOLD, LARGE_BEFORE)
