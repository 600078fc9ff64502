"""Attention (13) and rotary positions. The heads lie side by side in the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import Function, Same, Section, count, flag, tensor
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import same
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.logic import LessEqual, Where
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import attended
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.reductions import Softmax
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Attention(Operation):
    """softmax(q k' / sqrt(d)) v, head by head (Vaswani et al. 2017), d the width of a head.

    q: [P, heads * d]; k, v: [R, kv_heads * d]; the result: [P, heads * d]. With fewer key heads than heads, groups of
    heads share one (Ainslie et al. 2023). `causal`: token i looks at the tokens up to i.
    """

    function = Function(
        "attend",
        Section.KERNELS,
        (*map(tensor, ("q", "k", "v")), count("heads"), count("kv_heads", Same("heads")), flag("causal")),
        says="softmax(q k' / sqrt(d)) v, head by head; the heads lie side by side in the last axis (13).",
        label="attention",
    )

    attributes = {"heads": 1, "kv_heads": 1, "causal": False}
    alignment = Alignment.EXPAND
    along = staticmethod(same)
    numbering = staticmethod(attended)

    @classmethod
    def shape(cls, q: Type, k: Type, v: Type, *, heads: int, kv_heads: int, causal: bool) -> Type:
        for operand, (x, parts) in enumerate(((q, heads), (k, kv_heads), (v, kv_heads))):
            if x.rank != 2:
                raise ShapeError(
                    "rank-mismatch", f"attention takes tokens [P, d], this is {describe(x.shape)}", operand
                )
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

    @staticmethod
    def reference(np: Arrays, q: Tensor, k: Tensor, v: Tensor, *, heads: int, kv_heads: int, causal: bool) -> Tensor:
        def headed(x: Tensor, count: int) -> Tensor:
            x = x.reshape(*x.shape[:-1], count, x.shape[-1] // count).swapaxes(-2, -3)
            return np.repeat(x, heads // count, axis=-3)

        a, b, c = headed(q, heads), headed(k, kv_heads), headed(v, kv_heads)
        scores = a @ b.swapaxes(-1, -2) / np.sqrt(a.shape[-1])
        if causal:
            scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        result = weights / weights.sum(-1, keepdims=True) @ c
        return result.swapaxes(-2, -3).reshape(q.shape)

    @staticmethod
    def torch(torch: Arrays, q: Tensor, k: Tensor, v: Tensor, *, heads: int, kv_heads: int, causal: bool) -> Tensor:
        a = q.unflatten(-1, (heads, -1)).transpose(-2, -3)
        b = k.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)
        c = v.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)
        more = {} if heads == kv_heads else {"enable_gqa": True}
        attended = torch.nn.functional.scaled_dot_product_attention(a, b, c, is_causal=causal, **more)
        return attended.transpose(-2, -3).flatten(-2)

    @staticmethod
    def onnx(op: Onnx[V], q: V, k: V, v: V, *, heads: int, kv_heads: int, causal: bool) -> V:
        a, b, c = (op.flat_lead(x, 2) for x in (q, k, v))
        if op.opset >= 23:
            result = op.Attention(a, b, c, q_num_heads=heads, kv_num_heads=kv_heads, is_causal=int(causal))
        else:
            result = _expanded(op, a, b, c, heads, kv_heads, causal)
        return op.unflat_lead(result, q, 2)

    @staticmethod
    def expansion(q: Term, k: Term, v: Term, *, heads: int, kv_heads: int, causal: bool) -> Term:
        width = q.shape[-1] // heads
        assert isinstance(width, int), "the width of a head is known"

        def headed(x: Term, count: int) -> Term:
            split = x.reshape(x.shape[0], count, width).transpose(-2, -3, -1)
            if count == heads:
                return split
            wide = split.unsqueeze(-3).expand((count, heads // count, x.shape[0], width))
            return wide.reshape(heads, x.shape[0], width)

        scale: float = width**-0.5
        scores = headed(q, heads).emit(Matmul, headed(k, kv_heads).transpose()) * scale
        if causal:
            earlier = q.range(k.shape[0]).emit(LessEqual, q.range(q.shape[0]).unsqueeze(-1))
            scores = earlier.emit(Where, scores, -1e30)
        result = scores.emit(Softmax).emit(Matmul, headed(v, kv_heads))
        return result.transpose(-2, -3, -1).reshape(*q.shape)

    cases = (
        case(sample(5, 8), sample(5, 8), sample(5, 8), heads=2, kv_heads=2),
        case(sample(5, 8), sample(5, 4), sample(5, 4), heads=4, kv_heads=2, causal=True),
        case(sample(3, 6), sample(5, 6), sample(5, 6), heads=3, kv_heads=3),
        case(sample(3, 4), sample(5, 4), sample(5, 4), heads=1, kv_heads=1, causal=True),
    )

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the keys and the values so far; none is needed where the tokens look at what stays."""
        q, k, v = node.inputs
        growing, causal = [g.grows(x, -2) for x in node.inputs], node.attributes["causal"]
        if not any(growing) or (growing == [True, False, False] and not causal):
            return None
        if not all(growing):
            return g.expanded(node)
        if not causal:
            help = "write `causal = true` if tokens look at those before them; what is looked at may also stay: `attend(h, m, m, 1)`"
            raise g.refused("lets every token look at all the others", help=help)
        heads = {name: node.attributes[name] for name in ("heads", "kv_heads")}
        width = k.type.shape[-1] // heads["kv_heads"]
        keys, values = (g.growing_state(name, (heads["kv_heads"], g.past, width)) for name in ("keys", "values"))
        rows = [g.rows(q), g.rows(k), g.rows(v)]  # `seen` rules out the rows that hold no token
        result, keys.next, values.next = g.emit_all(CachedAttention, [*rows, keys.value, values.value, g.seen()], heads)
        return result


def _expanded(op: Onnx[V], q: V, k: V, v: V, heads: int, kv_heads: int, causal: bool) -> V:
    """Attention by products and a softmax, for opsets that lack the operation. q, k, v: [N, P, width]."""
    width = op.size_along(q, -1) // heads

    def headed(x: V, count: int, perm: list[int]) -> V:
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
    result = op.Transpose(op.MatMul(op.Softmax(scores, axis=-1), c), perm=[0, 2, 1, 3])
    return op.reshape(result, [0, 0, heads * width])


class CachedAttention(Operation):
    """Causal attention of new tokens to all so far: the incremental form of `Attention`.

    q: [n, heads * d]; k, v: [n, kv_heads * d] of the new tokens; past_k, past_v: [kv_heads, m, d] of those before; seen:
    [n, m + n], which tokens may be looked at, beside being causal. The results: [n, heads * d], and the keys and values
    [kv_heads, m + n, d] of all tokens.
    """

    attributes = {"heads": 1, "kv_heads": 1}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(
        cls, q: Type, k: Type, v: Type, past_k: Type, past_v: Type, seen: Type, **heads: int
    ) -> tuple[Type, Type, Type]:
        result = Attention.shape(q, k, v, **heads, causal=True)
        groups, past, width = past_k.shape
        cache = Type(DType.REAL, (groups, past + k.shape[0], width))
        return result, cache, cache

    @staticmethod
    def reference(
        np: Arrays,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        past_k: Tensor,
        past_v: Tensor,
        seen: Tensor,
        *,
        heads: int,
        kv_heads: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        def headed(x: Tensor, count: int) -> Tensor:
            return x.reshape(*x.shape[:-1], count, x.shape[-1] // count).swapaxes(-2, -3)

        keys = np.concatenate([past_k, headed(k, kv_heads)], -2)
        values = np.concatenate([past_v, headed(v, kv_heads)], -2)
        a, b, c = headed(q, heads), *(np.repeat(x, heads // kv_heads, axis=-3) for x in (keys, values))
        scores = a @ b.swapaxes(-1, -2) / np.sqrt(a.shape[-1])
        causal = np.tril(np.ones(scores.shape[-2:], bool), past_k.shape[-2])
        scores = np.where(causal & seen[..., None, :, :], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        result = weights / weights.sum(-1, keepdims=True) @ c
        return result.swapaxes(-2, -3).reshape(q.shape), keys, values

    @staticmethod
    def torch(
        torch: Arrays,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        past_k: Tensor,
        past_v: Tensor,
        seen: Tensor,
        *,
        heads: int,
        kv_heads: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        a = q.unflatten(-1, (heads, -1)).transpose(-2, -3)
        keys = torch.cat((past_k, k.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)), -2)
        values = torch.cat((past_v, v.unflatten(-1, (kv_heads, -1)).transpose(-2, -3)), -2)
        mask = (seen & torch.ones_like(seen).tril(past_k.shape[-2])).unsqueeze(-3)
        more = {} if heads == kv_heads else {"enable_gqa": True}
        attended = torch.nn.functional.scaled_dot_product_attention(a, keys, values, attn_mask=mask, **more)
        return attended.transpose(-2, -3).flatten(-2), keys, values

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V, past_k: V, past_v: V, seen: V, *, heads: int, kv_heads: int
    ) -> tuple[V, ...]:
        a, b, c, mask = (op.flat_lead(x, 2) for x in (q, k, v, seen))
        keys, values = (op.flat_lead(x, 3) for x in (past_k, past_v))
        mask = op.Unsqueeze(mask, op.ints([1]))
        if op.opset >= 23:
            counts = {"q_num_heads": heads, "kv_num_heads": kv_heads}
            result = op.several("Attention", 3, a, b, c, mask, keys, values, **counts, is_causal=1)
        else:
            result = _cached_expanded(op, a, b, c, keys, values, mask, heads, kv_heads)
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
    )  # fmt: skip


def _cached_expanded(
    op: Onnx[V], q: V, k: V, v: V, past_k: V, past_v: V, mask: V, heads: int, kv_heads: int
) -> list[V]:
    """The same by products and a softmax, for opsets that lack the operation. q: [N, P, width]."""
    width = op.size_along(q, -1) // heads

    def headed(x: V, count: int) -> V:
        return op.Transpose(op.reshape(x, [0, 0, count, width]), perm=[0, 2, 1, 3])

    keys = op.Concat(past_k, headed(k, kv_heads), axis=2)
    values = op.Concat(past_v, headed(v, kv_heads), axis=2)

    def shared(x: V) -> V:
        if heads == kv_heads:
            return x
        wide = op.Expand(op.Unsqueeze(x, op.ints([2])), op.ints([1, 1, heads // kv_heads, 1, 1]))
        return op.reshape(wide, [0, heads, -1, width])

    scores = op.MatMul(op.Mul(headed(q, heads), op.real(width**-0.5)), op.Transpose(shared(keys), perm=[0, 1, 3, 2]))
    ones = op.Expand(op.real(1.0), op.Shape(scores, start=-2))
    past = op.Squeeze(op.Shape(past_k, start=2, end=3), op.ints([0]))
    allowed = op.And(mask, op.Cast(op.Trilu(ones, past, upper=0), to=9))
    weights = op.Softmax(op.Where(allowed, scores, op.real(-1e30)), axis=-1)
    result = op.Transpose(op.MatMul(weights, shared(values)), perm=[0, 2, 1, 3])
    return [op.reshape(result, [0, 0, heads * width]), keys, values]


class Rotary(Operation):
    """Rotary positions (Su et al. 2021): in each head, the pairs (i, i + d/2) turn by an angle.

    x: [P, heads * d], d even; cos and sin of the angles: [P, d/2], one for each token and pair.
    """

    attributes = {"heads": 1}
    alignment = Alignment.EXPAND
    along = staticmethod(same)

    @classmethod
    def shape(cls, x: Type, cos: Type, sin: Type, heads: int) -> Type:
        if heads < 1 or x.rank != 2 or not isinstance(x.shape[1], int) or x.shape[1] % (2 * heads):
            raise ShapeError(
                "shape-mismatch", f"{describe(x.shape)} cannot be split into {heads} heads of even width", 0
            )
        wanted = (x.shape[0], x.shape[1] // heads // 2)
        for operand, angle in enumerate((cos, sin), 1):
            if angle.shape != wanted:
                message = f"the angles of {describe(x.shape)} are {describe(wanted)}, these are {describe(angle.shape)}"
                raise ShapeError("shape-mismatch", message, operand, label=describe(angle.shape))
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
        y = x.reshape(*x.shape[:-1], heads, 2, -1)
        a, b, c, s = y[..., 0, :], y[..., 1, :], cos[..., None, :], sin[..., None, :]
        return np.stack([a * c - b * s, b * c + a * s], -2).reshape(x.shape)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
        y = x.unflatten(-1, (heads, 2, -1))
        a, b, c, s = y.select(-2, 0), y.select(-2, 1), cos.unsqueeze(-2), sin.unsqueeze(-2)
        return torch.stack((a * c - b * s, b * c + a * s), -2).flatten(-3)

    @staticmethod
    def onnx(op: Onnx[V], x: V, cos: V, sin: V, heads: int) -> V:
        y, c, s = (op.flat_lead(v, 2) for v in (x, cos, sin))
        half = op.size_along(x, -1) // heads // 2
        result = op.RotaryEmbedding(y, c, s, num_heads=heads) if op.opset >= 23 else _turned(op, y, c, s, heads, half)
        return op.unflat_lead(result, x, 2)

    @staticmethod
    def expansion(x: Term, cos: Term, sin: Term, *, heads: int) -> Term:
        y = x.reshape(x.shape[0], heads, 2, x.shape[1] // heads // 2)
        a, b, c, s = y.pick(-2, 0), y.pick(-2, 1), cos.unsqueeze(-2), sin.unsqueeze(-2)
        return (a * c - b * s).emit(Stack, b * c + a * s, axis=-2).reshape(*x.shape)

    cases = (
        case(sample(5, 8), sample(5, 2), sample(5, 2), heads=2),
        case(sample(4, 6), sample(4, 3), sample(4, 3), heads=1),
    )


def _turned(op: Onnx[V], y: V, cos: V, sin: V, heads: int, half: int) -> V:
    """The same for opsets that lack the operation. y: [N, P, width]; cos and sin: [N, P, half]."""
    split = op.reshape(y, [0, 0, heads, 2 * half])
    a = op.Slice(split, op.ints([0]), op.ints([half]), op.ints([-1]))
    b = op.Slice(split, op.ints([half]), op.ints([2 * half]), op.ints([-1]))
    c, s = op.Unsqueeze(cos, op.ints([2])), op.Unsqueeze(sin, op.ints([2]))
    halves = op.Sub(op.Mul(a, c), op.Mul(b, s)), op.Add(op.Mul(b, c), op.Mul(a, s))
    return op.reshape(op.Concat(*halves, axis=-1), [0, 0, 2 * half * heads])
