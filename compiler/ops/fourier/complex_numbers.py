"""Discrete Fourier transforms of complex numbers, whose real and imaginary parts lie along the last axis, as in ONNX's `DFT`."""

from __future__ import annotations

from math import cos, isqrt, pi, sin
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.operation import Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

TABLE = 64  # Up to here a product with the table of all turns is faster than a transform of another length.
MOST_TABLE = 512  # Up to here a table stands in a file where there is no other way: 4 MB.
REAL = 1  # ONNX's number of the dtype.


class Fourier(Operation):
    """z_k = sum_j x_j e^(-2 pi i j k / n) along the axis before the last; with `inverse`, e^(+...) and divided by n.

    x: [..., n, 2]; of the last axis, the first is the real part.
    """

    attributes: ClassVar[dict[str, object]] = {"inverse": False}

    @classmethod
    def shape(cls, x: Type, inverse: bool) -> Type:
        if x.rank < 2 or x.shape[-1] != 2:
            message = f"complex numbers are [..., n, 2], this is {describe(x.shape)}"
            raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, inverse: bool) -> Tensor:
        z = (np.fft.ifft if inverse else np.fft.fft)(x[..., 0] + 1j * x[..., 1])
        return np.stack([z.real, z.imag], -1)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, inverse: bool) -> Tensor:
        transform = torch.fft.ifft if inverse else torch.fft.fft
        return torch.view_as_real(transform(torch.complex(x[..., 0], x[..., 1])))

    @staticmethod
    def onnx(op: Onnx[V], x: V, inverse: bool) -> V:
        return op.unflat_lead(transformed(op, op.flat_lead(x, 2), op.sizes(x)[-2], inverse), x, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, inverse: bool) -> Term:
        """The adjoint: n times the inverse of a transform, the n-th part of the transform of an inverse."""
        size = ct.size(x.shape[-2])
        adjoint = ct.emit(Fourier, inverse=not inverse)
        return adjoint / size if inverse else adjoint * size

    cases = (
        case(sample(4, 2)),
        case(sample(1, 2), inverse=True),
        case(sample(5, 2), inverse=True),
        case(sample(3, 6, 2)),
    )


def is_power_of_two(count: Scalar[V]) -> bool:
    """Whether a size is known to be one: ONNX Runtime's own transform of other lengths loses half of the digits."""
    return isinstance(count, int) and count & (count - 1) == 0


def transformed(op: Onnx[V], x: V, count: Scalar[V], inverse: bool) -> V:
    """The transform of [rows, n, 2] along its second axis."""
    if op.multiplies:
        return by_products(op, x, count, inverse)
    if is_power_of_two(count):
        return op.DFT(x, None, op.int(1), inverse=int(inverse))
    if isinstance(count, int) and count <= TABLE:
        return _by_table(op, x, count, inverse)
    return _by_chirps(op, x, count, inverse)


