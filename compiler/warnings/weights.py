"""Parameters that training does not reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mai.compiler.ir.graph import Graph, Node, Value, Weight
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ops.elementwise.arithmetic import Multiply
from mai.compiler.ops.products.product import Affine, Einsum, Matmul
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.program import Program, Training
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.subject import Subject, warning
from mai.compiler.weights.rules import Pattern
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put, take_out
from mai.spec.source import Span

PRODUCTS = (Affine, Einsum, Matmul, Multiply)


def untrained(subject: Subject) -> Iterator[Diagnostic]:
    """Parameters of an export that training has not: the file computes with their first values."""
    training = subject.program.training
    if training is None:
        return
    for export, graph in subject.program.exports.items():
        alone = [w for w in graph.weights.values() if w.trained and w.name not in training.graph.weights]
        alone = [w for w in alone if not _has_value(subject.program, training, w)]
        if alone:
            yield _untrained(subject, export, graph, alone)


def _has_value(program: Program, training: Training, weight: Weight) -> bool:
    """Whether a parameter has its value from a file, or is frozen as it begins."""
    frozen = any(Pattern(text, weight.span).match(weight.name) for text in training.settings.frozen)
    names = [weight.name.replace("{}", "0")]
    return frozen or (
        program.loading is not None and any(True for name in names for _ in program.loading.rules_of(name))
    )


def _untrained(subject: Subject, export: str, graph: Graph, weights: list[Weight]) -> Diagnostic:
    first = weights[0]
    more = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
    said = f"nothing trains `{first.name}`{more}: `{export}` computes with first values"
    place = next((n.span for n in graph.walk() if n.op is WeightOf and WeightOf.of(n).weight == first.name), None)
    owners = _nets_meant(subject, first, export)
    nets, help = " or ".join(f"`{owner}`" for owner in owners), ""
    if nets:
        help = f"a layer has parameters of its own at every call; those that are trained are of {nets}: call that net"
    else:
        help = "write a `net`, which has one set of parameters, and call it in `train` and here"
    at = place or _head(subject, export)
    function = next((f for f in subject.functions if f.kind == "export" and f.name.id == export), None)
    edits = _other_callee(function, first.name.removeprefix(f"{export}."), owners, help)
    return warning("untrained", at, said, label="parameters of its own", help=help, edits=edits)


def _other_callee(function: ast.Function | None, tail: str, nets: Sequence[str], words: str) -> list[Edit]:
    """The net that was probably meant, in the place of the layer that the export calls."""
    layer = tail.partition(".")[0].rpartition("_")[0]
    callees = [call.function for call in nodes_of(function.body, ast.Call)] if function is not None else []
    called = [c for c in callees if isinstance(c, ast.Name) and c.id == layer]
    return [put(c.span, nets[0], words) for c in called[:1]] if len(nets) == 1 else []


def _head(subject: Subject, export: str) -> Span | None:
    return next((f.name.span for f in subject.functions if f.kind == "export" and f.name.id == export), None)


def _nets_meant(subject: Subject, weight: Weight, export: str) -> list[str]:
    """The nets that have a trained parameter of the same name behind their own, of the same shape."""
    assert subject.program.training is not None
    tail = weight.name.removeprefix(f"{export}.")
    trained = subject.program.training.graph.weights.values()
    owners = dict.fromkeys(w.owner for w in trained if w.shape == weight.shape and w.name == f"{w.owner}.{tail}")
    return [owner for owner in owners if owner != "train"]


def untrained_rows(subject: Subject) -> Iterator[Diagnostic]:
    """Rows of an embedding that an export takes by number and no example of training has: guidance without a label, say."""
    training = subject.program.training
    if training is None:
        return
    reached = dict(_rows(Dataflow(training.graph)))
    for export, graph in subject.program.exports.items():
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.op is Take):
            weight = flow.weight(node.inputs[0])
            if weight is None or weight.name not in reached or _has_value(subject.program, training, weight):
                continue
            lacking = [
                row for row in flow.labels(node.inputs[1]) if isinstance(row, int) and not reached[weight.name](row)
            ]
            if lacking:
                yield _untrained_row(subject, export, node, weight, lacking[0])
                return


def _rows(flow: Dataflow) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """For each table of the train block by its name: whether some example of some batch may take a row of it."""
    found: dict[str, list[int | Value]] = {}
    for node in (n for n in flow.nodes if n.op is Take):
        weight = flow.weight(node.inputs[0])
        if weight is not None:
            found.setdefault(weight.name, []).extend(flow.labels(node.inputs[1]))
    for name, labels in found.items():
        yield name, partial(_is_reached, tuple(labels))


def _is_reached(labels: tuple[int | Value, ...], row: int) -> bool:
    bounds = [label.type.classes for label in labels if isinstance(label, Value)]
    return row in labels or any(not isinstance(bound, int) or row < bound for bound in bounds)


def _untrained_row(subject: Subject, export: str, node: Node, weight: Weight, row: int) -> Diagnostic:
    """At the place where the export says the number, if it says it by a const's name."""
    const = next((d.name.id for d in subject.file.declarations if isinstance(d, ast.Const) and _is(d, row)), str(row))
    function = next(f for f in subject.functions if f.kind == "export" and f.name.id == export)
    spoken = next((n.span for n in nodes_of(function.body, ast.Name) if n.id == const), node.span)
    said = f"`{export}` takes row {row} of `{weight.name}` (`{const}`), which no step of training moves: it is a first value"
    help = f"let training pass it now and then: `keep ~ bernoulli(0.9)` and `where(keep, y, {const})` for the label"
    return warning("untrained-row", spoken, said, help=help)


def _is(const: ast.Const, number: int) -> bool:
    return isinstance(const.value, ast.Number) and const.value.value == number


def stuck_at_zero(subject: Subject) -> Iterator[Diagnostic]:
    """Products of two parameters that both begin as zero: each one's gradient is multiplied by the other's zeros."""
    training = subject.program.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in flow.nodes:
        if node.op in PRODUCTS and all(map(flow.begins_as_zero, node.inputs[:2])):
            said = (
                "both factors of this product begin as zero, so the gradient of each is zero: nothing ever moves them"
            )
            help = "let one of them begin otherwise: leave out `init = zeros` there"
            yield warning("stuck-at-zero", node.span, said, help=help, edits=_first_zeros(subject, help))
            return


def _first_zeros(subject: Subject, words: str) -> list[Edit]:
    """The first `init = zeros` of the file: the last layer of a residual step may begin as zero."""
    source = subject.file.source
    found = re.search(r",\s*init\s*=\s*zeros\b", source.text)
    return [take_out(Span(source, found.start(), found.end()), words)] if found else []
