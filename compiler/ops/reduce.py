"""Operations along axes: sums, extremes, softmax, running sums."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from mai.compiler.ir.operation import Case, Lowering, Operation, ShapeError, case, sample
from mai.compiler.ir.sizes import product
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import same, summed
from mai.compiler.ops.elementwise import Add, Divide, Exp, ToReal


class Reduction(Operation, abstract=True):
    """`axes` go, or stay with size one where `keep`."""

    along = staticmethod(summed)

    attributes: ClassVar[dict[str, Any]] = {"axes": (-1,), "keep": False}
    cases: ClassVar[tuple[Case, ...]] = (
        case(sample(3, 4)),
        case(sample(2, 3, 4), axes=(-3, -1)),
        case(sample(3, 4), axes=(-2,), keep=True),
    )

    @classmethod
    def shape(cls, x: Type, axes: tuple[int, ...], keep: bool) -> Type:
        if len(set(axes)) < len(axes):
            raise ShapeError("axis-out-of-range", "an axis is named twice")
        sizes = [(1 if i in axes else s, i in axes) for i, s in zip(range(-x.rank, 0), x.shape, strict=True)]
        return Type(x.dtype, tuple(s for s, gone in sizes if keep or not gone))


def _extreme(ct: Any, y: Any, x: Any, axes: tuple[int, ...], keep: bool) -> Any:
    """To the places where x is extreme; equals share."""
    top, slope = (v if keep else v.unsqueeze(*axes) for v in (y, ct))
    is_top = x.equals(top)
    return slope * is_top / is_top.sum(axes, keep=True)


class Sum(Reduction):
    """The sum over axes."""

    neutral = 0.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.sum(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.sum(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceSum(x, op.ints(axes), keepdims=int(keep)) if axes else x
    )
    derivative = staticmethod(lambda ct, y, x, axes, keep: ct.restored(axes, keep, x.shape))


class Mean(Reduction):
    """The average over axes."""

    @staticmethod
    def grown(g: Any, node: Any) -> Any:
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
        lambda op, x, axes, keep: op.ReduceMean(x, op.ints(axes), keepdims=int(keep)) if axes else x
    )

    @staticmethod
    def derivative(ct: Any, y: Any, x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        return (ct / ct.size(product(tuple(x.shape[axis] for axis in axes)))).restored(axes, keep, x.shape)


class Max(Reduction):
    """The largest over axes."""

    neutral = -math.inf

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.max(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.amax(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceMax(x, op.ints(axes), keepdims=int(keep)) if axes else x
    )
    derivative = staticmethod(lambda ct, y, x, axes, keep: _extreme(ct, y, x, axes, keep))


class Min(Reduction):
    """The smallest over axes."""

    neutral = math.inf

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.min(x, axis=axes, keepdims=keep))
    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.amin(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceMin(x, op.ints(axes), keepdims=int(keep)) if axes else x
    )
    derivative = staticmethod(lambda ct, y, x, axes, keep: _extreme(ct, y, x, axes, keep))


class Logsumexp(Reduction):
    """log(sum(exp(x))), without overflow."""

    neutral = -math.inf

    @staticmethod
    def reference(np: Any, x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        top = np.max(x, axis=axes, keepdims=True)
        made = np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True)) + top
        return made if keep else np.squeeze(made, axis=axes)

    torch: Lowering = staticmethod(lambda torch, x, axes, keep: torch.logsumexp(x, axes, keepdim=keep) if axes else x)
    onnx: Lowering = staticmethod(
        lambda op, x, axes, keep: op.ReduceLogSumExp(x, op.ints(axes), keepdims=int(keep)) if axes else x
    )

    @staticmethod
    def derivative(ct: Any, y: Any, x: Any, axes: tuple[int, ...], keep: bool) -> Any:
        top, slope = (v if keep else v.unsqueeze(*axes) for v in (y, ct))
        return slope * (x - top).emit(Exp)


class Along(Operation, abstract=True):
    """An operation along one axis that keeps the shape."""

    along = staticmethod(same)

    attributes: ClassVar[dict[str, Any]] = {"axis": -1}
    cases: ClassVar[tuple[Case, ...]] = (case(sample(3, 4)), case(sample(2, 5, 4), axis=-2))

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        return Type(x.dtype, x.shape)


class Softmax(Along):
    """exp(x_i) / sum_j exp(x_j), the weights of attention (13)."""

    neutral = -math.inf

    @staticmethod
    def reference(np: Any, x: Any, axis: int) -> Any:
        e = np.exp(x - np.max(x, axis=axis, keepdims=True))
        return e / np.sum(e, axis=axis, keepdims=True)

    torch: Lowering = staticmethod(lambda torch, x, axis: torch.softmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.Softmax(x, axis=axis))
    derivative = staticmethod(lambda ct, y, x, axis: y * (ct - (ct * y).sum((axis,), True)))


class LogSoftmax(Along):
    """x - logsumexp(x)."""

    neutral = -math.inf

    @staticmethod
    def reference(np: Any, x: Any, axis: int) -> Any:
        y = x - np.max(x, axis=axis, keepdims=True)
        return y - np.log(np.sum(np.exp(y), axis=axis, keepdims=True))

    torch: Lowering = staticmethod(lambda torch, x, axis: torch.log_softmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.LogSoftmax(x, axis=axis))
    derivative = staticmethod(lambda ct, y, x, axis: ct - y.emit(Exp) * ct.sum((axis,), True))


class Cumsum(Along):
    """Running sums; with `reverse`, from the last element to the first."""

    attributes: ClassVar[dict[str, Any]] = {"axis": -1, "reverse": False}

    @classmethod
    def shape(cls, x: Type, axis: int, reverse: bool = False) -> Type:
        return Type(x.dtype, x.shape)

    @staticmethod
    def reference(np: Any, x: Any, axis: int, reverse: bool) -> Any:
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis) if reverse else np.cumsum(x, axis=axis)

    @staticmethod
    def torch(torch: Any, x: Any, axis: int, reverse: bool) -> Any:
        return torch.flip(torch.cumsum(torch.flip(x, (axis,)), axis), (axis,)) if reverse else torch.cumsum(x, axis)

    onnx: Lowering = staticmethod(lambda op, x, axis, reverse: op.CumSum(x, op.int(axis), reverse=int(reverse)))
    derivative = staticmethod(lambda ct, y, x, axis, reverse: ct.emit(Cumsum, axis=axis, reverse=not reverse))
    cases = (*Along.cases, case(sample(2, 5, 4), axis=-2, reverse=True))

    @staticmethod
    def grown(g: Any, node: Any) -> Any:
        """The state is the sum so far."""
        (x,), axis = node.inputs, node.attributes["axis"]
        if not g.grows(x, axis):
            return None
        if node.attributes["reverse"]:
            raise g.refused("sums up what is after every token")
        before = g.state("sum", g.resized(x, axis, 1), 0)
        made = g.emit(Add, before.value, g.emit(Cumsum, g.rows(x, 0), axis=axis))
        before.next = g.ending(made, axis, 1)
        return made


class Cumprod(Along):
    """Running products, in ceil(log2(n)) rounds: in each, every element takes in the one 1, 2, 4, ... places before."""

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        if not isinstance(x.shape[axis], int):
            raise ShapeError(
                "dimension-unknown", "`cumprod` needs an axis whose size is known when the file is compiled", 0
            )
        return Type(x.dtype, x.shape)

    reference: Lowering = staticmethod(lambda np, x, axis: np.cumprod(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.cumprod(x, axis))

    @staticmethod
    def onnx(op: Any, x: Any, axis: int) -> Any:
        size, rank, reach = op.size_along(x, axis), len(x.shape), 1
        while reach < size:
            head = op.Slice(x, op.ints([0]), op.ints([-reach]), op.ints([axis]))
            pads = [0] * (2 * rank)
            pads[rank + axis] = reach
            x, reach = op.Mul(x, op.Pad(head, op.ints(pads), 1.0)), 2 * reach
        return x

    @staticmethod
    def derivative(ct: Any, y: Any, x: Any, axis: int) -> Any:
        """Products without one factor are quotients: right where no factor is 0."""
        return (ct * y).emit(Cumsum, axis=axis, reverse=True) / x


class Argmax(Operation):
    """The place of the largest element; the first of equals."""

    attributes = {"axis": -1}
    along = staticmethod(summed)

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        left = tuple(s for i, s in zip(range(-x.rank, 0), x.shape, strict=True) if i != axis)
        return Type(DType.INT, left, classes=x.shape[axis])

    reference: Lowering = staticmethod(lambda np, x, axis: np.argmax(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.argmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.ArgMax(x, axis=axis, keepdims=0))
    cases = (case(sample(3, 4)), case(sample(2, 5, 4), axis=-2))
