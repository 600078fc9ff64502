"""Which results of exports are dates: those that are compared with a field whose numbers were dates in the data."""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.evaluating.targets.target import find_target
from mai.compiler.program import Program
from mai.runtime.inputs.dates import form_of
from mai.runtime.model.manifest import DateForm, Facts
from mai.spec.diagnostics import MaiError

NUMBERS = ("value", "quantiles")


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
    return {} if form is None else {answer.output: form for answer in target.answers if answer.role in NUMBERS}
