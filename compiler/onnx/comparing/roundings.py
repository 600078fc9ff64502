"""What float32's roundings explain: a difference of nearly equal numbers has few digits, or none, in every program.

Each operation of the numpy reference has its results moved by a rounding, up or down at random (Monte Carlo arithmetic, Parker 1997):
how far the ends then are from those of double precision is how far any program in float32 may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mai.compiler.ir.evaluate import DTYPES, Evaluation
from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.structure import Loop, WeightOf
from mai.compiler.onnx.comparing.trial import Trial, difference
from mai.compiler.ops.elementwise.activations import Sigmoid
from mai.runtime.arrays import Array

EPSILON = 2.0**-24  # Half the distance of 1 to the next number of float32.
RUNS = 4
OF_ONE = (Sigmoid,)  # Engines compute it as 1/2 and a quotient: where it is small, it has the roundings of 1/2.
UNCERTAIN = 10  # How many times as far a program may be: a sum of many numbers has several roundings.


class _Moved(Evaluation):
    """The numpy reference with each result a rounding away."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array], seed: int) -> None:
        super().__init__(graph, weights)
        self.generator = np.random.default_rng(seed)

    def call(self, node: Node, inputs: Sequence[Array], attributes: dict[str, object]) -> list[Array]:
        of_one = node.op in OF_ONE
        return [self._moved(r, of_one) for r in super().call(node, inputs, attributes)]

    def _moved(self, result: Array, of_one: bool) -> Array:
        """The result, each number moved by a rounding of itself, or of 1."""
        if result.dtype.kind != "f":
            return result
        size = np.ones_like(result) if of_one else result
        return np.asarray(result + EPSILON * size * self.generator.choice([-1.0, 1.0], result.shape))


def reference_with_roundings(
    graph: Graph, weights: Mapping[str, Array], trial: Trial
) -> tuple[list[Array], list[float]]:
    """A graph's outputs in double precision, and how far each is moved by roundings, relative to the largest number of it."""
    *_, last = _runs(graph, weights, trial)
    return last


def _runs(graph: Graph, weights: Mapping[str, Array], trial: Trial) -> Iterator[tuple[list[Array], list[float]]]:
    """A graph's outputs in double precision, and how far each was moved, relative, by the runs with roundings so far: at first by none."""
    wide = _wide(graph, weights)
    exact = _run(Evaluation(graph, wide), trial)
    moved = [0.0] * len(exact)
    yield exact, moved
    for seed in range(RUNS):
        run = _run(_Moved(graph, wide, seed), trial)
        moved = [max(difference(array, alike), before) for array, alike, before in zip(run, exact, moved, strict=True)]
        yield exact, moved


def _run(evaluation: Evaluation, trial: Trial) -> list[Array]:
    with np.errstate(all="ignore"):
        return evaluation.run(trial.inputs, trial.settings)


def _wide(graph: Graph, weights: Mapping[str, Array]) -> dict[str, Array]:
    """The weights that a graph reads, in double precision: made once, and not by each turn of each run."""
    nodes = [node for node in graph.walk() if node.op is WeightOf]
    types = {WeightOf.of(node).weight: node.output.type.dtype for node in nodes}
    return {name: np.asarray(weights[name], DTYPES[dtype]) for name, dtype in types.items()}


def are_roundings(
    graph: Graph, weights: Mapping[str, Array], trial: Trial, results: Sequence[Array], tolerance: float, most: float
) -> bool:
    """Whether results are as near to those of double precision as roundings let any program be, and at most `most`, relative.

    Of loops that decide it is not asked. As many runs are made as it takes to explain the results.
    """
    if any(node.op is Loop and Loop.of(node).ends_early for node in graph.walk()):
        return False
    return any(
        all(
            difference(result, array) <= max(tolerance, min(UNCERTAIN * by, most))
            for result, array, by in zip(results, exact, moved, strict=False)
        )
        for exact, moved in _runs(graph, weights, trial)
    )
