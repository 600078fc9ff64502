"""What follows a convolution and becomes part of it, before the ranges of convolutions of whole numbers are seen.

A normalisation by known means and deviations (`batch_norm` once trained) scales the channels of the weight and shifts the bias; ONNX Runtime does
the same with float32 convolutions when it opens a file. Where the results of two convolutions are added and the input of one is bounded
(`bounded.py`), that one takes the bias of the other: its bias is part of its product (`convolutions.py`), the other's would be added in a pass
of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_all_uses_with

from mai.compiler.onnx.precision.bounded import bounded
from mai.compiler.onnx.precision.line import Line, bodies
from mai.compiler.onnx.precision.ranges import numbers, suits
from mai.runtime.arrays import Array

EPSILON = 1e-5  # ONNX's, where a normalisation names none.
SUMS = (
    "Add",
    "Sum",
)  # A model whose ranges are seen is built to its end, where a layer norm has `Sum` before it (`unfuse_norms.py`).


def merge(graph: ir.Graph, names: Iterator[int]) -> None:
    """Merge normalisations and biases into the convolutions of a graph and of those inside; `names` number new values in the whole model."""
    _Merging(names).graph(graph)


class _Merging:
    def __init__(self, names: Iterator[int]) -> None:
        self.names, self.bounded = names, bounded()

    def graph(self, graph: ir.Graph) -> None:
        for node in list(graph):
            for body in bodies(node):
                self.graph(body)
            self.bounded.learn(node)
            if node.op_type == "BatchNormalization":
                self._normalisation(graph, node)
        for node in graph:
            if suits(node) and not self._is_bounded(node):
                self._bias(graph, node)

    def _normalisation(self, graph: ir.Graph, node: ir.Node) -> None:
        """Give the convolution before a normalisation the weight and the bias with which it is normalised, and leave the normalisation out."""
        convolution = _convolution(node.inputs[0], graph)
        statistics = [v.const_value.numpy() for v in node.inputs[1:] if v is not None and v.const_value is not None]
        if convolution is None or len(statistics) < 4:
            return
        gain, shift, mean, variance = statistics
        epsilon = node.attributes.get_float("epsilon", EPSILON)
        scale = gain / np.sqrt(variance + np.float32(epsilon))
        out, axes = (0 if convolution.op_type == "Conv" else 1), numbers(convolution, 1).ndim
        along = scale.reshape([-1 if axis == out else 1 for axis in range(axes)])
        bias = (numbers(convolution, 2) - mean) * scale + shift
        self._write(graph, convolution, 1, numbers(convolution, 1) * along)
        self._write(graph, convolution, 2, bias)
        replace_all_uses_with(node.outputs[0], convolution.outputs[0])
        graph.remove(node, safe=True)

    def _bias(self, graph: ir.Graph, node: ir.Node) -> None:
        """Move the bias of a convolution to others, where all that is done with its result is to add it to theirs, and their inputs are bounded."""
        bias, result = numbers(node, 2), node.outputs[0]
        partners = [self._partner(use.node, result, graph) for use in result.uses()]
        takers = [p for p in partners if p is not None and len(numbers(p, 2)) == len(bias)]
        if not bias.any() or not partners or len(takers) < len(partners) or result.is_graph_output():
            return
        for taker in takers:
            self._write(graph, taker, 2, numbers(taker, 2) + bias)
        self._write(graph, node, 2, np.zeros_like(bias))

    def _partner(self, node: ir.Node, result: ir.Value, graph: ir.Graph) -> ir.Node | None:
        """The convolution of the graph, of a bounded input, whose result a node adds to a result."""
        others = [v for v in node.inputs if v is not result]
        if node.op_type not in SUMS or len(others) != 1:
            return None
        convolution = _convolution(others[0], graph)
        return convolution if convolution is not None and self._is_bounded(convolution) else None

    def _is_bounded(self, node: ir.Node) -> bool:
        x = node.inputs[0]
        return x is not None and x in self.bounded

    def _write(self, graph: ir.Graph, node: ir.Node, place: int, array: Array) -> None:
        """Give a convolution another weight or bias."""
        if place == len(node.inputs):
            node.resize_inputs(place + 1)
        node.replace_input_with(place, Line(graph, self.names).const(np.ascontiguousarray(array, np.float32)))


def _convolution(value: ir.Value | None, graph: ir.Graph) -> ir.Node | None:
    """What computes a value that nothing else reads, if it is a convolution of the graph that may be of whole numbers."""
    node = value.producer() if value is not None else None
    if value is None or node is None or node.graph is not graph or not suits(node):
        return None
    return node if len(value.uses()) == 1 and not value.is_graph_output() else None
