"""Comparison, logic and choice."""

from __future__ import annotations

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.types import DType
from mai.compiler.ops.backends import Onnx, V
from mai.compiler.ops.elementwise.base import INTEGERS, Binary, Elementwise
from mai.compiler.ops.numbering import compared, either

BOOLS = (case(sample(3, 4, kind="bool"), sample(4, kind="bool")),)


class Comparison(Binary, abstract=True):
    """A comparison of two arrays whose shapes broadcast; true or false for each element."""

    result = DType.BOOL
    cases = Binary.cases + INTEGERS


class Less(Comparison):
    """x < y."""

    reference: Lowering = staticmethod(lambda np, x, y: x < y)
    torch: Lowering = staticmethod(lambda torch, x, y: x < y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Less(x, y))


class LessEqual(Comparison):
    """x <= y."""

    reference: Lowering = staticmethod(lambda np, x, y: x <= y)
    torch: Lowering = staticmethod(lambda torch, x, y: x <= y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.LessOrEqual(x, y))


class Greater(Comparison):
    """x > y."""

    reference: Lowering = staticmethod(lambda np, x, y: x > y)
    torch: Lowering = staticmethod(lambda torch, x, y: x > y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Greater(x, y))


class GreaterEqual(Comparison):
    """x >= y."""

    reference: Lowering = staticmethod(lambda np, x, y: x >= y)
    torch: Lowering = staticmethod(lambda torch, x, y: x >= y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.GreaterOrEqual(x, y))


class Equal(Comparison):
    """x == y."""

    numbering = staticmethod(compared)
    reference: Lowering = staticmethod(lambda np, x, y: x == y)
    torch: Lowering = staticmethod(lambda torch, x, y: x == y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Equal(x, y))


class NotEqual(Comparison):
    """x != y."""

    numbering = staticmethod(compared)
    reference: Lowering = staticmethod(lambda np, x, y: x != y)
    torch: Lowering = staticmethod(lambda torch, x, y: x != y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Not(op.Equal(x, y)))


class LogicalAnd(Comparison):
    """Both."""

    reference: Lowering = staticmethod(lambda np, x, y: x & y)
    torch: Lowering = staticmethod(lambda torch, x, y: x & y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.And(x, y))
    cases = BOOLS


class LogicalOr(Comparison):
    """One or both."""

    reference: Lowering = staticmethod(lambda np, x, y: x | y)
    torch: Lowering = staticmethod(lambda torch, x, y: x | y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Or(x, y))
    cases = BOOLS


class LogicalNot(Elementwise):
    """The opposite."""

    reference: Lowering = staticmethod(lambda np, x: ~x)
    torch: Lowering = staticmethod(lambda torch, x: ~x)
    onnx: Lowering = staticmethod(lambda op, x: op.Not(x))
    cases = (case(sample(3, 4, kind="bool")),)


class Where(Elementwise):
    """x where the condition holds, y elsewhere."""

    chosen = (1, 2)
    numbering = staticmethod(either)

    reference: Lowering = staticmethod(lambda np, c, x, y: np.where(c, x, y))
    torch: Lowering = staticmethod(lambda torch, c, x, y: torch.where(c, x, y))

    @staticmethod
    def onnx(op: Onnx[V], c: V, x: V, y: V) -> V:
        """ONNX Runtime chooses between numbers alone: of truths one is true, and it is the one that is chosen."""
        if op.truth(x):
            return op.Or(op.And(c, x), op.And(op.Not(c), y))
        return op.Where(c, x, y)

    derivative = staticmethod(lambda ct, y, c, a, b: (None, c.emit(Where, ct, 0.0), c.emit(Where, 0.0, ct)))
    cases = (
        case(sample(3, 4, kind="bool"), sample(3, 4), sample(4)),
        case(sample(kind="bool"), sample(kind="int"), sample(kind="int")),
        case(sample(3, 4, kind="bool"), sample(3, 4, kind="bool"), sample(4, kind="bool")),
    )
