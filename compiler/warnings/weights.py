"""Parameters that training does not reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mai.compiler.ir.graph import Graph, Node, Value, Weight
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ops.elementwise.activations import Relu
from mai.compiler.ops.elementwise.arithmetic import Multiply
from mai.compiler.ops.products.product import Affine, Einsum, Matmul
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.program import Program, Training
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.repairs import first_zeros, other_callee, without_last
from mai.compiler.warnings.subject import Subject, warning
from mai.compiler.weights.rules import Pattern
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic
from mai.spec.source import Span

PRODUCTS = (Affine, Einsum, Matmul, Multiply)


def untrained(subject: Subject) -> Iterator[Diagnostic]:
    """Parameters of an export that training has not: the file computes with their first values. Of a claim those of its own."""
    trainings, claims = subject.program.trainings, subject.program.claims
    if not trainings:
        return
    moved = set().union(*map(_moved, trainings))
    graphs = {**{name: claim.graph for name, claim in claims.items()}, **subject.program.exports}
    for export, graph in graphs.items():
        alone = [w for w in graph.weights.values() if w.trained and w.name not in moved]
        alone = [w for w in alone if not _has_value(subject.program, w)]
        alone = [w for w in alone if export in subject.program.exports or w.owner.split(".")[0] == export]
        if alone:
            alone = _read(graph, alone)
        if alone:
            yield _untrained(subject, export, graph, alone)


def _read(graph: Graph, weights: list[Weight]) -> list[Weight]:
    """Those of which a result is computed: what nothing reads is not in the file."""
    from mai.compiler.passes.local.prune import prune

    read = prune(graph).weights
    return [weight for weight in weights if weight.name in read]


def _moved(training: Training) -> set[str]:
    """The parameters that some objective moves: those behind it, where it does not say `over` others."""
    from mai.compiler.training.moved import weights_reached

    graph = training.graph
    behind = [(o, weights_reached(graph.outputs[o.output])) for o in training.objectives]
    return {name for o, names in behind for name in names if o.moves(graph.weights[name])}


def _has_value(program: Program, weight: Weight) -> bool:
    """Whether a parameter has its value from a file, or is frozen as it begins."""
    patterns = (Pattern(text, weight.span) for training in program.trainings for text in training.settings.frozen)
    frozen = any(pattern.match(weight.name) for pattern in patterns)
    return frozen or _is_loaded(program, weight)


def _is_loaded(program: Program, weight: Weight) -> bool:
    """Whether a file gives a parameter its value."""
    name = weight.name.replace("{}", "0")
    return program.loading is not None and program.loading.has_value_for(name)


def _untrained(subject: Subject, export: str, graph: Graph, weights: list[Weight]) -> Diagnostic:
    first = weights[0]
    more = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
    said = f"nothing trains `{first.name}`{more}: `{export}` computes with first values"
    place = next((n.span for n in graph.walk() if n.op is WeightOf and WeightOf.of(n).weight == first.name), None)
    owners = _nets_meant(subject, first, export)
    nets = " or ".join(f"`{owner}`" for owner in owners)
    if any(first.name in training.graph.weights for training in subject.program.trainings):
        help = "an objective moves it where it computes with it, has a slope there (`argmax`, `round` have none), and says no `over` others"
    elif nets:
        help = f"a layer has parameters of its own at every call; those that are trained are of {nets}: call that net"
    else:
        help = "write a `net`, which has one set of parameters, and call it in `train` and here"
    at = place or _head(subject, export)
    function = next((f for f in subject.functions if f.kind == "export" and f.name.id == export), None)
    edits = other_callee(function, first.name.removeprefix(f"{export}."), owners, help)
    return warning("untrained", at, said, label="parameters of its own", help=help, edits=edits)


def _head(subject: Subject, export: str) -> Span | None:
    return next((f.name.span for f in subject.functions if f.kind == "export" and f.name.id == export), None)


def _nets_meant(subject: Subject, weight: Weight, export: str) -> list[str]:
    """The nets that have a trained parameter of the same name behind their own, of the same shape."""
    tail = weight.name.removeprefix(f"{export}.")
    trained = [w for training in subject.program.trainings for w in training.graph.weights.values()]
    owners = dict.fromkeys(w.owner for w in trained if w.shape == weight.shape and w.name == f"{w.owner}.{tail}")
    return [owner for owner in owners if owner.split(".")[0] != "train"]


def untrained_rows(subject: Subject) -> Iterator[Diagnostic]:
    """Rows of an embedding that an export takes by number and no example of training has: guidance without a label, say."""
    trainings = subject.program.trainings
    if not trainings:
        return
    reached = dict(_rows([Dataflow(training.graph) for training in trainings]))
    for export, graph in subject.program.exports.items():
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.op is Take):
            weight = flow.weight(node.inputs[0])
            if weight is None or weight.name not in reached or _has_value(subject.program, weight):
                continue
            lacking = [
                row for row in flow.labels(node.inputs[1]) if isinstance(row, int) and not reached[weight.name](row)
            ]
            if lacking:
                yield _untrained_row(subject, export, node, weight, lacking[0])
                return
    yield from _untrained_labels(subject, trainings)


def _untrained_labels(subject: Subject, trainings: Sequence[Training]) -> Iterator[Diagnostic]:
    """The same of labels that a net is given and does not look up, as `one_hot` does."""
    nets = {f.name.span: f.name.id for f in subject.functions if f.kind == "net"}
    flows = [(training.graph.calls, Dataflow(training.graph)) for training in trainings]
    for export, graph in subject.program.exports.items():
        flow = Dataflow(graph)
        for slot, values in graph.calls.items():
            if slot[0] not in nets or values[0].type.classes is None or not any(slot in calls for calls, _ in flows):
                continue
            labels = tuple(
                label for calls, trained in flows for value in calls.get(slot, ()) for label in trained.labels(value)
            )
            for row in (label for value in values for label in flow.labels(value)):
                if isinstance(row, int) and not _is_reached(labels, row):
                    const, place = _written(subject, export, row)
                    said = f"`{export}` gives `{nets[slot[0]]}` the label {row} (`{const}`) for `{slot[1]}`, which no step of training does"
                    yield warning("untrained-row", place or _head(subject, export), said, help=_pass_it(const))
                    return


def _rows(flows: Sequence[Dataflow]) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """For each table of the train blocks by its name: whether some example of some batch may take a row of it."""
    taken: dict[str, list[int | Value]] = {}
    for flow, node in ((each, node) for each in flows for node in each.nodes if node.op is Take):
        weight = flow.weight(node.inputs[0])
        if weight is not None:
            taken.setdefault(weight.name, []).extend(flow.labels(node.inputs[1]))
    for name, labels in taken.items():
        yield name, partial(_is_reached, tuple(labels))


def _is_reached(labels: tuple[int | Value, ...], row: int) -> bool:
    bounds = [label.type.classes for label in labels if isinstance(label, Value)]
    return row in labels or any(not isinstance(bound, int) or row < bound for bound in bounds)


def _untrained_row(subject: Subject, export: str, node: Node, weight: Weight, row: int) -> Diagnostic:
    const, place = _written(subject, export, row)
    said = f"`{export}` takes row {row} of `{weight.name}` (`{const}`), which no step of training moves: it is a first value"
    return warning("untrained-row", place or node.span, said, help=_pass_it(const))


def _pass_it(const: str) -> str:
    return f"let training pass it now and then: `keep ~ bernoulli(0.9)` and `where(keep, y, {const})` for the label"


def _written(subject: Subject, export: str, row: int) -> tuple[str, Span | None]:
    """How the export says a number, by a const's name if there is one, and where."""
    const = next((d.name.id for d in subject.file.declarations if isinstance(d, ast.Const) and _is(d, row)), str(row))
    function = next(f for f in subject.functions if f.kind == "export" and f.name.id == export)
    return const, next((n.span for n in nodes_of(function.body, ast.Name) if n.id == const), None)


