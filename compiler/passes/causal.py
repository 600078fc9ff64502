"""What stands above the diagonal: the entries of a table of tokens by tokens where the column is later than the row.

An operation that sums over all tokens so far is causal if those entries are neutral to it. A mask made of positions is
looked at for two lengths of text; from there on, the number is followed through what is computed with it.
"""

from __future__ import annotations

import math

import numpy as np

from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import logic
from mai.compiler.ops.random import Draw
from mai.compiler.ops.shape import Expand, Reshape, Unsqueeze
from mai.compiler.ops.structure import Constant, Lead, Structural, Unlead, WeightOf

SAMPLED = (3, 257)
HUGE = -1e4  # A score this low has weight zero: exp of it is nothing beside any other.


def is_neutral(fill: float | None, neutral: float) -> bool:
    if fill is None:
        return False
    return fill <= HUGE if neutral == -math.inf else fill >= -HUGE if neutral == math.inf else fill == neutral


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
    with np.errstate(all="ignore"):
        return float(node.op.reference(np, *(np.float64(f) for f in fills), **node.attributes))


class Sample:
    """The values of a body that depend on no data, masks say, for a text of `size` tokens."""

    def __init__(self, extend: Node, size: int) -> None:
        self.size, region = size, extend.regions[0]
        row = region.inputs[1]
        graph = Graph(sizes={extend.attributes["length"]: (row, 0)})
        self.run = Evaluation(graph, {})
        self.run.values[row] = np.zeros(size)
        self.row = row

    def follow(self, node: Node) -> None:
        known = all(v in self.run.values and v is not self.row for v in node.inputs)
        own = node.op in (Constant, Lead, Unlead) or not issubclass(node.op, Structural)
        if known and own and node.op is not WeightOf and not issubclass(node.op, Draw):
            try:
                self.run.node(node)
            except KeyError:
                return

    def number(self, value: Value) -> float | None:
        """A value that is one number everywhere."""
        held = self.run.values.get(value)
        return float(held.flat[0]) if held is not None and held.size == 1 else None

    def above(self, value: Value, row: int, past: int) -> float | None:
        """The number wherever the past axis is later than the row, if it is one."""
        if value not in self.run.values:
            return None
        held = np.moveaxis(self.run.values[value], (row, past), (-2, -1))
        later = held[..., np.triu(np.ones((self.size, self.size), bool), 1)]
        return float(later.flat[0]) if np.all(later == later.flat[0]) else None
