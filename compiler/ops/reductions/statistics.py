"""The spread of numbers over axes: of the numbers themselves, so divided by their count (the population's, not a sample's)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering
from mai.compiler.ir.signature import AXES, KEEP, Function, Section, X
from mai.compiler.ir.sizes import product
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.reductions.base import Reduction, filled

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

WIDE = (((1e4, 1e4, 1e4),), ((3.0,),), ((1e4, 1.0001e4, 1.0002e4),))


class Var(Reduction):
    """The variance over axes, mean((x - mean(x))^2): of n numbers, their sum is divided by n, not by n - 1."""

    function = Function("var", Section.REDUCTIONS, (X, AXES, KEEP), elsewhere="variance", example="var(x)")

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.var(x, axis=axes, keepdims=keep))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch.var(x, axes, correction=0, keepdim=keep) if axes else torch.zeros_like(x)

    onnx: Lowering = staticmethod(lambda op, x, axes, keep: _variance(op, x, axes, keep))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        return (2.0 * _shares(ct, x, axes)).restored(axes, keep, x.shape) * (x - x.mean(axes, keep=True))

    extremes = WIDE


class Std(Reduction):
    """The standard deviation over axes, sqrt(var(x)); its derivative where all are equal is taken as 0."""

    function = Function("std", Section.REDUCTIONS, (X, AXES, KEEP))

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.std(x, axis=axes, keepdims=keep))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch.std(x, axes, correction=0, keepdim=keep) if axes else torch.zeros_like(x)

    onnx: Lowering = staticmethod(lambda op, x, axes, keep: op.Sqrt(_variance(op, x, axes, keep)))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        slope = _shares(ct, x, axes) / (y + y.equals(0.0))
        return slope.restored(axes, keep, x.shape) * (x - x.mean(axes, keep=True))

    extremes = WIDE


class Norm(Reduction):
    """The Euclidean length over axes, sqrt(sum(x^2)); its derivative at 0 is taken as 0."""

    function = Function(
        "norm", Section.REDUCTIONS, (X, AXES, KEEP), elsewhere="vector_norm", example="norm(x, axis = -1)"
    )
    neutral = 0.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.sqrt(np.sum(x * x, axis=axes, keepdims=keep)))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch.linalg.vector_norm(x, dim=axes, keepdim=keep) if axes else torch.abs(x)

    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: (
            op.ReduceL2(filled(op, x, axes, 0), op.ints(axes), keepdims=int(keep)) if axes else op.Abs(x)
        )
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        return (ct / (y + y.equals(0.0))).restored(axes, keep, x.shape) * x

    extremes = (((0.0, 0.0),), ((3.0, -4.0),), ((-2.0,),))


def _shares(ct: Term, x: Term, axes: tuple[int, ...]) -> Term:
    """ct over the number of elements."""
    return ct / ct.size(product(tuple(x.shape[axis] for axis in axes)))


def _variance(op: Onnx[V], x: V, axes: tuple[int, ...], keep: bool) -> V:
    if not axes:
        return op.Sub(x, x)
    x = filled(op, x, axes, math.nan)
    distance = op.Sub(x, op.ReduceMean(x, op.ints(axes), keepdims=1))
    return op.ReduceMean(op.Mul(distance, distance), op.ints(axes), keepdims=int(keep))
