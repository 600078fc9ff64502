"""Losses that are well typed and say something else than was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Constant
from mai.compiler.ops.elementwise.activations import Relu, Sigmoid
from mai.compiler.ops.elementwise.arithmetic import Absolute, Multiply, Power, Subtract
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.losses.loss import CrossEntropy
from mai.compiler.ops.reductions.softmax import Softmax
from mai.compiler.ops.reductions.sums import Mean
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.liveness import names_read
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Change, Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

BOUNDED = {Relu: "relu", Sigmoid: "sigmoid", Softmax: "softmax"}


def column_against_row(subject: Subject) -> Iterator[Diagnostic]:
    """[n, 1] - [n] is [n, n]: every prediction against every target. A column written out, `x[:, None]`, is meant."""
    for graph in subject.graphs:
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.op is Subtract):
            if _is_column_and_row(*(v.type.shape for v in node.inputs)) and not any(
                map(flow.is_written_out, node.inputs)
            ):
                a, b = (describe(v.type.shape) for v in node.inputs)
                whole = describe(node.output.type.shape)
                said = f"{a} - {b} is {whole}: every entry of the one is compared with every entry of the other"
                help = "give both one shape: `[:, 0]` takes the column as a row"
                yield warning("column-against-row", node.span, said, help=help, edits=_as_rows(node, help))


def _as_rows(node: Node, words: str) -> list[Edit]:
    """The column as a row, where the text says what the column is."""
    column = max(node.inputs, key=lambda value: value.type.rank).producer
    span = column.span if column is not None else None
    return [put(span, f"{span.text}[:, 0]", words)] if span is not None and span.text.endswith(")") else []


def _is_column_and_row(a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
    column, row = (a, b) if len(a) > len(b) else (b, a)
    return len(column) == 2 and len(row) == 1 and column[1] == 1 and column[0] == row[0] != 1


def unlike_logits(subject: Subject) -> Iterator[Diagnostic]:
    """What `cross_entropy` is given: as many logits as there are labels, and any real numbers."""
    training = subject.program.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in (n for n in flow.nodes if n.op is CrossEntropy):
        logits, label = node.inputs
        count, classes = logits.type.shape[-1], label.type.classes
        if isinstance(count, int) and isinstance(classes, int) and count > classes:
            said = f"{count} logits for {classes} labels: {count - classes} of them belong to no label"
            help = f"make the last axis of the logits {classes}"
            yield warning("more-logits", node.span, said, help=help, edits=_fewer(subject, count, classes, help))
        maker = flow.source(logits)
        if maker is not None and maker.op in BOUNDED:
            name = BOUNDED[maker.op]
            said = f"`cross_entropy` takes logits, any real numbers; these come from `{name}`, which bounds them"
            yield warning("bounded-logits", node.span, said, help=_without_call(maker, name))


def _fewer(subject: Subject, count: int, classes: int, words: str) -> list[Edit]:
    """The one net that returns so many logits, with another number for theirs."""
    promise = re.compile(rf"->\s*\[{count}\]")
    nets = [f.span for f in subject.functions if f.kind == "net" and promise.search(f.span.text)]
    if len(nets) != 1:
        return []
    source, begin = nets[0].source, nets[0].text.index("->") + nets[0].start
    places = re.compile(rf"(?<![\w.]){count}(?![\w.])").finditer(source.text, begin, nets[0].end)
    return [Edit(words, tuple(Change(Span(source, m.start(), m.end()), str(classes)) for m in places))]


def _without_call(maker: Node, name: str) -> Edit | str:
    """What a function is of, in the place of its call."""
    words, span = f"leave `{name}` out before the loss", maker.span
    match = re.fullmatch(rf"{name}\((.*)\)", span.text, re.DOTALL) if span is not None else None
    return put(span, match[1], words) if match and span else words


def shared_objectives(subject: Subject) -> Iterator[Diagnostic]:
    """Several objectives, none of which says whom it moves, with parameters in common."""
    training, train = subject.program.training, subject.train
    if training is None or train is None or len(training.objectives) < 2:
        return
    if any(o.over or o.only for o in training.objectives):
        return
    flow = Dataflow(training.graph)
    reached = [_weights_behind(flow, training.graph.outputs[o.output]) for o in training.objectives]
    shared = sorted({training.graph.weights[name].owner for name in set.intersection(*reached)})
    if shared:
        nets = " and ".join(f"`{name}`" for name in shared[:3])
        said = f"each of these objectives moves all parameters, so they work against each other on {nets}"
        help = f"say whom each one moves: `minimize ... over {shared[0]}`"
        yield warning("shared-objectives", training.objectives[1].span, said, help=help)


def _weights_behind(flow: Dataflow, output: Value) -> set[str]:
    names: set[str] = set()
    seen: set[Node] = set()
    waiting = [output]
    while waiting:
        value = waiting.pop()
        weight = flow.weight(value)
        if weight is not None:
            names.add(weight.name)
        node = value.producer
        if node is not None and node not in seen:
            seen.add(node)
            waiting += list(node.reads())
    return names


def masked_mean(subject: Subject) -> Iterator[Diagnostic]:
    """The mean of what a mask has set to zero counts the places that were left out."""
    training = subject.program.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in (n for n in flow.nodes if n.op is Mean):
        maker = flow.source(node.inputs[0])
        if maker is not None and maker.op is Where and _leaves_out(flow, maker):
            said = "this `mean` counts the places that the mask has set to 0, so an example with few of the others counts less"
            help = "divide by their number: `sum(where(mask, e, 0)) / sum(where(mask, 1, 0))`"
            yield warning("masked-mean", node.span, said, help=help, edits=_of_those_kept(node))


def _of_those_kept(mean: Node) -> list[Edit]:
    """`mean(where(mask, e, 0))`, written so, as the mean of those that the mask keeps."""
    match = re.fullmatch(r"mean\((where\(([^,]*),.*,\s*0(?:\.0)?\))\)", mean.span.text) if mean.span else None
    if match is None or mean.span is None or match[2].count("(") != match[2].count(")"):
        return []
    return [put(mean.span, f"sum({match[1]}) / sum(where({match[2]}, 1.0, 0.0))", "divide by their number: `{}`")]


def _leaves_out(flow: Dataflow, where: Node) -> bool:
    """Whether one branch is the constant 0 and the other a loss for each place."""
    zeros = [flow.source(v) for v in where.inputs[1:]]
    is_zero = [n is not None and n.op is Constant and Constant.of(n).value in (0, 0.0) for n in zeros]
    others = [n for n, zero in zip(zeros, is_zero, strict=True) if not zero and n is not None]
    return any(is_zero) and any(n.op in (CrossEntropy, Multiply, Power, Absolute) for n in others)


def coupled_data(subject: Subject) -> Iterator[Diagnostic]:
    """`couple(a, b)` gives a in another order: the other fields of a data line stay where they were."""
    train, data = subject.train, subject.data
    if train is None or data is None:
        return
    fields = {f.name.id for f in data.fields}
    for statement in train.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            continue
        call = statement.value
        if isinstance(call.function, ast.Name) and call.function.id == "couple" and call.arguments:
            yield from _coupled(statement, call, fields, train)


def _coupled(statement: ast.Assign, call: ast.Call, fields: set[str], train: ast.Train) -> Iterator[Diagnostic]:
    first = call.arguments[0].value
    moved = first.id if isinstance(first, ast.Name) else ""
    drawn = {s.name.id for s in train.body if isinstance(s, ast.Draw)}
    beside = sorted((fields - {moved, *drawn}) & names_read(train.body))
    if moved in fields - drawn and beside:
        others = ", ".join(f"`{name}`" for name in beside)
        said = f"`couple` gives its first argument in another order: `{moved}` is a field of the data, and {others} beside it stays"
        yield warning("coupled-data", call.span, said, help=_draw_first(statement, call, moved))


def _draw_first(statement: ast.Assign, call: ast.Call, moved: str) -> Edit | str:
    """Both sides the other way round."""
    targets, arguments = [t.span for t in statement.targets], [a.span for a in call.arguments]
    if len(targets) != 2 or len(arguments) != 2:
        return f"give the draw first: `(x0, {moved}) = couple(x0, {moved})`"
    changes = [Change(a, b.text) for pair in (targets, arguments) for a, b in (pair, pair[::-1])]
    words = f"({targets[1].text}, {targets[0].text}) = couple({arguments[1].text}, {arguments[0].text})"
    return Edit(f"give the draw first: `{words}`", tuple(changes))
