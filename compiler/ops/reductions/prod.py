"""Products over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import AXES, KEEP, NUMBERS, Function, Section
from mai.compiler.ops.backends import Arrays, Tensor
from mai.compiler.ops.elementwise.logic import Equal
from mai.compiler.ops.reductions.base import Reduction, filled
from mai.compiler.ops.reductions.running import Cumprod, before
from mai.compiler.ops.shapes.flip import Flip

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Prod(Reduction):
    """The product over axes, of reals or of whole numbers."""

    function = Function("prod", Section.REDUCTIONS, (NUMBERS, AXES, KEEP))
    neutral = 1.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.prod(x, axis=axes, keepdims=keep))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        for axis in axes:
            x = torch.prod(x, axis, keepdim=True)
        return x if keep or not axes else torch.squeeze(x, axes)

    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: (
            op.ReduceProd(filled(op, x, axes, 1), op.ints(axes), keepdims=int(keep)) if axes else x
        )
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        return _spread(ct if keep else ct.unsqueeze(*axes), x, axes)

    cases = (*Reduction.cases, case(sample(3, 5, kind="sparse")), case(sample(4, 2, 3, kind="sparse"), axes=(-3, -1)),
             case(sample(3, 4, kind="whole"), axes=(-1,)), case(sample(3, 1)))  # fmt: skip


def _spread(ct: Term, x: Term, axes: Sequence[int]) -> Term:
    """The derivative, axis by axis: of the product of products, then of each."""
    if not axes:
        return ct
    axis, *rest = axes
    return _spread(ct, x.emit(Prod, axes=(axis,), keep=True), rest) * _others(x, axis)


def _others(x: Term, axis: int) -> Term:
    """For every element the product of the others along an axis: no quotient, so right where an element is 0."""
    if isinstance(x.shape[axis], int):
        flipped = x.emit(Flip, axis=axis).emit(Cumprod, axis=axis)
        return before(x.emit(Cumprod, axis=axis), axis) * before(flipped, axis).emit(Flip, axis=axis)
    places = x.range(x.shape[axis])
    is_itself = places.unsqueeze(-1).emit(Equal, places).unsqueeze(*range(axis + 1, 0))
    return is_itself.where(1.0, x.unsqueeze(axis - 1)).emit(Prod, axes=(axis,), keep=False)
