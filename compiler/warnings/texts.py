"""Texts that grow beyond what a model can read, and texts whose answers a model sees."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.sizes import substitute, symbols
from mai.compiler.ir.structure import Extend
from mai.compiler.ops.products.attention import Attention
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.passes.text.growth import longest
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.losses import scored
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put


def long_texts(subject: Subject) -> Iterator[Diagnostic]:
    """An `extend` by more tokens than the model reads, as the defaults of an export's settings say: no prompt is short enough."""
    written = {function.name.id: function for function in subject.functions}
    for name, graph in subject.program.exports.items():
        for node in (each for each in graph.nodes if each.op is Extend):
            count, most = _usual_count(graph, node), longest(node)
            if count is not None and most is not None and count > most and name in written:
                yield _too_long(written[name], node, count, most)


def _usual_count(graph: Graph, node: Node) -> int | None:
    """How many tokens are appended where no setting is given; None where that depends on the prompt."""
    count = substitute(Extend.of(node).count, {name: int(each.default) for name, each in graph.settings.items()})
    return count if isinstance(count, int) else None


def _too_long(export: ast.Function, node: Node, count: int, most: int) -> Diagnostic:
    names = symbols(Extend.of(node).count)
    setting = next((each for each in export.parameters if each.name.id in names and each.default is not None), None)
    said = f"`{export.name.id}` appends {count:,} tokens, and the model reads at most {most:,}, those of the prompt among them"
    if setting is None or setting.default is None:
        return warning("long-text", export.name.span, said)
    return warning("long-text", setting.default.span, said, help=put(setting.default.span, str(most // 2)))


def seen_answers(subject: Subject) -> Iterator[Diagnostic]:
    """Attention without a mask in a net that is trained on the tokens that come next: each place looks at its answer."""
    if subject.training is None:
        return
    flow = Dataflow(subject.training.graph)
    for _, logits, label in scored(flow):
        text = _continued(flow, label)
        if text is None:
            continue
        for node in (v.producer for v in flow.behind(logits)):
            if node is not None and node.op is Attention and _looks_ahead(flow, node, text, label):
                said = "every token looks at all others here, also at the next one, which the loss asks for"
                help = "tokens look at those before them alone with `causal = true`"
                yield warning("seen-answers", node.span, said, help=help, edits=_causal(node, help))


def _continued(flow: Dataflow, label: Value) -> Value | None:
    """The field x of which labels are what comes next: `x[1:]`."""
    node = flow.source(label)
    if node is None or node.op is not Slice or not node.attributes.get("start"):
        return None
    field = flow.seen_through(node.inputs[0])
    return field if field in flow.graph.inputs else None


def _looks_ahead(flow: Dataflow, node: Node, text: Value, label: Value) -> bool:
    """Whether each place of a text looks at all places of it."""
    queries, keys = node.inputs[:2]
    rows = flow.seen_through(label).type.physical[-1]
    is_along = queries.type.shape[-2] == keys.type.shape[-2] == rows
    return not node.attributes["causal"] and is_along and all(text in flow.behind(v) for v in (queries, keys))


def _causal(node: Node, words: str) -> list[Edit]:
    span = node.span
    return [put(span, f"{span.text[:-1]}, causal = true)", words)] if span and span.text.endswith(")") else []
