"""Discrete Fourier transforms as the language calls them: real and imaginary parts are values of their own, along any axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import AXIS, Argument, Function, Kind, Section, X, composed, tensor
from mai.compiler.ir.sizes import Size
from mai.compiler.ops.fourier.complex_numbers import Fourier
from mai.compiler.ops.fourier.real import RealFourier, RealInverse
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

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
    parts = x.emit(RealFourier, axis=axis)
    return parts.pick(axis - 1, 0), parts.pick(axis - 1, 1)


@composed(Function("irfft", Section.FOURIER, (X, IMAGINARY, SIZE, AXIS)))
def irfft(x: Term, im: Term, n: Size, axis: int) -> Term:
    """The n real numbers along an axis whose frequencies from 0 on are x + i im; frequencies that are left out are zero."""
    return x.emit(RealInverse, im, n=n, axis=axis)


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
def irfft2(x: Term, im: Term, n: Size) -> Term:
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
