"""Causality: which number a [tokens, tokens] table has above its diagonal, where the column is later than the row.

An operation that sums over all tokens so far is causal if these entries are neutral to it. A mask made of positions is computed
for texts of two lengths; what it becomes is then followed through the operations that use it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import BrokenGraph
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import VIEWS, Constant, Extend, Lead, Structural, Unlead, WeightOf
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products.product import Einsum, Matmul
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Squeeze, Stack, Transpose, Unsqueeze

if TYPE_CHECKING:
    from mai.compiler.ir.evaluate import Evaluation

SAMPLED = (3, 257)  # The lengths of text for which masks are computed.
HUGE = -1e4  # A score this low has no weight in a softmax: its exponential is zero beside any other.
MOVING = (
    *VIEWS,
    Reshape,
    Unsqueeze,
    Squeeze,
    Expand,
    Transpose,
    Slice,
    Pick,
    Flip,
    Concat,
    Stack,
)  # They compute nothing.


def is_neutral(fill: float | None, neutral: float) -> bool:
    """Whether a number leaves a reduction unchanged: 0 for a sum, a very low number for a maximum; None is unknown."""
    if fill is None:
        return False
    if math.isinf(neutral):
        return fill <= HUGE if neutral < 0 else fill >= -HUGE
    return fill == neutral


def combine_fills(node: Node, fills: list[float | None]) -> float | None:
    """The number that an operation has above the diagonal, from those of its operands; None where it is unknown.

    An unknown number is taken to be moderate: a score beside which a huge one decides.
    """
    if None not in fills and issubclass(node.op, el.Elementwise):
        return _computed(node, [f for f in fills if f is not None])
    if node.op is logic.Where:
        return _chosen(*fills)
    if node.op in MOVING:
        return _common(fills)
    for fill in fills:
        if fill == 0.0 and node.op in (el.Multiply, Matmul, Einsum, red.Sum):
            return 0.0
    return _decided(node.op, fills)


def _computed(node: Node, fills: list[float]) -> float:
    """An operation of known numbers."""
    import numpy as np

    from mai.compiler.ir.evaluate import DTYPES

    numbers = [DTYPES[v.type.dtype](f) for v, f in zip(node.inputs, fills, strict=True)]
    with np.errstate(all="ignore"):
        return float(node.op.reference(np, *numbers, **node.attributes))


def _chosen(condition: float | None, yes: float | None, no: float | None) -> float | None:
    """What `where` has: one of two, or what both have in common."""
    if condition is None:
        return _common([yes, no])
    return yes if condition else no


def _common(fills: Sequence[float | None]) -> float | None:
    """The number that all have, or of huge ones of one sign the least huge; None where there is no such number."""
    numbers = [f for f in fills if f is not None]
    if len(numbers) < len(fills):
        return None
    if all(map(_is_low, numbers)):
        return max(numbers)
    if all(map(_is_high, numbers)):
        return min(numbers)
    return numbers[0] if len(set(numbers)) == 1 else None


def _is_low(fill: float) -> bool:
    return fill <= HUGE


def _is_high(fill: float) -> bool:
    return fill >= -HUGE


def _is_huge(fill: float) -> bool:
    return abs(fill) >= -HUGE


# Of an operation, and an operand's place: which numbers decide the result whatever the other operand is.
DECIDING: dict[tuple[type[Operation], int], Callable[[float], bool]] = {
    (logic.LogicalAnd, 0): operator.not_, (logic.LogicalAnd, 1): operator.not_,
    (logic.LogicalOr, 0): bool, (logic.LogicalOr, 1): bool,
    (el.Add, 0): _is_huge, (el.Add, 1): _is_huge, (el.Subtract, 0): _is_huge, (el.Subtract, 1): _is_huge,
    (el.Minimum, 0): _is_low, (el.Minimum, 1): _is_low, (el.Maximum, 0): _is_high, (el.Maximum, 1): _is_high,
    (el.Divide, 0): operator.not_,
}  # fmt: skip


def _decided(op: type[Operation], fills: Sequence[float | None]) -> float | None:
    """The result that one operand alone decides."""
    for place, fill in enumerate(fills):
        decides = DECIDING.get((op, place))
        if fill is not None and decides is not None and decides(fill):
            return -fill if (op, place) == (el.Subtract, 1) else fill
    return None


class Sample:
    """The values of a body that depend on no data, such as masks, for a text of `size` tokens.

    They are computed when one is asked for, since most bodies have no mask of their own.
    """

    def __init__(self, extend: Node, size: int) -> None:
        self.extend, self.size = extend, size
        self.row = extend.regions[0].inputs[1]
        self.waiting: list[Node] = []
        self.run: Evaluation | None = None

    def follow(self, node: Node) -> None:
        """Add a node, which is computed when a value is asked for."""
        self.waiting.append(node)

    def number(self, value: Value) -> float | None:
        """The number in a value of one element; None for other values, or where it depends on data."""
        array = self._values().get(value)
        return float(array.flat[0]) if array is not None and array.size == 1 else None

    def above(self, value: Value, row: int, past: int) -> float | None:
        """The number that a value has wherever its axis `past` is later than its axis `row`; None where that is not one number."""
        import numpy as np

        if value not in self._values():
            return None
        table = np.moveaxis(self._values()[value], (row, past), (-2, -1))
        later = table[..., np.triu(np.ones((self.size, self.size), bool), 1)]
        return float(later.flat[0]) if np.all(later == later.flat[0]) else None

    def _values(self) -> dict[Value, Any]:
        run = self.run = self.run or self._start()
        for node in self.waiting:
            self._compute(run, node)
        self.waiting = []
        return run.values

    def _start(self) -> Evaluation:
        import numpy as np

        from mai.compiler.ir.evaluate import Evaluation

        run = Evaluation(Graph(sizes={Extend.of(self.extend).length: (self.row, 0)}), {})
        run.values[self.row] = np.zeros(self.size)
        return run

    def _compute(self, run: Evaluation, node: Node) -> None:
        has_inputs = all(v in run.values and v is not self.row for v in node.inputs)
        own = node.op in (Constant, Lead, Unlead) or not issubclass(node.op, Structural)
        if has_inputs and own and node.op is not WeightOf and not issubclass(node.op, Draw):
            try:
                run.node(node)
            except BrokenGraph:
                return
