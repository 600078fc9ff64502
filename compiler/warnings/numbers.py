"""Numbers that are known when the file is checked, and cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mai.compiler.ops.products.convolution import Conv
from mai.compiler.training.settings import WarmedUp
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put, take_out
from mai.spec.source import Span

Number = int | float


def divided_to_zero(subject: Subject) -> Iterator[Diagnostic]:
    """`1 // depth` is 0: a division of whole numbers cuts."""
    for division in nodes_of(subject.file, ast.Binary):
        if division.op == "//":
            above, below = (_number(side, subject.program.constants) for side in (division.left, division.right))
            if above and below and above // below == 0:
                said = f"`{division.span.text}` is 0: `//` cuts {above:g} / {below:g} to a whole number"
                yield warning(
                    "divided-to-zero",
                    division.span,
                    said,
                    help=put(division.op_span, "/", f"write `{division.left.span.text} / {division.right.span.text}`"),
                )


def _number(expr: ast.Expr, constants: Mapping[str, Number]) -> Number | None:
    """A number, or a const's."""
    if isinstance(expr, ast.Name):
        return constants.get(expr.id)
    return expr.value if isinstance(expr, ast.Number) else None


def empty_integrals(subject: Subject) -> Iterator[Diagnostic]:
    """From a number to itself nothing moves."""
    for statement in nodes_of(subject.file, ast.Integrate):
        start, stop = (_number(bound, subject.program.constants) for bound in (statement.start, statement.stop))
        if start is not None and start == stop:
            span = Span(statement.span.source, statement.start.span.start, statement.stop.span.end)
            said = f"an integral from {start:g} to {stop:g} moves nothing: its states stay as they are"
            yield warning("empty-integral", span, said, help=_unit_range(statement, start))


def _unit_range(statement: ast.Integrate, start: Number) -> Edit:
    """From 0, or to 1."""
    words = "write where it ends: `in 0..1`"
    return put(statement.start.span, "0", words) if start else put(statement.stop.span, "1", words)


def _sooner(place: Span, steps: int) -> Edit | str:
    """A warmup of so many steps, where its number is written."""
    words, number = f"write `warmup = {steps}`, or more steps", re.search(r"warmup\s*=\s*([\w.]+)", place.text)
    if number is None:
        return words
    return put(Span(place.source, place.start + number.start(1), place.start + number.end(1)), str(steps), words)


def late_warmup(subject: Subject) -> Iterator[Diagnostic]:
    """A run that ends while its learning rate still rises."""
    training, train = subject.program.training, subject.train
    if training is None or train is None or training.settings.steps is None:
        return
    schedule, steps = training.settings.schedule, training.settings.steps
    warmup = schedule.warmup if isinstance(schedule, WarmedUp) else 0
    if warmup >= steps:
        place = next((a.span for a in train.settings if a.name == "schedule"), train.head)
        said = f"warmup = {warmup} of {steps} steps: the run ends while the rate still rises, at {steps / warmup:.2g} of `lr`"
        yield warning("late-warmup", place, said, help=_sooner(place, max(1, steps // 20)))


def without_number(call: Span) -> list[Edit]:
    """A call of the user's without its first number: the channels that come in, say."""
    first = re.search(r"\bconv\(([^,()]*,)?\s*(\d+\s*,\s*)", call.text)
    if first is None:
        return []
    number = Span(call.source, call.start + first.start(2), call.start + first.end(2))
    return [
        take_out(number, f"leave out `{number.text.strip(' ,')}`: the channels that come in are those of the image")
    ]


def large_windows(subject: Subject) -> Iterator[Diagnostic]:
    """A convolution whose windows are larger than the image: its arguments are `out, size, stride, padding`."""
    for graph in subject.graphs:
        for node in graph.walk():
            if node.op is not Conv:
                continue
            (height, width), size = node.inputs[0].type.shape[-2:], node.inputs[1].type.shape[-1]
            if (
                isinstance(height, int)
                and isinstance(width, int)
                and isinstance(size, int)
                and size > max(height, width)
            ):
                said = f"`conv` lays windows of {size} x {size} pixels over an image of {height} x {width}"
                help = "its arguments are `conv(out, size, stride)`: the channels that come in are those of the image"
                edits = [] if node.span is None else without_number(node.span)
                yield warning("large-window", node.span, said, help=help, edits=edits)
