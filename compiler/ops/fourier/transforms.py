"""Discrete Fourier transforms of complex numbers, whose real and imaginary parts lie along the last axis, as in ONNX's `DFT`."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any, ClassVar

from mai.compiler.ir.operation import Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import AXIS, Argument, Function, Kind, Section, X, composed, tensor
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Onnx, Scalar, V
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

TABLE = 64  # Up to here a product with the table of all turns is faster than a transform of another length.
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
    def reference(np: Any, x: Any, inverse: bool) -> Any:
        z = (np.fft.ifft if inverse else np.fft.fft)(x[..., 0] + 1j * x[..., 1])
        return np.stack([z.real, z.imag], -1)

    @staticmethod
    def torch(torch: Any, x: Any, inverse: bool) -> Any:
        transform = torch.fft.ifft if inverse else torch.fft.fft
        return torch.view_as_real(transform(torch.complex(x[..., 0], x[..., 1])))

    @staticmethod
    def onnx(op: Onnx[V], x: V, inverse: bool) -> V:
        """ONNX Runtime's own transform of a length that is no power of two loses half of the digits."""
        count = op.sizes(x)[-2]
        flat = op.flat_lead(x, 2)
        if isinstance(count, int) and count & (count - 1) == 0:
            transformed = op.DFT(flat, None, op.int(1), inverse=int(inverse))
        elif isinstance(count, int) and count <= TABLE:
            transformed = _by_table(op, flat, count, inverse)
        else:
            transformed = _by_chirps(op, flat, count, inverse)
        return op.unflat_lead(transformed, x, 2)

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
    transformed = _times(op, convolved, chirp)
    return op.Div(transformed, op.Cast(size, to=REAL)) if inverse else transformed


def _turns(op: Onnx[V], angle: V) -> V:
    """Cosines and sines, [n, 2]."""
    last = op.ints([-1])
    return op.Concat(op.Unsqueeze(op.Cos(angle), last), op.Unsqueeze(op.Sin(angle), last), axis=-1)


def _times(op: Onnx[V], x: V, y: V) -> V:
    """The product of complex numbers [..., 2]."""
    (a, b), (c, d) = ([op.Gather(z, op.ints([i]), axis=-1) for i in range(2)] for z in (x, y))
    real = op.Sub(op.Mul(a, c), op.Mul(b, d))
    return op.Concat(real, op.Add(op.Mul(a, d), op.Mul(b, c)), axis=-1)


# ------------------------------------------------------------------ functions

IMAGINARY = tensor("im")
SIZE = Argument("n", Kind.SIZE)


@composed(Function("fft", Section.FOURIER, (X, tensor("im", optional=True), AXIS)))
def fft(x: Term, im: Term | None = None, *, axis: int) -> tuple[Term, Term]:
    """(re, im) of all n frequencies along an axis, of x, or of x + i im: z_k = sum_j x_j e^(-2 pi i j k / n)."""
    return _along(x, im, axis, lambda z: z.emit(Fourier))


@composed(Function("ifft", Section.FOURIER, (X, IMAGINARY, AXIS)))
def ifft(x: Term, im: Term, axis: int) -> tuple[Term, Term]:
    """(re, im) of the inverse of `fft`, which is divided by n."""
    return _along(x, im, axis, lambda z: z.emit(Fourier, inverse=True))


@composed(Function("rfft", Section.FOURIER, (X, AXIS)))
def rfft(x: Term, axis: int) -> tuple[Term, Term]:
    """(re, im) of the frequencies 0 to n // 2 along an axis: the others are their conjugates."""
    half = x.shape[axis] // 2 + 1
    return _along(x, None, axis, lambda z: z.emit(Fourier).slice(-2, None, half))


@composed(Function("irfft", Section.FOURIER, (X, IMAGINARY, SIZE, AXIS)))
def irfft(x: Term, im: Term, n: Any, axis: int) -> Term:
    """The n real numbers along an axis whose frequencies from 0 on are x + i im; frequencies that are left out are zero."""
    have, half = x.shape[axis], n // 2 + 1
    if isinstance(have, int) and isinstance(half, int) and have > half:
        message = f"{n} numbers have the frequencies 0 to {half - 1}, here are {have}: write `[:{half}]`"
        raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))

    def whole(z: Term) -> Term:
        """The real part of the inverse, where every frequency that has a conjugate counts twice."""
        number = z.range(have)
        count = 2.0 - number.equals(0) - (number * 2).equals(z.whole(n))
        weighed = (z * count.unsqueeze(-1)).padded(-2, 0, half - have)  # At run time, too, there are no more than half.
        return weighed.padded(-2, 0, n - half).emit(Fourier, inverse=True)

    return _along(x, im, axis, whole)[0]


@composed(Function("fft2", Section.FOURIER, (X, tensor("im", optional=True))))
def fft2(x: Term, im: Term | None = None) -> tuple[Term, Term]:
    """(re, im) of all frequencies along the last two axes, of x, or of x + i im."""
    return fft(*fft(x, im, axis=-1), axis=-2)


@composed(Function("ifft2", Section.FOURIER, (X, IMAGINARY)))
def ifft2(x: Term, im: Term) -> tuple[Term, Term]:
    """(re, im) of the inverse of `fft2`."""
    return ifft(*ifft(x, im, -1), -2)


@composed(Function("rfft2", Section.FOURIER, (X,)))
def rfft2(x: Term) -> tuple[Term, Term]:
    """(re, im), [..., h, w // 2 + 1], of a real image [..., h, w]: `rfft` along the last axis, `fft` along the one before."""
    return fft(*rfft(x, -1), axis=-2)


@composed(Function("irfft2", Section.FOURIER, (X, IMAGINARY, SIZE)))
def irfft2(x: Term, im: Term, n: Any) -> Term:
    """The real image [..., h, n] with the frequencies x + i im, [..., h, m], of `rfft2`."""
    return irfft(*ifft(x, im, -2), n, -1)


def _along(x: Term, im: Term | None, axis: int, transform: Callable[[Term], Term]) -> tuple[Term, Term]:
    """A transform along any axis: it is moved to the end, before the axis of the two parts."""
    if im is not None and im.shape != x.shape:
        message = f"the imaginary part of {describe(x.shape)} has its shape, this is {describe(im.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(im.shape))
    perm = [i for i in range(-x.rank, 0) if i != axis] + [axis]
    back = [perm.index(i) - x.rank for i in range(-x.rank, 0)]
    other = x * 0.0 if im is None else im
    moved = [_moved(t, perm) for t in (x, other)]
    transformed = transform(moved[0].emit(Stack, moved[1], axis=-1))
    return _moved(transformed.pick(-1, 0), back), _moved(transformed.pick(-1, 1), back)


def _moved(x: Term, perm: list[int]) -> Term:
    return x if perm == sorted(perm) else x.transpose(*perm)
