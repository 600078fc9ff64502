"""Attention in a window that moves with the text: the incremental form, whose cache is as small as the window.

Columns are, in their order: a slot for each of the first `sinks` tokens, the `window - 1` places before the new tokens, and the
new tokens. Where these are many, a prompt, they are taken in blocks, each with the columns that its rows can see: the scores
are as many as tokens times the window.
"""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.arithmetic import Add
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.products.scores import (
    attended_type,
    headed,
    headed_by_onnx,
    headed_by_torch,
    weighed,
    weighed_by_onnx,
    weighed_by_torch,
)
from mai.compiler.ops.shapes.indexing import Iota, Slice
from mai.compiler.ops.shapes.shape import Concat

LEAST_BLOCK = (
    64  # Rows of a block, or half a window: a smaller one copies more keys, a larger one scores more pairs in vain.
)


class WindowedAttention(Operation):
    """Causal attention of new tokens to the window before them and to the first tokens.

    q: [n, heads * d]; k, v: [sinks + window - 1 + n, kv_heads * d] of the columns; at: [n], of: [sinks + window - 1 + n], the
    places in the text of rows and columns, below 0 where there is no token. The result: [n, heads * d].
    """

    attributes = {"heads": 1, "kv_heads": 1, "window": 1, "sinks": 0, "softcap": 0.0}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, at: Type, of: Type,
        *, heads: int, kv_heads: int, window: int, sinks: int, softcap: float,
    ) -> Type:  # fmt: skip
        columns = q.shape[0] + (sinks + window - 1)
        if at.shape != q.shape[:1] or of.shape != k.shape[:1] or of.shape != (columns,):
            message = (
                f"{describe(of.shape)} places of columns for {describe(at.shape)} of rows and a window of {window}"
            )
            raise ShapeError("shape-mismatch", message, 4)
        return attended_type(q, k, v, heads, kv_heads)

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor, at: Tensor, of: Tensor,
        *, heads: int, kv_heads: int, window: int, sinks: int, softcap: float,
    ) -> Tensor:  # fmt: skip
        row, column = np.arange(q.shape[-2])[:, None], np.arange(k.shape[-2]) - (sinks + window - 1)
        allowed = _allowed(at[..., None], of[..., None, :], row, column, window, column < 1 - window)
        return weighed(
            np, headed(q, heads), headed(k, kv_heads), headed(v, kv_heads), allowed[..., None, :, :], softcap
        )

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor, at: Tensor, of: Tensor,
        *, heads: int, kv_heads: int, window: int, sinks: int, softcap: float,
    ) -> Tensor:  # fmt: skip
        row, column = torch.arange(q.shape[-2]).unsqueeze(-1), torch.arange(k.shape[-2]) - (sinks + window - 1)
        allowed = _allowed(at.unsqueeze(-1), of.unsqueeze(-2), row, column, window, column < 1 - window)
        parts = headed_by_torch(q, heads), headed_by_torch(k, kv_heads), headed_by_torch(v, kv_heads)
        return weighed_by_torch(torch, *parts, allowed.unsqueeze(-3), heads // kv_heads, softcap, False)

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V, at: V, of: V,
        *, heads: int, kv_heads: int, window: int, sinks: int, softcap: float,
    ) -> V:  # fmt: skip
        make = lambda: _blocks(op, at, of, window, sinks)  # noqa: E731
        rows, columns, allowed, sizes = op.where_made(at, (of, window, sinks), make)
        width = op.size_along(q, -1) // heads

        def of_blocks(x: V, places: V, count: int, size: V) -> V:
            taken = op.Gather(op.flat_lead(x, 2), places, axis=1)
            return op.Reshape(taken, op.shape_vector([-1, op.wrap(size), count * width]))

        a = of_blocks(q, rows, heads, sizes[0])
        b, c = (of_blocks(x, columns, kv_heads, sizes[1]) for x in (k, v))
        if op.opset >= 23:
            result = op.Attention(a, b, c, allowed, q_num_heads=heads, kv_num_heads=kv_heads, softcap=softcap)
        else:
            keys, values = (headed_by_onnx(op, x, kv_heads, width) for x in (b, c))
            result = weighed_by_onnx(op, a, keys, values, allowed, softcap, (heads, kv_heads, width))
        whole = op.Reshape(result, op.shape_vector([-1, op.wrap(sizes[2]), heads * width]))
        end = op.shape_vector([op.wrap(op.size_value(q, -2))])
        return op.unflat_lead(op.Slice(whole, op.ints([0]), end, op.ints([1])), q, 2)

    cases = (
        case(
            sample(2, 8), sample(5, 4), sample(5, 4), sample(2, kind="int"), sample(5, kind="int"),
            heads=2, kv_heads=1, window=3, sinks=1,
        ),
        case(
            sample(1, 6), sample(4, 6), sample(4, 6), sample(1, kind="int"), sample(4, kind="int"),
            heads=3, kv_heads=3, window=4, softcap=2.0,
        ),
        case(
            sample(150, 4), sample(156, 4), sample(156, 4), sample(150, kind="whole"), sample(156, kind="whole"),
            heads=2, kv_heads=2, window=5, sinks=2,
        ),
    )  # fmt: skip


