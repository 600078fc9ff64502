"""Whether a result of an export is the best answer to a field of the data, by what training minimises.

Nets' results and other fields get numbers of our own, and the objective is computed where what is right is the export's result, and beside it: it is
least at an answer. It also is where other results of nets give more, as of a Poisson distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice

import numpy as np

from mai.compiler.evaluating.targets.links import fields_of_inputs
from mai.compiler.evaluating.targets.probing import Codes, coded, computed
from mai.compiler.ir.graph import Graph, Value
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
        loss = partial(_loss, training)
        here, *beside = (loss(results, {**others, field: said + move}) for move in (0, -BESIDE, BESIDE, -far, far))
        is_least = here < min(beside[2:])
        if any(
            other < here for other in beside
        ):  # As of counts: it is least over their rate, and not over what is right.
            share = BESIDE / max(BESIDE, np.abs(said).max())
            around = _around(program.exports[export], value, results, share)
            losses = [loss(moved, {**others, field: said}) for moved in around]
            is_least = bool(losses) and here < min(losses)
            if not is_least:
                return False
        are_seen.append(is_least)
    return True if are_seen and all(are_seen) else None


def _around(graph: Graph, value: Value, results: Codes, share: float) -> Iterator[Codes]:
    """The same results with one that is a single number less or more by a share of it, where a value depends on it."""
    for slot, each in results.items():
        moved = [{**results, slot: each * (1 + move)} for move in (-share, share)]
        if each.size == 1 and not np.equal(*(_value(graph, value, near, {}) for near in moved)).all():
            yield from moved


def _value(graph: Graph, value: Value, results: Codes, inputs: Mapping[str, Array]) -> Array:
    """What an export's value is with these results of nets."""
    cuts = {graph.calls[slot][0]: each for slot, each in results.items()}
    (said,) = computed(graph, [value], cuts, inputs, 1)
    return said


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
        inside = {name: others[field] for name, field in inputs.items() if field in others}
        said = _value(graph, value, results, inside)
        if (said > low).all() and (said < high).all():
            yield results, others, said[0]


def _shape(training: Training, field: str) -> tuple[int, ...]:
    return tuple(size for size in training.fields[field].shape if isinstance(size, int))


def _loss(training: Training, results: Codes, fields: Mapping[str, Array]) -> float:
    """What a block minimises of one example with these results of nets and these fields."""
    cuts = {call: each for slot, each in results.items() for call in training.evaluation.calls[slot]}
    outputs = [training.evaluation.outputs[objective.output] for objective in training.objectives]
    shaped = {name: each.reshape(_shape(training, name)) for name, each in fields.items()}
    return float(sum(each.sum() for each in computed(training.evaluation, outputs, cuts, shaped, 1)))
