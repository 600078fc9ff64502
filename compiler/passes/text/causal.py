"""What stands above the diagonal: the entries of a table of tokens by tokens where the column is later than the row.

An operation that sums over all tokens so far is causal if those entries are neutral to it. A mask made of positions is
looked at for two lengths of text; from there on, the number is followed through what is computed with it.
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

SAMPLED = (3, 257)
HUGE = -1e4  # A score this low has weight zero: exp of it is nothing beside any other.


def is_neutral(fill: float | None, neutral: float) -> bool:
    """Whether what stands in a place leaves a reduction as it is: 0 for a sum, a very low number for a maximum."""
    if fill is None:
        return False
    if math.isinf(neutral):
        return fill <= HUGE if neutral < 0 else fill >= -HUGE
    return fill == neutral


def combined(node: Node, fills: list[float | None]) -> float | None:
    """The number that an operation makes of its operands' numbers."""
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
    """The values of a body that depend on no data, masks say, for a text of `size` tokens.

    They are computed when one is asked for: most bodies have no mask of their own.
    """

    def __init__(self, extend: Node, size: int) -> None:
        self.extend, self.size = extend, size
        self.row = extend.regions[0].inputs[1]
        self.waiting: list[Node] = []
        self.run: Evaluation | None = None

    def follow(self, node: Node) -> None:
        """Remember a node, to be computed on the sample when it is asked for."""
        self.waiting.append(node)

    def number(self, value: Value) -> float | None:
        """A value that is one number everywhere."""
        held = self._values().get(value)
        return float(held.flat[0]) if held is not None and held.size == 1 else None

    def above(self, value: Value, row: int, past: int) -> float | None:
        """The number wherever the past axis is later than the row, if it is one."""
        import numpy as np

        if value not in self._values():
            return None
        held = np.moveaxis(self._values()[value], (row, past), (-2, -1))
        later = held[..., np.triu(np.ones((self.size, self.size), bool), 1)]
        return float(later.flat[0]) if np.all(later == later.flat[0]) else None

    def _values(self) -> dict[Value, Any]:
        run = self.run = self.run or self._begun()
        for node in self.waiting:
            self._compute(run, node)
        self.waiting = []
        return run.values

    def _begun(self) -> Evaluation:
        import numpy as np

        from mai.compiler.ir.evaluate import Evaluation

        run = Evaluation(Graph(sizes={Extend.of(self.extend).length: (self.row, 0)}), {})
        run.values[self.row] = np.zeros(self.size)
        return run

    def _compute(self, run: Evaluation, node: Node) -> None:
        known = all(v in run.values and v is not self.row for v in node.inputs)
        own = node.op in (Constant, Lead, Unlead) or not issubclass(node.op, Structural)
        if known and own and node.op is not WeightOf and not issubclass(node.op, Draw):
            try:
                run.node(node)
            except BrokenGraph:
                return
