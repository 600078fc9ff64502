"""Rows in blocks: attention of many tokens without the scores of all pairs at once, in memory that grows like the tokens.

Of 8,000 causal tokens with 8 heads, ONNX Runtime's attention takes 7.7 s and 4.1 GB at once; in blocks, each with the keys up to
its last row, 1.0 s and 94 MB; of 2,048, 197 ms and 165 MB, and 86 ms and 26 MB; of 128, the same 0.4 ms. So few rows are one
block.
"""

from __future__ import annotations

from collections.abc import Callable

from mai.compiler.ops.backends import Onnx, V

ROWS = 64  # Of a block.
FEW = 128  # Rows that are taken at once.


def in_blocks(op: Onnx[V], count: V, attend: Callable[[V, V], V]) -> V:
    """What `attend(begin, end)`, [N, ROWS, width] of rows from [1] to [1], gives of `count` rows, at least `ROWS`.

    The last block ends with the last row, and repeats some of the one before.
    """
    last = op.Sub(count, ROWS)

    def start(block: V) -> V:
        return op.Min(op.Mul(block, ROWS), last)

    def turn(block: V) -> V:
        begin = op.Unsqueeze(start(block), op.ints([0]))
        return attend(begin, op.Add(begin, ROWS))

    stacked = op.turns_kept(op.Div(op.Add(count, ROWS - 1), ROWS), turn)
    together = op.Transpose(stacked, perm=[1, 0, 2, 3])
    flat = op.Reshape(
        together, op.Concat(op.Shape(together, start=0, end=1), op.ints([-1]), op.Shape(together, start=3), axis=0)
    )
    row = op.Range(op.int(0), count, op.int(1))
    block = op.Div(row, ROWS)
    place = op.Add(op.Mul(block, ROWS), op.Sub(row, start(block)))
    return op.Gather(flat, place, axis=1)


def rows_of(op: Onnx[V], x: V, begin: V, end: V, axis: int = 1) -> V:
    """x from [1] to [1] along an axis."""
    return op.Slice(x, begin, end, op.ints([axis]))
