"""Operations that take elements out by their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Lowering, Operation, ShapeError, case, sample
from mai.compiler.ir.signature import ANY_X, AXIS, NUMBERS, OWN, Argument, Function, Kind, Section, count
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import ordered, same, summed, taken
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V
from mai.compiler.ops.elementwise.arithmetic import Add
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.no_number import greatest
from mai.compiler.ops.numbering import chosen, counted, kept, picked, reordered

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Slice(Operation):
    """`x[start:stop:step]` along an axis, as numpy's; bounds may be sizes, and negative ones count from the end."""

    attributes = {"axis": -1, "start": None, "stop": None, "step": None}
    along = staticmethod(same)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, axis: int, start: Size | None, stop: Size | None, step: Size | None) -> Type:
        size = x.shape[axis]
        first, last = _bound(start, 0, size), _bound(stop, size, size)
        stride = 1 if step is None else step
        if not isinstance(stride, int):
            raise ShapeError("static-needed", "the step of a slice is fixed when the file is compiled", 0)
        if stride < 1:
            help = f"`flip(x, axis = {axis})` has the opposite order"
            raise ShapeError("index-out-of-range", "a slice steps forward", 0, help=help)
        if isinstance(size, int) and isinstance(first, int) and isinstance(last, int):
            length: Size = len(range(*slice(first, last, stride).indices(size)))
        else:
            length = (last - first + stride - 1) // stride
        if isinstance(length, int) and length < 1 and not (isinstance(first, int) and first == last):
            raise ShapeError("index-out-of-range", f"this slice of an axis of {size} is empty", 0)
        position = x.rank + axis
        return Type(x.dtype, (*x.shape[:position], length, *x.shape[position + 1 :]), classes=x.classes)

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int, start: int | None, stop: int | None, step: int | None) -> Tensor:
        return x[_along(axis, slice(start, stop, step))]

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axis: int, start: int | None, stop: int | None, step: int | None) -> Tensor:
        return x[_along(axis, slice(start, stop, step))]

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int, start: Scalar[V] | None, stop: Scalar[V] | None, step: int | None) -> V:
        bounds = [op.shape_vector([0 if start is None else start]), op.shape_vector([2**62 if stop is None else stop])]
        return op.Slice(x, *bounds, op.ints([axis]), op.ints([step or 1]))

    @staticmethod
    def derivative(
        ct: Term, y: Term, x: Term, axis: int, start: Size | None, stop: Size | None, step: int | None
    ) -> Term:
        size, first = x.shape[axis], _bound(start, 0, x.shape[axis])
        return ct.dilated(axis, step or 1, size - first).padded(axis, first, 0)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """Rows of a table from a place on, as many as there are tokens, are its rows at that place and the tokens' positions."""
        (x,), axis, bounds = node.inputs, node.attributes["axis"], node.attributes
        if g.grows(x, axis):
            raise g.refused("cuts the sequence", help="`shift(x, 1)` moves a sequence on by a token")
        start, stop = bounds["start"] or 0, bounds["stop"]
        cut = isinstance(start, int) and stop is not None and g.is_length(stop - start) and (bounds["step"] or 1) == 1
        if not cut or start < 0 or g.any_grows(x):
            return None
        g.limit(x.type.shape[axis] - start)
        places = g.emit(Add, g.positions(), g.constant(start)) if start else g.positions()
        return g.emit(Take, g.whole(x), places, axis=axis, rank=x.type.rank, index_rank=1)

    cases = (
        case(sample(6), start=1, stop=4, step=None),
        case(sample(6, 4), axis=-2, start=None, stop=-1, step=2),
        case(sample(6, 4), axis=-2, start=2, stop=None, step=None),
    )


def _bound(bound: Size | None, absent: Size, size: Size) -> Size:
    if bound is None:
        return absent
    return bound + size if _below_zero(bound) else bound


def _below_zero(bound: Size) -> bool:
    """A negative number, or a size with a minus sign before all of it."""
    return bound < 0 if isinstance(bound, int) else all(coefficient < 0 for _, coefficient in bound.terms)


def _along(axis: int, index: object) -> tuple[object, ...]:
    """An index at an axis counted from the end."""
    return (..., index, *(slice(None),) * (-axis - 1))


class Pick(Operation):
    """One index of an axis, which goes away."""

    attributes = {"axis": -1, "index": 0}
    along = staticmethod(summed)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, axis: int, index: int) -> Type:
        position = x.rank + axis
        return Type(x.dtype, (*x.shape[:position], *x.shape[position + 1 :]), classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, axis, index: np.take(x, index, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis, index: torch.select(x, axis, index))
    onnx: Lowering = staticmethod(lambda op, x, axis, index: op.Gather(x, op.int(index), axis=axis))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axis: int, index: int) -> Term:
        size = x.shape[axis]
        place = index if index >= 0 else size + index
        return ct.unsqueeze(axis).padded(axis, place, size - place - 1)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        (x,), axis, index = node.inputs, node.attributes["axis"], node.attributes["index"]
        if not g.grows(x, axis):
            return None
        if index != -1:
            raise g.refused(f"reads the token at {index}, which moves as the sequence grows")
        return g.newest(x, axis)

    cases = (case(sample(6), index=2), case(sample(3, 4), axis=-2, index=-1))


