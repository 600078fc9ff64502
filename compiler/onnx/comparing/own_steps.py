"""Graphs whose runs choose their own steps: how far two runs may be apart, and whether they arrive."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.graph import EVALUATIONS, Graph
from mai.compiler.ir.structure import Loop
from mai.runtime.arrays import Array

TOLERANCE = 1e-4
DRIFT = (
    1000  # How many of its own tolerances a solution may be from another that took other steps, before a note says so.
)


def allowance(graph: Graph) -> float:
    """How far two runs of a graph that take their own steps usually are apart at most, relative to the largest result.

    A step that one run takes and the other, a rounding away, does not, is within the tolerance of an adaptive solver: so are
    the solutions that follow, but for what the equation makes of it.
    """
    controls = [control for n in graph.walk() if n.op is Loop and (control := Loop.of(n).control)]
    return max([TOLERANCE, *(DRIFT * control.rtol for control in controls)])


def arrives(graph: Graph, results: Sequence[Array]) -> bool:
    """Whether an example's adaptive solvers, if there are any, have come to their end, as their evaluations say."""
    if EVALUATIONS in graph.output_names:
        return bool((results[graph.output_names.index(EVALUATIONS)] >= 0).any())
    return not is_adaptive(graph)


def is_adaptive(graph: Graph) -> bool:
    """Whether a loop of the graph controls its own steps."""
    return any(n.op is Loop and Loop.of(n).control for n in graph.walk())
