"""Discrete Fourier transforms of real numbers: half of the frequencies, since the others are their conjugates."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V
from mai.compiler.ops.fourier.complex_numbers import TABLE, is_power_of_two, transformed

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class RealFourier(Operation):
    """z_k = sum_j x_j e^(-2 pi i j k / n) along an axis, for k from 0 to n // 2.

    x: [..., n, ...]; the result is [..., 2, n // 2 + 1, ...], the real parts and then the imaginary ones.
    """

    attributes: ClassVar[dict[str, object]] = {"axis": -1}

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        place = x.rank + axis
        half = x.shape[place] // 2 + 1
        return Type(DType.REAL, (*x.shape[:place], 2, half, *x.shape[place + 1 :]))

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int) -> Tensor:
        z = np.fft.rfft(x, axis=axis)
        return np.stack([z.real, z.imag], axis - 1)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axis: int) -> Tensor:
        z = torch.fft.rfft(x, dim=axis)
        return torch.stack((z.real, z.imag), axis - 1)

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int) -> V:
        count, sizes = op.sizes(x)[axis], op.output_sizes()
        if isinstance(count, int) and count <= TABLE:
            if axis == -2:
                return op.reshape(op.MatMul(op.const(real_table(count), "float32"), x), sizes)
            parts = op.MatMul(_axis_last(op, x, axis), op.const(_turned(real_table(count)), "float32"))
        else:
            row = op.reshape(_axis_last(op, x, axis), [-1, count, 1])
            parts = op.Transpose(_half(op, row, count), perm=[0, 2, 1])
        return _from_last(op, parts, sizes, axis, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axis: int) -> Term:
        """n times the inverse, of which every frequency counts once."""
        n = x.shape[axis]
        counts = _counts(ct, ct.shape[axis], n, axis)
        parts = (ct.pick(axis - 1, i) / counts for i in range(2))
        return _inverse(*parts, n=n, axis=axis) * ct.size(n)

    cases = (
        case(sample(4)),
        case(sample(5, 2), axis=-2),
        case(sample(1)),
        case(sample(6, 2, 3), axis=-3),
        case(sample(7), axis=-1),
    )


class RealInverse(Operation):
    """The n real numbers along an axis whose frequencies from 0 on are re + i im; those that are left out are zero.

    Those above n // 2 are not read; where their number is known, they are refused.

    x_j = sum_k c_k (re_k cos(2 pi j k / n) - im_k sin(2 pi j k / n)) / n, where c_k is 1 for what is its own conjugate and 2 else.
    """

    attributes: ClassVar[dict[str, object]] = {"n": 1, "axis": -1}
    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, re: Type, im: Type, n: Size, axis: int) -> Type:
        if im.shape != re.shape:
            message = f"the imaginary part of {describe(re.shape)} has its shape, this is {describe(im.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(im.shape))
        have, half, place = re.shape[axis], n // 2 + 1, re.rank + axis
        if isinstance(have, int) and isinstance(half, int) and have > half:
            message = f"{n} numbers have the frequencies 0 to {half - 1}, here are {have}: write `[:{half}]`"
            raise ShapeError("shape-mismatch", message, 0, label=describe(re.shape))
        return Type(DType.REAL, (*re.shape[:place], n, *re.shape[place + 1 :]))

    @staticmethod
    def reference(np: Arrays, re: Tensor, im: Tensor, n: int, axis: int) -> Tensor:
        return np.fft.irfft(re + 1j * im, n, axis=axis)

    @staticmethod
    def torch(torch: Arrays, re: Tensor, im: Tensor, n: int, axis: int) -> Tensor:
        return torch.fft.irfft(torch.complex(re, im), n=n, dim=axis)

    @staticmethod
    def onnx(op: Onnx[V], re: V, im: V, n: Scalar[V], axis: int) -> V:
        have, sizes = op.sizes(re)[axis], op.output_sizes()
        if isinstance(have, int) and isinstance(n, int) and n <= TABLE:
            table = inverse_table(have, n)
            if axis == -2:
                return op.MatMul(op.const(_turned(table), "float32"), op.Concat(re, im, axis=-2))
            rows = op.Concat(*(_axis_last(op, x, axis) for x in (re, im)), axis=-1)
            numbers = op.MatMul(rows, op.const(table, "float32"))
        else:
            both = op.Concat(*(op.reshape(_axis_last(op, x, axis), [-1, have, 1]) for x in (re, im)), axis=-1)
            numbers = _numbers(op, both, have, n)
        return _from_last(op, numbers, sizes, axis, 1)

    @staticmethod
    def derivative(ct: Term, y: Term, re: Term, im: Term, n: Size, axis: int) -> tuple[Term, Term]:
        """The transform, of which every frequency counts as often as there: those above n // 2 never."""
        have = re.shape[axis]
        counts = _counts(ct, have, n, axis) / ct.size(n)
        back = ct.emit(RealFourier, axis=axis).fitted(axis, have)
        first, second = (back.pick(axis - 1, i) * counts for i in range(2))
        return first, second

    cases = (
        case(sample(3), sample(3), n=4),
        case(sample(3, 2), sample(3, 2), n=5, axis=-2),
        case(sample(1), sample(1), n=1),
        case(sample(2, 2, 3), sample(2, 2, 3), n=7, axis=-3),
        case(sample(4, 2), sample(4, 2), n=65, axis=-2),
        case(sample(2, 65), sample(2, 65), n=128),
    )


def _inverse(re: Term, im: Term, *, n: Size, axis: int) -> Term:
    return re.emit(RealInverse, im, n=n, axis=axis)


def _counts(term: Term, have: Size, n: Size, axis: int) -> Term:
    """How often each frequency counts among all n, along the axis: 2 where it has a conjugate of its own."""
    number = term.range(have)
    count = 2.0 - number.equals(0) - (number * 2).equals(term.whole(n))
    return count.unsqueeze(*range(axis + 1, 0))


# ----------------------------------------------------------------- small sizes

Matrix = list[list[float]]


def real_table(count: int) -> Matrix:
    """What the real parts, and then the imaginary ones, are of the numbers: [2 half, n]."""
    half = count // 2 + 1
    return [[part(_angle(j * k, count)) for j in range(count)] for part in (cos, _minus_sin) for k in range(half)]


def inverse_table(have: int, count: int) -> Matrix:
    """What the numbers are of the real parts, and then the imaginary ones: [2 have, n]."""
    shares = [(2 * k <= count) * (1 if k == 0 or 2 * k == count else 2) / count for k in range(have)]
    parts = ((part, k) for part in (cos, _minus_sin) for k in range(have))
    return [[shares[k] * part(_angle(j * k, count)) for j in range(count)] for part, k in parts]


def _minus_sin(angle: float) -> float:
    return -sin(angle)


def _angle(product: int, count: int) -> float:
    return 2 * pi * (product % count) / count


def _turned(table: Matrix) -> Matrix:
    return [list(column) for column in zip(*table, strict=True)]


# ----------------------------------------------------------------- any sizes


def _half(op: Onnx[V], x: V, count: Scalar[V]) -> V:
    """The frequencies of [rows, n, 1], [rows, n // 2 + 1, 2]."""
    if is_power_of_two(count) and not op.multiplies:
        return op.DFT(x, None, op.int(1), onesided=1)
    parts = transformed(op, op.Pad(x, op.ints([0, 0, 0, 0, 0, 1])), count, inverse=False)
    half = op.Add(op.Div(op.scalar(count), 2), 1)
    return op.Slice(parts, op.ints([0]), op.Reshape(half, op.ints([1])), op.ints([1]))


def _numbers(op: Onnx[V], parts: V, have: Scalar[V], count: Scalar[V]) -> V:
    """The numbers [rows, n] of the frequencies [rows, have, 2]: the real part of an inverse where each counts for its conjugate, too."""
    number, have, size = op.Range(0, op.scalar(have), 1), op.scalar(have), op.scalar(count)
    alone = op.Or(op.Equal(number, 0), op.Equal(op.Mul(number, 2), size))
    many = op.Where(op.Greater(op.Mul(number, 2), size), op.real(0.0), op.real(2.0))
    counts = op.Unsqueeze(op.Where(alone, op.real(1.0), many), op.ints([1]))
    missing = op.Reshape(op.Sub(size, have), op.ints([1]))
    padded = op.Pad(op.Mul(parts, counts), op.Concat(op.ints([0, 0, 0, 0]), missing, op.ints([0]), axis=0))
    return op.Gather(transformed(op, padded, count, inverse=True), op.int(0), axis=-1)


def _axis_last(op: Onnx[V], x: V, axis: int) -> V:
    """An axis behind all others."""
    return x if axis == -1 else op.Transpose(x, perm=_order(op.rank(x), axis, 1))


def _from_last(op: Onnx[V], x: V, sizes: Sequence[Scalar[V]], axis: int, moved: int) -> V:
    """The way back: so many last axes of [..., moved] end at `axis`, where the result has `sizes`."""
    order = _order(len(sizes), axis, moved)
    result = op.reshape(x, [sizes[i] for i in order])
    return result if axis == -1 else op.Transpose(result, perm=[order.index(i) for i in range(len(sizes))])


def _order(rank: int, axis: int, moved: int) -> list[int]:
    """The axes, with so many that end at `axis` behind all others."""
    stop = rank + axis + 1
    own = range(stop - moved, stop)
    return [*(i for i in range(rank) if i not in own), *own]
