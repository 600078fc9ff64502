"""Orthogonal factors: QR, and the eigenvalues and eigenvectors of a symmetric matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import Function, Section, X, composed
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.linear.factors import SolveTriangular
from mai.compiler.ops.linear.kernels import symmetrised, total
from mai.compiler.ops.linear.matrices import (
    check_square,
    diagonal_of,
    identity,
    lower_part,
    of_each,
    regular,
    symmetric,
)
from mai.compiler.ops.linear.reflections import reflected
from mai.compiler.ops.linear.rotations import turned
from mai.compiler.ops.products.product import Matmul

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

GENERIC = 2.399963  # The golden angle: no vector that anybody writes is orthogonal to cos(1 + 2.4 i).


class OrthogonalFactor(Operation):
    """Q over R, [..., m + n, n], of A [..., m, n] with m at least n: A = Q R, Q' Q = I, R upper triangular with LAPACK's signs."""

    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type) -> Type:
        if a.rank < 2:
            message = f"`qr` takes a matrix [m, n], this is {describe(a.shape)}"
            raise ShapeError("rank-mismatch", message, 0, label=describe(a.shape))
        height, width = a.shape[-2:]
        if isinstance(height, int) and isinstance(width, int) and height < width:
            message = f"`qr` takes a matrix with at least as many rows as columns, this is {describe(a.shape)}"
            raise ShapeError("shape-mismatch", message, 0, label=describe(a.shape))
        return Type(DType.REAL, (*a.shape[:-2], height + width, width))

    @staticmethod
    def reference(np: Arrays, a: Tensor) -> Tensor:
        def factors(matrix: Tensor) -> Tensor:
            stacked: Tensor = np.concatenate(np.linalg.qr(matrix), 0)
            return stacked

        return of_each(np, factors, a)

    @staticmethod
    def torch(torch: Arrays, a: Tensor) -> Tensor:
        return torch.cat(tuple(torch.linalg.qr(a)[i] for i in range(2)), -2)

    @staticmethod
    def onnx(op: Onnx[V], a: V) -> V:
        height, width = op.sizes(a)[-2:]
        return op.unflat_lead(reflected(op, op.flat_lead(a, 2), height, width), a, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term) -> Term:
        """(Q_ct + Q C(M)) R^-T, M = R R_ct' - Q_ct' Q; C copies the lower triangle to the upper one (Walter and Lehmann 2018)."""
        (q, r), (of_q, of_r) = (_parts(t, a.shape[-2]) for t in (y, ct))
        product = r.emit(Matmul, of_r.transpose()) - of_q.transpose().emit(Matmul, q)
        lower = lower_part(product)
        both = lower + lower.transpose() - diagonal_of(product)
        right = of_q + q.emit(Matmul, both)
        return r.emit(SolveTriangular, right.transpose(), lower=False).transpose()

    cases = (
        *(case(sample(n, n, kind="regular")) for n in (2, 3, 9)),
        case(sample(5, 2, kind="regular")),
        case(sample(2, 12, 9, kind="regular")),
        case(sample(1, 1, kind="regular")),
    )


class Spectrum(Operation):
    """The eigenvectors as columns over the row of eigenvalues, [..., n + 1, n], of (A + A') / 2 with A [..., n, n]; values ascend.

    A vector's sign is that for which its product with cos(1 + 2.4 i) is above 0. NaN where A is not finite. The derivative is that of the
    vectors alone, which is not finite where eigenvalues are equal; `Eigenvalues` has that of the values.
    """

    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type) -> Type:
        count = check_square("eigh", a)
        return Type(DType.REAL, (*a.shape[:-2], count + 1, count))

    @staticmethod
    def reference(np: Arrays, a: Tensor) -> Tensor:
        def spectrum(matrix: Tensor) -> Tensor:
            values, vectors = np.linalg.eigh(matrix)
            stacked: Tensor = np.concatenate([vectors * _signs(np, vectors), values[None]], 0)
            return stacked

        return of_each(np, spectrum, symmetric(a))

    @staticmethod
    def torch(torch: Arrays, a: Tensor) -> Tensor:
        """By LAPACK, and the derivative at these vectors: V' A V is diagonal, and moves to the first order as A does."""
        whole = symmetric(a)
        is_finite = torch.isfinite(whole).all(-1).all(-1).unsqueeze(-1).unsqueeze(-1)
        spectrum = torch.linalg.eigh(torch.where(is_finite, whole, 0.0).detach())
        vectors = spectrum[1] * _signs(torch, spectrum[1])
        moved = vectors.mT @ whole @ vectors
        gaps = spectrum[0].unsqueeze(-2) - spectrum[0].unsqueeze(-1)
        is_own = torch.eye(gaps.shape[-1], dtype=torch.bool, device=gaps.device)
        is_equal = (gaps == 0) & ~is_own
        change = torch.where(is_own, 0.0, moved - moved.detach())  # A vector does not turn towards itself.
        without = torch.sqrt(torch.where(is_equal, change, 1.0))  # 0, with a derivative that is not finite.
        angles = torch.where(is_equal, without, change / torch.where(gaps == 0, 1.0, gaps))
        parts = (vectors + vectors @ angles, spectrum[0].unsqueeze(-2))
        return torch.where(is_finite, torch.cat(parts, -2), torch.nan)

    @staticmethod
    def onnx(op: Onnx[V], a: V) -> V:
        count = op.sizes(a)[-1]
        flat = symmetrised(op, op.flat_lead(a, 2))
        spectrum = turned(op, flat, count)
        size = op.shape_vector([count])
        values = op.Slice(spectrum, size, op.ints([2**62]), op.ints([1]))
        values, order = op.several("TopK", 2, values, size, axis=2, largest=0, sorted=1)
        vectors = op.Slice(spectrum, op.ints([0]), size, op.ints([1]))
        vectors = op.GatherElements(vectors, op.Expand(order, op.Shape(vectors)), axis=2)
        numbers = op.Cast(op.Range(0, op.scalar(count), 1), to=1)
        weights = op.Unsqueeze(op.Cos(op.Add(op.Mul(numbers, GENERIC), 1.0)), op.ints([1]))
        is_down = op.Less(total(op, op.Mul(vectors, weights), 1), 0.0)
        vectors = op.Where(is_down, op.Neg(vectors), vectors)
        finite = op.Mul(total(op, total(op, flat, 1), 2), 0.0)
        return op.unflat_lead(op.Add(op.Concat(vectors, values, axis=1), finite), a, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term) -> Term:
        """That of the vectors, V (V' V_ct / (l_j - l_i)) V', symmetric; the values' is that of `Eigenvalues`."""
        v, of_v = (_parts(t, a.shape[-1])[0] for t in (y, ct))
        values, unit = a.emit(Eigenvalues, y), identity(a)
        gaps = values.unsqueeze(-2) - values.unsqueeze(-1) + unit
        angles = v.transpose().emit(Matmul, of_v) * (1.0 - unit) / gaps
        whole = v.emit(Matmul, angles).emit(Matmul, v.transpose())
        return (whole + whole.transpose()) * 0.5

    cases = (
        *(case(sample(n, n, kind="definite")) for n in (1, 2, 3, 4, 9)),
        case(sample(2, 5, 5, kind="definite")),
    )
    extremes = (
        (((2.0, 0.0), (0.0, 1.0)),),
        (((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 3.0)),),
        (((1e4, 1.0), (1.0, -1e4)),),
        (((1e-6, 1e-3), (1e-3, 1.0)),),
    )


class Eigenvalues(Operation):
    """The last row [..., n] of the spectrum [..., n + 1, n] of A [..., n, n], with the derivative of eigenvalues: V diag(ct) V'.

    It does not go through the vectors, so it is there where eigenvalues are equal.
    """

    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, a: Type, spectrum: Type) -> Type:
        return Type(DType.REAL, a.shape[:-1])

    @staticmethod
    def reference(np: Arrays, a: Tensor, spectrum: Tensor) -> Tensor:
        return spectrum[..., -1, :]

    @staticmethod
    def torch(torch: Arrays, a: Tensor, spectrum: Tensor) -> Tensor:
        """The values held still, and what A's change adds to them."""
        vectors = spectrum[..., :-1, :].detach()
        moved = (vectors * (symmetric(a) @ vectors)).sum(-2)
        return spectrum[..., -1, :].detach() + moved - moved.detach()

    @staticmethod
    def onnx(op: Onnx[V], a: V, spectrum: V) -> V:
        return op.Gather(spectrum, op.int(-1), axis=op.rank(spectrum) - 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term, spectrum: Term) -> tuple[Term, None]:
        vectors, _ = _parts(spectrum, a.shape[-1])
        return (vectors * ct.unsqueeze(-2)).emit(Matmul, vectors.transpose()), None

    cases = (case(sample(3, 3, kind="definite"), sample(4, 3, kind="regular")),)


