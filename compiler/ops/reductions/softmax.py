"""Softmax along an axis, and its logarithm."""

from __future__ import annotations

import math

from mai.compiler.ir.operation import Lowering
from mai.compiler.ir.signature import AXIS, Function, Section, X
from mai.compiler.ops.backends import Arrays, Tensor
from mai.compiler.ops.elementwise.exponential import Exp
from mai.compiler.ops.reductions.base import Along


class Softmax(Along):
    """exp(x_i) / sum_j exp(x_j) along an axis, the weights of attention (13)."""

    function = Function("softmax", Section.ALONG, (X, AXIS))

    neutral = -math.inf

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int) -> Tensor:
        e = np.exp(x - np.max(x, axis=axis, keepdims=True))
        return e / np.sum(e, axis=axis, keepdims=True)

    torch: Lowering = staticmethod(lambda torch, x, axis: torch.softmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.Softmax(x, axis=axis))
    derivative = staticmethod(lambda ct, y, x, axis: y * (ct - (ct * y).sum((axis,), True)))


class LogSoftmax(Along):
    """x - logsumexp(x) along an axis."""

    function = Function("log_softmax", Section.ALONG, (X, AXIS))

    neutral = -math.inf

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int) -> Tensor:
        y = x - np.max(x, axis=axis, keepdims=True)
        return y - np.log(np.sum(np.exp(y), axis=axis, keepdims=True))

    torch: Lowering = staticmethod(lambda torch, x, axis: torch.log_softmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.LogSoftmax(x, axis=axis))
    derivative = staticmethod(lambda ct, y, x, axis: ct - y.emit(Exp) * ct.sum((axis,), True))
