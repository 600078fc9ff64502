"""Whether a result of an export is the best answer to a field of the data, by what training minimises.

Nets' results and other fields get numbers of our own, and the objective is computed where what is right is the export's result, and beside it: it is
least at an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from mai.compiler.evaluating.targets.links import fields_of_inputs
from mai.compiler.evaluating.targets.probing import Codes, coded, computed
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import DType
from mai.compiler.program import Program, Training
from mai.runtime.arrays import Array

TRIALS, BESIDE, LOW_AND_HIGH = 3, 0.1, (0.5, 3)
SCALES = 2.0 ** (np.arange(72) / 4)  # Of numbers with which a result is in a range.


def is_best_answer(
    program: Program, export: str, value: Value, training: Training, field: str,
    between: tuple[float, float] | None = None, far: float = BESIDE,
) -> bool | None:  # fmt: skip
    """Whether the objective is least where what is right is the value of an export, whatever nets and other fields give; None where that is not seen.

    Args:
        between: the range of values that is looked at; what is the same of other numbers alone says nothing. None: whatever comes.
        far: so far beside an answer the objective is more; it may forgive less.
    """
    calls, are_seen = training.evaluation.calls, []
    for results, others, said in islice(_trials(program, export, value, training, between), TRIALS):
        if not all(slot in calls for slot in results):
            return None
        cuts = {call: each for slot, each in results.items() for call in calls[slot]}
        moves = (0, -BESIDE, BESIDE, -far, far)
        here, *beside = (_loss(training, cuts, {**others, field: said + move}) for move in moves)
        if any(other < here for other in beside):
            return False
        are_seen.append(here < min(beside[2:]))
    return True if are_seen and all(are_seen) else None


def _trials(
    program: Program, export: str, value: Value, training: Training, between: tuple[float, float] | None
) -> Iterator[tuple[Codes, dict[str, Array], Array]]:
    """Numbers for nets' results and for fields with which a value is in a range, and that value. They are above 0, where deviations are."""
    random, graph, inputs = np.random.default_rng(0), program.exports[export], fields_of_inputs(program, export)
    codes, (low, high) = coded(graph)[0], between or (-np.inf, np.inf)
    reals = [name for name, type_ in training.fields.items() if type_.dtype is DType.REAL]
    for scale in SCALES:
        results = {slot: scale * random.uniform(*LOW_AND_HIGH, each.shape) for slot, each in codes.items()}
        others = {name: random.uniform(*LOW_AND_HIGH, _shape(training, name)) for name in reals}
        cuts = {graph.calls[slot][0]: each for slot, each in results.items()}
        inside = {name: others[field] for name, field in inputs.items() if field in others}
        (said,) = computed(graph, [value], cuts, inside, 1)
        if (said > low).all() and (said < high).all():
            yield results, others, said[0]


def _shape(training: Training, field: str) -> tuple[int, ...]:
    return tuple(size for size in training.fields[field].shape if isinstance(size, int))


def _loss(training: Training, cuts: Mapping[Value, Array], fields: Mapping[str, Array]) -> float:
    """What a block minimises of one example with these fields."""
    outputs = [training.evaluation.outputs[objective.output] for objective in training.objectives]
    shaped = {name: each.reshape(_shape(training, name)) for name, each in fields.items()}
    return float(sum(each.sum() for each in computed(training.evaluation, outputs, cuts, shaped, 1)))
