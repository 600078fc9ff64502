"""Which results of exports are dates: those that are the best answer to a field whose numbers were dates in the data.

A result that is compared with such a field may still be another number, as the days that are left. So nets' results get numbers of our own, with
which the export's result is in the days of dates, and the objective is computed where that is right, and beside it: it is least at an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from mai.compiler.evaluating.targets.links import fields_of_inputs
from mai.compiler.evaluating.targets.probing import Codes, coded, computed
from mai.compiler.evaluating.targets.target import find_target
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import DType
from mai.compiler.program import Program, Training
from mai.runtime.arrays import Array
from mai.runtime.inputs.dates import form_of
from mai.runtime.model.manifest import DateForm, Facts
from mai.spec.diagnostics import MaiError

TRIALS, SCALES, LOW_AND_HIGH = 3, 2.0 ** (np.arange(72) / 4), (0.5, 3)
DAYS = 1e3, 1e5  # Of the years 1972 to 2243; what is the same of small numbers alone, as the day of a week, is none.
NEAR, FAR = 0.1, 50  # Days beside an answer, where an objective is no less, and where it is more.


def dated_results(program: Program, facts: Mapping[str, Facts]) -> dict[str, dict[str, DateForm]]:
    """By export and output, how results that answer a field of dates are written; `facts` say which fields were dates."""
    forms = {field: form for field, each in facts.items() if (form := form_of(each)) is not None}
    if not forms or not program.trainings:
        return {}
    return {
        export: {
            name: form
            for field, form in forms.items()
            for name, value in zip(graph.output_names, graph.outputs, strict=True)
            if _answers(program, export, name, value, field)
        }
        for export, graph in program.exports.items()
    }


def _answers(program: Program, export: str, output: str, value: Value, field: str) -> bool:
    """Whether an export's result is quantiles of a field, or its value."""
    try:
        target = find_target(program, export, field, output)
    except MaiError:
        return False
    if target.answers[0].role == "quantiles":
        return True
    trainings = [training for training in program.trainings if field in training.fields]
    return target.answers[0].role == "value" and any(
        _is_best(program, export, value, training, field) for training in trainings
    )


def _is_best(program: Program, export: str, value: Value, training: Training, field: str) -> bool:
    """Whether the objective is least where what is right is the value of an export, whatever nets and other fields give."""
    calls, are_best = training.evaluation.calls, []
    for results, others, said in islice(_trials(program, export, value, training), TRIALS):
        if not all(slot in calls for slot in results):
            return False
        cuts = {call: each for slot, each in results.items() for call in calls[slot]}
        here, *beside = (_loss(training, cuts, {**others, field: said + move}) for move in (0, -NEAR, NEAR, -FAR, FAR))
        are_best.append(here <= min(beside[:2]) and here < min(beside[2:]))
    return bool(are_best) and all(are_best)


def _trials(
    program: Program, export: str, value: Value, training: Training
) -> Iterator[tuple[Codes, dict[str, Array], Array]]:
    """Numbers for nets' results and for fields with which a value is days of dates, and that value. They are above 0, where deviations are."""
    random, graph, inputs = np.random.default_rng(0), program.exports[export], fields_of_inputs(program, export)
    codes = coded(graph)[0]
    reals = [name for name, type_ in training.fields.items() if type_.dtype is DType.REAL]
    for scale in SCALES:
        results = {slot: scale * random.uniform(*LOW_AND_HIGH, each.shape) for slot, each in codes.items()}
        others = {name: random.uniform(*LOW_AND_HIGH, _shape(training, name)) for name in reals}
        cuts = {graph.calls[slot][0]: each for slot, each in results.items()}
        inside = {name: others[field] for name, field in inputs.items() if field in others}
        (said,) = computed(graph, [value], cuts, inside, 1)
        if (said > DAYS[0]).all() and (said < DAYS[1]).all():
            yield results, others, said[0]


def _shape(training: Training, field: str) -> tuple[int, ...]:
    return tuple(size for size in training.fields[field].shape if isinstance(size, int))


def _loss(training: Training, cuts: Mapping[Value, Array], fields: Mapping[str, Array]) -> float:
    """What a block minimises of one example with these fields."""
    outputs = [training.evaluation.outputs[objective.output] for objective in training.objectives]
    shaped = {name: each.reshape(_shape(training, name)) for name, each in fields.items()}
    return float(sum(each.sum() for each in computed(training.evaluation, outputs, cuts, shaped, 1)))