def by_products(op: Onnx[V], x: V, count: Scalar[V], inverse: bool) -> V:
    """The transform by products of matrices alone: CUDA has no kernel for `DFT`, and several other engines do not read it."""
    if not isinstance(count, int):
        return _by_open_table(op, x, count, inverse)
    part = _factor(count)
    if count <= TABLE or (part == 1 and count <= MOST_TABLE):
        return _by_table(op, x, count, inverse)
    if part == 1:
        return _by_open_table(op, x, op.int(count), inverse)
    return _by_parts(op, x, part, count // part, inverse)


def _factor(count: int) -> int:
    """The largest factor up to the root."""
    return max(a for a in range(1, isqrt(count) + 1) if count % a == 0)


def _by_parts(op: Onnx[V], x: V, first: int, second: int, inverse: bool) -> V:
    """n = a b numbers by transforms of a and of b (Cooley and Tukey 1965): j = b j1 + j2 and k = k1 + a k2."""
    count = first * second
    inner = op.Transpose(op.reshape(x, [-1, first, second, 2]), perm=[0, 2, 1, 3])
    inner = by_products(op, op.reshape(inner, [-1, first, 2]), first, inverse)
    turns = [[_turn(j * k, count, inverse) for k in range(first)] for j in range(second)]
    turned = _times(op, op.reshape(inner, [-1, second, first, 2]), op.const(turns, "float32"))
    outer = op.reshape(op.Transpose(turned, perm=[0, 2, 1, 3]), [-1, second, 2])
    outer = op.reshape(by_products(op, outer, second, inverse), [-1, first, second, 2])
    return op.reshape(op.Transpose(outer, perm=[0, 2, 1, 3]), [-1, count, 2])


def _turn(product: int, count: int, inverse: bool) -> list[float]:
    """The cosine and the sine of -2 pi j k / n, or of 2 pi j k / n."""
    angle = (2 if inverse else -2) * pi * (product % count) / count
    return [cos(angle), sin(angle)]


def _by_open_table(op: Onnx[V], x: V, count: V, inverse: bool) -> V:
    """The product with a table of a size that only the call knows: n^2 turns of each row, as a rule a few thousand numbers."""
    number = op.Range(0, count, 1)
    steps = op.Mod(op.Mul(op.Unsqueeze(number, op.ints([1])), number), count)
    angle = op.Div(op.Mul(op.Cast(steps, to=REAL), 2 * pi), op.Cast(count, to=REAL))
    cosines, sines = op.Cos(angle), op.Sin(angle)
    re, im = (op.Gather(x, op.int(i), axis=-1) for i in range(2))
    sines = sines if inverse else op.Neg(sines)
    real = op.Sub(op.MatMul(re, cosines), op.MatMul(im, sines))
    imaginary = op.Add(op.MatMul(re, sines), op.MatMul(im, cosines))
    last = op.ints([-1])
    both = op.Concat(op.Unsqueeze(real, last), op.Unsqueeze(imaginary, last), axis=-1)
    return op.Div(both, op.Cast(count, to=REAL)) if inverse else both


def _by_table(op: Onnx[V], x: V, count: int, inverse: bool) -> V:
    """The product with a real matrix of turns, [2 n, 2 n]."""
    sign, share = (1.0, 1.0 / count) if inverse else (-1.0, 1.0)
    table = [[0.0] * (2 * count) for _ in range(2 * count)]
    for j in range(count):
        for k in range(count):
            angle = sign * 2 * pi * (j * k % count) / count
            a, b = share * cos(angle), share * sin(angle)
            table[2 * j][2 * k : 2 * k + 2] = a, b
            table[2 * j + 1][2 * k : 2 * k + 2] = -b, a
    row = op.reshape(x, [-1, 2 * count])
    return op.reshape(op.MatMul(row, op.const(table, "float32")), [-1, count, 2])


def _by_chirps(op: Onnx[V], x: V, count: Scalar[V], inverse: bool) -> V:
    """By a convolution of a length M that is a power of two (Bluestein 1970): j k = (j^2 + k^2 - (k - j)^2) / 2.

    The angles pi j^2 / n are reduced as whole numbers, where ONNX Runtime's own reduce them as rounded ones.
    """
    size = op.scalar(count)
    number = op.Range(0, size, 1)
    twice = op.Mul(size, 2)
    angle = op.Mul(op.Cast(op.Mod(op.Mul(number, number), twice), to=REAL), pi)
    angle = op.Div(angle, op.Cast(size, to=REAL))
    chirp = _turns(op, angle if inverse else op.Neg(angle))
    exact = op.Ceil(op.Sub(op.Div(op.Log(op.Cast(twice, to=REAL)), 0.6931471805599453), 1e-3))
    length = op.Cast(op.Round(op.Pow(2.0, exact)), to=7)  # At least 2 n - 1.
    missing = op.Reshape(op.Sub(length, size), op.ints([1]))
    none = op.ints([0])
    wave = op.Mul(chirp, op.const([[1.0, -1.0]], "float32"))
    tail = op.Slice(wave, op.ints([-1]), op.ints([0]), op.ints([0]), op.ints([-1]))
    gap = op.Sub(missing, op.Reshape(op.Sub(size, 1), op.ints([1])))
    wave = op.Concat(op.Pad(wave, op.Concat(none, none, gap, none, axis=0)), tail, axis=0)
    filtered = op.DFT(op.Unsqueeze(wave, none), None, op.int(1))
    padded = op.Pad(_times(op, x, chirp), op.Concat(none, none, none, none, missing, none, axis=0))
    product = _times(op, op.DFT(padded, None, op.int(1)), filtered)
    convolved = op.DFT(product, None, op.int(1), inverse=1)
    convolved = op.Slice(convolved, none, op.Reshape(size, op.ints([1])), op.ints([1]))
    turned = _times(op, convolved, chirp)
    return op.Div(turned, op.Cast(size, to=REAL)) if inverse else turned


def _turns(op: Onnx[V], angle: V) -> V:
    """Cosines and sines, [n, 2]."""
    last = op.ints([-1])
    return op.Concat(op.Unsqueeze(op.Cos(angle), last), op.Unsqueeze(op.Sin(angle), last), axis=-1)


def _times(op: Onnx[V], x: V, y: V) -> V:
    """The product of complex numbers [..., 2]."""
    (a, b), (c, d) = ([op.Gather(z, op.ints([i]), axis=-1) for i in range(2)] for z in (x, y))
    real = op.Sub(op.Mul(a, c), op.Mul(b, d))
    return op.Concat(real, op.Add(op.Mul(a, d), op.Mul(b, c)), axis=-1)
