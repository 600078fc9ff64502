"""Which results of exports are dates: those that are the best answer to a field whose numbers were dates in the data.

A result that is compared with such a field may still be another number, as the days that are left.
"""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.evaluating.targets.best_answer import is_best_answer
from mai.compiler.evaluating.targets.target import find_target
from mai.compiler.ir.graph import Value
from mai.compiler.program import Program
from mai.runtime.inputs.dates import form_of
from mai.runtime.model.manifest import DateForm, Facts
from mai.spec.diagnostics import MaiError

DAYS = 1e3, 1e5  # Of the years 1972 to 2243; what is the same of small numbers alone, as the day of a week, is none.
FAR = 50  # Days beside an answer, where an objective is more, even one that forgives some.


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
        is_best_answer(program, export, value, training, field, DAYS, far=FAR) for training in trainings
    )
