"""QR by Householder's reflections, as LAPACK's `geqrf` has them, in standard ONNX operators; stacks are flat."""

from __future__ import annotations

from mai.compiler.ops.backends import Onnx, Scalar, V
from mai.compiler.ops.linear.kernels import Places, column, row, total, transposed


def reflected(op: Onnx[V], a: V, height: Scalar[V], width: Scalar[V]) -> V:
    """Q over R, [N, m + n, n], of matrices [N, m, n] with m at least n: a reflection I - u u' a column, then Q from the last one on."""
    tall, wide = Places(op, height), Places(op, width)

    def reflect(k: V, rest: V, directions: V) -> list[V]:
        u = _direction(op, tall, k, column(op, rest, k))
        rest = op.Sub(rest, op.Mul(u, op.MatMul(transposed(op, u), rest)))
        return [rest, op.Where(op.Equal(wide.columns, k), u, directions)]

    def gather(k: V, q: V, directions: V) -> list[V]:
        u = column(op, directions, op.Sub(op.Sub(op.scalar(width), 1), k))
        return [op.Sub(q, op.Mul(u, op.MatMul(transposed(op, u), q))), directions]

    rest, directions = op.turns(width, [a, op.Mul(a, 0.0)], reflect)
    unit = op.Where(op.Equal(tall.rows, wide.columns), 1.0, op.Mul(a, 0.0))
    q, _ = op.turns(width, [unit, directions], gather)
    head = op.Slice(rest, op.ints([0]), op.shape_vector([width]), op.ints([1]))
    return op.Concat(q, op.Where(op.Greater(wide.rows, wide.columns), 0.0, head), axis=1)


def _direction(op: Onnx[V], places: Places[V], k: V, own: V) -> V:
    """u [N, m, 1], of length sqrt(2) or 0: the reflection by it takes a column's entries from k on to its place k."""
    own = op.Where(op.Less(places.rows, k), 0.0, own)
    largest = op.ReduceMax(op.Abs(own), op.ints([1]), keepdims=1)
    own = op.Div(own, op.Where(op.Equal(largest, 0.0), 1.0, largest))
    head = row(op, own, k)
    below = op.Where(op.Equal(places.rows, k), 0.0, own)
    tail = total(op, op.Mul(below, below), 1)
    length = op.Sqrt(op.Add(op.Mul(head, head), tail))
    first = op.Where(op.Less(head, 0.0), op.Sub(head, length), op.Add(head, length))
    v = op.Where(op.Equal(places.rows, k), first, own)
    size = op.Sqrt(op.Mul(0.5, total(op, op.Mul(v, v), 1)))
    is_there = op.Equal(tail, 0.0)  # The column ends at k already.
    return op.Where(is_there, 0.0, op.Div(v, op.Where(is_there, 1.0, size)))
