"""Attention to a past in two parts: `far`, which a loop reads and does not carry, and `near`, which grows by a token a turn."""

from __future__ import annotations

from mai.compiler.ir.operation import Alignment, Operation, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.products.scores import attended_type, capped, headed_by_torch


class TwoLevelAttention(Operation):
    """Attention of new tokens to all so far, without joining the two parts of the past: `CachedAttention`'s other form.

    q: [n, heads * d]; k, v: [n, kv_heads * d] of the new tokens; far_k, far_v: [kv_heads, m, d] and near_k, near_v:
    [kv_heads, r, d] of those before; bias: [heads / kv_heads * n, m + r + n], added to the scores of each group of heads.
    The results: [n, heads * d], and the near keys and values [kv_heads, r + n, d] with the new ones. The scores of both parts
    go through one softmax, so that nothing but the small part is copied.
    """

    attributes = {"heads": 1, "kv_heads": 1, "softcap": 0.0}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, far_k: Type, far_v: Type, near_k: Type, near_v: Type, bias: Type,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Type, Type, Type]:  # fmt: skip
        result = attended_type(q, k, v, heads, kv_heads)
        groups, near, width = near_k.shape
        grown = Type(DType.REAL, (groups, near + k.shape[0], width))
        return result, grown, grown

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor, far_k: Tensor, far_v: Tensor, near_k: Tensor, near_v: Tensor, bias: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        width = q.shape[-1] // heads

        def headed(x: Tensor) -> Tensor:
            return x.reshape(*x.shape[:-1], kv_heads, width).swapaxes(-2, -3)

        near_k, near_v = (np.concatenate(pair, -2) for pair in ((near_k, headed(k)), (near_v, headed(v))))
        keys, values = (np.concatenate(pair, -2) for pair in ((far_k, near_k), (far_v, near_v)))
        grouped = np.moveaxis(q.reshape(*q.shape[:-1], kv_heads, -1, width), -4, -2)
        rows = grouped.reshape(*grouped.shape[:-3], -1, width)
        scores = rows @ keys.swapaxes(-1, -2) / np.sqrt(width)
        scores = (softcap * np.tanh(scores / softcap) if softcap else scores) + bias[..., None, :, :]
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        result = weights / weights.sum(-1, keepdims=True) @ values
        return np.moveaxis(result.reshape(grouped.shape), -2, -4).reshape(q.shape), near_k, near_v

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor, far_k: Tensor, far_v: Tensor, near_k: Tensor, near_v: Tensor, bias: Tensor,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        near_k, near_v = (torch.cat((near, headed_by_torch(x, kv_heads)), -2) for near, x in ((near_k, k), (near_v, v)))
        keys, values = (torch.cat(pair, -2) for pair in ((far_k, near_k), (far_v, near_v)))
        groups = heads // kv_heads
        rows = q.unflatten(-1, (kv_heads, groups, -1)).movedim(-4, -2).flatten(-3, -2)
        if softcap:
            scores = torch.tanh(rows @ keys.transpose(-1, -2) * (rows.shape[-1] ** -0.5 / softcap)) * softcap
            result = (scores + bias.unsqueeze(-3)).softmax(-1) @ values
        else:
            result = torch.nn.functional.scaled_dot_product_attention(rows, keys, values, attn_mask=bias.unsqueeze(-3))
        return result.unflatten(-2, (groups, -1)).movedim(-2, -4).flatten(-3), near_k, near_v

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V, far_k: V, far_v: V, near_k: V, near_v: V, bias: V,
        *, heads: int, kv_heads: int, softcap: float,
    ) -> tuple[V, ...]:  # fmt: skip
        a, b, c, mask = (op.flat_lead(x, 2) for x in (q, k, v, bias))
        far = [op.flat_lead(x, 3) for x in (far_k, far_v)]
        near = [op.flat_lead(x, 3) for x in (near_k, near_v)]
        width, groups = op.size_along(q, -1) // heads, heads // kv_heads
        near_keys, near_values = (
            op.Concat(before, op.Transpose(op.reshape(x, [0, 0, kv_heads, width]), perm=[0, 2, 1, 3]), axis=2)
            for before, x in zip(near, (b, c), strict=True)
        )
        rows = op.Transpose(op.reshape(a, [0, 0, kv_heads, groups, width]), perm=[0, 2, 3, 1, 4])
        rows = op.Mul(op.reshape(rows, [0, kv_heads, -1, width]), op.real(width**-0.5))
        scores = [op.MatMul(rows, op.Transpose(keys, perm=[0, 1, 3, 2])) for keys in (far[0], near_keys)]
        joined = capped(op, op.Concat(*scores, axis=-1), softcap)
        weights = op.Softmax(op.Add(joined, op.Unsqueeze(mask, op.ints([1]))), axis=-1)
        sizes = op.Concat(*(op.Shape(x, start=2, end=3) for x in (far[0], near_keys)), axis=0)
        parts = op.several("Split", 2, weights, sizes, axis=-1)
        result = op.Add(*(op.MatMul(w, x) for w, x in zip(parts, (far[1], near_values), strict=True)))
        result = op.Transpose(op.reshape(result, [0, kv_heads, groups, -1, width]), perm=[0, 3, 1, 2, 4])
        result = op.reshape(result, [0, 0, heads * width])
        likes = ((q, 2), (near_k, 3), (near_v, 3))
        return tuple(op.unflat_lead(x, *like) for x, like in zip((result, near_keys, near_values), likes, strict=True))

    cases = (
        case(
            sample(2, 8), sample(2, 4), sample(2, 4), sample(1, 5, 4), sample(1, 5, 4), sample(1, 3, 4),
            sample(1, 3, 4), sample(4, 10), heads=2, kv_heads=1,
        ),
        case(
            sample(3, 8), sample(3, 8), sample(3, 8), sample(4, 0, 2), sample(4, 0, 2), sample(4, 0, 2),
            sample(4, 0, 2), sample(3, 3), heads=4, kv_heads=4,
        ),
        case(
            sample(1, 12), sample(1, 6), sample(1, 6), sample(2, 4, 3), sample(2, 4, 3), sample(2, 0, 3),
            sample(2, 0, 3), sample(2, 5), heads=4, kv_heads=2, softcap=1.5,
        ),
    )  # fmt: skip
