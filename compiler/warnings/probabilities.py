"""Numbers that stand for something else: logits for probabilities, labels for amounts."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.elaborate.random.families import FAMILIES, Family, Parameter
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.arithmetic import Subtract
from mai.compiler.ops.elementwise.conversion import ToReal
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span


def logits_as_probabilities(subject: Subject) -> Iterator[Diagnostic]:
    """`bernoulli(f(x))` where f ends in a linear layer, whose numbers are of any sign and size."""
    calls = _of_probabilities(subject)
    if not calls:
        return
    for graph in subject.graphs:
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.span in calls and any(_is_linear(flow, v) for v in n.inputs)):
            assert node.span is not None
            call = calls[node.span]
            name, probability = call.function.span.text, call.arguments[-1]
            said = f"`{name}` takes a probability, from 0 to 1; this comes from a linear layer, and is any number"
            yield warning("logits-as-probability", probability.value.span, said, help=_as_logits(name, probability))


def _of_probabilities(subject: Subject) -> dict[Span, ast.Call]:
    """The calls of distributions that take probabilities or logits and are given the former, by their places and those of their draws."""
    kinds = {name for name, family in FAMILIES.items() if family.by_logits}
    calls: dict[Span, ast.Call] = {}
    for call in subject.nodes(ast.Call):
        names = [argument.name for argument in call.arguments]
        if call.function.span.text in kinds and names and "logits" not in names:
            calls[call.span] = call
    draws = ((draw, calls.get(draw.distribution.span)) for draw in subject.nodes(ast.Draw))
    return calls | {draw.span: call for draw, call in draws if call is not None}


def _is_linear(flow: Dataflow, value: Value) -> bool:
    """Whether a value is what a linear layer gives, or some numbers of it."""
    node = flow.source(value, (Pick, Slice))
    return node is not None and node.op is Affine and flow.weight(node.inputs[1]) is not None


def _as_logits(name: str, probability: ast.Argument) -> Edit | str:
    span = probability.value.span
    words = f"write `{name}(logits = {span.text})`"
    return words if probability.name is not None else put(span, f"logits = {span.text}", words)


def labels_as_numbers(subject: Subject) -> Iterator[Diagnostic]:
    """`f(x) - y` of as many numbers as y has classes: the number of the label is taken from each of them."""
    training = subject.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in (n for n in flow.nodes if n.op is Subtract):
        pairs = (node.inputs, node.inputs[::-1])
        label = next(
            (label for scores, side in pairs if (label := _label_beside(flow, scores, side)) is not None), None
        )
        if label is not None:
            yield _as_number(subject, node, label)


def _label_beside(flow: Dataflow, scores: Value, side: Value) -> Value | None:
    """The label of the data that a number is, beside a number for each of its classes."""
    shape, other = scores.type.shape, side.type.shape
    maker = flow.source(side)
    if maker is None or maker.op is not ToReal or not shape or other[-1:] not in ((), (1,)):
        return None
    label = flow.seen_through(maker.inputs[0])
    is_label = label in flow.graph.inputs and label.type.dtype is DType.INT and label.type.classes == shape[-1]
    return label if is_label and shape[-1] != 1 and flow.weights_behind(scores) else None


def _as_number(subject: Subject, node: Node, label: Value) -> Diagnostic:
    name, count = label.name, label.type.classes
    written = next((each for each in subject.nodes(ast.Binary) if each.span == node.span), None)
    sides = [] if written is None else [written.left.span.text, written.right.span.text]
    scores = next((side for side in sides if side != name), "logits") if name in sides else "logits"
    said = f"the label `{name}` is one number here, and is taken with each of {count} others"
    help = f"write `cross_entropy({scores}, {name})`, or `one_hot({name}, {count})` for a number of each label"
    return warning("label-as-number", node.span, said, help=help)


def has_shape(call: ast.Call) -> bool:
    """Whether the call of a distribution begins with the shape of its draws: `normal([3], m, s)`."""
    return bool(call.arguments) and isinstance(call.arguments[0].value, ast.Stack) and _family(call).has_shape


def parameters_of(call: ast.Call) -> Iterator[tuple[Parameter, ast.Expr]]:
    """The parameters that the call of a distribution says, each with what it is."""
    parameters = _family(call).parameters
    by_name = {parameter.name: parameter for parameter in parameters}
    arguments = call.arguments[has_shape(call) :]
    by_place = (*parameters, *[None] * len(arguments))
    for argument, own in zip(arguments, by_place, strict=False):
        parameter = own if argument.name is None else by_name.get(argument.name)
        if parameter is not None:
            yield parameter, argument.value


def _family(call: ast.Call) -> Family:
    return FAMILIES[call.function.span.text]
