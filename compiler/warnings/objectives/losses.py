"""Losses that are well typed and say something else than was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation, describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Constant, SizeOf
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.activations import Relu, Sigmoid, Softplus
from mai.compiler.ops.elementwise.arithmetic import Absolute, Divide, Multiply, Negative, Power, Subtract
from mai.compiler.ops.elementwise.conversion import ToReal
from mai.compiler.ops.elementwise.exponential import Log
from mai.compiler.ops.elementwise.logic import Equal, NotEqual, Where
from mai.compiler.ops.losses.loss import CrossEntropy
from mai.compiler.ops.reductions.softmax import LogSoftmax, Softmax
from mai.compiler.ops.reductions.sums import Mean, Sum
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Pick, Take
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.liveness import Names, names_read
from mai.compiler.warnings.repairs import as_rows, draw_first, fewer, of_those_kept, without_call
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic

COMPARES = (Subtract, Equal, NotEqual)
SIGNS: Mapping[type[Operation], str] = {Subtract: "-", Equal: "==", NotEqual: "!=", Multiply: "*"}
BOUNDED = {Relu: "relu", Sigmoid: "sigmoid", Softmax: "softmax"}


def column_against_row(subject: Subject) -> Iterator[Diagnostic]:
    """[n, 1] - [n] is [n, n]: every prediction against every target. A column written out, `x[:, None]`, is meant."""
    for graph in subject.graphs:
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.op in COMPARES or (n.op is Multiply and _has_field(subject, n))):
            if _is_column_and_row(*(v.type.shape for v in node.inputs)) and not any(
                map(flow.is_written_out, node.inputs)
            ):
                a, b = (describe(v.type.shape) for v in node.inputs)
                whole = describe(node.output.type.shape)
                said = f"{a} {SIGNS[node.op]} {b} is {whole}: every entry of the one meets every entry of the other"
                help = "give both one shape: `[:, 0]` takes the column as a row"
                yield warning("column-against-row", node.span, said, help=help, edits=as_rows(node, help))


def _has_field(subject: Subject, node: Node) -> bool:
    """Whether a factor is a field of the data as it is."""
    training = subject.training
    return training is not None and any(v in training.graph.inputs for v in node.inputs)


def _is_column_and_row(a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
    column, row = (a, b) if len(a) > len(b) else (b, a)
    return len(column) == 2 and len(row) == 1 and column[1] == 1 and column[0] == row[0] != 1


def unlike_logits(subject: Subject) -> Iterator[Diagnostic]:
    """What `cross_entropy` is given: as many logits as there are labels, and any real numbers."""
    training = subject.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node, logits, label in scored(flow):
        count, classes = logits.type.shape[-1], label.type.classes
        if isinstance(count, int) and isinstance(classes, int) and count > classes:
            said = f"{count} logits for {classes} labels: {count - classes} of them belong to no label"
            help = f"make the last axis of the logits {classes}"
            yield warning("more-logits", node.span, said, help=help, edits=fewer(subject, count, classes, help))
        maker = _maker(flow, logits)
        if maker is not None and maker.op in BOUNDED:
            name = BOUNDED[maker.op]
            said = f"a softmax takes logits, any real numbers; these come from `{name}`, which bounds them"
            if node.op is CrossEntropy:
                said = said.replace("a softmax", "`cross_entropy`")
            yield warning("bounded-logits", node.span, said, help=without_call(maker, name))
    yield from _halves(subject, flow)


def _halves(subject: Subject, flow: Dataflow) -> Iterator[Diagnostic]:
    """The same of a logit of two labels, whose loss is `softplus(z)` or `softplus(-z)` in the train block itself."""
    for node in (n for n in flow.nodes if n.op is Softplus and _is_in_training(subject, n)):
        maker = flow.source(node.inputs[0], (Negative, Pick))
        if maker is not None and maker.op in (Sigmoid, Softmax):
            name = BOUNDED[maker.op]
            said = f"`softplus` of a logit is a loss, of any real number; this comes from `{name}`, which bounds it"
            yield warning("bounded-logits", node.span, said, help=without_call(maker, name))


def _is_in_training(subject: Subject, node: Node) -> bool:
    return subject.train is not None and node.span is not None and subject.train.span.covers(node.span)


def scored(flow: Dataflow) -> Iterator[tuple[Node, Value, Value]]:
    """Each loss of logits and a label: `cross_entropy(z, y)`, and `-log_softmax(z)[y]`."""
    for node in flow.nodes:
        if node.op is CrossEntropy:
            yield node, node.inputs[0], node.inputs[1]
        elif node.op in (Take, Gather) and (logits := _normalised(flow, node.inputs[0])) is not None:
            yield node, logits, node.inputs[1]


def _normalised(flow: Dataflow, value: Value) -> Value | None:
    """Of what a value is the logarithm of the softmax along its last axis; None where it is something else."""
    maker = flow.source(value)
    if maker is not None and maker.op is Log:
        maker = flow.source(maker.inputs[0])
        softmax: type[Operation] = Softmax
    else:
        softmax = LogSoftmax
    if maker is None or maker.op is not softmax or maker.attributes["axis"] != -1:
        return None
    return maker.inputs[0] if value.type.shape == maker.inputs[0].type.shape else None


def _maker(flow: Dataflow, logits: Value) -> Node | None:
    """What makes logits; a `relu` that is multiplied by a number has no number below 0 either."""
    maker = flow.source(logits)
    scaled = maker
    while scaled is not None and scaled.op in (Multiply, Divide):
        varying = [v for v in scaled.inputs if not _is_number(flow, v)]
        if len(varying) != 1:
            return maker
        scaled = flow.source(varying[0])
    return scaled if scaled is not None and scaled.op is Relu else maker


def _is_number(flow: Dataflow, value: Value) -> bool:
    node = flow.source(value)
    return node is not None and node.op in (Constant, SizeOf)


def shared_objectives(subject: Subject) -> Iterator[Diagnostic]:
    """An objective that does not say whom it moves, beside another one that moves parameters of the same net."""
    training, train = subject.training, subject.train
    if training is None or train is None or len(training.objectives) < 2:
        return
    graph, flow = training.graph, Dataflow(training.graph)
    moved = [
        {name for name in flow.weights_behind(graph.outputs[o.output]) if training.moves(o, graph.weights[name])}
        for o in training.objectives
    ]
    for place, objective in reversed([*enumerate(training.objectives)]):
        others = set().union(*(names for other, names in enumerate(moved) if other != place))
        shared = sorted({graph.weights[name].owner for name in moved[place] & others})
        if shared and not objective.over and not objective.only:
            nets = " and ".join(f"`{name}`" for name in shared[:3])
            said = f"this objective moves all parameters behind it, so that it and another one work against each other on {nets}"
            help = f"say whom each one moves: `minimize ... over {shared[0]}`"
            yield warning("shared-objectives", objective.span, said, help=help)
            return


def masked_mean(subject: Subject) -> Iterator[Diagnostic]:
    """The mean of what a mask of the data has set to zero counts the places that were left out."""
    training = subject.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in (n for n in flow.nodes if n.op is Mean or (n.op is Sum and _is_divided(flow, n, by_number=True))):
        maker = flow.source(node.inputs[0])
        if maker is None or not _leaves_out(flow, maker) or _is_divided(flow, node, by_number=False):
            continue
        said = f"this `{node.op.name}` counts the places that the mask has set to 0, so an example with few of the others counts less"
        help = "divide by their number: `sum(where(mask, e, 0)) / sum(where(mask, 1, 0))`"
        yield warning("masked-mean", node.span, said, help=help, edits=of_those_kept(node))


def _is_divided(flow: Dataflow, node: Node, by_number: bool) -> bool:
    """Whether a result is divided by a number, the same for all examples, or by something else."""
    quotients = [n for n in node.output.uses if n.op is Divide and n.inputs[0] is node.output]
    return any(_is_number(flow, n.inputs[1]) is by_number for n in quotients)


def _leaves_out(flow: Dataflow, node: Node) -> bool:
    """Whether a node keeps a loss where a mask of the data says so, and is 0 elsewhere."""
    if node.op is Where:
        losses = [v for v in node.inputs[1:] if not _is_zero(flow, v)]
        return len(losses) == 1 and _is_loss(flow, losses[0]) and _is_of_data(flow, node.inputs[0])
    if node.op is not Multiply:
        return False
    pairs = (node.inputs, node.inputs[::-1])
    return any((c := _condition(flow, a)) is not None and _is_loss(flow, b) and _is_of_data(flow, c) for a, b in pairs)


def _is_zero(flow: Dataflow, value: Value) -> bool:
    node = flow.source(value)
    return node is not None and node.op is Constant and Constant.of(node).value in (0, 0.0)


def _is_loss(flow: Dataflow, value: Value) -> bool:
    node = flow.source(value)
    return node is not None and node.op in (CrossEntropy, Multiply, Power, Absolute)


def _condition(flow: Dataflow, value: Value) -> Value | None:
    """What decides over a factor that is 0 or a number: `where(mask, 1, 0)`."""
    node = flow.source(value)
    if node is not None and node.op is ToReal:
        node = flow.source(node.inputs[0]) if node.inputs[0].type.dtype is not DType.BOOL else node
    if node is not None and node.op is ToReal:
        return node.inputs[0]
    is_mask = node is not None and node.op is Where and all(_is_number(flow, v) for v in node.inputs[1:])
    return node.inputs[0] if node is not None and is_mask and any(_is_zero(flow, v) for v in node.inputs[1:]) else None


def _is_of_data(flow: Dataflow, condition: Value) -> bool:
    """Whether the data decide, and no weight: `where(e > 0, e^2, 0)` is a loss of one side."""
    return not flow.weights_behind(condition) and any(v in flow.graph.inputs for v in flow.behind(condition))


def coupled_data(subject: Subject) -> Iterator[Diagnostic]:
    """`couple(a, b)` gives a in another order: the other fields of a data line stay where they were."""
    train, data = subject.train, subject.data
    if train is None or data is None:
        return
    fields = {f.name.id for f in data.fields} - {s.name.id for s in train.body if isinstance(s, ast.Draw)}
    made_of = {name: frozenset({name}) for name in fields}  # Each name's fields, from one statement to the next.
    for statement in train.body:
        for call in nodes_of(statement, ast.Call):
            if isinstance(call.function, ast.Name) and call.function.id == "couple" and len(call.arguments) == 2:
                yield from _coupled(statement, call, made_of, fields & names_read(train.body))
        if isinstance(statement, ast.Assign):
            of = frozenset().union(*(made_of.get(name, frozenset()) for name in names_read(statement.value)))
            made_of.update({target.id: of for target in statement.targets})


def _coupled(
    statement: ast.Statement, call: ast.Call, made_of: Mapping[str, Names], read: Names | set[str]
) -> Iterator[Diagnostic]:
    moved, stays = (
        frozenset().union(*(made_of.get(name, frozenset()) for name in names_read(argument.value)))
        for argument in call.arguments
    )
    beside = sorted(read - moved - stays)
    if moved and beside:
        first, others = min(moved), ", ".join(f"`{name}`" for name in beside)
        said = f"`couple` gives its first argument in another order: `{first}` is a field of the data, and {others} beside it stays"
        yield warning("coupled-data", call.span, said, help=draw_first(statement, call, first))
