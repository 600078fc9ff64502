"""Numbers that are known when the file is checked, and cannot be meant."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping

from mai.compiler.elaborate.expressions.tables import numbers_of
from mai.compiler.elaborate.random.families import FAMILIES
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Constant, WeightOf
from mai.compiler.ops.elementwise.clip import Clip
from mai.compiler.ops.elementwise.conversion import written_out
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.ops.reductions.places import Argmax, Argmin
from mai.compiler.ops.reductions.softmax import LogSoftmax, Softmax
from mai.compiler.passes.analyses.tensor_sizes import describe_size, known_bytes
from mai.compiler.training.settings import WarmedUp
from mai.compiler.warnings.repairs import exchanged_ends, sooner, unit_range, without_number
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

Number = int | float
LEAST_REAL = 2.0**-149  # Of float32.
LARGE = 2**32  # Bytes.
AMONG_ONE: Mapping[type[Operation], tuple[str, int]] = {
    Softmax: ("softmax", 1), LogSoftmax: ("log_softmax", 0), Argmax: ("argmax", 0), Argmin: ("argmin", 0),
}  # fmt: skip
ARITHMETIC: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
}  # fmt: skip


def divided_to_zero(subject: Subject) -> Iterator[Diagnostic]:
    """`1 // depth` is 0: a division of whole numbers cuts. Half of a size, `size // 2`, may well be 0."""
    for division in subject.nodes(ast.Binary):
        if division.op == "//" and isinstance(division.left, ast.Number):
            above, below = (number_of(side, subject.program.constants) for side in (division.left, division.right))
            if above and below and above // below == 0:
                said = f"`{division.span.text}` is 0: `//` cuts {above:g} / {below:g} to a whole number"
                yield warning(
                    "divided-to-zero",
                    division.span,
                    said,
                    help=put(division.op_span, "/", f"write `{division.left.span.text} / {division.right.span.text}`"),
                )


def number_of(expr: ast.Expr, constants: Mapping[str, Number]) -> Number | None:
    """A number, a const's, or what arithmetic makes of such; None for any other."""
    if isinstance(expr, ast.Name):
        return constants.get(expr.id)
    if isinstance(expr, ast.Binary) and expr.op in ARITHMETIC:
        left, right = (number_of(side, constants) for side in (expr.left, expr.right))
        try:
            return None if left is None or right is None else ARITHMETIC[expr.op](left, right)
        except ArithmeticError:
            return None
    return expr.value if isinstance(expr, ast.Number) else None


def means_like_sizes(subject: Subject) -> Iterator[Diagnostic]:
    """`normal(2)` is one number of mean 2, and in other languages two numbers."""
    for draw in subject.nodes(ast.Draw):
        call = draw.distribution
        if not isinstance(call, ast.Call) or len(call.arguments) != 1 or call.arguments[0].name is not None:
            continue
        first, name = call.arguments[0].value, call.function.span.text
        parameters = [p for p in FAMILIES[name].parameters if FAMILIES[name].has_shape] if name in FAMILIES else []
        has_mean = bool(parameters) and parameters[0].default == 0
        if has_mean and isinstance(first, ast.Number) and isinstance(first.value, int) and first.value > 1:
            said = f"{first.value} is the {parameters[0].name} of `{draw.name.id}`, which is one number"
            shape = put(first.span, f"[{first.value}]", f"`{name}([{first.value}])` draws {first.value} numbers")
            yield warning("mean-like-size", first.span, said, help=shape)


def empty_integrals(subject: Subject) -> Iterator[Diagnostic]:
    """From a number to itself nothing moves."""
    for statement in subject.nodes(ast.Integrate):
        start, stop = (number_of(bound, subject.program.constants) for bound in (statement.start, statement.stop))
        if start is not None and start == stop:
            span = Span(statement.span.source, statement.start.span.start, statement.stop.span.end)
            said = f"an integral from {start:g} to {stop:g} moves nothing: its states stay as they are"
            yield warning("empty-integral", span, said, help=unit_range(statement, start))


