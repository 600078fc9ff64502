"""Texts that grow beyond what a model can read."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.sizes import substitute, symbols
from mai.compiler.ir.structure import Extend
from mai.compiler.passes.text.growth import longest
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic
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
