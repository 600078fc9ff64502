"""Matrices in standard ONNX operators: one round of a factorisation handles a row or a column of every matrix at once.

Stacks are flat, [N, n, m], and `count` is n. A round is written once, for a number that is known (small matrices, whose rounds are
written out) and for one that a loop counts; its number is [1].
"""

from __future__ import annotations

from typing import Generic

from mai.compiler.ops.backends import Onnx, Scalar, V

NAN = float("nan")
REAL = 1  # ONNX's number of the dtype.


class Places(Generic[V]):
    """The numbers of the rows, [n, 1], and of the columns, [1, n], of n x n matrices."""

    def __init__(self, op: Onnx[V], count: Scalar[V]) -> None:
        numbers = op.ints(range(count)) if isinstance(count, int) else op.Range(0, op.scalar(count), 1)
        self.rows = op.Unsqueeze(numbers, op.ints([1]))
        self.columns = op.Unsqueeze(numbers, op.ints([0]))


def transposed(op: Onnx[V], a: V) -> V:
    """Its last two axes in the other order."""
    return op.Transpose(a, perm=[0, 2, 1])


def symmetrised(op: Onnx[V], a: V) -> V:
    """(A + A') / 2."""
    return op.Mul(op.Add(a, transposed(op, a)), 0.5)


def row(op: Onnx[V], a: V, k: V) -> V:
    """Row k, [N, 1, m]."""
    return op.Gather(a, k, axis=1)


def column(op: Onnx[V], a: V, k: V) -> V:
    """Column k, [N, n, 1]."""
    return op.Gather(a, k, axis=2)


def total(op: Onnx[V], a: V, axis: int) -> V:
    """The sum along an axis, which stays with size one."""
    return op.ReduceSum(a, op.ints([axis]), keepdims=1)


def diagonal(op: Onnx[V], a: V, places: Places[V]) -> V:
    """The diagonals as columns, [N, n, 1]."""
    return total(op, op.Where(op.Equal(places.rows, places.columns), a, 0.0), 2)


def cholesky(op: Onnx[V], a: V, count: Scalar[V]) -> V:
    """R, lower triangular, with R R' = A; NaN where a pivot is not above 0. A column a round."""
    places = Places(op, count)

    def turn(k: V, rest: V, factor: V) -> list[V]:
        own = column(op, rest, k)
        pivot = row(op, own, k)
        root = op.Sqrt(op.Where(op.Greater(pivot, 0.0), pivot, NAN))
        own = op.Where(op.Less(places.rows, k), 0.0, op.Div(own, root))
        rest = op.Sub(rest, op.Mul(own, transposed(op, own)))
        return [rest, op.Where(op.Equal(places.columns, k), own, factor)]

    _, factor = op.turns(count, [a, op.Mul(a, 0.0)], turn)
    last = column(op, row(op, factor, op.ints([-1])), op.ints([-1]))
    return op.Add(factor, op.Sub(last, last))  # NaN in the last place is NaN in all of them.


def triangular(op: Onnx[V], a: V, b: V, count: Scalar[V], lower: bool) -> V:
    """X with R X = B, where R is one triangle of A; NaN where its diagonal has a zero. A row a round."""
    places = Places(op, count)

    def turn(k: V, x: V) -> list[V]:
        k = k if lower else op.Sub(op.Sub(op.scalar(count), 1), k)
        own = column(op, a, k)
        pivot = row(op, own, k)
        solved = op.Div(row(op, x, k), op.Where(op.Equal(pivot, 0.0), NAN, pivot))
        later = op.Greater(places.rows, k) if lower else op.Less(places.rows, k)
        rest = op.Sub(x, op.Mul(op.Where(later, own, 0.0), solved))
        return [op.Where(op.Equal(places.rows, k), solved, rest)]

    (x,) = op.turns(count, [b], turn)
    return x


def marked(op: Onnx[V], a: V) -> V:
    """Matrices [N, n, m], all of one NaN where a number of it is: the choice of a pivot might pass it over."""
    size = op.ReduceL1(a, op.ints([1, 2]), keepdims=1)
    return op.Where(op.Equal(size, size), a, NAN)


def eliminated(op: Onnx[V], a: V, count: Scalar[V]) -> tuple[V, V]:
    """Gauss's elimination with partial pivoting, [N, n, m] with m at least n: the upper form, and the sign [N, 1, 1] of its exchanges."""
    places = Places(op, count)

    def turn(k: V, rest: V, sign: V) -> list[V]:
        size = op.Where(op.Less(places.rows, k), -1.0, op.Abs(column(op, rest, k)))
        best = op.ArgMax(size, axis=1, keepdims=1)
        is_best = op.Equal(places.rows, best)
        top = total(op, op.Where(is_best, rest, 0.0), 1)
        moved = op.Where(op.Equal(places.rows, k), top, op.Where(is_best, row(op, rest, k), rest))
        pivot = column(op, top, k)
        share = op.Div(column(op, moved, k), op.Where(op.Equal(pivot, 0.0), 1.0, pivot))
        share = op.Where(op.Greater(places.rows, k), share, 0.0)
        return [op.Sub(moved, op.Mul(share, top)), op.Where(op.Equal(best, k), sign, op.Neg(sign))]

    first = column(op, row(op, a, op.ints([0])), op.ints([0]))
    rest, sign = op.turns(count, [a, op.Add(op.Mul(first, 0.0), 1.0)], turn)
    return rest, sign


def solution(op: Onnx[V], a: V, b: V, count: Scalar[V]) -> V:
    """X with A X = B; NaN where elimination meets a column of zeros."""
    rest, _ = eliminated(op, op.Concat(marked(op, a), b, axis=2), count)
    size = op.shape_vector([count])
    upper = op.Slice(rest, op.ints([0]), size, op.ints([2]))
    right = op.Slice(rest, size, op.ints([2**62]), op.ints([2]))
    return triangular(op, upper, right, count, lower=False)
