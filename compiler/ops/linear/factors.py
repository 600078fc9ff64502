"""Cholesky's factor, and equations with triangular and general matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, broadcast, case, describe, sample
from mai.compiler.ir.signature import Function, Section, X, composed, flag, tensor
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.linear import kernels
from mai.compiler.ops.linear.matrices import (
    check_square,
    diagonal_of,
    lower_part,
    of_each,
    regular,
    symmetric,
    upper_part,
)
from mai.compiler.ops.products.product import Matmul

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Cholesky(Operation):
    """The lower triangular R with R R' = A, for A symmetric and positive definite; (A + A') / 2 is read. NaN where A is neither.

    A: [..., n, n]. The derivative is Murray's (2016), equation 10.
    """

    function = Function(
        "cholesky",
        Section.MATRICES,
        (X,),
        says="The lower triangular R with R @ R' = x, for x symmetric and positive definite: NaN for one that is not. (x + x') / 2 is read.",
    )

    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type) -> Type:
        check_square("cholesky", a)
        return Type(DType.REAL, a.shape)

    @staticmethod
    def reference(np: Arrays, a: Tensor) -> Tensor:
        return of_each(np, np.linalg.cholesky, symmetric(a))

    @staticmethod
    def torch(torch: Arrays, a: Tensor) -> Tensor:
        result = torch.linalg.cholesky_ex(symmetric(a))
        return torch.where((result[1] == 0).unsqueeze(-1).unsqueeze(-1), result[0], torch.nan)

    @staticmethod
    def onnx(op: Onnx[V], a: V) -> V:
        flat = kernels.symmetrised(op, op.flat_lead(a, 2))
        return op.unflat_lead(kernels.cholesky(op, flat, op.sizes(a)[-1]), a, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term) -> Term:
        """(S + S') / 2, where S = R^-T P(R' ct) R^-1; P keeps the lower triangle and halves its diagonal."""
        product = y.transpose().emit(Matmul, lower_part(ct))
        half = lower_part(product) - diagonal_of(product) * 0.5
        left = y.transpose().emit(SolveTriangular, half, lower=False)
        right = y.transpose().emit(SolveTriangular, left.transpose(), lower=False)
        return (right + right.transpose()) * 0.5

    cases = (*(case(sample(n, n, kind="definite")) for n in (1, 2, 3, 5, 10)), case(sample(2, 4, 4, kind="definite")))


class SolveTriangular(Operation):
    """X with R X = B, where R is the lower or the upper triangle of A; NaN where its diagonal has a zero.

    A: [..., n, n]; B: [..., n, m].
    """

    attributes: ClassVar[dict[str, object]] = {"lower": True}
    alignment = Alignment.EXPAND
    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type, b: Type, lower: bool) -> Type:
        return solved_shape("solve_triangular", a, b)

    @staticmethod
    def reference(np: Arrays, a: Tensor, b: Tensor, lower: bool) -> Tensor:
        return of_each(np, np.linalg.solve, np.tril(a) if lower else np.triu(a), b)

    @staticmethod
    def torch(torch: Arrays, a: Tensor, b: Tensor, lower: bool) -> Tensor:
        x = torch.linalg.solve_triangular(a, b, upper=not lower)
        singular = (torch.diagonal(a, dim1=-2, dim2=-1) == 0).any(-1)
        return torch.where(singular.unsqueeze(-1).unsqueeze(-1), torch.nan, x)

    @staticmethod
    def onnx(op: Onnx[V], a: V, b: V, lower: bool) -> V:
        flat = kernels.triangular(op, op.flat_lead(a, 2), op.flat_lead(b, 2), op.sizes(a)[-1], lower)
        return op.unflat_lead(flat, b, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term, b: Term, lower: bool) -> tuple[Term, Term]:
        came = a.transpose().emit(SolveTriangular, ct, lower=not lower)
        product = -came.emit(Matmul, y.transpose())
        return lower_part(product) if lower else upper_part(product), came

    cases = (
        case(sample(1, 1, kind="definite"), sample(1, 2)),
        case(sample(3, 3, kind="definite"), sample(3, 2)),
        case(sample(3, 3, kind="definite"), sample(3, 1), lower=False),
        case(sample(10, 10, kind="definite"), sample(10, 2), lower=False),
        case(sample(2, 9, 9, kind="definite"), sample(2, 9, 1)),
    )


class Solve(Operation):
    """X with A X = B, by elimination with partial pivoting; NaN where it meets a column of zeros.

    A: [..., n, n]; B: [..., n, m].
    """

    alignment = Alignment.EXPAND
    steep = {0: regular}

    @classmethod
    def shape(cls, a: Type, b: Type) -> Type:
        return solved_shape("solve", a, b)

    @staticmethod
    def reference(np: Arrays, a: Tensor, b: Tensor) -> Tensor:
        return of_each(np, np.linalg.solve, a, b)

    @staticmethod
    def torch(torch: Arrays, a: Tensor, b: Tensor) -> Tensor:
        result = torch.linalg.solve_ex(a, b)
        return torch.where((result[1] == 0).unsqueeze(-1).unsqueeze(-1), result[0], torch.nan)

    @staticmethod
    def onnx(op: Onnx[V], a: V, b: V) -> V:
        flat = kernels.solution(op, op.flat_lead(a, 2), op.flat_lead(b, 2), op.sizes(a)[-1])
        return op.unflat_lead(flat, b, 2)

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term, b: Term) -> tuple[Term, Term]:
        came = a.transpose().emit(Solve, ct)
        return -came.emit(Matmul, y.transpose()), came

    cases = (
        case(sample(1, 1, kind="definite"), sample(1, 1)),
        case(sample(2, 2, kind="regular"), sample(2, 2)),
        case(sample(3, 3, kind="regular"), sample(3, 1)),
        case(sample(10, 10, kind="regular"), sample(10, 2)),
        case(sample(2, 7, 7, kind="regular"), sample(2, 7, 2)),
    )


def solved_shape(name: str, a: Type, b: Type) -> Type:
    """The type of X with A X = B.

    Raises:
        ShapeError: A is not square, or B has other rows.
    """
    check_square(name, a)
    if b.rank < 2 or b.shape[:-1] != a.shape[:-1]:
        message = f"`{name}` of {describe(a.shape)} needs as many rows on the right, this is {describe(b.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(b.shape))
    return Type(DType.REAL, b.shape)


MATRIX, RIGHT = tensor("x"), tensor("b")


@composed(Function("solve", Section.MATRICES, (MATRIX, RIGHT)))
def solve(a: Term, b: Term) -> Term:
    """The y with x @ y = b, for x [n, n] and b [n] or [n, m], by elimination with partial pivoting. NaN where x is singular."""
    return _of_columns("solve", a, b, lambda left, right: left.emit(Solve, right))


@composed(
    Function(
        "solve_triangular",
        Section.MATRICES,
        (MATRIX, RIGHT, flag("lower", True)),
        elsewhere="triangular_solve",
        example="solve_triangular(R, b)",
    )
)
def solve_triangular(a: Term, b: Term, lower: bool) -> Term:
    """The y with x @ y = b, where only the lower triangle of x is read, or with `lower = false` the upper one."""
    return _of_columns("solve_triangular", a, b, lambda left, right: left.emit(SolveTriangular, right, lower=lower))


def _of_columns(name: str, a: Term, b: Term, apply: Callable[[Term, Term], Term]) -> Term:
    """A solution for columns on the right, where a vector is one, and outer axes broadcast."""
    check_square(name, a.value.type)
    is_vector = b.rank == 1 or (b.rank == a.rank - 1 and b.shape == a.shape[:-1])
    columns = b.unsqueeze(-1) if is_vector else b
    outer = broadcast(a.shape[:-2], columns.shape[:-2])
    if outer is None or columns.rank < 2 or columns.shape[-2] != a.shape[-1]:
        message = f"`{name}` of {describe(a.shape)} needs as many rows on the right, this is {describe(b.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(b.shape))
    x = apply(a.expand((*outer, *a.shape[-2:])), columns.expand((*outer, *columns.shape[-2:])))
    return x.squeeze(-1) if is_vector else x
