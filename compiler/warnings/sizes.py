"""Exports whose weights are too many for one file."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from mai.compiler.file_size import FORMS, LARGEST, form_bytes
from mai.compiler.ir.graph import Graph, Weight
from mai.compiler.warnings.subject import Subject, warning
from mai.spec.diagnostics import Diagnostic


def over_one_file(subject: Subject) -> Iterator[Diagnostic]:
    """Exports that are more than a file holds, in float32; said with the forms in which they are not."""
    for export, graph in subject.program.exports.items():
        sizes = {form: sum(_bytes(w, form) for w in graph.weights.values()) for form in FORMS}
        if sizes[""] > LARGEST:
            yield _over(subject, export, graph, sizes)


def _bytes(weight: Weight, form: str) -> int:
    return prod(weight.counts) * form_bytes([weight.shape], form)


def _over(subject: Subject, export: str, graph: Graph, sizes: dict[str, int]) -> Diagnostic:
    head = next((f.name.span for f in subject.functions if f.kind == "export" and f.name.id == export), None)
    message = f"the weights of `{export}` take {sizes[''] / 1e9:.2f} GB, and one file holds {LARGEST / 1e9:.2f} GB"
    fitting = [f"`{form}` ({size / 1e9:.2f} GB)" for form, size in sizes.items() if form and size <= LARGEST]
    largest = max(graph.weights.values(), key=lambda weight: _bytes(weight, ""))
    help = (
        f"compile it with {' or '.join(fitting)}" if fitting else "no form of them fits: let it have fewer parameters"
    )
    label = f"`{largest.name}` is {list(largest.shape)}" + (
        f", {prod(largest.counts):,} times" if largest.counts else ""
    )
    return warning("over-one-file", head, message, label=label, help=help)
