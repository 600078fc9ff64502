"""Which results of exports are dates: those that are the best answer to a field whose numbers were dates in the data.

A result that is compared with such a field may still be another number, as the days that are left. So nets' results get numbers of our own, and the
objective is computed where what is right is the export's result, and a little beside it: it is least at an answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mai.compiler.evaluating.targets.probing import coded, computed
from mai.compiler.evaluating.targets.target import Target, find_target
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.program import Program, Training
from mai.runtime.arrays import Array
from mai.runtime.inputs.dates import form_of
from mai.runtime.model.manifest import DateForm, Facts
from mai.spec.diagnostics import MaiError

TRIALS, BESIDE = 3, 0.1


def dated_results(program: Program, facts: Mapping[str, Facts]) -> dict[str, dict[str, DateForm]]:
    """By export and output, how results that answer a field of dates are written; `facts` say which fields were dates."""
    forms = {field: form for field, each in facts.items() if (form := form_of(each)) is not None}
    if not forms or not program.trainings:
        return {}
    return {export: _of_export(program, export, forms) for export in program.exports}


def _of_export(program: Program, export: str, forms: Mapping[str, DateForm]) -> dict[str, DateForm]:
    try:
        target = find_target(program, export)
    except MaiError:
        return {}
    form = forms.get(target.field) if len(target.types) == 1 else None
    return {} if form is None else dict.fromkeys(_answers(program, program.exports[export], target), form)


def _answers(program: Program, graph: Graph, target: Target) -> list[str]:
    """The outputs that are quantiles of a target, or its value."""
    values = dict(zip(graph.output_names, graph.outputs, strict=True))
    trainings = [training for training in program.trainings if target.field in training.fields]
    return [
        each.output
        for each in target.answers
        if each.role == "quantiles"
        or (each.role == "value" and any(_is_best(t, target.field, graph, values[each.output]) for t in trainings))
    ]


def _is_best(training: Training, field: str, graph: Graph, value: Value) -> bool:
    """Whether the objective is least where what is right is the value of an export, whatever nets give."""
    random, there = np.random.default_rng(0), training.evaluation
    for _ in range(TRIALS):
        # Above 0, where deviations are.
        results = {slot: np.asarray(random.uniform(0.5, 3, codes.shape)) for slot, codes in coded(graph)[0].items()}
        if not all(len(there.calls.get(slot, ())) == 1 for slot in results):
            return False
        (said,) = computed(graph, [value], {graph.calls[slot][0]: each for slot, each in results.items()}, {}, 1)
        cuts = {there.calls[slot][0]: each for slot, each in results.items()}
        here, *others = (_loss(training, cuts, field, said[0] + move) for move in (0, -BESIDE, BESIDE))
        if not all(here < other for other in others):
            return False
    return True


def _loss(training: Training, cuts: Mapping[Value, Array], field: str, right: Array) -> float:
    """What a block minimises of one example, whose field has this value."""
    outputs = [training.evaluation.outputs[objective.output] for objective in training.objectives]
    type_ = training.fields[field]
    fields = {field: right.reshape([size for size in type_.shape if isinstance(size, int)])}
    return float(sum(each.sum() for each in computed(training.evaluation, outputs, cuts, fields, 1)))
