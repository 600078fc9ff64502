"""What is known when a file is built: what weights and constants alone decide becomes one initializer.

An infinity that an operation gives by itself, such as `log(0)`, is allowed: masks are made so. An overflow of float32 and a NaN are
errors, where a node that is not known reads them, since the file would have to hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_leaf, is_view
from mai.compiler.ir.rewrite import symbols_of
from mai.compiler.ir.structure import Structural, WeightOf
from mai.compiler.ir.types import DType
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.passes.analyses.tensor_sizes import known_bytes
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

LIMIT = 2**28  # Bytes of what becomes larger than what it is computed from.
CHECKED = 2**22  # Bytes of what `mai check` computes.


class KnownValues(Evaluation):
    """The numpy reference, in the precision of files, of the nodes that are known; `names` are for initializers.

    What takes more than `limit` bytes, and more than its operands together, stays an operation. `faults` say what is wrong with
    values that no file may hold.
    """

    dtypes: Mapping[DType, type[np.generic]] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}

    def __init__(self, graph: Graph, weights: Mapping[str, Array], limit: int = LIMIT) -> None:
        super().__init__(graph, weights)
        self.limit = limit
        self.names: dict[Value, str] = {}
        self.faults: dict[Value, Diagnostic] = {}

    def learn(self, node: Node) -> bool:
        """Compute a node if it can be known now; whether it is."""
        if not self._decides(node):
            return False
        overflows: list[str] = []
        with np.errstate(all="ignore", over="call", call=lambda kind, _: overflows.append(kind)):
            self.node(node)
        self.names[node.output] = self.names[node.inputs[0]] if node.inputs else _own_name(node)
        self._blame(node, overflowed=bool(overflows))
        return True

    def check(self, value: Value) -> None:
        """Raise `MaiError` for a known value that no file may hold: `number-too-large` or `bad-number`."""
        if value in self.faults:
            raise MaiError([self.faults[value]])

    def _blame(self, node: Node, *, overflowed: bool) -> None:
        """Keep what is wrong with a result, at the first operation from which it is."""
        array = self.values[node.output]
        if not node.inputs or array.dtype.kind != "f" or np.isfinite(array).all():
            return
        earlier = next((self.faults[v] for v in node.inputs if v in self.faults), None)
        fault = earlier or _fault(node, array, overflowed)
        if fault is not None:
            self.faults[node.output] = fault

    def learn_number(self, value: Value, number: int, name: str) -> None:
        """A value is a whole number."""
        self.bind(value, np.array(number))
        self.names[value] = name

    def _decides(self, node: Node) -> bool:
        if not node.inputs:
            return is_leaf(node) and (node.op is not WeightOf or WeightOf.of(node).weight in self.weights)
        if len(node.outputs) != 1 or not all(v in self.values for v in node.inputs):
            return False
        if issubclass(node.op, Structural):
            return is_view(node)
        has_sizes = all(isinstance(s, int) for s in node.output.type.physical) and not symbols_of(node)
        return has_sizes and not issubclass(node.op, Draw) and self._is_small(node)

    def _is_small(self, node: Node) -> bool:
        operands = sum(self.values[v].nbytes for v in node.inputs)
        return known_bytes(node.output) <= max(self.limit, operands)

    def bind(self, value: Value, result: Array) -> None:
        super().bind(value, self.array(result, value.type))


def faults(graph: Graph) -> Iterator[Diagnostic]:
    """What is wrong with the constants that a graph computes with."""
    values = KnownValues(graph, {}, CHECKED)
    for node in graph.walk():
        if values.learn(node):
            continue
        yield from (values.faults[v] for v in node.inputs if v in values.faults)
    yield from (values.faults[v] for v in graph.outputs if v in values.faults)


def _fault(node: Node, array: Array, overflowed: bool) -> Diagnostic | None:
    if np.isnan(array).any():
        return Diagnostic("bad-number", node.span, f"`{node.op.name}` of these numbers is not a number")
    if overflowed:
        message = "this number is too large: the largest float32 is 3.403e+38, beyond it is infinity"
        return Diagnostic("number-too-large", node.span, message)
    return None


def _own_name(node: Node) -> str:
    return WeightOf.of(node).weight if node.op is WeightOf else node.output.name
