"""Which results of exports are dates: those that are the best answer to a field whose numbers were dates in the data.

A result that is compared with such a field may still be another number, as the days that are left.
"""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.evaluating.targets.best_answer import is_best_answer
from mai.compiler.evaluating.targets.target import Target, find_target
from mai.compiler.ir.graph import Graph
from mai.compiler.program import Program
from mai.runtime.inputs.dates import form_of
from mai.runtime.model.manifest import DateForm, Facts
from mai.spec.diagnostics import MaiError


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
        or (
            each.role == "value" and any(is_best_answer(t, target.field, graph, values[each.output]) for t in trainings)
        )
    ]
