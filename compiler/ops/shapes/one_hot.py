"""Labels as rows of zeros and a one."""

from __future__ import annotations

from mai.compiler.ir.operation import Lowering, Operation, case, sample
from mai.compiler.ir.signature import Argument, Function, Kind, Section, tensor
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Onnx, Scalar, V
from mai.compiler.ops.numbering import marked

FLOAT = 1  # ONNX's number for the type.


class OneHot(Operation):
    """1 at the place of each label, 0 at the `count - 1` others; a label that is below 0 or too large has no 1.

    x: [...] whole numbers; the result: [..., count].
    """

    function = Function(
        "one_hot",
        Section.SHAPES,
        (tensor("x", Kind.INDEX), Argument("count", Kind.SIZE)),
        elsewhere="onehot to_categorical",
        example="one_hot(label, 5)",
    )

    attributes = {"count": 1}
    along = staticmethod(lambda types, attributes, operand, axis: axis - 1)
    numbering = staticmethod(marked)

    @classmethod
    def shape(cls, x: Type, count: Size) -> Type:
        return Type(DType.REAL, (*x.shape, count))

    reference: Lowering = staticmethod(lambda np, x, count: (x[..., None] == np.arange(count)).astype(np.float64))
    torch: Lowering = staticmethod(
        lambda torch, x, count: (x[..., None] == torch.arange(count, device=x.device)).float()
    )

    @staticmethod
    def onnx(op: Onnx[V], x: V, count: Scalar[V]) -> V:
        labels = op.Range(op.int(0), op.scalar(count), op.int(1))
        return op.Cast(op.Equal(op.Unsqueeze(x, op.ints([-1])), labels), to=FLOAT)

    cases = (
        case(sample(3, kind="int"), count=10),
        case(sample(2, 3, kind="whole"), count=7),
        case(sample(kind="int"), count=10),
    )
