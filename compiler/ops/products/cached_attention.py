"""Attention to a past that is kept: the incremental form of attention to all tokens before, with a cache that grows or one of a fixed size."""

from __future__ import annotations

from functools import partial

from mai.compiler.ir.operation import Alignment, Operation, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.products.scores import (
    attended_type,
    headed,
    headed_by_onnx,
    headed_by_torch,
    scaled_by_onnx,
    weighed,
    weighed_by_onnx,
    weighed_by_torch,
)


class CachedAttention(Operation):
    """Causal attention of new tokens to all so far: the incremental form of `Attention`.

    q: [n, heads * d]; k, v: [n, kv_heads * d] of the new tokens; past_k, past_v: [kv_heads, m, d] of those before; seen:
    [n, m + n], which tokens may be looked at, beside being causal. The results: [n, heads * d], and the keys and values
    [kv_heads, m + n, d] of all tokens.
    """

    attributes = {"heads": 1, "kv_heads": 1, "softcap": 0.0}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, past_k: Type, past_v: Type, seen: Type,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Type, Type, Type]:  # fmt: skip
        groups, past, width = past_k.shape
        cache = Type(DType.REAL, (groups, past + k.shape[0], width))
        return attended_type(q, k, v, heads, kv_heads), cache, cache

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor, seen: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        keys = np.concatenate([past_k, headed(k, kv_heads)], -2)
        values = np.concatenate([past_v, headed(v, kv_heads)], -2)
        causal = np.tril(np.ones((q.shape[-2], keys.shape[-2]), bool), past_k.shape[-2])
        allowed = causal & seen[..., None, :, :]
        return weighed(np, headed(q, heads), keys, values, allowed, softcap), keys, values

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor, past_k: Tensor, past_v: Tensor, seen: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        keys = torch.cat((past_k, headed_by_torch(k, kv_heads)), -2)
        values = torch.cat((past_v, headed_by_torch(v, kv_heads)), -2)
        allowed = (seen & torch.ones_like(seen).tril(past_k.shape[-2])).unsqueeze(-3)
        rows, groups = headed_by_torch(q, heads), heads // kv_heads
        return weighed_by_torch(torch, rows, keys, values, allowed, groups, softcap, False), keys, values

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V, past_k: V, past_v: V, seen: V, *, heads: int, kv_heads: int, softcap: float
    ) -> tuple[V, ...]:
        a, b, c, mask = (op.flat_lead(x, 2) for x in (q, k, v, seen))
        keys, values = (op.flat_lead(x, 3) for x in (past_k, past_v))
        mask = op.where_made(mask, "of all heads", partial(op.Unsqueeze, mask, op.ints([1])))
        if op.opset >= 23:
            counts = {"q_num_heads": heads, "kv_num_heads": kv_heads, "softcap": softcap, "is_causal": 1}
            rows = scaled_by_onnx(op, a, op.size_along(q, -1) // heads)
            result = op.several("Attention", 3, rows, b, c, mask, keys, values, scale=1.0, **counts)
        else:
            width = op.size_along(q, -1) // heads
            keys, values = (
                op.Concat(past, headed_by_onnx(op, x, kv_heads, width), axis=2) for past, x in ((keys, b), (values, c))
            )
            allowed = _earlier(op, a, keys, mask)
            result = [weighed_by_onnx(op, a, keys, values, allowed, softcap, (heads, kv_heads, width)), keys, values]
        likes = ((q, 2), (past_k, 3), (past_v, 3))
        return tuple(op.unflat_lead(x, *like) for x, like in zip(result, likes, strict=True))

    cases = (
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 3, 4), sample(1, 3, 4), sample(2, 5, kind="seen"),
            heads=2, kv_heads=1,
        ),
        case(
            sample(3, 8), sample(3, 8), sample(3, 8), sample(4, 0, 2), sample(4, 0, 2), sample(3, 3, kind="seen"),
            heads=4, kv_heads=4,
        ),
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 3, 4), sample(1, 3, 4), sample(2, 5, kind="seen"),
            heads=2, kv_heads=1, softcap=1.5,
        ),
    )  # fmt: skip


