"""Eigenvalues and eigenvectors by Jacobi's rotations, in standard ONNX operators; stacks are flat.

A round turns all pairs of a round robin at once: rows and columns i and p(i) = (k - i) mod M, where M is n, or n - 1 for an even n, whose
last row meets the one that would meet itself. M rounds are a sweep. Rounds end after a sweep in which nothing was turned.
"""

from __future__ import annotations

from mai.compiler.ops.backends import Onnx, Scalar, V
from mai.compiler.ops.linear.kernels import REAL, Places, diagonal, total, transposed

SWEEPS = (
    30  # More than there ever are: Jacobi's method converges quadratically, a sweep of float32 takes the last digits.
)
WRITTEN_OUT = 12  # The same where all rounds are in the file, turned or not: of 100 rows, ten leave roundings alone.
ROUNDING = (
    1e-9  # Beside the largest entry, what is as good as 0: under half a rounding of float32, squared and divided by n.
)


def turned(op: Onnx[V], a: V, count: Scalar[V]) -> V:
    """The eigenvectors as columns over the row of eigenvalues, [N, n + 1, n], in no order."""
    places = Places(op, count)
    size = op.scalar(count)
    meets = count - (1 - count % 2) if isinstance(count, int) else op.Sub(size, op.Sub(1, op.Mod(size, 2)))  # M
    unit = op.Equal(places.rows, places.columns)
    numbers = op.Squeeze(places.rows, op.ints([1]))
    zero = op.Mul(a, 0.0)
    most_idle = float(meets) if isinstance(meets, int) else op.Cast(meets, to=REAL)
    least = op.Mul(op.ReduceMax(op.Abs(a), op.ints([1, 2]), keepdims=1), ROUNDING)

    def turn(k: V, rest: V, vectors: V, idle: V) -> list[V]:
        partner = _partners(op, numbers, op.Mod(k, meets), meets, size)
        is_pair = op.Gather(unit, partner, axis=0)
        off = total(op, op.Where(is_pair, rest, 0.0), 2)
        # One angle for both rows of a pair, to the last digit.
        off = op.Mul(op.Add(off, op.Gather(off, partner, axis=1)), 0.5)
        own = diagonal(op, rest, places)
        gap = op.Sub(op.Gather(own, partner, axis=1), own)
        turns = op.And(
            op.Greater(op.Abs(off), least), op.Not(op.Equal(op.Unsqueeze(partner, op.ints([1])), places.rows))
        )
        before = op.Less(places.rows, op.Unsqueeze(partner, op.ints([1])))
        cosine, sine = _angle(op, gap, off, turns, before)
        half = op.Sub(op.Mul(cosine, rest), op.Mul(sine, op.Gather(rest, partner, axis=1)))
        across, along = transposed(op, sine), transposed(op, cosine)
        whole = op.Sub(op.Mul(along, half), op.Mul(across, op.Gather(half, partner, axis=2)))
        whole = op.Where(op.And(is_pair, turns), 0.0, whole)
        vectors = op.Sub(op.Mul(along, vectors), op.Mul(across, op.Gather(vectors, partner, axis=2)))
        anything = op.ReduceMax(op.Cast(turns, to=REAL), keepdims=0)
        idle = op.Where(op.Greater(anything, 0.0), 0.0, op.Add(idle, 1.0))
        going = op.Less(idle, most_idle)
        return [going, whole, vectors, idle]

    sweeps = WRITTEN_OUT if op.unroll else SWEEPS
    rounds = meets * sweeps if isinstance(meets, int) else op.Mul(meets, sweeps)
    first = op.Where(unit, 1.0, zero)
    _, vectors, _ = op.turns(rounds, [a, first, op.real(0.0)], turn, stops=True)
    product = op.MatMul(transposed(op, vectors), vectors)
    vectors = op.Sub(op.Mul(vectors, 1.5), op.Mul(op.MatMul(vectors, product), 0.5))  # The roundings of all rounds go.
    return op.Concat(vectors, total(op, op.Mul(vectors, op.MatMul(a, vectors)), 1), axis=1)


def _partners(op: Onnx[V], numbers: V, k: V, meets: Scalar[V], size: V) -> V:
    """With whom each row is turned in round k, [n]; with itself where it rests."""
    met = op.Mod(op.Sub(k, numbers), meets)
    itself = op.Mod(op.Mul(k, op.Div(op.Add(meets, 1), 2)), meets)  # The i with 2 i = k, as M is odd.
    last = op.Sub(size, 1)
    is_even = op.Equal(op.Mod(size, 2), 0)
    met = op.Where(op.And(is_even, op.Equal(numbers, itself)), last, met)
    return op.Where(op.And(is_even, op.Equal(numbers, last)), itself, met)


def _angle(op: Onnx[V], gap: V, off: V, turns: V, before: V) -> tuple[V, V]:
    """Cosine and sine of the smaller angle by which a row i is turned, of d = a_pp - a_ii and a_ip: t = 2 a / (d + sign(d) sqrt(d^2 + 4 a^2))."""
    off = op.Where(turns, off, 0.0)
    root = op.Sqrt(op.Add(op.Mul(gap, gap), op.Mul(4.0, op.Mul(off, off))))
    is_up = op.Or(op.Greater(gap, 0.0), op.And(op.Equal(gap, 0.0), before))
    below = op.Where(is_up, op.Add(gap, root), op.Sub(gap, root))
    tangent = op.Div(op.Mul(2.0, off), op.Where(turns, below, 1.0))
    cosine = op.Div(1.0, op.Sqrt(op.Add(op.Mul(tangent, tangent), 1.0)))
    return cosine, op.Mul(cosine, tangent)
