"""How often labels occur in a row."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise import Add
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import marked
from mai.compiler.ops.texts.appended import check_row


class Counts(Operation):
    """How often each of `count` labels is in a row of labels; a label below 0 is none.

    labels: [P]; the result: [count].
    """

    attributes = {"count": 1}
    numbering = staticmethod(marked)

    @classmethod
    def shape(cls, labels: Type, count: int) -> Type:
        check_row(labels)
        return Type(DType.REAL, (count,))

    @staticmethod
    def reference(np: Arrays, labels: Tensor, count: int) -> Tensor:
        return (labels[..., None] == np.arange(count)).sum(-2).astype(np.float64)

    @staticmethod
    def torch(torch: Arrays, labels: Tensor, count: int) -> Tensor:
        places = torch.where(labels < 0, count, labels)
        zeros = torch.zeros_like(labels[..., :1], dtype=torch.float32).repeat_interleave(count + 1, -1)
        return zeros.scatter_add(-1, places, torch.ones_like(places, dtype=torch.float32))[..., :count]

    @staticmethod
    def onnx(op: Onnx[V], labels: V, count: int) -> V:
        """Added up in one place more than there are labels: the last is for none."""
        places = op.Where(op.Less(labels, op.int(0)), op.int(count), labels)
        outer = op.Concat(op.Shape(labels, end=-1), op.ints([count + 1]), axis=0)
        ones = op.Expand(op.real(1.0), op.Shape(labels))
        result = op.ScatterElements(op.Expand(op.real(0.0), outer), places, ones, axis=-1, reduction="add")
        return op.Slice(result, op.ints([0]), op.ints([count]), op.ints([-1]))

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is how often each has occurred so far."""
        (labels,), count = node.inputs, node.attributes["count"]
        if not g.grows(labels, -1):
            return None
        before = g.state("counts", Type(DType.REAL, (count,)), 0)
        new = g.emit(Counts, g.rows_so_far(labels, -1), count=count)
        before.next = g.emit(Add, before.value, new)
        return before.next

    cases = (case(sample(5, kind="int", high=7), count=7), case(sample(3, kind="int"), count=12))
