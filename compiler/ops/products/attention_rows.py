"""Attention of many tokens to each other, or to others, as ONNX: few rows at once, many in blocks, in memory that grows like the tokens.

Of 8,000 causal tokens with 8 heads, ONNX Runtime's attention takes 7.7 s and 4.1 GB at once; in blocks, each with the keys up to
its last row, 1.0 s and 94 MB.
"""

from __future__ import annotations

from typing import Any

from mai.compiler.ops.backends import Onnx, Scalar, V
from mai.compiler.ops.products.scores import headed_by_onnx, scaled_by_onnx, weighed_by_onnx
from mai.spec.record import record

ROWS = 64  # Of a block.
FEW = 512  # Rows that are taken at once: of so many, blocks save little time, and a loop is in the way of a GPU.


@record
class Rows:
    """How rows [N, P, heads * d] attend to keys and values [N, P, kv_heads * d], with `Attention`'s attributes; d is `width`."""

    op: Any
    heads: int
    kv_heads: int
    width: int
    causal: bool
    window: int
    sinks: int
    softcap: float
    one: bool  # Whether there is one row, or those of a turn of a growing text: few, mostly one.

    def attended(self, q: V, k: V, v: V, rows: Scalar[V], columns: Scalar[V]) -> V:
        """So many rows, which look at so many columns: those of their own text or of another."""
        op: Onnx[V] = self.op
        if self.one or op.unroll or any(isinstance(size, int) and size <= FEW for size in (rows, columns)):
            return self.at_once(q, k, v)
        if isinstance(rows, int):
            return self.in_blocks(q, k, v)
        few = op.LessOrEqual(rows, FEW)
        return op.branch(few, lambda: self.at_once(q, k, v), lambda: self.in_blocks(q, k, v), real=True)

    def at_once(self, q: V, k: V, v: V) -> V:
        """All rows."""
        op: Onnx[V] = self.op
        if not self.window and (not self.causal or op.opset >= 23):
            return self._weighed(q, k, v, None, self.causal)
        here, there = (_places(op, op.ints([0]), op.Shape(x, start=1, end=2)) for x in (q, k))
        return self._weighed(q, k, v, self._allowed(here, there), self.causal)

    def in_blocks(self, q: V, k: V, v: V) -> V:
        """Block by block of at least `ROWS` rows. The last one ends with the last row, and repeats some of the one before."""
        op: Onnx[V] = self.op
        start, count, columns = op.ints([0]), *(op.Shape(x, start=1, end=2) for x in (q, k))
        last = op.Sub(count, op.ints([ROWS]))

        def block(number: V) -> V:
            begin = op.Min(op.Mul(op.Reshape(number, op.ints([1])), ROWS), last)
            end = op.Add(begin, ROWS)
            upto = op.Min(end, columns) if self.causal else columns
            keys, values = (op.Slice(x, start, upto, op.ints([1])) for x in (k, v))
            here, there = _places(op, begin, end), _places(op, start, upto)
            allowed = self._allowed(here, there) if self.causal or self.window else None
            return self._weighed(op.Slice(q, begin, end, op.ints([1])), keys, values, allowed, False)

        number = op.Div(op.Add(op.Squeeze(count, start), ROWS - 1), ROWS)
        stacked = op.Transpose(op.turns_kept(number, block), perm=[1, 0, 2, 3])
        flat = op.reshape(stacked, [0, -1, self.heads * self.width])
        row = op.Range(op.int(0), op.Squeeze(count, start), op.int(1))
        whole = op.Mul(op.Div(row, ROWS), ROWS)
        return op.Gather(flat, op.Add(row, op.Max(op.Sub(whole, last), op.ints([0]))), axis=1)

    def _weighed(self, q: V, k: V, v: V, allowed: V | None, causal: bool) -> V:
        op: Onnx[V] = self.op
        if op.opset >= 23:
            counts = {"q_num_heads": self.heads, "kv_num_heads": self.kv_heads, "softcap": self.softcap}
            if self.one:
                q, counts = scaled_by_onnx(op, q, self.width), {**counts, "scale": 1.0}
            return op.Attention(q, k, v, allowed, is_causal=int(causal), **counts)
        keys, values = (headed_by_onnx(op, x, self.kv_heads, self.width) for x in (k, v))
        return weighed_by_onnx(op, q, keys, values, allowed, self.softcap, (self.heads, self.kv_heads, self.width))

    def _allowed(self, here: V, there: V) -> V:
        """Which of the places `there`, [R], are seen from those `here`, [P]: [P, R]."""
        op: Onnx[V] = self.op
        far = op.Sub(op.Unsqueeze(here, op.ints([1])), there)
        earlier = op.GreaterOrEqual(far, 0) if self.causal else op.Greater(far, -self.window)
        if not self.window:
            return earlier
        near, first = op.Less(far, self.window), op.Less(there, self.sinks)
        return op.And(earlier, op.Or(near, first)) if self.causal else op.Or(op.And(earlier, near), first)


def _places(op: Onnx[V], begin: V, end: V) -> V:
    """The whole numbers from [1] to [1]."""
    start = op.ints([0])
    return op.Range(op.Squeeze(begin, start), op.Squeeze(end, start), op.int(1))
