"""Numbers that stand for something else: logits for probabilities, labels for amounts, a likelihood for a loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mai.compiler.elaborate.random.families import FAMILIES
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.arithmetic import Subtract
from mai.compiler.ops.elementwise.conversion import ToReal
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.warnings.dataflow import Dataflow
from mai.compiler.warnings.liveness import Names, names_read
from mai.compiler.warnings.numbers import Number, number_of
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import children, nodes_of
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span

RISING = ("mean", "sum", "across", "logsumexp")  # What is larger where its first argument is.


def logits_as_probabilities(subject: Subject) -> Iterator[Diagnostic]:
    """`bernoulli(f(x))` where f ends in a linear layer, whose numbers are of any sign and size."""
    calls = _of_probabilities(subject)
    if not calls:
        return
    for graph in subject.graphs:
        flow = Dataflow(graph)
        for node in (n for n in flow.nodes if n.span in calls and any(_is_linear(flow, v) for v in n.inputs)):
            assert node.span is not None
            call = calls[node.span]
            name, probability = call.function.span.text, call.arguments[-1]
            said = f"`{name}` takes a probability, from 0 to 1; this comes from a linear layer, and is any number"
            yield warning("logits-as-probability", probability.value.span, said, help=_as_logits(name, probability))


def _of_probabilities(subject: Subject) -> dict[Span, ast.Call]:
    """The calls of distributions that take probabilities or logits and are given the former, by their places and those of their draws."""
    kinds = {name for name, family in FAMILIES.items() if family.by_logits}
    calls: dict[Span, ast.Call] = {}
    for call in subject.nodes(ast.Call):
        names = [argument.name for argument in call.arguments]
        if call.function.span.text in kinds and names and "logits" not in names:
            calls[call.span] = call
    draws = ((draw, calls.get(draw.distribution.span)) for draw in subject.nodes(ast.Draw))
    return calls | {draw.span: call for draw, call in draws if call is not None}


def _is_linear(flow: Dataflow, value: Value) -> bool:
    """Whether a value is what a linear layer gives, or some numbers of it."""
    node = flow.source(value, (Pick, Slice))
    return node is not None and node.op is Affine and flow.weight(node.inputs[1]) is not None


def _as_logits(name: str, probability: ast.Argument) -> Edit | str:
    span = probability.value.span
    words = f"write `{name}(logits = {span.text})`"
    return words if probability.name is not None else put(span, f"logits = {span.text}", words)


def labels_as_numbers(subject: Subject) -> Iterator[Diagnostic]:
    """`f(x) - y` of as many numbers as y has classes: the number of the label is taken from each of them."""
    training = subject.training
    if training is None:
        return
    flow = Dataflow(training.graph)
    for node in (n for n in flow.nodes if n.op is Subtract):
        pairs = (node.inputs, node.inputs[::-1])
        label = next(
            (label for scores, side in pairs if (label := _label_beside(flow, scores, side)) is not None), None
        )
        if label is not None:
            yield _as_number(subject, node, label)


def _label_beside(flow: Dataflow, scores: Value, side: Value) -> Value | None:
    """The label of the data that a number is, beside a number for each of its classes."""
    shape, other = scores.type.shape, side.type.shape
    maker = flow.source(side)
    if maker is None or maker.op is not ToReal or not shape or other[-1:] not in ((), (1,)):
        return None
    label = flow.seen_through(maker.inputs[0])
    is_label = label in flow.graph.inputs and label.type.dtype is DType.INT and label.type.classes == shape[-1]
    return label if is_label and shape[-1] != 1 and flow.weights_behind(scores) else None


def _as_number(subject: Subject, node: Node, label: Value) -> Diagnostic:
    name, count = label.name, label.type.classes
    written = next((each for each in subject.nodes(ast.Binary) if each.span == node.span), None)
    sides = [] if written is None else [written.left.span.text, written.right.span.text]
    scores = next((side for side in sides if side != name), "logits") if name in sides else "logits"
    said = f"the label `{name}` is one number here, and is taken with each of {count} others"
    help = f"write `cross_entropy({scores}, {name})`, or `one_hot({name}, {count})` for a number of each label"
    return warning("label-as-number", node.span, said, help=help)


@record
class _Scope:
    """A body: the names that are made of data alone, those that are made of draws, and what names are assigned once."""

    of_data: Names
    drawn: Names
    assigned: Mapping[str, ast.Expr]

    def has_data(self, *values: object) -> bool:
        """Whether expressions are made of data, and not of draws."""
        read = names_read(*values)
        return bool(read & self.of_data) and not read & self.drawn


def _scope(body: Sequence[ast.Statement], of_data: Names, drawn: Names) -> _Scope:
    assigned: dict[str, ast.Expr] = {}
    twice: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Draw):
            drawn, of_data = drawn | {statement.name.id}, of_data - {statement.name.id}
        if isinstance(statement, ast.Assign):
            names, read = {target.id for target in statement.targets}, names_read(statement.value)
            drawn = drawn | names if read & drawn else drawn
            of_data = of_data | names if read & of_data else of_data
            twice |= names & assigned.keys()
            if len(names) == 1 and not statement.op:
                assigned |= dict.fromkeys(names, statement.value)
    return _Scope(of_data, drawn, {name: value for name, value in assigned.items() if name not in twice})


def unlikely_data(subject: Subject) -> Iterator[Diagnostic]:
    """`minimize log_prob(q, x)` of the data x: a minus is lacking."""
    if subject.train is None or subject.data is None:
        return
    scope = _scope(subject.train.body, frozenset(f.name.id for f in subject.data.fields), frozenset())
    likelihoods = _Likelihoods({f.name.id: f for f in subject.functions}, subject.program.constants)
    for objective in (o for o in subject.nodes(ast.Minimize) if subject.train.span.covers(o.span)):
        signs = [*likelihoods.signs(objective.value, scope)]
        if signs and all(sign > 0 for sign in signs):
            said = "this makes the data less and less likely: a log probability is to be large, and this is minimized"
            written = objective.value.span.text
            negative = f"-({written})" if isinstance(objective.value, ast.Binary) else f"-{written}"
            help = put(objective.value.span, negative, "put a minus before it: `{}`")
            yield warning("likelihood-minimized", objective.value.span, said, help=help)


class _Likelihoods:
    """Where an expression has log probabilities of data, and whether it rises with them (1), falls (-1), or may do either (0)."""

    def __init__(self, functions: Mapping[str, ast.Function], constants: Mapping[str, Number]) -> None:
        self._functions, self._constants = functions, constants

    def signs(self, expr: ast.Expr, scope: _Scope) -> Iterator[int]:
        """One sign for each log probability that is followed to the value of an expression."""
        match expr:
            case ast.Unary(op="-"):
                yield from (-sign for sign in self.signs(expr.operand, scope))
            case ast.Binary():
                yield from self._of_binary(expr, scope)
            case ast.Name() if expr.id in scope.assigned:
                rest = {name: value for name, value in scope.assigned.items() if name != expr.id}
                yield from self.signs(scope.assigned[expr.id], _Scope(scope.of_data, scope.drawn, rest))
            case ast.Pipe() if _callee(expr.right) in RISING:
                yield from self.signs(expr.left, scope)
            case _ if _is_likelihood(expr, scope):
                yield 1
            case ast.Call() if expr.arguments:
                yield from self._of_call(expr, scope)
            case _:
                yield from self._unfollowed(expr, scope)

    def _unfollowed(self, expr: ast.Expr, scope: _Scope) -> Iterator[int]:
        """Of an expression that may rise or fall with the likelihoods that it reads: a ratio `exp(l - old)`, a square."""
        bodies = {name: function.body for name, function in self._functions.items()}
        below: dict[str, object] = {**bodies, **scope.assigned}
        trees: list[object] = [children(expr)]
        for tree in trees:
            if any(_is_log_probability(node) for node in nodes_of(tree, ast.Expr)):
                yield 0
                return
            trees += [below.pop(name) for name in names_read(tree) & below.keys()]

    def _of_binary(self, expr: ast.Binary, scope: _Scope) -> Iterator[int]:
        if expr.op in ("+", "-"):
            yield from self.signs(expr.left, scope)
            side = 1 if expr.op == "+" else -1
            yield from (side * sign for sign in self.signs(expr.right, scope))
            return
        pairs = ((expr.right, expr.left), (expr.left, expr.right))[: {"*": 2, "/": 1}.get(expr.op, 0)]
        scaled = ((number, other) for factor, other in pairs if (number := number_of(factor, self._constants)))
        number, other = next(scaled, (0, expr))
        if number:
            yield from ((1 if number > 0 else -1) * sign for sign in self.signs(other, scope))
        else:
            yield from self._unfollowed(expr, scope)

    def _of_call(self, call: ast.Call, scope: _Scope) -> Iterator[int]:
        name, values = _callee(call), [argument.value for argument in call.arguments]
        if name in RISING:
            yield from self.signs(values[0], scope)
        elif (function := self._functions.get(name)) is not None and isinstance(function.body[-1], ast.Return):
            inner = self._inside(function, call, scope)
            others = {each: f for each, f in self._functions.items() if each != name}
            yield from _Likelihoods(others, self._constants).signs(function.body[-1].value, inner)
        else:
            yield from self._unfollowed(call, scope)

    def _inside(self, function: ast.Function, call: ast.Call, scope: _Scope) -> _Scope:
        """What the names of a called function's body are made of."""
        pairs = zip(call.arguments, function.parameters, strict=False)
        values = {argument.name or parameter.name.id: argument.value for argument, parameter in pairs}
        of_data = frozenset(name for name, value in values.items() if scope.has_data(value))
        drawn = frozenset(name for name, value in values.items() if names_read(value) & scope.drawn)
        return _scope(function.body, of_data, drawn)


def _is_likelihood(expr: ast.Expr, scope: _Scope) -> bool:
    """Whether an expression is a log probability of data."""
    match expr:
        case ast.Index():
            return _is_log_probability(expr) and scope.has_data(expr.items)
        case ast.Call():
            return _is_log_probability(expr) and scope.has_data(expr.arguments[1].value)
    return False


def _is_log_probability(expr: ast.Expr) -> bool:
    """Whether an expression is one by its words: `log_prob(q, x)`, `log_softmax(f(x))[y]`."""
    if isinstance(expr, ast.Index):
        return _callee(expr.base) == "log_softmax"
    return isinstance(expr, ast.Call) and _callee(expr) == "log_prob" and len(expr.arguments) == 2


def _callee(expr: ast.Expr) -> str:
    """The name of the function that an expression calls or is; nothing for others."""
    function = expr.function if isinstance(expr, ast.Call) else expr
    return function.id if isinstance(function, ast.Name) else ""
