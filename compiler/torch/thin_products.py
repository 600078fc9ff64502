"""Products of matrices and vectors, of which every example has its own, in the order that torch computes fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import fx

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.shapes.shape import Transpose

if TYPE_CHECKING:
    from mai.compiler.torch.interpreter import TorchInterpreter


def is_thin(node: Node) -> bool:
    """Whether a node is many products of a matrix and a vector, or of two vectors, none of them one for all."""
    if node.op is not Matmul or not all(v.type.lead == node.output.type.lead for v in node.inputs):
        return False
    x, y = (v.type.shape for v in node.inputs)
    return 1 in (x[-2], x[-1], y[-1])


def thin_product(walk: TorchInterpreter, node: Node) -> fx.Proxy:
    """Many products of a matrix and a vector: two to four times as fast where the vector is the row that comes first.

    A matrix that was transposed for it is read as it was before. Products of two vectors are made number by number.
    """
    first, second = node.inputs
    x: Any = walk[first]
    y: Any = walk[second]
    before = _before_transposing(walk, second)
    result: Any
    if first.type.shape[-1] == 1:
        result = x * y
    elif first.type.shape[-2] != 1:
        result = (y.squeeze(-1).unsqueeze(-2) @ x.mT).mT
    else:
        result = x @ y if before is None else x @ walk[before].mT
    return cast("fx.Proxy", result)


def _before_transposing(walk: TorchInterpreter, value: Value) -> Value | None:
    """What a value is the transpose of, if that is here, too: it may have been left on the way there."""
    node, rank = value.producer, value.type.rank
    if node is None or node.op is not Transpose or node.inputs[0] not in walk.values:
        return None
    return node.inputs[0] if node.attributes["perm"] == (*range(-rank, -2), -1, -2) else None
