"""A convolution of an upsampled image, computed on the image itself.

Each pixel of the result sees copies of few pixels of the image: the weights that meet the same one are added up beforehand.
That is a transposed convolution with the weight W * 1, 1 a window of ones as wide as a pixel has become, and its stride. A
3 x 3 window on an image twice as large needs 4 products a pixel then, not 9.
"""

from __future__ import annotations

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ops.products.convolution import Conv, ConvTranspose, Upsample
from mai.compiler.ops.products.product import Einsum


@rewriting(Upsample)
def upsampled(graph: Graph) -> Graph:
    """No convolution of stride 1 is left of an upsampled image, but for windows of one pixel and frames wider than the window."""

    def rule(copier: Copier, node: Node) -> bool:
        maker = node.inputs[0].producer if node.op is Conv else None
        if maker is None or maker.op is not Upsample or node.attributes["stride"] != 1:
            return False
        weight, factor = copier[node.inputs[1]], maker.attributes["factor"]
        size = weight.type.shape[-1]
        cut = size - 1 - node.attributes["padding"]
        if size == 1 or cut < 0:
            return False
        builder, image = copier.builder, copier[maker.inputs[0]]
        wide = _spread(builder, weight, factor)
        bias = [copier[v] for v in node.inputs[2:]]
        numbers = {"stride": factor, "padding": cut, "lost": (0, 0)}
        copier.bind(node, builder.emit(ConvTranspose, image, wide, *bias, **numbers, name=node.output.name))
        return True

    return copy_graph(graph, rule)


def _spread(builder: Builder, weight: Value, factor: int) -> Value:
    """W [o, k, m, m] as [k, o, m + factor - 1, ...]: turned round, and the sum of W moved by 0 to factor - 1 pixels."""
    m = weight.type.shape[-1]
    assert isinstance(m, int)
    rows = [[float(0 <= t - (m - 1 - i) < factor) for t in range(m + factor - 1)] for i in range(m)]
    moved = builder.constant(tuple(map(tuple, rows)))
    return builder.emit(Einsum, weight, moved, moved, equation="okij,it,ju->kotu", name=weight.name)
