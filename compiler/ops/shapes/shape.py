"""Operations that move elements: reshaping, stacking, slicing, taking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node
from mai.compiler.ir.operation import Alignment, Lowering, Operation, ShapeError, broadcast, case, describe, sample
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.types import Type, joint_classes
from mai.compiler.ops.along import reshaped, same, squeezed, stacked, transposed, widened
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import kept

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Reshape(Operation):
    """The same elements in another shape."""

    attributes = {"shape": ()}
    wants_lead = True
    along = staticmethod(reshaped)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, shape: tuple[Size, ...]) -> Type:
        if product(x.shape) != product(shape):
            raise ShapeError("shape-mismatch", f"{describe(x.shape)} cannot be reshaped to {describe(shape)}", 0)
        return Type(x.dtype, shape, classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, shape, lead: np.reshape(x, (*lead, *shape)))
    torch: Lowering = staticmethod(lambda torch, x, shape, lead: torch.reshape(x, (*lead, *shape)))
    onnx: Lowering = staticmethod(lambda op, x, shape, lead: op.reshape(x, [*lead, *shape]))
    derivative = staticmethod(lambda ct, y, x, shape: ct.reshape(*x.shape))
    cases = (case(sample(5, 6), shape=(5, 2, 3)), case(sample(6, 4), shape=(3, 8)), case(sample(4), shape=(2, 2, 1)))


class Transpose(Operation):
    """The axes of the shape in another order; `perm` counts them from the end."""

    attributes = {"perm": ()}
    along = staticmethod(transposed)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, perm: tuple[int, ...]) -> Type:
        return Type(x.dtype, tuple(x.shape[p] for p in perm), classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, perm: np.transpose(x, _full(perm, x.ndim)))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, perm: tuple[int, ...]) -> Tensor:
        if perm[-2:] == (-1, -2) and perm[:-2] == tuple(range(-len(perm), -2)):
            return torch.transpose(x, -1, -2)
        return torch.permute(x, _full(perm, x.ndim))

    onnx: Lowering = staticmethod(lambda op, x, perm: op.Transpose(x, perm=_full(perm, len(x.shape))))
    derivative = staticmethod(lambda ct, y, x, perm: ct.transpose(*_inverse(perm)))
    cases = (case(sample(3, 4), perm=(-1, -2)), case(sample(2, 3, 4), perm=(-2, -1, -3)))


def _inverse(perm: tuple[int, ...]) -> list[int]:
    places = {source: place - len(perm) for place, source in enumerate(perm)}
    return [places[axis] for axis in range(-len(perm), 0)]


def _full(perm: tuple[int, ...], rank: int) -> list[int]:
    """A permutation of the last axes as one of all axes."""
    return [*range(rank - len(perm)), *(p + rank for p in perm)]


class Concat(Operation):
    """Tensors one after the other along an axis."""

    attributes = {"axis": -1}
    alignment = Alignment.EXPAND
    along = staticmethod(same)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, *inputs: Type, axis: int) -> Type:
        first = inputs[0]
        total: Size = 0
        for operand, x in enumerate(inputs):
            if x.rank != first.rank:
                message = f"{describe(first.shape)} and {describe(x.shape)} have a different number of axes"
                raise ShapeError("rank-mismatch", message, operand, label=describe(x.shape))
            if _without(x.shape, axis) != _without(first.shape, axis):
                message = f"{describe(first.shape)} and {describe(x.shape)} differ in more than"
                others = [
                    k for k in range(x.rank) if _without(x.shape, k - x.rank) == _without(first.shape, k - x.rank)
                ]
                help = f"along axis {others[0]} they fit: write `axis = {others[0]}`" if others else None
                raise ShapeError("shape-mismatch", message, operand, label=describe(x.shape), axis=axis, help=help)
            total = total + x.shape[axis]
        position = len(first.shape) + axis
        shape = (*first.shape[:position], total, *first.shape[position + 1 :])
        return Type(first.dtype, shape, classes=joint_classes(inputs))

    reference: Lowering = staticmethod(lambda np, *xs, axis: np.concatenate(xs, axis=axis))
    torch: Lowering = staticmethod(lambda torch, *xs, axis: torch.cat(xs, axis))
    onnx: Lowering = staticmethod(lambda op, *xs, axis: op.Concat(*xs, axis=axis))

    @staticmethod
    def derivative(ct: Term, y: Term, *xs: Term, axis: int) -> tuple[Term, ...]:
        parts: list[Term] = []
        start: Size = 0
        for x in xs:
            parts.append(ct.slice(axis, start, start + x.shape[axis]))
            start = start + x.shape[axis]
        return tuple(parts)

    cases = (case(sample(3), sample(2)), case(sample(3, 4), sample(1, 4), axis=-2))

    @staticmethod
    def grown(g: Growing, node: Node) -> None:
        if any(g.grows(x, node.attributes["axis"]) for x in node.inputs):
            raise g.refused("joins other rows to the sequence", help="`shift(x, 1)` moves a sequence on by a token")


def _without(shape: tuple[Size, ...], axis: int) -> tuple[Size, ...]:
    return tuple(s for i, s in zip(range(-len(shape), 0), shape, strict=True) if i != axis)


class Stack(Operation):
    """Tensors of one shape along a new axis, at `axis` of the result."""

    attributes = {"axis": -1}
    alignment = Alignment.EXPAND
    along = staticmethod(stacked)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, *inputs: Type, axis: int) -> Type:
        first = inputs[0]
        for operand, x in enumerate(inputs):
            if x.shape != first.shape:
                message = f"only tensors of one shape can be stacked: {describe(first.shape)} and {describe(x.shape)}"
                is_vector_and_number = {x.rank, first.rank} == {0, 1}
                help = (
                    "`concat(x, [s])` puts a vector and a number one behind the other" if is_vector_and_number else None
                )
                raise ShapeError("shape-mismatch", message, operand, label=describe(x.shape), help=help)
        position = first.rank + 1 + axis
        shape = (*first.shape[:position], len(inputs), *first.shape[position:])
        return Type(first.dtype, shape, classes=joint_classes(inputs))

    reference: Lowering = staticmethod(lambda np, *xs, axis: np.stack(xs, axis=axis))
    torch: Lowering = staticmethod(lambda torch, *xs, axis: torch.stack(xs, axis))
    onnx: Lowering = staticmethod(
        lambda op, *xs, axis: op.Concat(*(op.Unsqueeze(x, op.ints([axis])) for x in xs), axis=axis)
    )
    derivative = staticmethod(lambda ct, y, *xs, axis: tuple(ct.pick(axis, i) for i in range(len(xs))))
    cases = (case(sample(), sample()), case(sample(3, 4), sample(3, 4), axis=-2))


class Expand(Operation):
    """Axes of size one repeated up to a shape, as numpy's `broadcast_to`."""

    attributes = {"shape": ()}
    wants_lead = True
    alignment = Alignment.FULL
    along = staticmethod(same)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, shape: tuple[Size, ...]) -> Type:
        if broadcast(x.shape, shape) != shape:
            raise ShapeError("shape-mismatch", f"{describe(x.shape)} cannot be expanded to {describe(shape)}", 0)
        return Type(x.dtype, shape, classes=x.classes)

    @staticmethod
    def reference(np: Arrays, x: Tensor, shape: Sequence[int], lead: Sequence[int]) -> Tensor:
        return np.broadcast_to(_padded_np(x, len(lead), len(shape)), (*lead, *shape))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, shape: Sequence[int], lead: Sequence[int]) -> Tensor:
        axes = len(lead) + len(shape) - x.ndim
        for _ in range(axes if lead else 0):
            x = x.unsqueeze(len(lead))
        return x.expand((*lead, *shape))

    @staticmethod
    def onnx(op: Onnx[V], x: V, shape: Sequence[Scalar[V]], lead: Sequence[Scalar[V]]) -> V:
        missing = len(lead) + len(shape) - op.rank(x)
        if missing and lead:
            x = op.Unsqueeze(x, op.ints([len(lead) + i for i in range(missing)]))
        return op.Expand(x, op.shape_vector([*lead, *shape]))

    derivative = staticmethod(lambda ct, y, x, shape: ct)

    cases = (case(sample(), shape=(3,)), case(sample(1, 4), shape=(2, 3, 4)), case(sample(), shape=()))


