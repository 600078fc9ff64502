"""Numbers kept within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Kind, Section, tensor
from mai.compiler.ops.elementwise.arithmetic import Maximum, share_of
from mai.compiler.ops.elementwise.base import Elementwise

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Clip(Elementwise):
    """x, but `low` where it is below, and `high` where it is above; of whole numbers, too."""

    function = Function(
        "clip",
        Section.ELEMENTS,
        (tensor("x", Kind.ALIKE), tensor("low", Kind.ALIKE), tensor("high", Kind.ALIKE)),
        fold=lambda x, low, high: min(max(x, low), high),
        elsewhere="clamp clamp_",
        example="clip(x, 0, 1)",
    )

    reference: Lowering = staticmethod(lambda np, x, low, high: np.minimum(np.maximum(x, low), high))
    torch: Lowering = staticmethod(lambda torch, x, low, high: torch.clamp(x, low, high))
    onnx: Lowering = staticmethod(lambda op, x, low, high: op.Min(op.Max(x, low), high))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, low: Term, high: Term) -> tuple[Term, Term, Term]:
        """Equals share, but where `low` and `high` leave no room: there y is `high`, whatever x is."""
        has_room = high.above(low)
        of_low = has_room * share_of(low, x) + 0.5 * high.equals(low) * low.above(x)
        of_high = share_of(x.emit(Maximum, low), high)
        return ct * has_room * share_of(x, low) * share_of(high, x), ct * of_low, ct * of_high

    cases = (
        case(sample(3, 4), sample(), sample()),
        case(sample(3, 4), sample(4, kind="unit"), sample(3, 4, kind="positive")),
        case(sample(5, kind="whole"), sample(kind="int"), sample(kind="natural")),
    )
    extremes = (((-1.0, 0.0, 0.5, 1.0, 2.0), (0.0,), (1.0,)), ((-3, 0, 2, 7), (0,), (2,)))
