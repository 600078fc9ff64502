"""Products of matrices and vectors, of which every example has its own: torch computes them faster as sums of products of numbers."""

from __future__ import annotations

from torch import fx

from mai.compiler.ir.graph import Node
from mai.compiler.ops.products.product import Matmul


def is_thin(node: Node) -> bool:
    """Whether a node is many products of a matrix and a vector, none of them one for all."""
    if node.op is not Matmul or not all(v.type.lead == node.output.type.lead for v in node.inputs):
        return False
    return 1 in (node.inputs[0].type.shape[-2], node.inputs[1].type.shape[-1])


def thin_product(x: fx.Proxy, y: fx.Proxy, *, of_row: bool) -> fx.Proxy:
    """Many products of a matrix and a vector, number by number: as matrix products they take two to four times as long."""
    return x.mT.mul(y).sum(-2, keepdim=True) if of_row else x.mul(y.mT).sum(-1, keepdim=True)
