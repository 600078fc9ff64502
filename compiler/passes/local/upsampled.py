"""A convolution of an upsampled image, computed on the image itself.

Each pixel of the result sees copies of few pixels of the image: the weights that meet the same one are added up beforehand.
That is a transposed convolution with the weight W * 1, 1 a window of ones as wide as a pixel has become, and its stride. A
3 x 3 window on an image twice as large needs 4 products a pixel then, not 9.
"""

from __future__ import annotations

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.ops.products.product import Einsum
from mai.compiler.ops.products.upsampling import Upsample
from mai.compiler.ops.products.windows import Counts, window


@rewriting(Upsample)
def upsampled(graph: Graph) -> Graph:
    """Replace each convolution of stride 1 of an upsampled image; windows of one pixel, and padding wider than the window, stay."""

    def rule(copier: Copier, node: Node) -> bool:
        maker = node.inputs[0].producer if node.op is Conv else None
        if maker is None or maker.op is not Upsample or maker.attributes["linear"] or not _is_plain(node):
            return False
        weight, factor = copier[node.inputs[1]], maker.attributes["factor"]
        size = window(weight.type)
        cut = tuple((n - 1 - a, n - 1 - b) for n, (a, b) in zip(size, node.attributes["padding"], strict=True))
        if max(size) == 1 or min(map(min, cut)) < 0:
            return False
        builder, image = copier.builder, copier[maker.inputs[0]]
        wide = _spread(builder, weight, factor)
        bias = [copier[v] for v in node.inputs[2:]]
        numbers = {
            "stride": factor,
            "padding": cut,
            "dilation": (1,) * len(size),
            "groups": 1,
            "lost": (0,) * len(size),
        }
        copier.bind(node, builder.emit(ConvTranspose, image, wide, *bias, **numbers, name=node.output.name))
        return True

    return copy_graph(graph, rule)


def _is_plain(node: Node) -> bool:
    """Whether a convolution has no stride, no dilation and no groups."""
    return {*node.attributes["stride"], *node.attributes["dilation"], node.attributes["groups"]} == {1}


def _spread(builder: Builder, weight: Value, factor: Counts) -> Value:
    """W [o, k, *size] as [k, o, *(size + factor - 1)]: turned round, and the sum of W moved by 0 to factor - 1 pixels."""
    size = window(weight.type)
    moved = [_moved(builder, n, by) for n, by in zip(size, factor, strict=True)]
    old, new = "hij"[: len(size)], "tuv"[: len(size)]
    pairs = ",".join(a + b for a, b in zip(old, new, strict=True))
    return builder.emit(Einsum, weight, *moved, equation=f"ok{old},{pairs}->ko{new}", name=weight.name)


def _moved(builder: Builder, size: int, factor: int) -> Value:
    """[size, size + factor - 1]: which places of the wider window a pixel of the window, turned round, is moved to."""
    rows = [[float(0 <= t - (size - 1 - i) < factor) for t in range(size + factor - 1)] for i in range(size)]
    return builder.constant(tuple(map(tuple, rows)))
