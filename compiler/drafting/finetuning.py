"""An imported spec that also trains: the weights of a folder, and data of one's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mai.compiler.check import check_text
from mai.compiler.data.fields import bad
from mai.compiler.data.sources.text import Text
from mai.compiler.data.splitting.splits import FEWEST
from mai.compiler.drafting.labelled import labelled_of
from mai.compiler.drafting.lessons import Lesson, Reader, lesson_of
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Extend
from mai.compiler.ir.types import DType
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.formatting import format_text
from mai.spec.parsing.parse import parse
from mai.spec.record import record
from mai.spec.source import Source

# The rate of the steps by how many numbers a model has: the more, the less each may move.
RATES = ((1e6, 1e-3), (5e7, 3e-4), (5e8, 5e-5), (math.inf, 2e-5))
EPOCHS, FEWEST_STEPS, MOST_STEPS = 3, 100, 5000
TOKENS, MOST_ROWS = 4096, 16  # Of a step.


@record
class Tuned:
    """The text of a spec that trains, and what is said of what it learns."""

    text: str
    said: str


def finetuned(
    text: str, spec: Path, data: Path, end: int | None = None, context: int | None = None,
    labels: Sequence[str] | None = None,
) -> Tuned:  # fmt: skip
    """An imported spec with a `data` line for data of one's own, and a train block that goes on from the folder's weights.

    Args:
        text: of the spec, which is at `spec`, or will be.
        end: the token that ends a text.
        context: how many tokens the model reads at most; None where that is not known.
        labels: of a classifier of texts, the names of its labels in their order.

    Raises:
        MaiError: the model is none that goes on with texts, or there is nothing in the data that it could learn.
    """
    program = _checked(spec, text)
    predicting = _predicting(program, labels is not None)
    reader = _reader(program, spec, end, context)
    lesson = lesson_of(data, reader) if labels is None else labelled_of(data, reader, labels)
    file = parse(Source(str(spec), text, spec.name), Reporter())
    export = next(each for each in file.declarations if isinstance(each, ast.Function) and each.name.id == predicting)
    numbers = sum(math.prod(weight.shape) for weight in program.weights.values())
    block = "\n".join(_train(lesson, numbers, [*_body(export, text, lesson)]))
    line = f"data {lesson.fields}\n  from {lesson.source}"
    tuned = format_text(_placed(file, text, line, f"{_comment(lesson, data)}\n{block}", export, lesson))
    _checked(spec, tuned)
    return Tuned(tuned, lesson.said)


def _checked(spec: Path, text: str) -> Program:
    checked = check_text(spec, text)
    if checked.program is None:
        raise MaiError(checked.diagnostics)
    return checked.program


def _reader(program: Program, spec: Path, end: int | None, context: int | None) -> Reader:
    source = program.data
    if not isinstance(source, Text) or not isinstance(source.tokenizer, str):
        raise bad("the folder has no tokenizer that is read: there are no tokens of a text to learn")
    return Reader(spec.parent, source.tokenizer, source.chat, end, context)


def _predicting(program: Program, is_classifier: bool) -> str:
    """The export that is trained, of one text: its scores of labels, or for each token those of the next one. Raises `MaiError`."""
    grows = any(node.op is Extend for graph in program.exports.values() for node in graph.walk())
    wanted = _classifies if is_classifier else _predicts
    names = [name for name, graph in program.exports.items() if wanted(graph)] if grows or is_classifier else []
    if not names:
        help = "write a `train` block into the spec: docs/guides/finetune.md shows one"
        raise bad(
            "data for training are read of language models that go on with one text, and of encoders that classify one",
            help=help,
        )
    return names[0]


def _predicts(graph: Graph) -> bool:
    outputs = [value.type for value in graph.outputs]
    return _reads_text(graph) and outputs[0].rank == 2 and outputs[0].shape[-1] == graph.inputs[0].type.classes


def _classifies(graph: Graph) -> bool:
    return _reads_text(graph) and graph.outputs[0].type.rank == 1


def _reads_text(graph: Graph) -> bool:
    """Whether an export makes one result of one text."""
    inputs = [value.type for value in graph.inputs]
    return len(inputs) == len(graph.outputs) == 1 and inputs[0].dtype is DType.INT and inputs[0].rank == 1


def _body(export: ast.Function, text: str, lesson: Lesson) -> Iterator[str]:
    """The lines of an export on a text, or on all of its tokens but the last, whose result is `z`."""
    (parameter,) = export.parameters
    read = f"{lesson.text}[:-1]" if lesson.label is None else f"where({lesson.mask} > 0, {lesson.text}, -1)"
    yield f"{parameter.name.id} = {read}"
    for statement in export.body:
        if isinstance(statement, ast.Return):
            yield f"z = {text[statement.value.span.start : statement.value.span.end]}"
        else:
            yield text[statement.span.start : statement.span.end]


def _train(lesson: Lesson, numbers: int, body: list[str]) -> Iterator[str]:
    """The block, with its settings by how much there is to learn, and how large the model is."""
    batch = 2 ** int(math.log2(max(1, min(MOST_ROWS, TOKENS // lesson.length, lesson.rows // 3))))
    steps = min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * lesson.rows // batch))
    rate = next(rate for most, rate in RATES if numbers < most)
    kept = f", keep = best(loss, patience = {steps // 3})" if lesson.mask is None or lesson.rows >= FEWEST else ""
    yield f"train(steps = {steps}, batch = {batch}, optimizer = adamw(lr = {rate:g}, weight_decay = 0.01), schedule = cosine(warmup = {steps // 10}),"
    yield f"  clip = 1{kept}) {{"
    yield from (f"  {line}" for line in (*body, *_objective(lesson)))
    yield "}"


def _objective(lesson: Lesson) -> Iterator[str]:
    """The loss, and how often what is likeliest is right."""
    if lesson.label is not None:
        yield f"minimize cross_entropy(z, {lesson.label})"
        yield f"report accuracy(z, {lesson.label}) as accuracy"
        return
    yield "y = text[1:]"
    if lesson.mask is None:
        yield "minimize mean(cross_entropy(z, y))"
        yield "report mean(where(argmax(z) == y, 1, 0)) as right"
        return
    yield f"seen = {lesson.mask}[1:]"
    yield "minimize sum(seen * cross_entropy(z, y)) / sum(seen)"
    yield "right = where(argmax(z) == y, 1, 0)"
    yield "report sum(seen * right) / sum(seen) as right"
    yield "report min(maximum(right, 1 - seen)) as whole  # Whether the likeliest text is the answer, to its end."


def _comment(lesson: Lesson, data: Path) -> str:
    learnt = "" if lesson.mask is None or lesson.label else f" The loss is of what `{lesson.mask}` marks."
    return f"# Goes on from the weights below, with {data.name}: {lesson.said}.{learnt}"


def _placed(file: ast.File, text: str, data: str, block: str, export: ast.Function, lesson: Lesson) -> str:
    """The text with this `data` line in the place of its own, and a block before its `weights from`."""
    line = next(each.span for each in file.declarations if isinstance(each, ast.Data))
    weights = next(each.span for each in file.declarations if isinstance(each, ast.Weights))
    edits = [(line.start, line.end, data), (weights.start, weights.start, f"{block}\n\n")]
    if lesson.label is not None:  # Called as the field that it is trained on, an evaluation and a table find it.
        (parameter,) = export.parameters
        span, name = export.span, re.compile(rf"\b{parameter.name.id}\b")
        edits.append((span.start, span.end, name.sub(lesson.text, text[span.start : span.end])))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
