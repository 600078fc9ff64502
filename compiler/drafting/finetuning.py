"""An imported spec that also trains: the weights of a folder, and data of one's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mai.compiler.check import check_text
from mai.compiler.data.fields import bad
from mai.compiler.data.sources.text import Text
from mai.compiler.drafting.heads import with_new_head
from mai.compiler.drafting.labelled import labelled_of, pictured_of
from mai.compiler.drafting.lessons import Lesson, Reader, lesson_of
from mai.compiler.drafting.preparing import Preparation, preparation_of
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Extend
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Program
from mai.spec import ast
from mai.spec.diagnostics import Change, Reporter
from mai.spec.diagnostics.edit import changed
from mai.spec.formatting import format_text
from mai.spec.parsing.parse import parse
from mai.spec.record import record
from mai.spec.source import Source, Span

# The rate of the steps by how many numbers a model has: the more, the less each may move.
RATES = ((1e6, 1e-3), (5e7, 3e-4), (5e8, 5e-5), (math.inf, 2e-5))
EPOCHS, FEWEST_STEPS, MOST_STEPS = 3, 100, 5000
TOKENS, MOST_ROWS = 4096, 16  # Of a step.
AS_PREPARED = "as the folder's preprocessor leaves them"  # What an imported spec says of the images that it takes.
PREPARED = "prepared"  # The net that makes the numbers of images those of the model.


@record
class Tuned:
    """The text of a spec that trains, and what is said of what it learns."""

    text: str
    said: str


def finetuned(
    text: str, spec: Path, data: Path, end: int | None = None, context: int | None = None,
    labels: Sequence[str] | None = None, preprocessor: tuple[Mapping[str, object], Path] | None = None,
) -> Tuned:  # fmt: skip
    """An imported spec with a `data` line for data of one's own, and a train block that goes on from the folder's weights.

    Args:
        text: of the spec, which is at `spec`, or will be.
        end: the token that ends a text.
        context: how many tokens the model reads at most; None where that is not known.
        labels: of a classifier of texts or images, the names of its labels in their order; none where its head begins anew.
        preprocessor: what is said of how images are prepared, and the path of the file that says it.

    Raises:
        MaiError: the model is none that goes on with texts, or there is nothing in the data that it could learn.
    """
    program = check_text(spec, text).meaning()
    predicting = _predicting(program, labels is not None)
    image = _image(program.exports[predicting])
    if labels is not None and image is not None:
        lesson = pictured_of(data, spec.parent, labels, _preparation(image, preprocessor))
    else:
        reader = _reader(program, spec, end, context)
        lesson = lesson_of(data, reader) if labels is None else labelled_of(data, reader, labels)
    if lesson.head is not None and lesson.head.is_new:
        text = with_new_head(text, spec, lesson.head.labels)
    file = parse(Source(str(spec), text, spec.name), Reporter())
    export = next(each for each in file.declarations if isinstance(each, ast.Function) and each.name.id == predicting)
    numbers = sum(math.prod(weight.shape) for weight in program.weights.values())
    block = "\n".join(_train(lesson, numbers, [*_body(export, lesson)]))
    line = f"data {lesson.fields}\n  from {lesson.source}"
    tuned = format_text(_placed(file, line, f"{_comment(lesson, data)}\n{block}", export, lesson))
    check_text(spec, tuned).meaning()
    return Tuned(tuned, lesson.said)


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
            "data for training are read of language models that go on with one text, and of models that classify texts or images",
            help=help,
        )
    return names[0]


def _predicts(graph: Graph) -> bool:
    outputs = [value.type for value in graph.outputs]
    return _reads_text(graph) and outputs[0].rank == 2 and outputs[0].shape[-1] == graph.inputs[0].type.classes


def _classifies(graph: Graph) -> bool:
    return (_reads_text(graph) or _image(graph) is not None) and graph.outputs[0].type.rank == 1


def _image(graph: Graph) -> Type | None:
    """The type of an export's one input, where that is an image; None where it is none."""
    types = [value.type for value in graph.inputs]
    is_one = len(types) == len(graph.outputs) == 1 and types[0].dtype is DType.REAL and types[0].rank == 3
    return types[0] if is_one else None