def _padded_np(x: Tensor, lead: int, rank: int) -> Tensor:
    return x.reshape((*x.shape[:lead], *(1,) * (lead + rank - x.ndim), *x.shape[lead:]))


class Unsqueeze(Operation):
    """New axes of size one, at `axes` of the result."""

    attributes = {"axes": (-1,)}
    along = staticmethod(widened)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, axes: tuple[int, ...]) -> Type:
        rest = iter(x.shape)
        return Type(
            x.dtype, tuple(1 if i in axes else next(rest) for i in range(-x.rank - len(axes), 0)), classes=x.classes
        )

    reference: Lowering = staticmethod(lambda np, x, axes: np.expand_dims(x, axes))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        for axis in sorted(axes, reverse=True):
            x = x.unsqueeze(axis)
        return x

    onnx: Lowering = staticmethod(lambda op, x, axes: op.Unsqueeze(x, op.ints(sorted(axes))))
    derivative = staticmethod(lambda ct, y, x, axes: ct.squeeze(*axes))
    cases = (case(sample(3)), case(sample(3, 4), axes=(-2,)), case(sample(), axes=(-1, -2)))


class Squeeze(Operation):
    """Axes of size one removed: [3, 1, 4] becomes [3, 4]."""

    attributes = {"axes": (-1,)}
    along = staticmethod(squeezed)
    numbering = staticmethod(kept)

    @classmethod
    def shape(cls, x: Type, axes: tuple[int, ...]) -> Type:
        kept = tuple(s for i, s in zip(range(-x.rank, 0), x.shape, strict=True) if i not in axes)
        return Type(x.dtype, kept, classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, axes: np.squeeze(x, axes))
    torch: Lowering = staticmethod(lambda torch, x, axes: torch.squeeze(x, axes))
    onnx: Lowering = staticmethod(lambda op, x, axes: op.Squeeze(x, op.ints(axes)))
    derivative = staticmethod(lambda ct, y, x, axes: ct.unsqueeze(*axes))
    cases = (case(sample(3, 1)), case(sample(1, 4, 1), axes=(-3, -1)))