class Take(Operation):
    """`x[index]` along an axis, by indices that are known only at run time.

    x has `rank` axes in its shape, the index `index_rank`: they stand where the axis was. Where x is the same for all
    examples it is a table that is read; otherwise every example reads its own.
    """

    attributes = {"axis": -1, "rank": 1, "index_rank": 0}
    alignment = Alignment.WHOLE
    along = staticmethod(taken)
    numbering = staticmethod(picked)

    @classmethod
    def shape(cls, x: Type, index: Type, axis: int, rank: int, index_rank: int) -> Type:
        position = x.rank + axis
        return Type(x.dtype, (*x.shape[:position], *index.shape, *x.shape[position + 1 :]), classes=x.classes)

    @staticmethod
    def reference(np: Arrays, x: Tensor, index: Tensor, axis: int, rank: int, index_rank: int) -> Tensor:
        position, lead = x.ndim + axis, index.ndim - index_rank
        if x.ndim == rank or not lead:
            return _lead_first(np.moveaxis, np.take(x, index, axis=axis), position, lead)
        spread = index.reshape(*index.shape[:lead], *(1,) * (rank + axis), -1, *(1,) * (-axis - 1))
        result = np.take_along_axis(x, spread, axis=axis)
        return result.reshape(*result.shape[:position], *index.shape[lead:], *result.shape[position + 1 :])

    @staticmethod
    def torch(torch: Arrays, x: Tensor, index: Tensor, axis: int, rank: int, index_rank: int) -> Tensor:
        position, lead = x.ndim + axis, index.ndim - index_rank
        if x.ndim == 2 and position == 0:
            return torch.nn.functional.embedding(index, x)
        if x.ndim == rank or not lead:
            return _lead_first(torch.movedim, x[_along(axis, index)] if position else x[index], position, lead)
        if not index_rank:
            return _read(torch, x, index[(..., *(None,) * rank)], axis).squeeze(axis)
        flat = index.flatten(lead) if index_rank > 1 else index
        spread = flat[(..., *(None,) * (rank + axis), slice(None), *(None,) * (-axis - 1))]
        result = _read(torch, x, spread, axis)
        return result.unflatten(axis, index.shape[lead:]) if index_rank > 1 else result

    @staticmethod
    def onnx(op: Onnx[V], x: V, index: V, axis: int, rank: int, index_rank: int) -> V:
        position, lead = op.rank(x) + axis, op.rank(index) - index_rank
        if op.rank(x) == rank or not lead:
            if axis == -2 == -rank and op.few_bits(x):
                result = op.rows(x, index)
            else:
                result = op.Gather(x, op.checked(index, x, axis), axis=axis)
            total = op.rank(x) + op.rank(index) - 1
            order = [*range(position, position + lead), *range(position), *range(position + lead, total)]
            return op.Transpose(result, perm=order) if position and lead else result
        flat = op.reshape(index, [*op.sizes(index)[:lead], -1]) if index_rank > 1 else index
        ones = [lead + i for i in range(rank) if i != rank + axis or not index_rank]
        spread = op.Unsqueeze(flat, op.ints(ones)) if ones else flat
        if rank > 1:  # Along the only axis of a row the index has its size already.
            sizes = [1 if i == position else size for i, size in enumerate(op.sizes(x))]
            spread = op.Expand(spread, op.shape_vector(sizes))
        result = op.GatherElements(x, spread, axis=axis)
        if not index_rank:
            return op.Squeeze(result, op.ints([axis]))
        return op.reshape(result, op.output_sizes()) if index_rank > 1 else result

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, index: Term, axis: int, rank: int, index_rank: int) -> tuple[Term, None]:
        """Every row of x has the sum of what was taken of it."""
        names = "abcdefghijklmnopqrstuvwxyz"
        own, index_names = names[:rank], names[rank : rank + index_rank]
        place = rank + axis
        taken = own[:place] + index_names + own[place + 1 :]
        equation = f"{taken},{index_names}{own[place]}->{own}"
        return ct.einsum(equation, index.one_hot(x.shape[axis])), None

    cases = (
        case(sample(10), sample(kind="int"), axis=-1, rank=1),
        case(sample(10, 3), sample(kind="int"), axis=-2, rank=2),
        case(sample(3, 10), sample(kind="int"), axis=-1, rank=2),
        case(sample(2, 10, 3), sample(kind="int"), axis=-2, rank=3),
        case(sample(10), sample(5, kind="int"), axis=-1, rank=1, index_rank=1),
        case(sample(10, 3), sample(5, kind="int"), axis=-2, rank=2, index_rank=1),
        case(sample(2, 10, 3), sample(4, 2, kind="int"), axis=-2, rank=3, index_rank=2),
    )


