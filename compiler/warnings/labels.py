"""Labels that stand for something else: a label for "none" that examples of the data have."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Value
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import put


def taken_labels(subject: Subject) -> Iterator[Diagnostic]:
    """A number in the place of a label, for examples whose label is hidden, that is a label itself, while the table has a row for none."""
    if subject.training is None:
        return
    flow = Dataflow(subject.training.graph)
    for node in (node for node in flow.nodes if node.op is Take):
        weight = flow.weight(node.inputs[0])
        labels = [*flow.labels(node.inputs[1])]
        bounds = [label.type.classes for label in labels if isinstance(label, Value)]
        counts = [bound for bound in bounds if isinstance(bound, int)]
        if weight is None or not counts or len(counts) < len(bounds):
            continue
        numbers, count, rows = [label for label in labels if isinstance(label, int)], max(counts), weight.shape[0]
        if numbers and all(0 <= number < count for number in numbers) and rows == count + 1:
            yield _taken(subject, numbers[0], count)
            return


def _taken(subject: Subject, number: int, count: int) -> Diagnostic:
    const = _const(subject, number)
    name = const.name.id if const is not None else str(number)
    said = f"the data have the label {number} (`{name}`) themselves: they are 0 to {count - 1}, and nothing trains the label {count}"
    help = put(const.value.span, str(count)) if const is not None else f"write {count} for a label that is hidden"
    train = subject.train
    used = (n.span for n in nodes_of(train.body, ast.Name) if n.id == name) if train is not None else iter(())
    around = const if const is not None else train
    place = next(used, None if around is None else around.span)
    return warning("taken-label", place, said, help=help)


def _const(subject: Subject, number: int) -> ast.Const | None:
    """The const of a number that the train block names."""
    names = {n.id for n in nodes_of(subject.train.body, ast.Name)} if subject.train is not None else set()
    consts = (d for d in subject.file.declarations if isinstance(d, ast.Const) and d.name.id in names)
    return next((d for d in consts if isinstance(d.value, ast.Number) and d.value.value == number), None)
