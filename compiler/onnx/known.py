"""What is known when a file is built: what weights and constants alone decide becomes one initializer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_leaf, is_view
from mai.compiler.ir.rewrite import symbols_of
from mai.compiler.ir.structure import Structural, WeightOf
from mai.compiler.ir.types import DType
from mai.compiler.ops.random.random_numbers import Draw
from mai.runtime.arrays import Array


class KnownValues(Evaluation):
    """The numpy reference, in the precision of files, of the nodes that are known; `names` are for initializers."""

    dtypes: Mapping[DType, type[np.generic]] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        super().__init__(graph, weights)
        self.names: dict[Value, str] = {}

    def learn(self, node: Node) -> bool:
        """Compute a node if it can be known now; whether it is."""
        if not self._decides(node):
            return False
        self.node(node)
        self.names[node.output] = self.names[node.inputs[0]] if node.inputs else _own_name(node)
        return True

    def learn_number(self, value: Value, number: int, name: str) -> None:
        """A value is a whole number."""
        self.bind(value, np.array(number))
        self.names[value] = name

    def _decides(self, node: Node) -> bool:
        if not node.inputs:
            return is_leaf(node)
        if len(node.outputs) != 1 or not all(v in self.values for v in node.inputs):
            return False
        if issubclass(node.op, Structural):
            return is_view(node)
        has_sizes = all(isinstance(s, int) for s in node.output.type.physical) and not symbols_of(node)
        return has_sizes and not issubclass(node.op, Draw)

    def bind(self, value: Value, result: Array) -> None:
        super().bind(value, self.array(result, value.type))


def _own_name(node: Node) -> str:
    return WeightOf.of(node).weight if node.op is WeightOf else node.output.name
