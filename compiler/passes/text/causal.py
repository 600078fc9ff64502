"""Causality: which number a [tokens, tokens] table has above its diagonal, where the column is later than the row.

An operation that sums over all tokens so far is causal if these entries are neutral to it. A mask made of positions is computed
for texts of two lengths; what it becomes is then followed through the operations that use it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import BrokenGraph
from mai.compiler.ir.structure import Constant, Extend, Lead, Structural, Unlead, WeightOf
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.shape import Expand, Reshape, Unsqueeze

if TYPE_CHECKING:
    from mai.compiler.ir.evaluate import Evaluation

SAMPLED = (3, 257)  # The lengths of text for which masks are computed.
HUGE = -1e4  # A score this low has no weight in a softmax: its exponential is zero beside any other.


def is_neutral(fill: float | None, neutral: float) -> bool:
    """Whether a number leaves a reduction unchanged: 0 for a sum, a very low number for a maximum; None is unknown."""
    if fill is None:
        return False
    if math.isinf(neutral):
        return fill <= HUGE if neutral < 0 else fill >= -HUGE
    return fill == neutral


def combine_fills(node: Node, fills: list[float | None]) -> float | None:
    """The number that an operation has above the diagonal, from those of its operands; None where it is unknown."""
    if node.op is logic.Where:
        chosen, *branches = fills
        return None if chosen is None else branches[0 if chosen else 1]
    if node.op is el.Multiply and 0.0 in fills:
        return 0.0
    if node.op in (el.Add, el.Subtract) and fills[0] is not None and fills[0] <= HUGE:
        return fills[0]
    if node.op is el.Add and fills[1] is not None and fills[1] <= HUGE:
        return fills[1]
    if node.op is el.Divide and fills[0] == 0:
        return 0.0
    if None in fills or not issubclass(node.op, (el.Elementwise, Reshape, Unsqueeze, Expand)):
        return None
    if not issubclass(node.op, el.Elementwise):
        return fills[0]
    import numpy as np

    with np.errstate(all="ignore"):
        return float(node.op.reference(np, *(np.float64(f) for f in fills), **node.attributes))


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
        """The one number that a value has wherever its axis `past` is later than its axis `row`; None where it has several."""
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
