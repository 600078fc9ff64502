"""Attention to a past that is kept: the incremental form of attention to all tokens before.

Few rows are taken at once, by the operator that makes the cache, too; of a long prompt it makes that, and the rows follow in blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mai.compiler.ir.operation import Alignment, Operation, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.products.blocks import FEW, in_blocks, rows_of
from mai.compiler.ops.products.scores import (
    attended_type,
    headed,
    headed_by_onnx,
    headed_by_torch,
    weighed,
    weighed_by_onnx,
    weighed_by_torch,
)
from mai.spec.record import record


class CachedAttention(Operation):
    """Causal attention of new tokens to all so far: the incremental form of `Attention`.

    q: [n, heads * d]; k, v: [n, kv_heads * d] of the new tokens; past_k, past_v: [kv_heads, m, d] of those before; there:
    [m + n], which places hold a token and may be looked at, and here: [n], which of the new ones hold one; one that does not looks at any
    before it. A row looks at itself. The results: [n, heads * d], and the keys and values [kv_heads, m + n, d] of all tokens.
    """

    attributes = {"heads": 1, "kv_heads": 1, "softcap": 0.0}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, past_k: Type, past_v: Type, there: Type, here: Type,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Type, Type, Type]:  # fmt: skip
        groups, past, width = past_k.shape
        cache = Type(DType.REAL, (groups, past + k.shape[0], width))
        return attended_type(q, k, v, heads, kv_heads), cache, cache

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor, there: Tensor, here: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        keys = np.concatenate([past_k, headed(k, kv_heads)], -2)
        values = np.concatenate([past_v, headed(v, kv_heads)], -2)
        causal = np.tril(np.ones((q.shape[-2], keys.shape[-2]), bool), past_k.shape[-2])
        own = np.eye(q.shape[-2], keys.shape[-2], past_k.shape[-2], dtype=bool)
        allowed = (causal & (there[..., None, :] | ~here[..., None]) | own)[..., None, :, :]
        return weighed(np, headed(q, heads), keys, values, allowed, softcap), keys, values

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor, there: Tensor, here: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        keys = torch.cat((past_k, headed_by_torch(k, kv_heads)), -2)
        values = torch.cat((past_v, headed_by_torch(v, kv_heads)), -2)
        far = torch.arange(q.shape[-2]).unsqueeze(-1) + past_k.shape[-2] - torch.arange(keys.shape[-2])
        allowed = (((there.unsqueeze(-2) | ~here.unsqueeze(-1)) & (far >= 0)) | (far == 0)).unsqueeze(-3)
        rows, groups = headed_by_torch(q, heads), heads // kv_heads
        return weighed_by_torch(torch, rows, keys, values, allowed, groups, softcap, False), keys, values

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V, past_k: V, past_v: V, there: V, here: V,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[V, ...]:  # fmt: skip
        a, b, c = (op.flat_lead(x, 2) for x in (q, k, v))
        pasts, rows, columns = (
            [op.flat_lead(x, 3) for x in (past_k, past_v)],
            op.flat_lead(here, 1),
            op.flat_lead(there, 1),
        )
        count, width = op.size_value(q, -2), op.size_along(q, -1) // heads
        form = _Form(op, heads, kv_heads, width, softcap)
        past, start = op.Shape(pasts[0], start=2, end=3), op.ints([0])

        def whole() -> tuple[V, V, V]:
            """Whether there are many rows, the end of those at once, [1], and their mask: the same in all layers."""
            many = op.Greater(count, FEW)
            end = op.Reshape(op.Where(many, 1, count), op.ints([1]))
            return many, end, _seen(op, rows_of(op, rows, start, end), columns, past)

        def block(begin: V, end: V) -> V:
            upto = op.Add(past, end)
            k_upto, v_upto = (rows_of(op, x, start, upto, 2) for x in (keys, values))
            seen = _seen(op, rows_of(op, rows, begin, end), rows_of(op, columns, start, upto), op.Add(past, begin))
            return form.of_block(rows_of(op, a, begin, end), k_upto, v_upto, _earlier(op, seen, op.Add(past, begin)))

        if op.unroll:
            mask = op.where_made(rows, columns, lambda: _seen(op, rows, columns, past))
            result, keys, values = form.at_once(a, b, c, pasts, mask)
        else:
            many, end, mask = op.where_made(rows, columns, whole)
            first, keys, values = form.at_once(rows_of(op, a, start, end), b, c, pasts, mask)
            result = op.branch(many, lambda: in_blocks(op, count, block), lambda: first, real=True)
        likes = ((q, 2), (past_k, 3), (past_v, 3))
        return tuple(op.unflat_lead(x, *like) for x, like in zip((result, keys, values), likes, strict=True))

    cases = (
        case(
            sample(150, 4), sample(150, 2), sample(150, 2), sample(1, 3, 2), sample(1, 3, 2), sample(153, kind="bool"),
            sample(150, kind="bool"), heads=2, kv_heads=1,
        ),
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 3, 4), sample(1, 3, 4), sample(5, kind="bool"),
            sample(2, kind="bool"),
            heads=2, kv_heads=1,
        ),
        case(
            sample(3, 8), sample(3, 8), sample(3, 8), sample(4, 0, 2), sample(4, 0, 2), sample(3, kind="bool"),
            sample(3, kind="bool"),
            heads=4, kv_heads=4,
        ),
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 3, 4), sample(1, 3, 4), sample(5, kind="bool"),
            sample(2, kind="bool"),
            heads=2, kv_heads=1, softcap=1.5,
        ),
    )  # fmt: skip


@record
class _Form:
    """ONNX's attention of an opset: its operator, or products and a softmax."""

    op: Any
    heads: int
    kv_heads: int
    width: int
    softcap: float

    def at_once(self, q: V, k: V, v: V, pasts: Sequence[V], seen: V) -> tuple[V, V, V]:
        """The first rows of q [N, n, heads * d] with all keys and values, and these with the new ones: [N, kv_heads, m + n, d]."""
        op: Onnx[V] = self.op
        if op.opset >= 23:
            counts = {"q_num_heads": self.heads, "kv_num_heads": self.kv_heads, "softcap": self.softcap, "is_causal": 1}
            result, keys, values = op.several("Attention", 3, q, k, v, seen, *pasts, **counts)
            return result, keys, values
        parts = zip(pasts, (k, v), strict=True)
        keys, values = (op.Concat(past, headed_by_onnx(op, x, self.kv_heads, self.width), axis=2) for past, x in parts)
        return self.of_block(q, keys, values, _earlier(op, seen, op.Shape(pasts[0], start=2, end=3))), keys, values

    def of_block(self, q: V, keys: V, values: V, allowed: V) -> V:
        """Rows [N, n, heads * d] with keys and values [N, kv_heads, R, d]; allowed: [N, 1, n, R]."""
        op: Onnx[V] = self.op
        if op.opset < 23:
            return weighed_by_onnx(op, q, keys, values, allowed, self.softcap, (self.heads, self.kv_heads, self.width))
        rows = headed_by_onnx(op, q, self.heads, self.width)
        result = op.Transpose(op.Attention(rows, keys, values, allowed, softcap=self.softcap), perm=[0, 2, 1, 3])
        return op.reshape(result, [0, 0, self.heads * self.width])


