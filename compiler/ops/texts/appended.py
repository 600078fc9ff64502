"""Which tokens of a text that grows were appended to its prompt."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import same
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.growing import Growing


class Appended(Operation):
    """For each token of a row whether it is one of the last `turn`: those that an `extend` has appended, one a turn.

    tokens: [P]; turn: how many turns there were before this one.
    """

    alignment = Alignment.EXPAND
    along = staticmethod(same)
    lasting = True

    @classmethod
    def shape(cls, tokens: Type, turn: Type) -> Type:
        check_row(tokens)
        return Type(DType.BOOL, tokens.shape)

    @staticmethod
    def reference(np: Arrays, tokens: Tensor, turn: Tensor) -> Tensor:
        return np.arange(tokens.shape[-1]) + turn[..., None] >= tokens.shape[-1]

    @staticmethod
    def torch(torch: Arrays, tokens: Tensor, turn: Tensor) -> Tensor:
        return torch.arange(tokens.shape[-1], device=tokens.device) + turn.unsqueeze(-1) >= tokens.shape[-1]

    @staticmethod
    def onnx(op: Onnx[V], tokens: V, turn: V) -> V:
        size = op.size_value(tokens, -1)
        place = op.Add(op.Range(op.int(0), size, op.int(1)), op.Unsqueeze(turn, op.ints([-1])))
        return op.GreaterOrEqual(place, size)

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """All tokens that a turn reads are of the prompt, or none is."""
        return g.appended() if g.grows(node.inputs[0], -1) else None

    cases = (
        case(sample(5, kind="int"), sample(kind="int", high=8)),
        case(sample(3, kind="int"), sample(kind="int", high=2)),
    )


def check_row(tokens: Type) -> None:
    """Raise `ShapeError` for what is no row of whole numbers."""
    if tokens.rank != 1 or tokens.dtype is not DType.INT:
        raise ShapeError("dtype-mismatch", f"labels in a row are needed here, this is {tokens.with_lead(())}", 0)