def _signs(xp: Arrays, vectors: Tensor) -> Tensor:
    """1 or -1 for each column, [..., 1, n]."""
    weights = xp.cos(1 + GENERIC * xp.arange(vectors.shape[-2]))[:, None]
    return xp.where((vectors * weights).sum(-2)[..., None, :] < 0, -1.0, 1.0)


def _parts(stacked: Term, height: Size) -> tuple[Term, Term]:
    """The two matrices that lie over each other, the first with `height` rows."""
    return stacked.slice(-2, None, height), stacked.slice(-2, height, None)


@composed(Function("qr", Section.MATRICES, (X,)))
def qr(a: Term) -> tuple[Term, Term]:
    """(Q, R) with Q @ R = x for x [m, n], m at least n: Q [m, n] with Q' @ Q = identity(n), R [n, n] upper triangular."""
    return _parts(a.emit(OrthogonalFactor), a.shape[-2])


@composed(Function("eigh", Section.MATRICES, (X,)))
def eigh(a: Term) -> tuple[Term, Term]:
    """(values, vectors) of a symmetric x [n, n]: the eigenvalues [n] from the least up, and the eigenvectors [n, n] as columns.

    The derivative of vectors is not finite where eigenvalues are equal; that of values is there.
    """
    spectrum = a.emit(Spectrum)
    return a.emit(Eigenvalues, spectrum), _parts(spectrum, a.shape[-1])[0]
