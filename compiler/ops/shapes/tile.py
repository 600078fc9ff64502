"""Tensors repeated side by side, and moved around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Lowering, Operation, case, sample
from mai.compiler.ir.signature import ANY_X, AXIS, Argument, Function, Kind, Section, composed
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Type
from mai.compiler.ops.along import same
from mai.compiler.ops.elementwise.arithmetic import Modulo
from mai.compiler.ops.numbering import kept
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.shapes.shape import Concat

if TYPE_CHECKING:
    from mai.compiler.ops.growing import Growing
    from mai.compiler.ops.terms import Term


class Tile(Operation):
    """x repeated as a whole, so many times along each of its last axes: `tile(x, [2, 3])`, `tile(x, 2)` along the last."""

    function = Function("tile", Section.SHAPES, (ANY_X, Argument("counts", Kind.COUNTS)))

    attributes = {"counts": (1,)}
    along = staticmethod(same)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, counts: tuple[int, ...]) -> Type:
        sizes = zip(x.shape, _of_all(counts, x.rank), strict=True)
        return Type(x.dtype, tuple(size * count for size, count in sizes), classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, counts: np.tile(x, counts))
    torch: Lowering = staticmethod(lambda torch, x, counts: torch.tile(x, counts))
    onnx: Lowering = staticmethod(lambda op, x, counts: op.Tile(x, op.ints(_of_all(counts, op.rank(x)))))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, counts: tuple[int, ...]) -> Term:
        """The sum over the copies."""
        apart = [size for pair in zip(_of_all(counts, x.rank), x.shape, strict=True) for size in pair]
        return ct.reshape(*apart).sum(tuple(range(-2 * x.rank, 0, 2)))

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        (x,), counts = node.inputs, node.attributes["counts"]
        repeated = [axis for axis in range(-len(counts), 0) if counts[axis] > 1]
        if any(g.grows(x, axis) for axis in repeated):
            raise g.refused("repeats the sequence")
        return None

    cases = (
        case(sample(4), counts=(3,)),
        case(sample(2, 3), counts=(2, 2)),
        case(sample(2, 3, kind="int"), counts=(2,)),
    )


def _of_all(counts: Sequence[int], rank: int) -> list[int]:
    """The counts of all axes: 1 for the first ones."""
    return [1] * (rank - len(counts)) + list(counts)


@composed(
    Function(
        "roll", Section.ALONG, (ANY_X, Argument("by", Kind.PLACES), AXIS), elsewhere="circshift", example="roll(x, 1)"
    )
)
def roll(x: Term, by: Size, axis: int) -> Term:
    """x moved on by `by` places along an axis; what leaves at one end comes in at the other."""
    size = x.shape[axis]
    if not (isinstance(size, int) and isinstance(by, int)):
        before = (x.range(size) - x.whole(by)).emit(Modulo, x.whole(size))
        return x.emit(Take, before, axis=axis, rank=x.rank, index_rank=1)
    places = by % size
    if not places:
        return x
    return x.slice(axis, -places, None).emit(Concat, x.slice(axis, None, -places), axis=axis)
