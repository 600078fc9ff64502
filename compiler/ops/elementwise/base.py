"""What functions of one element share: how their inputs meet, their cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.operation import Alignment, Case, Operation, ShapeError, broadcast, case, describe, sample
from mai.compiler.ir.types import DType, Type, joint_classes
from mai.compiler.ops.along import same

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Elementwise(Operation, abstract=True):
    """Inputs broadcast as numpy's do; the result has the inputs' dtype unless `result` names another.

    `chosen` are the operands of which each element of the result is one: labels stay labels.
    """

    alignment = Alignment.FULL
    along = staticmethod(same)
    result: ClassVar[DType | None] = None
    chosen: ClassVar[tuple[int, ...]] = ()

    @classmethod
    def shape(cls, *inputs: Type, **attributes: object) -> Type:
        shape = inputs[0].shape
        for operand, other in enumerate(inputs[1:], 1):
            joined = broadcast(shape, other.shape)
            if joined is None:
                message = f"{describe(shape)} and {describe(other.shape)} do not fit together"
                raise ShapeError("shape-mismatch", message, operand, label=describe(other.shape))
            shape = joined
        classes = joint_classes([inputs[i] for i in cls.chosen]) if cls.chosen else None
        return Type(cls.result or inputs[-1].dtype, shape, classes=classes)


class Unary(Elementwise, abstract=True):
    """An operation of each element of one array, of any shape."""

    cases: ClassVar[tuple[Case, ...]] = (case(sample(3, 4)), case(sample()))


class Binary(Elementwise, abstract=True):
    """An operation of the elements of two arrays whose shapes broadcast."""

    cases: ClassVar[tuple[Case, ...]] = (
        case(sample(3, 4), sample(3, 4)),
        case(sample(4), sample(3, 4)),
        case(sample(3, 1), sample()),
    )


INTEGERS = (case(sample(5, kind="whole"), sample(5, kind="whole")),)


def flat(ct: Term, y: Term, *inputs: Term) -> None:
    """The derivative of what is constant but for jumps."""