def _allowed(at: Tensor, of: Tensor, row: Tensor, column: Tensor, window: int, slot: Tensor) -> Tensor:
    """Which columns each row sees, of numpy's or torch's numbers: columns count from the first of the new tokens."""
    near = (column <= row) & (column > row - window) & ((of >= 0) | (at < 0))
    return (column == row) | near | (slot & (at - of >= window))


def _blocks(op: Onnx[V], at: V, of: V, window: int, sinks: int) -> tuple[V, V, V, tuple[V, V, V]]:
    """The places of all blocks' rows and columns, which columns each row sees, and how many a block has, and rows all have."""
    new, before = op.size_value(at, -1), sinks + window - 1
    size = op.Min(new, op.int(max(LEAST_BLOCK, window // 2)))
    count = op.Div(op.Sub(op.Add(new, size), 1), size)
    apart, along = op.shape_vector([op.wrap(count), 1]), op.shape_vector([op.wrap(count), op.wrap(size)])
    total = op.Mul(count, size)
    row = op.Range(op.int(0), total, op.int(1))
    begin = op.Reshape(op.Range(op.int(0), total, size), apart)
    column = op.Add(begin, op.Range(op.int(1 - window), size, op.int(1)))
    if sinks:
        slots = op.Range(op.int(-before), op.int(1 - window), op.int(1))
        column = op.Concat(op.Expand(slots, op.shape_vector([op.wrap(count), sinks])), column, axis=1)
    last = op.Sub(new, 1)
    rows, columns = op.Min(row, last), op.Add(op.Min(column, last), before)
    flat = op.Reshape(columns, op.ints([-1]))
    here = op.Unsqueeze(op.Gather(op.flat_lead(at, 1), op.Reshape(rows, along), axis=1), op.ints([3]))
    there = op.Unsqueeze(op.Gather(op.flat_lead(of, 1), columns, axis=1), op.ints([2]))
    row, column = op.Unsqueeze(op.Reshape(row, along), op.ints([2])), op.Unsqueeze(column, op.ints([1]))
    token = op.Or(op.GreaterOrEqual(there, 0), op.Less(here, 0))
    near = op.And(op.LessOrEqual(column, row), op.Greater(column, op.Sub(row, window)))
    seen = op.Or(op.Equal(column, row), op.And(near, token))
    if sinks:
        slot = op.Less(column, 1 - window)
        seen = op.Or(seen, op.And(slot, op.GreaterOrEqual(op.Sub(here, there), window)))
    width = op.Add(size, before)
    shape = op.shape_vector([-1, 1, op.wrap(size), op.wrap(width)])
    return rows, flat, op.Reshape(seen, shape), (size, width, total)


def windowed(g: Growing, node: Node) -> Value:
    """The incremental form of `Attention` in a window: the states are the last keys and values, and those of the first tokens."""
    q, k, v = node.inputs
    window, sinks = node.attributes["window"], node.attributes["sinks"]
    at = g.places()
    first = g.emit(Slice, at, stop=1)
    before = [g.emit(Iota, count=sinks)] if sinks else []
    if window > 1:
        back = tuple(range(1 - window, 0))
        before.append(g.emit(Add, first, g.constant(back)))
    of = g.emit(Concat, *before, at, axis=-1, name="of") if before else at
    keys, values = (_columns(g, x, name, window, sinks) for x, name in ((k, "keys"), (v, "values")))
    named = {name: node.attributes[name] for name in WindowedAttention.attributes}
    return g.emit(WindowedAttention, g.rows(q), keys, values, at, of, **named)


def _columns(g: Growing, value: Value, name: str, window: int, sinks: int) -> Value:
    """What the columns have: the first tokens' rows, the last ones', and the new ones'."""
    rows = g.recent_rows(name, value, -2, window - 1) if window > 1 else g.rows(value, 0)
    return g.emit(Concat, g.first_rows(f"first_{name}", value, -2, sinks), rows, axis=-2) if sinks else rows