def _preparation(image: Type, preprocessor: tuple[Mapping[str, object], Path] | None) -> Preparation:
    """How images are prepared for an export. Raises `MaiError` where it takes others than its folder says."""
    channels, *sides = image.shape
    said, path = preprocessor or ({}, Path())
    prepared = preparation_of(said, path, channels if isinstance(channels, int) else 0)
    if any(isinstance(side, int) and side != ours for side, ours in zip(sides, prepared.size, strict=True)):
        raise bad(f"{path} makes images of {list(prepared.size)} pixels, and the model takes {sides}")
    return prepared


def _reads_text(graph: Graph) -> bool:
    """Whether an export makes one result of one text."""
    inputs = [value.type for value in graph.inputs]
    return len(inputs) == len(graph.outputs) == 1 and inputs[0].dtype is DType.INT and inputs[0].rank == 1


def _body(export: ast.Function, lesson: Lesson) -> Iterator[str]:
    """The lines of an export on a text, or on all of its tokens but the last, whose result is `z`."""
    (parameter,) = export.parameters
    if parameter.name.id != _read(lesson):
        yield f"{parameter.name.id} = {_read(lesson)}"
    for statement in export.body:
        if isinstance(statement, ast.Return):
            yield f"z = {statement.value.span.text}"
        else:
            yield statement.span.text


def _read(lesson: Lesson) -> str:
    """What the model takes of an example, as an expression."""
    if lesson.label is None:
        return f"{lesson.read}[:-1]"
    if lesson.mask is not None:
        return f"where({lesson.mask} > 0, {lesson.read}, -1)"
    return f"{PREPARED}({lesson.read})" if lesson.prepared and lesson.prepared.changes else lesson.read


def _train(lesson: Lesson, numbers: int, body: list[str]) -> Iterator[str]:
    """The block, with its settings by how much there is to learn, and how large the model is."""
    batch = 2 ** int(math.log2(max(1, min(MOST_ROWS, TOKENS // lesson.length, lesson.rows // 3))))
    steps = min(MOST_STEPS, max(FEWEST_STEPS, EPOCHS * lesson.rows // batch))
    rate = next(rate for most, rate in RATES if numbers < most)
    kept = f", keep = best(loss, patience = {steps // 3})" if lesson.is_held_out else ""
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


def _placed(file: ast.File, data: str, block: str, export: ast.Function, lesson: Lesson) -> str:
    """The text with this `data` line in the place of its own, and a block before its `weights from`."""
    line = next((each.span for each in file.declarations if isinstance(each, ast.Data)), None)
    weights = next(each.span for each in file.declarations if isinstance(each, ast.Weights))
    before = [data]
    if lesson.prepared is not None and lesson.prepared.changes:
        before.append("\n".join(lesson.prepared.net(PREPARED)))
    if line is None:  # An importer of images writes none.
        first = next(each.span for each in file.declarations if not isinstance(each, ast.Const))
        line, before = Span(first.source, first.start, first.start), [*before, ""]
    changes = [
        Change(line, "\n\n".join(before)),
        Change(Span(weights.source, weights.start, weights.start), f"{block}\n\n"),
    ]
    if lesson.label is not None:  # First: a `data` line may come to the place where it begins.
        changes.insert(0, Change(export.span, "\n".join(_classifying(export, lesson))))
    text = changed(file.source.text, changes)
    return text if lesson.prepared is None else text.replace(AS_PREPARED, "from -1 to 1")


def _classifying(export: ast.Function, lesson: Lesson) -> Iterator[str]:
    """The export of a classifier, with the likeliest label and the probability of each.

    Its input is called as the field that is trained on, so that an evaluation and a table find it, and images are prepared in it.
    """
    assert lesson.head is not None
    (parameter,), name, count = export.parameters, lesson.read, lesson.head.labels
    kind = parameter.type
    called = re.compile(rf"\b{parameter.name.id}\b")
    type_text = "" if kind is None else kind.span.text
    if lesson.prepared is not None:
        type_text = f"[{len(lesson.prepared.means)}, {lesson.prepared.size[0]}, {lesson.prepared.size[1]}]"
    yield f"export {export.name.id}({name}: {type_text}) -> (class[{count}], [{count}]) {{"
    if lesson.prepared is not None and lesson.prepared.changes:
        yield f"{name} = {PREPARED}({name})"
    *before, last = export.body
    assert isinstance(last, ast.Return)
    yield from (called.sub(name, each.span.text) for each in before)
    yield f"z = {called.sub(name, last.value.span.text)}"
    yield f"{lesson.label} = argmax(z)"
    yield "probability = softmax(z)"
    yield f"return ({lesson.label}, probability)"
    yield "}"
