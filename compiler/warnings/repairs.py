"""Repairs of what is probably not meant. They change what a file computes, so that `mai check --fix` makes them where it is strict."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mai.compiler.ir.graph import Node
from mai.compiler.warnings.subject import Subject
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Change, Edit
from mai.spec.diagnostics.edit import put, take_out
from mai.spec.source import Span


def fewer(subject: Subject, count: int, classes: int, words: str) -> list[Edit]:
    """The one net that returns so many logits, with another number for theirs."""
    promise = re.compile(rf"->\s*\[{count}\]")
    nets = [f.span for f in subject.functions if f.kind == "net" and promise.search(f.span.text)]
    if len(nets) != 1:
        return []
    source, begin = nets[0].source, nets[0].text.index("->") + nets[0].start
    places = re.compile(rf"(?<![\w.]){count}(?![\w.])").finditer(source.text, begin, nets[0].end)
    return [Edit(words, tuple(Change(Span(source, m.start(), m.end()), str(classes)) for m in places))]


def without_call(maker: Node, name: str) -> Edit | str:
    """What a function is of, in the place of its call."""
    words, span = f"leave `{name}` out before the loss", maker.span
    match = re.fullmatch(rf"{name}\((.*)\)", span.text, re.DOTALL) if span is not None else None
    return put(span, match[1], words) if match and span else words


def of_those_kept(mean: Node) -> list[Edit]:
    """`mean(where(mask, e, 0))`, written so, as the mean of those that the mask keeps."""
    match = re.fullmatch(r"mean\((where\(([^,]*),.*,\s*0(?:\.0)?\))\)", mean.span.text) if mean.span else None
    if match is None or mean.span is None or match[2].count("(") != match[2].count(")"):
        return []
    return [put(mean.span, f"sum({match[1]}) / sum(where({match[2]}, 1.0, 0.0))", "divide by their number: `{}`")]


def draw_first(statement: ast.Statement, call: ast.Call, moved: str) -> Edit | str:
    """Both sides the other way round."""
    targets = (
        [t.span for t in statement.targets] if isinstance(statement, ast.Assign) and statement.value is call else []
    )
    arguments = [a.span for a in call.arguments]
    if len(targets) != 2 or len(arguments) != 2:
        return f"give the draw first: `(x0, {moved}) = couple(x0, {moved})`"
    changes = [Change(a, b.text) for pair in (targets, arguments) for a, b in (pair, pair[::-1])]
    words = f"({targets[1].text}, {targets[0].text}) = couple({arguments[1].text}, {arguments[0].text})"
    return Edit(f"give the draw first: `{words}`", tuple(changes))


def as_rows(node: Node, words: str) -> list[Edit]:
    """The column as a row, where the text says what the column is."""
    column = max(node.inputs, key=lambda value: value.type.rank).producer
    span = column.span if column is not None else None
    return [put(span, f"{span.text}[:, 0]", words)] if span is not None and span.text.endswith(")") else []


def without_number(call: Span) -> list[Edit]:
    """A call of the user's without its first number: the channels that come in, say."""
    first = re.search(r"\bconv\(([^,()]*,)?\s*(\d+\s*,\s*)", call.text)
    if first is None:
        return []
    number = Span(call.source, call.start + first.start(2), call.start + first.end(2))
    return [
        take_out(number, f"leave out `{number.text.strip(' ,')}`: the channels that come in are those of the image")
    ]


def exchanged_ends(subject: Subject, node: Node, words: str) -> list[Edit]:
    """The ends of a range that the call of a node ends with, the other way round."""
    call = next((c for c in subject.nodes(ast.Call) if c.span == node.span), None)
    ends = [a.value.span for a in call.arguments if a.name in (None, "low", "high")] if call is not None else []
    if len(ends) < 2:
        return []
    one, other = ends[-2:]
    return [Edit(words, (Change(one, other.text), Change(other, one.text)))]


def without_last(call: Span, number: float, words: str) -> list[Edit]:
    """A call without its last argument, where that is a number."""
    last = re.search(r"(,\s*(?:\w+\s*=\s*)?(-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*)\)$", call.text)
    if last is None or float(last[2]) != number:
        return []
    return [take_out(Span(call.source, call.start + last.start(1), call.start + last.end(1)), words)]


def unit_range(statement: ast.Integrate, start: float) -> Edit:
    """From 0, or to 1."""
    words = "write where it ends: `in 0..1`"
    return put(statement.start.span, "0", words) if start else put(statement.stop.span, "1", words)


def sooner(place: Span, steps: int) -> Edit | str:
    """A warmup of so many steps, where its number is written."""
    words, number = f"write `warmup = {steps}`, or more steps", re.search(r"warmup\s*=\s*([\w.]+)", place.text)
    if number is None:
        return words
    return put(Span(place.source, place.start + number.start(1), place.start + number.end(1)), str(steps), words)


def first_zeros(subject: Subject, words: str) -> list[Edit]:
    """The first `init = zeros` of the file: the last layer of a residual step may begin as zero."""
    source = subject.file.source
    match = re.search(r",\s*init\s*=\s*zeros\b", source.text)
    return [take_out(Span(source, match.start(), match.end()), words)] if match else []


def other_callee(function: ast.Function | None, tail: str, nets: Sequence[str], words: str) -> list[Edit]:
    """The net that was probably meant, in the place of the layer that the export calls."""
    layer = tail.partition(".")[0].rpartition("_")[0]
    callees = [call.function for call in nodes_of(function.body, ast.Call)] if function is not None else []
    called = [c for c in callees if isinstance(c, ast.Name) and c.id == layer]
    return [put(c.span, nets[0], words) for c in called[:1]] if len(nets) == 1 else []
