"""Losses that have a kernel of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import Attributes, Types
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.numbering import scored
from mai.compiler.ops.reductions import LogSoftmax

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class CrossEntropy(Operation):
    """-log softmax(logits)[label], over the last axis of the logits. logits: [..., K]; label: [...]."""

    alignment = Alignment.EXPAND
    numbering = staticmethod(scored)

    @staticmethod
    def along(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
        """The classes go; the other axes are those of the labels."""
        return axis if operand else axis + 1 or None

    @classmethod
    def shape(cls, logits: Type, label: Type) -> Type:
        if logits.rank < 1 or logits.shape[:-1] != label.shape:
            message = f"logits {describe(logits.shape)} need labels {describe(logits.shape[:-1])}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(label.shape))
        return Type(DType.REAL, label.shape)

    @staticmethod
    def reference(np: Arrays, logits: Tensor, label: Tensor) -> Tensor:
        y = logits - logits.max(-1, keepdims=True)
        log_p = y - np.log(np.exp(y).sum(-1, keepdims=True))
        return -np.take_along_axis(log_p, label[..., None], -1)[..., 0]

    @staticmethod
    def torch(torch: Arrays, logits: Tensor, label: Tensor) -> Tensor:
        cross_entropy = torch.nn.functional.cross_entropy
        if logits.ndim <= 2:
            return cross_entropy(logits, label, reduction="none")
        return cross_entropy(logits.flatten(0, -2), label.flatten(), reduction="none").unflatten(0, label.shape)

    @staticmethod
    def onnx(op: Onnx[V], logits: V, label: V) -> V:
        log_p = op.LogSoftmax(logits, axis=-1)
        picked = op.GatherElements(log_p, op.Unsqueeze(label, op.ints([-1])), axis=-1)
        return op.Neg(op.Squeeze(picked, op.ints([-1])))

    @staticmethod
    def expansion(logits: Term, label: Term) -> Term:
        return -((logits.emit(LogSoftmax) * label.one_hot(logits.shape[-1])).sum())

    cases = (
        case(sample(10), sample(kind="int")),
        case(sample(4, 10), sample(4, kind="int")),
        case(sample(2, 3, 10), sample(2, 3, kind="int")),
    )
