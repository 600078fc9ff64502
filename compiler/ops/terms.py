"""Values with arithmetic, so that a derivative or an expansion is written as the formula that it is."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Nested
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products.product import Einsum
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh


class Term:
    """A value, and the builder that what is computed from it is appended by."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder, self.value = builder, value

    @property
    def shape(self) -> tuple[Size, ...]:
        """The shape without lead axes."""
        return self.value.type.shape

    @property
    def rank(self) -> int:
        """The number of axes of the shape."""
        return self.value.type.rank

    def emit(self, op: type[Operation], *others: Term | float, **attributes: object) -> Term:
        """An operation on this value and others."""
        operands = [self.value, *(self.other(o).value for o in others)]
        return Term(self.builder, self.builder.emit_all(op, operands, attributes)[0])

    def other(self, operand: Term | Nested) -> Term:
        """An operand as a term; numbers become constants."""
        return operand if isinstance(operand, Term) else Term(self.builder, self.builder.constant(operand))

    def size(self, size: Size) -> Term:
        """A size as a real number."""
        return self.other(float(size)) if isinstance(size, int) else self.whole(size).emit(el.ToReal)

    def whole(self, size: Size) -> Term:
        """A size as a whole number."""
        return Term(self.builder, self.builder.size(size))

    def range(self, count: Size) -> Term:
        """The integers 0 to count - 1."""
        return Term(self.builder, self.builder.emit(ix.Iota, count=count))

    # ------------------------------------------------------------- arithmetic

    def __add__(self, other: Term | float) -> Term:
        return self.emit(el.Add, other)

    def __radd__(self, other: float) -> Term:
        return self.other(other) + self

    def __sub__(self, other: Term | float) -> Term:
        return self.emit(el.Subtract, other)

    def __rsub__(self, other: float) -> Term:
        return self.other(other) - self

    def __mul__(self, other: Term | float) -> Term:
        return self.emit(el.Multiply, other)

    def __rmul__(self, other: float) -> Term:
        return self * other

    def __truediv__(self, other: Term | float) -> Term:
        return self.emit(el.Divide, other)

    def __floordiv__(self, other: Term | float) -> Term:
        return self.emit(el.FloorDivide, other)

    def __neg__(self) -> Term:
        return self.emit(el.Negative)

    def above(self, other: Term | float) -> Term:
        """1 where this is larger, 0 elsewhere."""
        return self.emit(logic.Greater, other).emit(el.ToReal)

    def equals(self, other: Term | float) -> Term:
        """1 where the two are equal, 0 elsewhere."""
        return self.emit(logic.Equal, other).emit(el.ToReal)

    def where(self, yes: Term | float, no: Term | float) -> Term:
        """One where this is true, the other elsewhere."""
        return self.emit(logic.Where, yes, no)

    def one_hot(self, count: Size) -> Term:
        """Integers as rows of `count` numbers: 1 at their place, 0 elsewhere."""
        return self.unsqueeze(-1).equals(self.range(count))

    def einsum(self, equation: str, *others: Term) -> Term:
        """The sum of products that an equation of letters says, this term first."""
        return self.emit(Einsum, *others, equation=equation)

    # ----------------------------------------------------------------- shapes

    def sum(self, axes: Sequence[int] = (-1,), keep: bool = False) -> Term:
        """The sum along axes, which stay with size one where `keep`."""
        return self.emit(red.Sum, axes=tuple(axes), keep=keep) if axes else self

    def mean(self, axes: Sequence[int] = (-1,), keep: bool = False) -> Term:
        """The mean along axes, which stay with size one where `keep`."""
        return self.emit(red.Mean, axes=tuple(axes), keep=keep)

    def reshape(self, *shape: Size) -> Term:
        """The same elements in another shape."""
        return self if shape == self.shape else self.emit(sh.Reshape, shape=shape)

    def expand(self, shape: tuple[Size, ...]) -> Term:
        """Axes of size one repeated, to a shape."""
        return self if shape == self.shape else self.emit(sh.Expand, shape=shape)

    def unsqueeze(self, *axes: int) -> Term:
        """New axes of size one, at these places of the result."""
        return self.emit(sh.Unsqueeze, axes=axes) if axes else self

    def squeeze(self, *axes: int) -> Term:
        """Axes of size one removed."""
        return self.emit(sh.Squeeze, axes=axes) if axes else self

    def transpose(self, *perm: int) -> Term:
        """The axes in another order; without one, the last two change places."""
        return self.emit(sh.Transpose, perm=perm or (*range(-self.rank, -2), -1, -2))

    def pick(self, axis: int, index: int) -> Term:
        """The part at one index of an axis, without the axis."""
        return self.emit(ix.Pick, axis=axis, index=index)

    def slice(self, axis: int, start: Size | None, stop: Size | None) -> Term:
        """The part from `start` to `stop` of an axis."""
        return self.emit(ix.Slice, axis=axis, start=start, stop=stop)

    def strided(self, axis: int, start: Size, stop: Size, step: int) -> Term:
        """Every `step`-th part from `start` to `stop` of an axis."""
        return self.emit(ix.Slice, axis=axis, start=start, stop=stop, step=step)

    def padded(self, axis: int, before: Size, after: Size) -> Term:
        """Zeros before and after along an axis."""
        parts = [self._zeros_along(axis, before), self, self._zeros_along(axis, after)]
        first, *rest = [p for p in parts if p is not None]
        return first.emit(sh.Concat, *rest, axis=axis) if rest else first

    def dilated(self, axis: int, step: int, size: Size) -> Term:
        """`step - 1` zeros between neighbours along an axis, and more at the end, up to a size that has room for them."""
        place, count = self.rank + axis, self.shape[axis]
        if step == 1:
            return self.padded(axis, 0, size - count)
        before, after = self.shape[:place], self.shape[place + 1 :]
        apart = self.unsqueeze(axis).padded(axis, 0, step - 1).reshape(*before, count * step, *after)
        return apart.fitted(axis, size)

    def fitted(self, axis: int, size: Size) -> Term:
        """The first `size` parts of an axis, and zeros behind where there are fewer."""
        missing = size - self.shape[axis]
        if isinstance(missing, int):
            return self.padded(axis, 0, missing) if missing >= 0 else self.slice(axis, None, size)
        return self.padded(axis, 0, size).slice(axis, None, size)  # `missing` may be less than none.

    def _zeros_along(self, axis: int, count: Size) -> Term | None:
        place = self.rank + axis
        shape = (*self.shape[:place], count, *self.shape[place + 1 :])
        return self.other(0.0).expand(shape) if count != 0 else None

    def restored(self, axes: Sequence[int], keep: bool, shape: tuple[Size, ...]) -> Term:
        """What was summed over axes, repeated along them again."""
        return (self if keep else self.unsqueeze(*axes)).expand(shape)
