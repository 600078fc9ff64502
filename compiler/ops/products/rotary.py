"""Rotary positions. The heads lie side by side in the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import same
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


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
