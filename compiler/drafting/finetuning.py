"""An imported spec that also trains: the weights of a folder, and data of one's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mai.compiler.check import check_text
from mai.compiler.data.fields import bad
from mai.compiler.data.sources.text import Text
from mai.compiler.data.splitting.splits import FEWEST
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


def finetuned(text: str, spec: Path, data: Path, end: int | None = None, context: int | None = None) -> Tuned:
    """An imported spec with a `data` line for data of one's own, and a train block that goes on from the folder's weights.

    Args:
        text: of the spec, which is at `spec`, or will be.
        end: the token that ends a text.
        context: how many tokens the model reads at most; None where that is not known.

    Raises:
        MaiError: the model is none that goes on with texts, or there is nothing in the data that it could learn.
    """
    program = _checked(spec, text)
    predicting = _predicting(program)
    lesson = lesson_of(data, _reader(program, spec, end, context))
    file = parse(Source(str(spec), text, spec.name), Reporter())
    export = next(each for each in file.declarations if isinstance(each, ast.Function) and each.name.id == predicting)
    numbers = sum(math.prod(weight.shape) for weight in program.weights.values())
    block = "\n".join(_train(lesson, numbers, [*_body(export, text)]))
    tuned = format_text(
        _placed(file, text, f"data {lesson.fields}\n  from {lesson.source}", f"{_comment(lesson, data)}\n{block}")
    )
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


def _predicting(program: Program) -> str:
    """The export that gives, for each token of one text, the scores of the next. Raises `MaiError` where no text grows by such scores."""
    grows = any(node.op is Extend for graph in program.exports.values() for node in graph.walk())
    names = [name for name, graph in program.exports.items() if _predicts(graph)] if grows else []
    if not names:
        help = "write a `train` block into the spec: docs/guides/finetune.md shows one"
        raise bad("data for training are read of language models that go on with one text", help=help)
    return names[0]


def _predicts(graph: Graph) -> bool:
    inputs = [value.type for value in graph.inputs]
    outputs = [value.type for value in graph.outputs]
    is_text = len(inputs) == 1 and inputs[0].dtype is DType.INT and inputs[0].rank == 1
    return is_text and len(outputs) == 1 and outputs[0].rank == 2 and outputs[0].shape[-1] == inputs[0].classes


def _body(export: ast.Function, text: str) -> Iterator[str]:
    """The lines of an export on all tokens but the last, whose result is `z`."""
    (parameter,) = export.parameters
    yield f"{parameter.name.id} = text[:-1]"
    for statement in export.body:
        if isinstance(statement, ast.Return):
            yield f"z = {text[statement.value.span.start : statement.value.span.end]}"
        else:
            yield text[statement.span.start : statement.span.end]


def _train(lesson: Lesson, numbers: int, body: list[str]) -> Iterator[str]:
    """The block: the loss of what is marked, and how often the likeliest token is the right one."""
    batch = 2 ** int(math.log2(max(1, min(MOST_ROWS, TOKENS // lesson.length, lesson.rows // 3))))
    steps = min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * lesson.rows // batch))
    rate = next(rate for most, rate in RATES if numbers < most)
    kept = f", keep = best(loss, patience = {steps // 3})" if lesson.mask is None or lesson.rows >= FEWEST else ""
    yield f"train(steps = {steps}, batch = {batch}, optimizer = adamw(lr = {rate:g}, weight_decay = 0.01), schedule = cosine(warmup = {steps // 10}),"
    yield f"  clip = 1{kept}) {{"
    yield from (f"  {line}" for line in body)
    yield "  y = text[1:]"
    if lesson.mask is None:
        yield "  minimize mean(cross_entropy(z, y))"
        yield "  report mean(where(argmax(z) == y, 1, 0)) as right"
    else:
        yield f"  seen = {lesson.mask}[1:]"
        yield "  minimize sum(seen * cross_entropy(z, y)) / sum(seen)"
        yield "  right = where(argmax(z) == y, 1, 0)"
        yield "  report sum(seen * right) / sum(seen) as right"
        yield "  report min(maximum(right, 1 - seen)) as whole  # Whether the likeliest text is the answer, to its end."
    yield "}"


def _comment(lesson: Lesson, data: Path) -> str:
    learnt = "" if lesson.mask is None else f" The loss is of what `{lesson.mask}` marks."
    return f"# Goes on from the weights below, with {data.name}: {lesson.said}.{learnt}"


def _placed(file: ast.File, text: str, data: str, block: str) -> str:
    """The text with this `data` line in the place of its own, and a block before its `weights from`."""
    line = next(each.span for each in file.declarations if isinstance(each, ast.Data))
    weights = next(each.span for each in file.declarations if isinstance(each, ast.Weights))
    return f"{text[: line.start]}{data}{text[line.end : weights.start]}{block}\n\n{text[weights.start :]}"
