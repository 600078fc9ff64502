"""Values that weights and constants alone decide: each becomes one initializer when a file is built.

An infinity that an operation gives by itself, such as `log(0)`, is allowed: masks are made so. An overflow of float32 and a NaN are
errors, where a node that is not known reads them, since the file would have to hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import is_leaf, is_view
from mai.compiler.ir.rewrite import symbols_of
from mai.compiler.ir.structure import Structural, WeightOf
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.reductions.prod import Prod
from mai.compiler.passes.analyses.constant_ranges import known_count
from mai.compiler.passes.analyses.tensor_sizes import known_bytes
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

LIMIT = 2**28  # Bytes of what becomes larger than what it is computed from.
CHECKED = 2**22  # Bytes of what `mai check` computes.
WRAPPING = (el.Add, el.Subtract, el.Multiply, el.Negative, el.Power, red.Sum, red.Cumsum, Prod)
LATE = 2**20  # Bytes of what is computed when it is asked for, each time, and not kept.


@dataclass(frozen=True, eq=False, slots=True)
class Late:
    """A node that is known and not computed yet, with what it reads."""

    node: Node
    operands: tuple[Array | Late, ...]

    @property
    def key(self) -> object:
        """What is equal for two of them that are the same array: a weight's name, or itself."""
        return WeightOf.of(self.node).weight if self.node.op is WeightOf else self


class KnownValues(Evaluation):
    """The numpy reference, in the precision of files, of the nodes that are known; `names` are for initializers.

    What takes more than `limit` bytes, and more than its operands together, stays an operation. What takes more than `late` is computed
    whenever it is asked for, so that weights need not be in memory together. `faults` say what is wrong with values that no file may hold.
    """

    dtypes: Mapping[DType, type[np.generic]] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}

    def __init__(self, graph: Graph, weights: Mapping[str, Array], limit: int = LIMIT, late: int = LATE) -> None:
        super().__init__(graph, weights)
        self.limit, self._least_late = limit, late
        self.late: dict[Value, Late] = {}
        self._operands: dict[Value, Array] = {}
        self.names: dict[Value, str] = {}
        self.faults: dict[Value, Diagnostic] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self.late or value in self.values

    def __getitem__(self, value: Value) -> Array:
        if value in self._operands:
            return self._operands[value]
        return self.compute(self.late[value]) if value in self.late else super().__getitem__(value)

    def learn(self, node: Node) -> bool:
        """Compute a node if it can be known now, or see how it will be; whether it is known."""
        if not self._decides(node):
            return False
        output = node.output
        self.names[output] = self.names[node.inputs[0]] if node.inputs else _own_name(node)
        if self._is_late(node):
            self.values.pop(output, None)
            self.late[output] = Late(
                node, tuple(self.late[v] if v in self.late else self.values[v] for v in node.inputs)
            )
        else:
            self.late.pop(output, None)
            self.bind(output, self._computed(node))
        return True

    def compute(self, late: Late) -> Array:
        """What a node that waits computes. Raises as `check`."""
        operands = [self.compute(x) if isinstance(x, Late) else x for x in late.operands]
        with self._with_operands(late.node, operands):
            result = self._computed(late.node)
        self.check(late.node.output)
        return result

    @contextmanager
    def _with_operands(self, node: Node, operands: Iterable[Array]) -> Iterator[None]:
        """Let a node read these arrays."""
        outer, self._operands = self._operands, dict(zip(node.inputs, operands, strict=True))
        try:
            yield
        finally:
            self._operands = outer

    def _computed(self, node: Node) -> Array:
        overflows: list[str] = []
        with np.errstate(all="ignore", over="call", call=lambda kind, _: overflows.append(kind)):
            (result,) = self.results(node)
            array = self.array(result, node.output.type)
        self._blame(node, array, overflowed=bool(overflows))
        return array

    def _is_late(self, node: Node) -> bool:
        return known_bytes(node.output) > self._least_late and all(
            isinstance(s, int) for s in node.output.type.physical
        )

    def check(self, value: Value) -> None:
        """Raise `MaiError` for a known value that no file may hold: `number-too-large` or `bad-number`."""
        if value in self.faults:
            raise MaiError([self.faults[value]])

    def _blame(self, node: Node, array: Array, *, overflowed: bool) -> None:
        """Keep what is wrong with a result, at the first operation from which it is; a NaN that was written is meant."""
        if not node.inputs or array.dtype.kind != "f" or np.isfinite(array).all():
            return
        fault = next((self.faults[v] for v in node.inputs if v in self.faults), None)
        if fault is None and not any(np.isnan(self[v]).any() for v in node.inputs):
            fault = _fault(node, array, overflowed)
        if fault is not None:
            self.faults[node.output] = fault

    def learn_number(self, value: Value, number: int, name: str) -> None:
        """A value is a whole number."""
        self.bind(value, np.array(number))
        self.names[value] = name

    def _decides(self, node: Node) -> bool:
        if not node.inputs:
            return is_leaf(node) and (node.op is not WeightOf or WeightOf.of(node).weight in self.weights)
        if len(node.outputs) != 1 or not all(v in self for v in node.inputs):
            return False
        if issubclass(node.op, Structural):
            return is_view(node)
        has_sizes = all(isinstance(s, int) for s in node.output.type.physical) and not symbols_of(node)
        return has_sizes and not issubclass(node.op, Draw) and self._is_small(node)

    def _is_small(self, node: Node) -> bool:
        operands = sum(known_bytes(v) for v in node.inputs)
        return known_bytes(node.output) <= max(self.limit, operands)

    def bind(self, value: Value, result: Array) -> None:
        super().bind(value, self.array(result, value.type))


class _CheckedValues(KnownValues):
    """Ranges are known as well, which files keep as operations; and whole numbers that leave int64 are a fault."""

    def _decides(self, node: Node) -> bool:
        return super()._decides(node) if known_count(node) is None else self._is_small(node)

    def _computed(self, node: Node) -> Array:
        array = super()._computed(node)
        wrong = next((self.faults[v] for v in node.inputs if v in self.faults and np.isfinite(self[v]).all()), None)
        if not wrong and node.op in WRAPPING and array.dtype.kind == "i" and self._has_wrapped(node, array):
            message = "this whole number is too large: they end at 2^63 - 1, and the next one is the least"
            wrong = Diagnostic("number-too-large", node.span, message)
        if wrong:
            self.faults[node.output] = wrong
        return array

    def _has_wrapped(self, node: Node, array: Array) -> bool:
        """Whether a result left int64: the same in float64 is then at least 2^64 away, and else a few thousand at most."""
        with self._with_operands(node, [np.asarray(self[v], np.float64) for v in node.inputs]):
            (result,) = self.results(node)
        return bool((np.abs(result - array) > 2.0**62).any())


def faults(graph: Graph) -> Iterator[Diagnostic]:
    """What is wrong with the constants that a graph computes with."""
    values = _CheckedValues(graph, {}, CHECKED, CHECKED)
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