def late_warmup(subject: Subject) -> Iterator[Diagnostic]:
    """A run that ends while its learning rate still rises."""
    training, train = subject.training, subject.train
    if training is None or train is None or training.settings.steps is None:
        return
    schedule, steps = training.settings.schedule, training.settings.steps
    warmup = schedule.warmup if isinstance(schedule, WarmedUp) else 0
    if warmup >= steps:
        place = next((a.span for a in train.settings if a.name == "schedule"), train.head)
        said = f"warmup = {warmup} of {steps} steps: the run ends while the rate still rises, at {steps / warmup:.2g} of `lr`"
        yield warning("late-warmup", place, said, help=sooner(place, max(1, steps // 20)))


def empty_ranges(subject: Subject) -> Iterator[Diagnostic]:
    """`clip(x, 1, 0)`, which is 0 whatever x is."""
    for node in (n for graph in subject.graphs for n in graph.walk() if n.op is Clip):
        low, high = (written_out(end) for end in node.inputs[1:])
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            said = f"this is {high:g} whatever is clipped: from {low:g} to {high:g} there is no number"
            help = "the smaller comes first"
            yield warning("empty-range", node.span, said, help=help, edits=exchanged_ends(subject, node, help))


def tiny_numbers(subject: Subject) -> Iterator[Diagnostic]:
    """`x + 1e-60`, which is x: float32 has no such number."""
    for span, number in _written_numbers(subject):
        if 0 < abs(number) < LEAST_REAL / 2:
            said = f"{number:g} is 0 in a file: the least float32 is {LEAST_REAL:.2g}"
            yield warning("number-too-small", span, said, help="with all its digits, the least is 1.2e-38")


def _written_numbers(subject: Subject) -> Iterator[tuple[Span | None, Number]]:
    """Each number that files have, with its place: constants, first values of weights, defaults of settings."""
    for graph in subject.graphs:
        for node in (n for n in graph.walk() if n.op is Constant):
            yield from ((node.span, number) for number in numbers_of(Constant.of(node).value))
    for weight in subject.program.weights.values():
        yield from ((weight.span, number) for number in weight.init.numbers)
    for export in subject.functions:
        exported = subject.program.exports.get(export.name.id)
        settings = exported.settings if exported is not None else {}
        for parameter in (p for p in export.parameters if p.name.id in settings):
            yield parameter.span, settings[parameter.name.id].default


def large_tensors(subject: Subject) -> Iterator[Diagnostic]:
    """`range(10^9)`: values that few machines can hold, besides weights; the first of each graph."""
    for graph in subject.graphs:
        first = next((v for node in graph.walk() if (v := _large(node)) is not None), None)
        if first is not None and first.producer is not None:
            each = " for each example" if first.type.lead else ""
            said = f"this is {describe_size(first)}{each}"
            yield warning("large-tensor", first.producer.span, said, help="compute it in parts, in a `repeat`")


def _large(node: Node) -> Value | None:
    large = next((v for v in node.outputs if known_bytes(v) > LARGE), None)
    if large is None or node.op is WeightOf or any(known_bytes(v) > LARGE for v in node.inputs):
        return None
    return large


def large_windows(subject: Subject) -> Iterator[Diagnostic]:
    """A convolution whose windows are larger than the image: its arguments are `out, size, stride, padding`."""
    for graph in subject.graphs:
        for node in graph.walk():
            if node.op is not Conv:
                continue
            image, size = node.inputs[0].type.shape[1:], node.inputs[1].type.shape[2:]
            pairs = zip(image, size, strict=True)
            if all(isinstance(n, int) and isinstance(m, int) and m > n for n, m in pairs):
                windows, pixels = (" x ".join(map(str, shape)) for shape in (size, image))
                said = f"`conv` lays windows of {windows} pixels over an image of {pixels}"
                help = "its arguments are `conv(out, size, stride)`: the channels that come in are those of the image"
                edits = [] if node.span is None else without_number(node.span)
                yield warning("large-window", node.span, said, help=help, edits=edits)


def choices_among_one(subject: Subject) -> Iterator[Diagnostic]:
    """`softmax(linear(x, 1))` is 1. Where a const is 1, as the number of experts may be, or another call has more, it is meant."""
    if 1 in subject.program.constants.values():
        return
    nodes = [n for graph in subject.graphs for n in graph.walk() if n.op in AMONG_ONE]
    sizes = [(n.span, n.op, n.inputs[0].type.shape[n.attributes["axis"]]) for n in nodes]
    among_more = {span for span, _, size in sizes if size != 1}
    for span, op, _ in sizes:
        if span is not None and span not in among_more:
            name, result = AMONG_ONE[op]
            said = f"`{name}` along an axis of one number is {result}, whatever the number is"
            yield warning("one-of-one", span, said, help=_as_sigmoid(span))


def _as_sigmoid(call: Span) -> Edit | str:
    words, sigmoid = "take several numbers, or for one of them `sigmoid`", re.sub(r"^softmax\(", "sigmoid(", call.text)
    return put(call, sigmoid, words) if sigmoid != call.text else words
