"""Determinants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Operation, case, sample
from mai.compiler.ir.signature import Function, Section, X
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.linear import kernels
from mai.compiler.ops.linear.factors import Solve
from mai.compiler.ops.linear.matrices import check_square, identity, regular
from mai.compiler.ops.shapes.indexing import Take

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

FEW = 6  # Rows of a matrix whose derivative is made of determinants: n^2 of them.
REGULAR = (*(case(sample(n, n, kind="regular")) for n in (1, 2, 3, 10)), case(sample(2, 4, 4, kind="regular")))


class Det(Operation):
    """The determinant [...] of A [..., n, n], by elimination with partial pivoting; 0 of a singular matrix, where its derivative is NaN if it has more than 6 rows."""

    function = Function(
        "det",
        Section.MATRICES,
        (X,),
        says=f"The determinant of a square matrix. Of a singular one with more than {FEW} rows its derivative is NaN.",
    )

    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type) -> Type:
        check_square("det", a)
        return Type(DType.REAL, a.shape[:-2])

    @staticmethod
    def reference(np: Arrays, a: Tensor) -> Tensor:
        return np.linalg.det(np.asarray(a, np.float64))

    @staticmethod
    def torch(torch: Arrays, a: Tensor) -> Tensor:
        return torch.linalg.det(a)

    @staticmethod
    def onnx(op: Onnx[V], a: V) -> V:
        pivots, sign = _pivots(op, a)
        return _scalars(op, op.Mul(op.ReduceProd(pivots, op.ints([1]), keepdims=1), sign), a)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term) -> Term:
        """ct det(A) A^-T: the cofactors, which singular matrices have, too."""
        rows = a.shape[-1]
        if not isinstance(rows, int) or rows > FEW:
            return (ct * y).unsqueeze(-1, -2) * a.transpose().emit(Solve, identity(a))
        slope = ct.unsqueeze(-1, -2)
        return slope if rows == 1 else slope * _cofactors(a, rows)

    cases = REGULAR


class Logdet(Operation):
    """The logarithm of the determinant, [...] of A [..., n, n]: minus infinity of a singular matrix, NaN where the determinant is negative."""

    function = Function(
        "logdet",
        Section.MATRICES,
        (X,),
        says="The logarithm of the determinant of a square matrix: NaN where that is negative, minus infinity where it is 0.",
    )

    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type) -> Type:
        check_square("logdet", a)
        return Type(DType.REAL, a.shape[:-2])

    @staticmethod
    def reference(np: Arrays, a: Tensor) -> Tensor:
        parts = np.linalg.slogdet(np.asarray(a, np.float64))
        return np.where(parts[0] < 0, np.nan, parts[1])

    @staticmethod
    def torch(torch: Arrays, a: Tensor) -> Tensor:
        parts = torch.linalg.slogdet(a)
        return torch.where(parts[0] < 0, torch.nan, parts[1])

    @staticmethod
    def onnx(op: Onnx[V], a: V) -> V:
        pivots, sign = _pivots(op, a)
        negative = op.Cast(op.Less(pivots, 0.0), to=kernels.REAL)
        odd = op.Mod(op.ReduceSum(negative, op.ints([1]), keepdims=1), 2.0, fmod=1)
        is_negative = op.Less(op.Mul(sign, op.Sub(0.5, odd)), 0.0)
        size = op.ReduceSum(op.Log(op.Abs(pivots)), op.ints([1]), keepdims=1)
        singular = op.Equal(op.ReduceMin(op.Abs(pivots), op.ints([1]), keepdims=1), 0.0)
        wrong = op.And(is_negative, op.Not(singular))
        return _scalars(op, op.Where(wrong, kernels.NAN, size), a)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term) -> Term:
        """ct A^-T."""
        return ct.unsqueeze(-1, -2) * a.transpose().emit(Solve, identity(a))

    cases = REGULAR


def _cofactors(a: Term, count: int) -> Term:
    """(-1)^(i + j) times the determinant of A without row i and column j, [..., n, n]."""
    numbers = range(count)
    others = a.other(tuple(tuple(j for j in numbers if j != i) for i in numbers))
    rows = a.emit(Take, others, axis=-2, rank=a.rank, index_rank=2)
    parts = rows.emit(Take, others, axis=-1, rank=rows.rank, index_rank=2)  # [..., i, row, j, column]
    minors = parts.transpose(*range(-parts.rank, -4), -4, -2, -3, -1).emit(Det)
    return minors * a.other(tuple(tuple((-1.0) ** (i + j) for j in numbers) for i in numbers))


def _pivots(op: Onnx[V], a: V) -> tuple[V, V]:
    """The pivots of elimination, [N, n, 1], and the sign of its exchanges, [N, 1, 1]."""
    count = op.sizes(a)[-1]
    rest, sign = kernels.eliminated(op, kernels.marked(op, op.flat_lead(a, 2)), count)
    return kernels.diagonal(op, rest, kernels.Places(op, count)), sign


def _scalars(op: Onnx[V], flat: V, a: V) -> V:
    """Numbers [N, 1, 1] with the lead axes of the matrices that they are of."""
    return op.Squeeze(op.unflat_lead(flat, a, 2), op.ints([-1, -2]))
