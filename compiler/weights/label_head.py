"""The head of a classifier: which of its weights have a number for each label."""

from __future__ import annotations

from pathlib import Path

from mai.compiler.check import check_text
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import Change, Reporter
from mai.spec.diagnostics.edit import changed
from mai.spec.parsing.parse import parse
from mai.spec.record import record
from mai.spec.source import Source, Span

CLASSES = "classes"


@record
class LabelHead:
    """What a spec means, where it says how many labels there are, and the weights that have other shapes with one label more."""

    program: Program
    count: Span
    weights: frozenset[str]


def find_label_head(text: str, spec: Path) -> LabelHead | None:
    """The head of a spec; None where no constant says how many labels there are.

    Raises:
        MaiError: something is wrong with the spec.
    """
    file = parse(Source(str(spec), text, spec.name), Reporter())
    count = next((d for d in file.declarations if isinstance(d, ast.Const) and d.name.id == CLASSES), None)
    if count is None:
        return None
    span, program = count.value.span, check_text(spec, text).meaning()
    others = check_text(spec, changed(text, [Change(span, f"({span.text}) + 1")])).meaning().weights
    names = frozenset(name for name, weight in program.weights.items() if others[name].shape != weight.shape)
    return LabelHead(program, span, names)
