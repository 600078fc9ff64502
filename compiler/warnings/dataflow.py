"""Questions about a graph that several rules ask: who makes a value, which weight it is, whether it begins as zero."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mai.compiler.ir.graph import Graph, Node, Value, Weight, values_behind
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Across, Constant, Lead, Loop, Spread, Unlead, WeightOf
from mai.compiler.ops.elementwise.activations import Relu, Silu
from mai.compiler.ops.elementwise.arithmetic import Absolute, Add, Multiply, Negative, Subtract
from mai.compiler.ops.elementwise.exponential import Sqrt
from mai.compiler.ops.elementwise.hyperbolic import Tanh
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.elementwise.trigonometric import Sin
from mai.compiler.ops.products.product import Affine, Einsum, Matmul
from mai.compiler.ops.reductions.sums import Mean, Sum
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Squeeze, Stack, Transpose, Unsqueeze

SAME_NUMBERS = (Lead, Unlead, Across, Spread, Reshape, Squeeze, Unsqueeze, Transpose, Expand)
# Of these the result is zero where all operands are; of products it is enough that one is.
ZERO_KEEPING = (*SAME_NUMBERS, Absolute, Add, Concat, Mean, Negative, Relu, Silu, Sin, Sqrt, Stack, Subtract, Sum, Tanh)
PRODUCTS = (Einsum, Matmul, Multiply)
DRAWN = ("constant", "normal", "uniform")  # First values that are zero where all of their numbers are.


class Dataflow:
    """A graph's nodes, those of its loops' bodies included, and what is asked of their values; `loaded` are the weights that a file gives."""

    def __init__(self, graph: Graph, loaded: Collection[str] = ()) -> None:
        self.graph, self.loaded = graph, loaded
        self.nodes: tuple[Node, ...] = tuple(graph.walk())
        self._zero: dict[Value, bool] = {}

    @classmethod
    def source(cls, value: Value, more: tuple[type[Operation], ...] = ()) -> Node | None:
        """The node that computes a value's numbers: changes of shape are looked through, and `more`. None for inputs and states."""
        return cls.seen_through(value, more).producer

    def weight(self, value: Value) -> Weight | None:
        """The weight that a value is; None for any other value."""
        node = self.source(value)
        return self.graph.weights.get(WeightOf.of(node).weight) if node is not None and node.op is WeightOf else None

    def behind(self, value: Value) -> frozenset[Value]:
        """Every value from which one is computed, itself included."""
        return frozenset(values_behind(value))

    def weights_behind(self, value: Value) -> frozenset[str]:
        """The names of the weights from which a value is computed."""
        nodes = (v.producer for v in self.behind(value))
        return frozenset(WeightOf.of(n).weight for n in nodes if n is not None and n.op is WeightOf)

    @staticmethod
    def is_written_out(value: Value) -> bool:
        """Whether the spec itself gives a value its axis of size one: `x[:, None]`."""
        node = value.producer
        return node is not None and node.op is Unsqueeze

    def labels(self, value: Value) -> Iterator[int | Value]:
        """The numbers that a label may be: constants, and values that are known at run time alone."""
        node = self.source(value)
        if node is not None and node.op is Where:
            yield from self.labels(node.inputs[1])
            yield from self.labels(node.inputs[2])
        elif node is not None and node.op is Constant and isinstance(number := Constant.of(node).value, int):
            yield number
        else:
            yield self.seen_through(value)

    @staticmethod
    def seen_through(value: Value, more: tuple[type[Operation], ...] = ()) -> Value:
        """The value whose numbers one has, beneath changes of shape, and beneath operations of `more`."""
        node, operations = value.producer, (*SAME_NUMBERS, *more)
        while node is not None and node.op in operations:
            value = node.inputs[0]
            node = value.producer
        return value

    def begins_as_zero(self, value: Value) -> bool:
        """Whether a value is zero until training has moved some parameter, whatever the data are."""
        if value not in self._zero:
            self._zero[value] = False  # A state of a loop is not followed around it.
            self._zero[value] = self._is_zero(value)
        return self._zero[value]

    def _is_zero(self, value: Value) -> bool:
        node = value.producer
        if node is None or node.op is Loop:
            return False
        if node.op is WeightOf:
            weight = self.graph.weights[WeightOf.of(node).weight]
            begins = weight.trained and weight.name not in self.loaded
            return begins and weight.init.kind in DRAWN and not any(weight.init.numbers)
        zeros = [self.begins_as_zero(v) for v in node.inputs]
        if node.op is Affine:
            return (zeros[0] or zeros[1]) and all(zeros[2:])
        return any(zeros) if node.op in PRODUCTS else node.op in ZERO_KEEPING and all(zeros)
