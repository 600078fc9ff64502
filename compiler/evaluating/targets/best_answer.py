"""Whether a result of an export is the best answer to a field of the data, by what training minimises.

Nets' results get numbers of our own, and the objective is computed where what is right is the export's result, and a little beside it: it is
least at an answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mai.compiler.evaluating.targets.probing import coded, computed
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.program import Training
from mai.runtime.arrays import Array

TRIALS, BESIDE = 3, 0.1


def is_best_answer(training: Training, field: str, graph: Graph, value: Value) -> bool | None:
    """Whether the objective is least where what is right is the value of an export, whatever nets give; None where that is not seen."""
    random, there = np.random.default_rng(0), training.evaluation
    for _ in range(TRIALS):
        # Above 0, where deviations are.
        results = {slot: np.asarray(random.uniform(0.5, 3, codes.shape)) for slot, codes in coded(graph)[0].items()}
        if not all(len(there.calls.get(slot, ())) == 1 for slot in results):
            return None
        (said,) = computed(graph, [value], {graph.calls[slot][0]: each for slot, each in results.items()}, {}, 1)
        cuts = {there.calls[slot][0]: each for slot, each in results.items()}
        here, *others = (_loss(training, cuts, field, said[0] + move) for move in (0, -BESIDE, BESIDE))
        if any(other < here for other in others):
            return False
        if not all(here < other for other in others):
            return None
    return True


def _loss(training: Training, cuts: Mapping[Value, Array], field: str, right: Array) -> float:
    """What a block minimises of one example, whose field has this value."""
    outputs = [training.evaluation.outputs[objective.output] for objective in training.objectives]
    type_ = training.fields[field]
    fields = {field: right.reshape([size for size in type_.shape if isinstance(size, int)])}
    return float(sum(each.sum() for each in computed(training.evaluation, outputs, cuts, fields, 1)))
