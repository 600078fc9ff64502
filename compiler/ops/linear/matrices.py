"""What operations on square matrices share: the check of their shapes, and one matrix after the other in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Type
from mai.compiler.ops.backends import Arrays, Tensor
from mai.compiler.ops.elementwise.conversion import ToReal
from mai.compiler.ops.elementwise.logic import Equal, Greater

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


def check_square(name: str, a: Type, operand: int = 0) -> Size:
    """The number of rows of a square matrix [..., n, n].

    Raises:
        ShapeError: it has fewer axes, or is not square.
    """
    if a.rank < 2:
        message = f"`{name}` takes a matrix [n, n], this is {describe(a.shape)}"
        raise ShapeError("rank-mismatch", message, operand, label=describe(a.shape))
    if a.shape[-1] != a.shape[-2]:
        message = f"`{name}` takes a square matrix, this is {describe(a.shape)}"
        raise ShapeError("shape-mismatch", message, operand, label=describe(a.shape))
    return a.shape[-1]


def symmetric(a: Tensor) -> Tensor:
    """(A + A') / 2, of numpy's arrays and torch's tensors."""
    return (a + a.swapaxes(-1, -2)) / 2


def of_each(np: Arrays, kernel: Callable[..., Tensor], *stacks: Tensor) -> Tensor:
    """What LAPACK's `kernel` gives of each matrix of stacks that have the same lead axes; NaN where it refuses one."""
    lead = stacks[0].shape[:-2]
    flat = [np.asarray(s, np.float64).reshape(-1, *s.shape[-2:]) for s in stacks]
    results = [_or_nan(np, kernel, *matrices) for matrices in zip(*flat, strict=True)]
    shape = next((r.shape for r in results if r.ndim), ())
    stacked: Tensor = np.stack([np.broadcast_to(r, shape) for r in results])
    return stacked.reshape(*lead, *shape)


def _or_nan(np: Any, kernel: Callable[..., Tensor], *matrices: Tensor) -> Tensor:
    try:
        return kernel(*matrices)
    except np.linalg.LinAlgError:
        nothing: Tensor = np.full(matrices[-1].shape, np.nan)
        return nothing


def _numbered(a: Term) -> tuple[Term, Term]:
    """The numbers of a matrix's rows [n, 1] and of its columns [m]."""
    return a.range(a.shape[-2]).unsqueeze(-1), a.range(a.shape[-1])


def lower_part(a: Term) -> Term:
    """A with zeros above its diagonal."""
    rows, columns = _numbered(a)
    return columns.emit(Greater, rows).where(0.0, a)


def upper_part(a: Term) -> Term:
    """A with zeros below its diagonal."""
    rows, columns = _numbered(a)
    return rows.emit(Greater, columns).where(0.0, a)


def diagonal_of(a: Term) -> Term:
    """A with zeros beside its diagonal."""
    rows, columns = _numbered(a)
    return rows.emit(Equal, columns).where(a, 0.0)


def identity(a: Term) -> Term:
    """The identity matrix, one for each of the matrices A: [..., n, n]."""
    rows, columns = _numbered(a)
    return rows.equals(columns).expand(a.shape)


def regular(a: Term) -> Term:
    """A diagonal matrix [m, n] for matrices A [..., m, n]: positive definite, with eigenvalues apart from each other, between 1/2 and 3/2."""
    rows, columns = _numbered(a)
    numbers = (columns.emit(ToReal) + 1.0) / a.size(a.shape[-1]) + 0.5
    return rows.equals(columns) * numbers