class FixedAttention(Operation):
    """The same with a cache of as many places as it ever has, into which the new tokens are written.

    q: [n, heads * d]; k, v: [n, kv_heads * d] of the new tokens; keys, values: [kv_heads, C, d], of which the first `past` are of tokens
    before; seen: [n, C], which places may be looked at, beside being causal; past: [], one number for all examples. The results: [n, heads * d], and the keys and
    values [kv_heads, C, d] with those of the new tokens behind the first `past`. past + n is at most C.
    """

    attributes = {"heads": 1, "kv_heads": 1, "softcap": 0.0}
    alignment = Alignment.EXPAND
    unled = (6,)

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, keys: Type, values: Type, seen: Type, past: Type,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Type, Type, Type]:  # fmt: skip
        cache = Type(DType.REAL, keys.shape)
        return attended_type(q, k, v, heads, kv_heads), cache, cache

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, seen: Tensor, past: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        own = past.max() + np.arange(q.shape[-2])
        keys, values = keys.copy(), values.copy()
        keys[..., own, :], values[..., own, :] = headed(k, kv_heads), headed(v, kv_heads)
        causal = np.arange(keys.shape[-2]) <= own[:, None]
        allowed = causal & seen[..., None, :, :]
        return weighed(np, headed(q, heads), keys, values, allowed, softcap), keys, values

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, seen: Tensor, past: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        own = past.amax() + torch.arange(q.shape[-2], device=q.device)
        keys = keys.index_copy(-2, own, headed_by_torch(k, kv_heads))
        values = values.index_copy(-2, own, headed_by_torch(v, kv_heads))
        causal = torch.arange(keys.shape[-2], device=q.device) <= own.unsqueeze(-1)
        allowed, groups = (seen & causal).unsqueeze(-3), heads // kv_heads
        return (
            weighed_by_torch(torch, headed_by_torch(q, heads), keys, values, allowed, groups, softcap, False),
            keys,
            values,
        )

    @staticmethod
    def onnx(
        op: Onnx[V],
        q: V,
        k: V,
        v: V,
        keys: V,
        values: V,
        seen: V,
        past: V,
        *,
        heads: int,
        kv_heads: int,
        softcap: float,
    ) -> tuple[V, ...]:
        a, b, c, mask = (op.flat_lead(x, 2) for x in (q, k, v, seen))
        old = [op.flat_lead(x, 3) for x in (keys, values)]
        width = op.size_along(q, -1) // heads
        own = op.Add(op.Range(op.int(0), op.size_value(a, 1), op.int(1)), op.ReduceMax(past, keepdims=0))
        rows = [headed_by_onnx(op, x, kv_heads, width) for x in (b, c)]
        index = op.Expand(op.Unsqueeze(own, op.ints([1])), op.Shape(rows[0]))
        new_keys, new_values = (op.ScatterElements(c, index, x, axis=2) for c, x in zip(old, rows, strict=True))
        column = op.Range(op.int(0), op.size_value(old[0], 2), op.int(1))
        causal = op.LessOrEqual(column, op.Unsqueeze(own, op.ints([1])))
        allowed = op.Unsqueeze(op.And(mask, causal), op.ints([1]))
        if op.opset >= 23:
            queries = headed_by_onnx(op, scaled_by_onnx(op, a, width), heads, width)
            seen_rows = op.Attention(queries, new_keys, new_values, allowed, softcap=softcap, scale=1.0)
            y = op.reshape(op.Transpose(seen_rows, perm=[0, 2, 1, 3]), [0, 0, heads * width])
        else:
            y = weighed_by_onnx(op, a, new_keys, new_values, allowed, softcap, (heads, kv_heads, width))
        likes = ((q, 2), (keys, 3), (values, 3))
        return tuple(op.unflat_lead(x, *like) for x, like in zip((y, new_keys, new_values), likes, strict=True))

    cases = (
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 3, 4), sample(1, 3, 4), sample(2, 3, kind="seen"),
            sample(kind="natural", high=2, lead=False), heads=2, kv_heads=1,
        ),
        case(
            sample(3, 8), sample(3, 8), sample(3, 8), sample(4, 4, 2), sample(4, 4, 2), sample(3, 4, kind="seen"),
            sample(kind="natural", high=2, lead=False), heads=4, kv_heads=4, softcap=1.5,
        ),
    )  # fmt: skip


def _earlier(op: Onnx[V], q: V, keys: V, mask: V) -> V:
    """The mask [N, 1, n, m + n], and of the new tokens only those up to each: the last rows of a triangle."""
    total = op.Shape(keys, start=2, end=3)
    ones = op.Expand(op.real(1.0), op.Concat(op.Shape(q, start=1, end=2), total, axis=0))
    past = op.Squeeze(op.Sub(total, op.Shape(q, start=1, end=2)), op.ints([0]))
    return op.And(mask, op.Cast(op.Trilu(ones, past, upper=0), to=9))
