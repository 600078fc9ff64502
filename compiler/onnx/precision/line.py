"""Nodes that a pass over a finished onnx_ir model makes one after the other, before it puts them somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import onnx_ir as ir

from mai.runtime.arrays import Array

Attribute = int | str | Sequence[int]


class Line:
    """New nodes for one graph, in `nodes`; their constants are the graph's own initializers.

    ONNX Runtime packs weights only where they lie in the graph that reads them, the body of a loop say. `names` number what is
    made in the whole model.
    """

    def __init__(self, graph: ir.Graph, names: Iterator[int]) -> None:
        self.graph, self.names = graph, names
        self.nodes: list[ir.Node] = []

    def __call__(self, operator: str, *inputs: ir.Value, **attributes: Attribute) -> ir.Value:
        """Another node, of one result."""
        value = ir.Value(name=f"{operator.lower()}.{next(self.names)}")
        named = [ir.Attr(name, *_typed(attribute)) for name, attribute in attributes.items()]
        self.nodes.append(ir.Node("", operator, list(inputs), named, outputs=[value], name=f"{value.name}/{operator}"))
        return value

    def leaving(self, parts: Sequence[ir.Value], length: int) -> ir.Value:
        """Vectors of reals as one of a length, which may leave the graph."""
        value = self("Concat", *parts, axis=0)
        value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([length])
        return value

    def const(self, array: Array) -> ir.Value:
        """An initializer of the graph."""
        return initializer(self.graph, ir.Tensor(array, name=f"constant.{next(self.names)}"))

    def ints(self, numbers: Sequence[int]) -> ir.Value:
        """A vector of whole numbers."""
        return self.const(np.array(numbers, np.int64))

    def real(self, number: float) -> ir.Value:
        """A float32 scalar."""
        return self.const(np.array(number, np.float32))


def initializer(graph: ir.Graph, tensor: ir.TensorProtocol) -> ir.Value:
    """A tensor as a value of a graph, which has it from here on under the tensor's name."""
    shape, kind = ir.Shape(sizes_of(tensor)), ir.TensorType(tensor.dtype)
    value = ir.Value(name=tensor.name, shape=shape, type=kind, const_value=tensor)
    graph.register_initializer(value)
    return value


def sizes_of(tensor: ir.TensorProtocol) -> tuple[int, ...]:
    """The sizes of a tensor that is there."""
    return cast("tuple[int, ...]", tuple(tensor.shape))


def bodies(node: ir.Node) -> list[ir.Graph]:
    """The graphs that a node runs."""
    return [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]


def _typed(value: Attribute) -> tuple[ir.AttributeType, Attribute]:
    if isinstance(value, str):
        return ir.AttributeType.STRING, value
    return (ir.AttributeType.INT, value) if isinstance(value, int) else (ir.AttributeType.INTS, list(value))
