"""Elements in the opposite order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Lowering, Operation, case, sample
from mai.compiler.ir.signature import ANY_X, AXIS, Function, Section
from mai.compiler.ir.types import Type
from mai.compiler.ops.along import same
from mai.compiler.ops.backends import Onnx, V
from mai.compiler.ops.numbering import reordered

if TYPE_CHECKING:
    from mai.compiler.ops.growing import Growing

END = -(2**62)  # Before the first element, for a slice that steps backward.


class Flip(Operation):
    """The elements along an axis in the opposite order."""

    function = Function(
        "flip",
        Section.ALONG,
        (ANY_X, AXIS),
        elsewhere="flipud",
        example="flip(x, axis = 0)",
    )

    attributes = {"axis": -1}
    along = staticmethod(same)
    numbering = staticmethod(reordered)

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        return Type(x.dtype, x.shape, classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, axis: np.flip(x, axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.flip(x, (axis,)))

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int) -> V:
        return op.Slice(x, op.ints([-1]), op.ints([END]), op.ints([axis]), op.ints([-1]))

    derivative = staticmethod(lambda ct, y, x, axis: ct.emit(Flip, axis=axis))

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        if g.grows(node.inputs[0], node.attributes["axis"]):
            raise g.refused("puts the last token first")
        return None

    cases = (case(sample(5)), case(sample(4, 3), axis=-2), case(sample(5, kind="int")))