def _seen(op: Onnx[V], here: V, there: V, first: V) -> V:
    """Which columns each row may look at, beside causality: [N, 1, n, R]; the first row is the column `first`, [1]."""
    any_or_there = op.Or(op.Unsqueeze(there, op.ints([1])), op.Unsqueeze(op.Not(here), op.ints([2])))
    row, column = _places(op, op.Shape(here, start=1), op.Shape(there, start=1), first)
    return op.Unsqueeze(op.Or(any_or_there, op.Equal(row, column)), op.ints([1]))


def _earlier(op: Onnx[V], seen: V, first: V) -> V:
    """The mask, and of the columns only those up to each row."""
    row, column = _places(op, op.Shape(seen, start=2, end=3), op.Shape(seen, start=3), first)
    return op.And(seen, op.LessOrEqual(column, row))


def _places(op: Onnx[V], rows: V, columns: V, first: V) -> tuple[V, V]:
    """The columns that rows are, [n, 1], and all columns, [R], from how many there are of both, [1]."""
    count, all_columns = (op.Squeeze(x, op.ints([0])) for x in (rows, columns))
    row = op.Add(op.Range(op.int(0), count, op.int(1)), first)
    return op.Unsqueeze(row, op.ints([1])), op.Range(op.int(0), all_columns, op.int(1))
