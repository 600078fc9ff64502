"""Which labels would repeat a piece of a row."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation, ShapeError, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise import ToInt, ToReal
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import marked
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.texts.appended import check_row

LAST = 2**31 - 1  # A place behind every row.


class Repeats(Operation):
    """For each of `count` labels 1 where the row, with it behind, ends in `length` labels that stand in it before; else 0.

    A label below 0 is none, and in no such piece. labels: [P]; the result: [count].
    """

    attributes = {"count": 1, "length": 2}
    numbering = staticmethod(marked)

    @classmethod
    def shape(cls, labels: Type, count: int, length: int) -> Type:
        check_row(labels)
        if length < 1:
            raise ShapeError("type-mismatch", f"a piece has at least one label, this is {length}", 0)
        return Type(DType.REAL, (count,))

    @staticmethod
    def reference(np: Arrays, labels: Tensor, count: int, length: int) -> Tensor:
        size, n = labels.shape[-1], length - 1
        result = np.zeros((*labels.shape[:-1], count))
        for place in range(n, size):
            same = (labels[..., place - n : place] == labels[..., size - n :]).all(-1)
            here = same & (labels[..., place - n : place + 1] >= 0).all(-1)
            result += (labels[..., place, None] == np.arange(count)) * here[..., None]
        return np.minimum(result, 1.0)

    @staticmethod
    def torch(torch: Arrays, labels: Tensor, count: int, length: int) -> Tensor:
        n = length - 1
        last = labels[..., n:]
        same = last >= 0
        for back in range(1, n + 1):
            before = labels[..., n - back : -back]
            same = same & (before == labels[..., -back:][..., :1]) & (before >= 0)
        places = torch.where(same, last, count)
        zeros = torch.zeros_like(labels[..., :1], dtype=torch.float32).repeat_interleave(count + 1, -1)
        return zeros.scatter(-1, places, 1.0)[..., :count]

    @staticmethod
    def onnx(op: Onnx[V], labels: V, count: int, length: int) -> V:
        """Marked in one place more than there are labels: the last is for none."""
        n, axis = length - 1, op.ints([-1])
        last = op.Slice(labels, op.ints([n]), op.ints([LAST]), axis)
        same = op.GreaterOrEqual(last, op.int(0))
        for back in range(1, n + 1):
            before = op.Slice(labels, op.ints([n - back]), op.ints([-back]), axis)
            latest = op.Slice(labels, op.ints([-back]), op.ints([1 - back or LAST]), axis)
            there = op.And(op.Equal(before, latest), op.GreaterOrEqual(before, op.int(0)))
            same = op.And(same, there)
        places = op.Where(same, last, op.int(count))
        outer = op.Concat(op.Shape(labels, end=-1), op.ints([count + 1]), axis=0)
        ones = op.Expand(op.real(1.0), op.Shape(places))
        result = op.ScatterElements(op.Expand(op.real(0.0), outer), places, ones, axis=-1)
        return op.Slice(result, op.ints([0]), op.ints([count]), axis)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the text itself."""
        (labels,) = node.inputs
        if not g.grows(labels, -1):
            return None
        before = g.growing_state("tokens", (g.past,))
        before.next = g.emit(Concat, before.value, g.emit(ToReal, g.rows_so_far(labels, -1)), axis=-1)
        return g.emit(Repeats, g.emit(ToInt, before.next), **node.attributes)

    cases = (
        case(sample(9, kind="int", high=3), count=5, length=2),
        case(sample(9, kind="int", high=2), count=2, length=3),
        case(sample(4, kind="int"), count=12, length=1),
        case(sample(2, kind="int"), count=12, length=4),
    )
