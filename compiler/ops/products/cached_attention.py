"""Attention to a past that is kept: the incremental form of attention to all tokens before."""

from __future__ import annotations

from mai.compiler.ir.operation import Alignment, Operation, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.products.scores import (
    attended_type,
    headed,
    headed_by_onnx,
    headed_by_torch,
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
        mask = op.Unsqueeze(mask, op.ints([1]))
        if op.opset >= 23:
            counts = {"q_num_heads": heads, "kv_num_heads": kv_heads, "softcap": softcap, "is_causal": 1}
            result = op.several("Attention", 3, a, b, c, mask, keys, values, **counts)
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


def _earlier(op: Onnx[V], q: V, keys: V, mask: V) -> V:
    """The mask [N, 1, n, m + n], and of the new tokens only those up to each: the last rows of a triangle."""
    total = op.Shape(keys, start=2, end=3)
    ones = op.Expand(op.real(1.0), op.Concat(op.Shape(q, start=1, end=2), total, axis=0))
    past = op.Squeeze(op.Sub(total, op.Shape(q, start=1, end=2)), op.ints([0]))
    return op.And(mask, op.Cast(op.Trilu(ones, past, upper=0), to=9))
