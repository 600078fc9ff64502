"""Attention (13) and rotary positions. The heads lie side by side in the last axis."""

from __future__ import annotations

from typing import Any

from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.base import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ops.batched import batched_onnx


class Attention(Operation):
    """softmax(q k' / sqrt(d)) v, head by head (Vaswani et al. 2017), d the width of a head.

    q: [P, heads * d]; k, v: [R, kv_heads * d]; the result: [P, heads * d]. With fewer key heads than heads, groups of
    heads share one (Ainslie et al. 2023). `causal`: token i looks at the tokens up to i.
    """

    attributes = {"heads": 1, "kv_heads": 1, "causal": False}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, q: Type, k: Type, v: Type, *, heads: int, kv_heads: int, causal: bool) -> Type:
        for operand, (x, count) in enumerate(((q, heads), (k, kv_heads), (v, kv_heads))):
            if x.rank != 2:
                raise ShapeError(
                    "rank-mismatch", f"attention takes tokens [P, d], this is {describe(x.shape)}", operand
                )
            width = x.shape[1]
            if count < 1 or not isinstance(width, int) or width % count:
                raise ShapeError("shape-mismatch", f"a width of {width} cannot be split into {count} heads", operand)
        if heads % kv_heads:
            raise ShapeError("shape-mismatch", f"{heads} heads cannot share {kv_heads} key heads evenly", 1)
        if q.shape[1] * kv_heads != k.shape[1] * heads:
            message = f"queries {describe(q.shape)} do not fit keys {describe(k.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(k.shape))
        if k.shape != v.shape:
            message = f"every key has a value: keys {describe(k.shape)}, values {describe(v.shape)}"
            raise ShapeError("shape-mismatch", message, 2, label=describe(v.shape))
        return Type(DType.REAL, q.shape)

    @staticmethod
    def reference(np: Any, q: Any, k: Any, v: Any, *, heads: int, kv_heads: int, causal: bool) -> Any:
        def headed(x: Any, count: int) -> Any:
            x = x.reshape(*x.shape[:-1], count, x.shape[-1] // count).swapaxes(-2, -3)
            return np.repeat(x, heads // count, axis=-3)

        a, b, c = headed(q, heads), headed(k, kv_heads), headed(v, kv_heads)
        scores = a @ b.swapaxes(-1, -2) / np.sqrt(a.shape[-1])
        if causal:
            scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        made = weights / weights.sum(-1, keepdims=True) @ c
        return made.swapaxes(-2, -3).reshape(q.shape)

    @staticmethod
    def torch(torch: Any, q: Any, k: Any, v: Any, *, heads: int, kv_heads: int, causal: bool) -> Any:
        a = q.unflatten(-1, (heads, -1)).transpose(-2, -3)
        b = k.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)
        c = v.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)
        more = {} if heads == kv_heads else {"enable_gqa": True}
        attended = torch.nn.functional.scaled_dot_product_attention(a, b, c, is_causal=causal, **more)
        return attended.transpose(-2, -3).flatten(-2)

    @staticmethod
    def onnx(op: Any, q: Any, k: Any, v: Any, *, heads: int, kv_heads: int, causal: bool) -> Any:
        sizes = op.sizes(q)
        batch = 1 if len(sizes) == 2 else -1
        a, b, c = (x if len(sizes) == 3 else op.reshape(x, [batch, *op.sizes(x)[-2:]]) for x in (q, k, v))
        if op.opset >= 23:
            made = op.Attention(a, b, c, q_num_heads=heads, kv_num_heads=kv_heads, is_causal=int(causal))
        else:
            made = _expanded(op, a, b, c, heads, kv_heads, causal)
        return made if len(sizes) == 3 else op.reshape(made, sizes)

    cases = (
        case(sample(5, 8), sample(5, 8), sample(5, 8), heads=2, kv_heads=2),
        case(sample(5, 8), sample(5, 4), sample(5, 4), heads=4, kv_heads=2, causal=True),
        case(sample(3, 6), sample(5, 6), sample(5, 6), heads=3, kv_heads=3),
        case(sample(3, 4), sample(5, 4), sample(5, 4), heads=1, kv_heads=1, causal=True),
    )


