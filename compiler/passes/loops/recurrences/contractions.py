"""Sums of products with a vector of each turn, as products of matrices: nothing of the matrix's size is made in between."""

from __future__ import annotations

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import Copier, nodes_for
from mai.compiler.ops.elementwise import Multiply
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.shape import Squeeze, Transpose, Unsqueeze


def contract(region: Region) -> Region:
    """The region with such sums as products."""
    copied = Region(list(region.inputs))
    copier = Copier(Builder(copied), rule=_product)
    copier.nodes(region.nodes)
    copied.outputs = [copier[v] for v in region.outputs]
    needed = set(nodes_for(copied.nodes, copied.outputs))
    for node in copied.nodes:
        if node not in needed:
            node.drop()
    copied.nodes = [node for node in copied.nodes if node in needed]
    region.forget()
    return copied


def _product(copier: Copier, node: Node) -> bool:
    """sum over i of v_i g_ij is v g, sum over j of g_ij v_j is g v."""
    product = node.inputs[0].producer if node.op is Sum else None
    if product is None or product.op is not Multiply or len(node.inputs[0].uses) > 1:
        return False
    for axis in (-1, -2):
        for matrix, vector in (product.inputs, product.inputs[::-1]):
            if node.attributes["axes"] == (axis,) and _meet(matrix, vector, axis):
                _bind(copier, node, copier[matrix], copier[vector], axis)
                return True
    return False


def _bind(copier: Copier, node: Node, matrix: Value, vector: Value, axis: int) -> None:
    emit, rank = copier.builder.emit, vector.type.rank
    row = vector if rank > 1 else emit(Unsqueeze, vector, axes=(-2,))
    turned = emit(Transpose, row, perm=(*range(-max(rank, 2), -2), -1, -2))
    product = emit(Matmul, turned, matrix) if axis == -2 else emit(Matmul, matrix, turned)
    copier.bind(node, product if node.attributes["keep"] else emit(Squeeze, product, axes=(axis,)))


def _meet(matrix: Value, vector: Value, axis: int) -> bool:
    """Whether a matrix of each example and turn meets a vector along an axis."""
    x, v = matrix.type, vector.type
    if x.rank < 2 or not v.rank or x.lead != v.lead or 1 in x.shape[-2:]:
        return False
    shape = (1, *v.shape) if v.rank == 1 else v.shape
    return shape == (*x.shape[:-2], *((1, x.shape[-1]) if axis == -1 else (x.shape[-2], 1)))
