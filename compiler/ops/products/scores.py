"""What every attention does with its scores: softmax(q k' / sqrt(d)) v over the pairs that are allowed, head by head."""

from __future__ import annotations

from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V

NEVER = -1e30  # The score of a pair that is not allowed.


def attended_type(q: Type, k: Type, v: Type, heads: int, kv_heads: int) -> Type:
    """The shape rule: q [P, heads * d], k and v [R, kv_heads * d] give [P, heads * d]."""
    for operand, (x, parts) in enumerate(((q, heads), (k, kv_heads), (v, kv_heads))):
        if x.rank != 2:
            raise ShapeError("rank-mismatch", f"attention takes tokens [P, d], this is {describe(x.shape)}", operand)
        width = x.shape[1]
        if parts < 1 or not isinstance(width, int) or width % parts:
            raise ShapeError("shape-mismatch", f"a width of {width} cannot be split into {parts} heads", operand)
    if heads % kv_heads:
        raise ShapeError("shape-mismatch", f"{heads} heads cannot share {kv_heads} key heads evenly", 1)
    if q.shape[1] * kv_heads != k.shape[1] * heads:
        message = f"queries {describe(q.shape)} do not fit keys {describe(k.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(k.shape))
    if k.shape != v.shape:
        message = f"every key has a value: keys {describe(k.shape)}, values {describe(v.shape)}"
        raise ShapeError("shape-mismatch", message, 2, label=describe(v.shape))
    return Type(DType.REAL, q.shape)


def headed(x: Tensor, count: int) -> Tensor:
    """numpy's: [P, count * d] as [count, P, d]."""
    return x.reshape(*x.shape[:-1], count, x.shape[-1] // count).swapaxes(-2, -3)


def headed_by_torch(x: Tensor, count: int) -> Tensor:
    """torch's: the same."""
    return x.unflatten(-1, (count, -1)).transpose(-2, -3)


def headed_by_onnx(op: Onnx[V], x: V, count: int, width: int) -> V:
    """ONNX's: [N, P, count * width] as [N, count, P, width]."""
    return op.Transpose(op.reshape(x, [0, 0, count, width]), perm=[0, 2, 1, 3])


def scaled_by_onnx(op: Onnx[V], q: V, width: int) -> V:
    """ONNX's: q / sqrt(width), for an attention whose own scale is 1.

    So a turn of one token is fast: ONNX Runtime has a product for one row, which takes no scale. An attention of 12 heads of 64 to 192 tokens,
    4 heads of keys, takes 60 µs with it and 87 without.
    """
    return op.Mul(q, op.real(width**-0.5))


def weighed(np: Arrays, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None, softcap: float) -> Tensor:
    """numpy's: q [heads, P, d], k and v [kv_heads, R, d], allowed [..., P, R] give [P, heads * d]."""
    groups = q.shape[-3] // k.shape[-3]
    keys, values = (np.repeat(x, groups, axis=-3) for x in (k, v))
    scores = q @ keys.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    result = (weights / weights.sum(-1, keepdims=True) @ values).swapaxes(-2, -3)
    return result.reshape(*result.shape[:-2], result.shape[-2] * result.shape[-1])


def weighed_by_torch(
    torch: Arrays, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None, groups: int, softcap: float, causal: bool
) -> Tensor:
    """torch's: the same; its own kernel where nothing is capped. `groups` heads share one of k and v."""
    if not softcap:
        more: dict[str, object] = {} if groups == 1 else {"enable_gqa": True}
        more |= {"is_causal": True} if causal else {"attn_mask": allowed}
        result = torch.nn.functional.scaled_dot_product_attention(q, k, v, **more)
        return result.transpose(-2, -3).flatten(-2)
    keys, values = (x if groups == 1 else x.repeat_interleave(groups, -3) for x in (k, v))
    scores = torch.tanh(q @ keys.transpose(-1, -2) * (q.shape[-1] ** -0.5 / softcap)) * softcap
    scores = scores if allowed is None else torch.where(allowed, scores, NEVER)
    return (scores.softmax(-1) @ values).transpose(-2, -3).flatten(-2)


def weighed_by_onnx(op: Onnx[V], q: V, k: V, v: V, allowed: V | None, softcap: float, shape: tuple[int, int, int]) -> V:
    """ONNX's, by products and a softmax: q [N, P, heads * d]; k, v [N, kv_heads, R, d]; allowed [..., P, R].

    `shape` has heads, kv_heads and d.
    """
    heads, kv_heads, width = shape

    def shared(x: V) -> V:
        if heads == kv_heads:
            return x
        wide = op.Expand(op.Unsqueeze(x, op.ints([2])), op.ints([1, 1, heads // kv_heads, 1, 1]))
        return op.reshape(wide, [0, heads, -1, width])

    rows = scaled_by_onnx(op, headed_by_onnx(op, q, heads, width), width)
    scores = capped(op, op.MatMul(rows, op.Transpose(shared(k), perm=[0, 1, 3, 2])), softcap)
    if allowed is not None:
        scores = op.Where(allowed, scores, op.real(NEVER))
    result = op.Transpose(op.MatMul(op.Softmax(scores, axis=-1), shared(v)), perm=[0, 2, 1, 3])
    return op.reshape(result, [0, 0, heads * width])


def capped(op: Onnx[V], scores: V, softcap: float) -> V:
    """ONNX's: c tanh(s / c), where there is a cap c."""
    return op.Mul(op.Tanh(op.Mul(scores, op.real(1 / softcap))), op.real(softcap)) if softcap else scores


def within(here: Tensor, there: Tensor, causal: bool, window: int, sinks: int) -> Tensor:
    """Which of the places `there` are seen from those `here`, of numpy's or torch's whole numbers."""
    far = here - there
    earlier = far >= 0 if causal else far > -window
    if not window:
        return earlier
    near, first = far < window, there < sinks
    return earlier & (near | first) if causal else (earlier & near) | first
