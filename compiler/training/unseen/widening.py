"""Which matrices are kept in 8 bits instead of 4, so that a loss stays within its limit: as few as do, those first that 4 bits change the most.

How much 4 bits change a product is the mean square of the change of its results, as a share of that of the results: with the codes V of a matrix W
and the moments H of what it reads, tr((W - V) H (W - V)') / tr(W H W'). The rows of a table are read as they are, so that there H is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from mai.compiler.compile_options import BITS, Trained
from mai.compiler.file_size import suits
from mai.compiler.onnx.precision.quantize import quantized
from mai.runtime.arrays import Array

Worst = Callable[[Trained], float]


def widened(trained: Trained, tables: Collection[str], worst: Worst, limit: float) -> Trained:
    """The same with the weights that are kept in 8 bits; all of them where that is not enough.

    Args:
        tables: the weights of which rows are taken.
        worst: what few bits add to the loss, as a share of it.
        limit: what they may add.
    """
    names = _most_changed_first(trained, tables)
    too_few, enough = 0, len(names)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        holds = worst(_with_first(trained, names, middle)) <= limit
        too_few, enough = (too_few, middle) if holds else (middle, enough)
    return _with_first(trained, names, enough)


def _with_first(trained: Trained, names: Sequence[str], count: int) -> Trained:
    return replace(trained, wide=frozenset(names[:count]))


def _most_changed_first(trained: Trained, tables: Collection[str]) -> list[str]:
    moments = trained.moments
    assert moments is not None, "products are ranked by what they read"
    changes = {name: _of_table(trained.weights[name]) for name in tables if suits(trained.weights[name].shape)}
    for name in moments.weights():
        matrix = trained.weights[name]
        moments_read, blocks = (
            moments.of(frozenset([name]), matrix.shape[-1]),
            moments.blocks(frozenset([name]), matrix, BITS["int4"]),
        )
        if moments_read is not None and blocks is not None:
            changes[name] = _square(matrix - blocks.dequantized(), moments_read) / max(
                _square(matrix, moments_read), 1e-30
            )
    return sorted(changes, key=lambda name: -changes[name])


def _of_table(table: Array) -> float:
    error = table - quantized(table, BITS["int4"]).dequantized()
    return float(np.vdot(error, error)) / max(float(np.vdot(table, table)), 1e-30)


def _square(matrix: Array, moments: Array) -> float:
    """tr(M H M')."""
    return float(np.vdot(matrix @ moments, matrix))
