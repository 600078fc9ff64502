"""Guidance in a velocity: two values of a net, extrapolated by a setting, seen on the arithmetic that joins them.

Classifier-free guidance (Ho and Salimans 2022) is f + w (c - f), or c + w (c - f), or (1 + w) c - w f, of a net's values f and c,
with and without a label. At one weight, w = 1 or w = 0, it is c alone. Kynkäänniemi et al. 2024 compute guidance in an interval
of time, and c alone outside.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from operator import add, mul, sub

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.structure import Constant
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.spec.record import record

DEPTH = 4  # Sums within sums that guidance may be written as.
OFF = (1.0, 0.0)  # The weights at which guidance may be one value alone.
SCALARS: dict[object, Callable[[float, float], float]] = {el.Add: add, el.Subtract: sub, el.Multiply: mul}


@record
class Guidance:
    """A node that extrapolates from another value to `own` by `weight`, a setting; at the weight `off` it is `own`."""

    node: Node
    own: Value
    weight: Value
    off: float


def guidance_in(velocity: Region, graph: Graph) -> Guidance | None:
    """The guidance in a velocity, the last of its nodes that is one; None where there is none, or examples have times of their own."""
    if velocity.inputs[0].type.lead:
        return None
    weights = [s.value for s in graph.settings.values() if s.value.type.dtype is DType.REAL]
    sums = _Sums({node.output: node for node in velocity.nodes if len(node.outputs) == 1})
    places = (n for n in reversed(velocity.nodes) if n.op in (el.Add, el.Subtract) and n.output.type.lead)
    tried = (sums.guidance(*each) for each in itertools.product(places, weights, (False, True)))
    return next((guidance for guidance in tried if guidance is not None), None)


@record
class _Sums:
    """The sums that a velocity is made of; `makers` are its nodes by what they make."""

    makers: Mapping[Value, Node]

    def guidance(self, node: Node, weight: Value, opens: bool) -> Guidance | None:
        """Whether a node is two values with factors that add up to 1, one of which alone is left at some weight.

        `opens` looks into differences that have a factor, w (c - f): a net may also end in a difference of its own.
        """
        at = {w: self._parts(node.output, weight, w, opens) for w in (*OFF, 2.0)}
        leaves = [leaf for leaf, part in at[2.0].items() if part]
        adds_up = all(abs(sum(parts.values()) - 1) < 1e-6 for parts in at.values())
        if len(leaves) != 2 or not adds_up or any(leaf.type != node.output.type for leaf in leaves):
            return None
        for off in OFF:
            alone = [leaf for leaf in leaves if at[off][leaf]]
            if len(alone) == 1:
                return Guidance(node, alone[0], weight, off)
        return None

    def _parts(self, value: Value, weight: Value, number: float, opens: bool, scaled: bool = False) -> Counter[Value]:
        """The values that a sum is made of, each with its factor where the weight is a number."""
        node = self.makers.get(value)
        if node is not None and node.op is el.Multiply:
            for factor, other in (node.inputs, node.inputs[::-1]):
                scale = _scalar(factor, weight, number)
                if scale is not None:
                    parts = self._parts(other, weight, number, opens, True)
                    return Counter({v: scale * part for v, part in parts.items()})
        is_sum = self._speaks_of(value, weight) or (scaled and opens)
        if node is None or node.op not in (el.Add, el.Subtract) or not is_sum:
            return Counter({value: 1.0})
        first, second = (self._parts(v, weight, number, opens) for v in node.inputs)
        sign = 1.0 if node.op is el.Add else -1.0
        return Counter({v: first.get(v, 0.0) + sign * second.get(v, 0.0) for v in {**first, **second}})

    def _speaks_of(self, value: Value, weight: Value, depth: int = DEPTH) -> bool:
        """Whether a value is a sum of products with a factor that the weight stands in."""
        node = self.makers.get(value)
        if node is None or not depth:
            return False
        if node.op is el.Multiply:
            return any(_scalar(v, weight, OFF[0]) != _scalar(v, weight, OFF[1]) for v in node.inputs)
        return node.op in (el.Add, el.Subtract) and any(self._speaks_of(v, weight, depth - 1) for v in node.inputs)


def _scalar(value: Value, weight: Value, number: float) -> float | None:
    """What a value is that is made of numbers and the weight alone; None for any other."""
    if value is weight:
        return number
    node = value.producer
    if node is None:
        return None
    if node.op is Constant:
        constant = Constant.of(node).value
        return float(constant) if isinstance(constant, (int, float)) else None
    if node.op not in SCALARS:
        return None
    first, second = (_scalar(v, weight, number) for v in node.inputs)
    return None if first is None or second is None else SCALARS[node.op](first, second)