def _expanded(op: Any, q: Any, k: Any, v: Any, heads: int, kv_heads: int, causal: bool) -> Any:
    """Attention by products and a softmax, for opsets that lack the operation. q, k, v: [N, P, width]."""
    width = op.size_along(q, -1) // heads

    def headed(x: Any, count: int, perm: list[int]) -> Any:
        split = op.reshape(x, [0, 0, count, width])
        if count != heads:
            shares = op.Expand(op.reshape(split, [0, 0, count, 1, width]), op.ints([1, 1, 1, heads // count, 1]))
            split = op.reshape(shares, [0, 0, heads, width])
        return op.Transpose(split, perm=perm)

    a, b, c = headed(q, heads, [0, 2, 1, 3]), headed(k, kv_heads, [0, 2, 3, 1]), headed(v, kv_heads, [0, 2, 1, 3])
    scores = op.Mul(op.MatMul(a, b), op.real(width**-0.5))
    if causal:
        shape = op.Shape(scores, start=-2)
        allowed = op.Trilu(op.Expand(op.real(1.0), shape), upper=0)
        scores = op.Where(op.Cast(allowed, to=9), scores, op.real(-1e30))
    made = op.Transpose(op.MatMul(op.Softmax(scores, axis=-1), c), perm=[0, 2, 1, 3])
    return op.reshape(made, [0, 0, heads * width])


class Rotary(Operation):
    """Rotary positions (Su et al. 2021): in each head, the pairs (i, i + d/2) turn by position / base^(2 i / d).

    x: [P, heads * d], d even; positions count from 0.
    """

    attributes = {"heads": 1, "base": 10000.0}

    @classmethod
    def shape(cls, x: Type, heads: int, base: float) -> Type:
        if base <= 0:
            raise ShapeError("bad-setting", f"the base of the rotary positions is positive, this is {base}")
        if heads < 1 or x.rank != 2 or not isinstance(x.shape[1], int) or x.shape[1] % (2 * heads):
            raise ShapeError(
                "shape-mismatch", f"{describe(x.shape)} cannot be split into {heads} heads of even width", 0
            )
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(np: Any, x: Any, heads: int, base: float) -> Any:
        half = x.shape[-1] // heads // 2
        angle = np.arange(x.shape[-2])[:, None] * base ** (-np.arange(half) / half)
        cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
        y = x.reshape(*x.shape[:-1], heads, 2 * half)
        a, b = y[..., :half], y[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)

    @staticmethod
    def torch(torch: Any, x: Any, heads: int, base: float) -> Any:
        y = x.unflatten(-1, (heads, 2, -1))
        a, b = y.select(-2, 0), y.select(-2, 1)
        half = a.shape[-1]
        rate = base ** (-torch.arange(half, device=x.device) / half)
        angle = torch.arange(x.shape[-2], device=x.device)[:, None, None] * rate
        cos, sin = torch.cos(angle), torch.sin(angle)
        return torch.stack((a * cos - b * sin, b * cos + a * sin), -2).flatten(-3)

    @staticmethod
    def onnx(op: Any, x: Any, heads: int, base: float) -> Any:
        half = op.size_along(x, -1) // heads // 2
        rates = op.reals([base ** (-i / half) for i in range(half)])
        position = op.Cast(op.Range(op.int(0), op.size_value(x, -2), op.int(1)), to=1)
        angle = op.Mul(op.Unsqueeze(position, op.ints([-1])), rates)
        cos, sin = op.Cos(angle), op.Sin(angle)
        turned = _turned if op.opset < 23 else _turned_by_kernel
        return batched_onnx(op, x, 2, lambda y: turned(op, y, cos, sin, heads, half))

    cases = (
        case(sample(5, 8), heads=2, base=10000.0),
        case(sample(3, 12), heads=3, base=100.0),
        case(sample(4, 6), heads=1, base=500000.0),
    )


def _turned_by_kernel(op: Any, y: Any, cos: Any, sin: Any, heads: int, half: int) -> Any:
    """y: [N, P, width]; cos and sin: [P, half]. The kernel wants a table for each of the N."""
    every = op.Concat(op.Shape(y, start=0, end=1), op.ints([1, 1]), axis=0)
    return op.RotaryEmbedding(y, op.Expand(cos, every), op.Expand(sin, every), num_heads=heads)


def _turned(op: Any, y: Any, cos: Any, sin: Any, heads: int, half: int) -> Any:
    """The same for opsets that lack the operation."""
    split = op.reshape(y, [0, 0, heads, 2 * half])
    a = op.Slice(split, op.ints([0]), op.ints([half]), op.ints([-1]))
    b = op.Slice(split, op.ints([half]), op.ints([2 * half]), op.ints([-1]))
    c, s = op.Unsqueeze(cos, op.ints([1])), op.Unsqueeze(sin, op.ints([1]))
    halves = op.Sub(op.Mul(a, c), op.Mul(b, s)), op.Add(op.Mul(b, c), op.Mul(a, s))
    return op.reshape(op.Concat(*halves, axis=-1), [0, 0, 2 * half * heads])