def _lead_first(move: Callable[..., Tensor], result: Tensor, first: int, count: int) -> Tensor:
    """The `count` lead axes of an index moved from `first` to the front."""
    return result if not first or not count else move(result, tuple(range(first, first + count)), tuple(range(count)))


def _read(torch: Arrays, x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Elements along an axis, from its end where an index is negative; `take_along_dim` would wrap those beyond it, too."""
    places = torch.where(index < 0, index + x.shape[axis], index)
    sizes = [places.shape[i] if i == axis else x.shape[i] for i in range(-x.ndim, 0)]
    return torch.gather(x, axis, places.expand(sizes))


class Argsort(Operation):
    """The places of the elements along an axis from the smallest to the largest; of equals, the first comes first, and NaN last."""

    function = Function("argsort", Section.ALONG, (NUMBERS, AXIS))

    attributes = {"axis": -1}
    along = staticmethod(ordered)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        return Type(DType.INT, x.shape, classes=x.shape[axis])

    reference: Lowering = staticmethod(lambda np, x, axis: np.argsort(x, axis=axis, kind="stable"))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.argsort(x, dim=axis, stable=True))

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int) -> V:
        count = op.Reshape(op.size_value(x, axis), op.ints([1]))
        return op.several("TopK", 2, greatest(op, x), count, axis=axis, largest=0, sorted=1)[1]

    cases = (case(sample(6)), case(sample(4, 3), axis=-2), case(sample(9, kind="int", high=3)))


class Iota(Operation):
    """The integers 0 to count - 1, [count]."""

    function = Function("range", Section.CONSTANTS, (Argument("count", Kind.SIZE),), label="iota")

    attributes = {"count": 1}
    numbering = staticmethod(counted)

    @classmethod
    def shape(cls, count: Size) -> Type:
        return Type(DType.INT, (count,), classes=count)

    reference: Lowering = staticmethod(lambda np, count: np.arange(count))
    torch: Lowering = staticmethod(lambda torch, count: torch.arange(count))
    onnx: Lowering = staticmethod(lambda op, count: op.Range(op.int(0), op.scalar(count), op.int(1)))
    cases = (case(count=5),)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        return g.positions() if g.is_length(node.attributes["count"]) else None


class Shift(Operation):
    """x moved on by `by` places along an axis; the first places are zeros."""

    function = Function(
        "shift",
        Section.SHAPES,
        (ANY_X, count("by", OWN), Argument("axis", Kind.AXIS, 0)),
        says="x moved on by `by` places along an axis, the first by default; the first places are zeros.",
    )

    attributes = {"axis": -1, "by": 1}
    along = staticmethod(same)
    numbering = staticmethod(reordered)

    @classmethod
    def shape(cls, x: Type, axis: int, by: int) -> Type:
        size = x.shape[axis]
        if by < 1 or (isinstance(size, int) and by > size):
            raise ShapeError("index-out-of-range", f"an axis of {size} moves on by 1 to {size} places", 0)
        return Type(x.dtype, x.shape, classes=x.classes)

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int, by: int) -> Tensor:
        kept = x[_along(axis, slice(0, max(x.shape[axis] - by, 0)))]
        zeros = np.zeros_like(x[_along(axis, slice(0, by))])
        return np.concatenate([zeros, kept], axis)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axis: int, by: int) -> Tensor:
        before = (0, 0) * (-axis - 1) + (by, 0)
        return torch.nn.functional.pad(x, before)[_along(axis, slice(0, -by))]

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int, by: int) -> V:
        pads = [0] * (2 * op.rank(x))
        pads[op.rank(x) + axis] = by
        padded = op.Pad(x, op.ints(pads))  # With zeros of its own kind: false before truths.
        return op.Slice(padded, op.ints([0]), op.ints([-by]), op.ints([axis]))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axis: int, by: int) -> Term | None:
        """First the zeros, then the slice: an axis may be shorter than the shift."""
        return None if by == x.shape[axis] else ct.padded(axis, 0, by).slice(axis, by, None)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the last inputs."""
        (x,), axis, by = node.inputs, node.attributes["axis"], node.attributes["by"]
        if not g.grows(x, axis):
            return None
        both = g.recent_rows("shift", x, axis, by)
        return g.emit(Slice, both, axis=axis, start=None, stop=-by, step=None)

    cases = (case(sample(5)), case(sample(4, 3), axis=-2, by=2), case(sample(5, kind="int"), by=5))
