"""Sums, averages and extremes over axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import AXES, KEEP, NUMBERS, Function, Section, X
from mai.compiler.ir.sizes import product
from mai.compiler.ops.backends import Arrays, Onnx, Operator, Tensor, V
from mai.compiler.ops.elementwise.arithmetic import Divide
from mai.compiler.ops.elementwise.conversion import StopGradient, ToReal
from mai.compiler.ops.elementwise.exponential import Exp
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.reductions.base import Reduction, filled

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

WHOLE = case(sample(3, 4, kind="whole"), axes=(-2,))


def _extreme(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
    """To the places where x is extreme; equals share."""
    top, slope = (v if keep else v.unsqueeze(*axes) for v in (y, ct))
    is_top = x.equals(top)
    return slope * is_top / is_top.sum(axes, keep=True)


def _onnx_extreme(op: Onnx[V], reduce: Operator[V], x: V, axes: tuple[int, ...], keep: bool) -> V:
    """NaN where one of the numbers is, as numpy and torch have it: ONNX's extremes may pass it over."""
    if not axes:
        return x
    over = op.axes(x, axes)
    result = reduce(x, over, keepdims=int(keep))
    if op.whole(x):
        return result
    total = op.ReduceL1(x, over, keepdims=int(keep))
    return op.Where(op.Equal(total, total), result, total)


class Sum(Reduction):
    """The sum over axes; of whole numbers it is whole."""

    function = Function("sum", Section.REDUCTIONS, (NUMBERS, AXES, KEEP))

    neutral = 0.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.sum(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.sum(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceSum(x, op.axes(x, axes), keepdims=int(keep)) if axes else x
    )
    derivative = staticmethod(lambda ct, y, x, axes, keep: ct.restored(axes, keep, x.shape))
    cases = (*Reduction.cases, WHOLE)


class Mean(Reduction):
    """The average over axes."""

    function = Function("mean", Section.REDUCTIONS, (X, AXES, KEEP))

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The sum so far, over the number of tokens so far."""
        (x,), axes = node.inputs, node.attributes["axes"]
        if not any(g.grows(x, axis) for axis in axes):
            return None
        rest = product(tuple(x.type.shape[axis] for axis in axes if not g.grows(x, axis)))
        whole = g.emit(Divide, g.summed(node, Sum), g.emit(ToReal, g.count()))
        return whole if rest == 1 else g.emit(Divide, whole, g.size(rest))

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.mean(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.mean(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: (
            op.ReduceMean(filled(op, x, axes, math.nan), op.axes(x, axes), keepdims=int(keep)) if axes else x
        )
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        return (ct / ct.size(product(tuple(x.shape[axis] for axis in axes)))).restored(axes, keep, x.shape)


class Max(Reduction):
    """The largest over axes, of reals or of whole numbers; NaN if one of them is."""

    function = Function("max", Section.REDUCTIONS, (NUMBERS, AXES, KEEP))

    neutral = -math.inf
    chooses = True

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.max(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.amax(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(lambda op, x, axes, keep: _onnx_extreme(op, op.ReduceMax, x, axes, keep))
    derivative = staticmethod(lambda ct, y, x, axes, keep: _extreme(ct, y, x, axes, keep))
    cases = (*Reduction.cases, WHOLE)


class Min(Reduction):
    """The smallest over axes, of reals or of whole numbers; NaN if one of them is."""

    function = Function("min", Section.REDUCTIONS, (NUMBERS, AXES, KEEP))

    neutral = math.inf
    chooses = True

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.min(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.amin(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(lambda op, x, axes, keep: _onnx_extreme(op, op.ReduceMin, x, axes, keep))
    derivative = staticmethod(lambda ct, y, x, axes, keep: _extreme(ct, y, x, axes, keep))
    cases = (*Reduction.cases, WHOLE)


class Logsumexp(Reduction):
    """log(sum(exp(x))) along axes, without overflow."""

    function = Function("logsumexp", Section.REDUCTIONS, (X, AXES, KEEP))

    neutral = -math.inf

    @staticmethod
    def reference(np: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        top = np.max(x, axis=axes, keepdims=True)
        result = np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True)) + top
        return result if keep else np.squeeze(result, axis=axes)

    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.logsumexp(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceLogSumExp(x, op.axes(x, axes), keepdims=int(keep)) if axes else x
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axes: tuple[int, ...], keep: bool) -> Term:
        """Shares of a softmax: beside y, which is rounded, exp(x - y) is off where x is large."""
        slope = ct if keep else ct.unsqueeze(*axes)
        shares = (x - x.emit(Max, axes=axes, keep=True).emit(StopGradient)).emit(Exp)
        return slope * shares / shares.sum(axes, keep=True)