def _is(const: ast.Const, number: int) -> bool:
    return isinstance(const.value, ast.Number) and const.value.value == number


def stuck_at_zero(subject: Subject) -> Iterator[Diagnostic]:
    """Products of two parameters that both begin as zero: each one's gradient is multiplied by the other's zeros."""
    training = subject.training
    if training is None:
        return
    weights = training.graph.weights.values()
    flow = Dataflow(training.graph, {weight.name for weight in weights if _is_loaded(subject.program, weight)})
    for node in flow.nodes:
        if node.op in PRODUCTS and all(map(flow.begins_as_zero, node.inputs[:2])):
            said = (
                "both factors of this product begin as zero, so the gradient of each is zero: nothing ever moves them"
            )
        elif node.op is Relu and flow.begins_as_zero(node.inputs[0]):
            said = (
                "what this `relu` is of begins as zero, where its slope is zero: nothing ever moves what is before it"
            )
        else:
            continue
        help = "let one of them begin otherwise: leave out `init = zeros` there"
        yield warning("stuck-at-zero", node.span, said, help=help, edits=first_zeros(subject, help))
        return


def begun_alike(subject: Subject) -> Iterator[Diagnostic]:
    """Matrices of standard layers that begin as one number: what stands in the place of their `init` is some other size, mostly."""
    for graph in subject.graphs:
        for node in graph.walk():
            weight = graph.weights[WeightOf.of(node).weight] if node.op is WeightOf else None
            if (
                weight is None
                or node.span is None
                or not weight.span.source.in_prelude
                or _is_loaded(subject.program, weight)
            ):
                continue
            number = weight.init.numbers[0] if weight.init.kind == "constant" else 0
            if number and len(weight.shape) > 1 and min(weight.shape) > 1:
                said = f"all numbers of `{weight.name}` begin as {number:g}: `init` is what a parameter begins as"
                help = "leave it out, or say a distribution: `init = normal(0, 0.02)`"
                yield warning("begun-alike", node.span, said, help=help, edits=without_last(node.span, number, help))
