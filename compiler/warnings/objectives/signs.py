"""Objectives whose sign is wrong: a likelihood that is made small, a divergence that is made large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mai.compiler.warnings.liveness import Names, names_read
from mai.compiler.warnings.numbers import Number, number_of
from mai.compiler.warnings.objectives.assigned import assigned_once
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import children, nodes_of
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import put
from mai.spec.record import record

RISING = ("mean", "sum", "across", "logsumexp")  # What is larger where its first argument is.


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
    for statement in body:
        if isinstance(statement, ast.Draw):
            drawn, of_data = drawn | {statement.name.id}, of_data - {statement.name.id}
        if isinstance(statement, ast.Assign):
            names, read = {target.id for target in statement.targets}, names_read(statement.value)
            drawn = drawn | names if read & drawn else drawn
            of_data = of_data | names if read & of_data else of_data
    once = assigned_once(statement for statement in body if isinstance(statement, ast.Assign))
    return _Scope(of_data, drawn, {name: value for name, (value, place) in once.items() if place is None})


@record
class _Term:
    """What is looked for in an objective: whether an expression is one by its words, and its sign where it counts; 0 for others."""

    is_written: Callable[[ast.Expr], bool]
    sign: Callable[[ast.Expr, _Scope], int]


def unlikely_data(subject: Subject) -> Iterator[Diagnostic]:
    """`minimize log_prob(q, x)` of the data x: a minus is lacking. With `over`, beside its negative, it is an adversary's objective."""
    objectives = [*_objectives(subject, LIKELIHOOD)]
    has_likely = any(sign < 0 for _, signs in objectives for sign in signs)
    for objective, signs in objectives:
        if signs and all(sign > 0 for sign in signs) and not (objective.over and has_likely):
            said = "this makes the data less and less likely: a log probability is to be large, and this is minimized"
            written = objective.value.span.text
            negative = f"-({written})" if isinstance(objective.value, ast.Binary) else f"-{written}"
            help = put(objective.value.span, negative, "put a minus before it: `{}`")
            yield warning("likelihood-minimized", objective.value.span, said, help=help)


def driven_apart(subject: Subject) -> Iterator[Diagnostic]:
    """`minimize e - kl(q, p)`: the divergence grows. With `over`, it may be the objective of an adversary."""
    for objective, signs in _objectives(subject, DIVERGENCE):
        if any(sign < 0 for sign in signs) and not objective.over:
            said = "this drives two distributions apart: a divergence is to be small, and its negative is minimized"
            yield warning("divergence-maximized", objective.value.span, said, help=_added(objective.value))


def _added(value: ast.Expr) -> Edit | str:
    """`e - kl(q, p)` with a plus."""
    words = "add it: `+ kl(q, p)`"
    if isinstance(value, ast.Binary) and value.op == "-" and _is_divergence(value.right):
        return put(value.op_span, "+", words)
    return words


def _objectives(subject: Subject, term: _Term) -> Iterator[tuple[ast.Minimize, list[int]]]:
    """The objectives of a train block on data, each with the signs of the terms in it."""
    written = (*subject.nodes(ast.Call), *subject.nodes(ast.Index))
    if subject.train is None or subject.data is None or not any(map(term.is_written, written)):
        return
    scope = _scope(subject.train.body, frozenset(f.name.id for f in subject.data.fields), frozenset())
    signs = _Signs(term, {f.name.id: f for f in subject.functions}, subject.program.constants)
    for objective in (o for o in subject.nodes(ast.Minimize) if subject.train.span.covers(o.span)):
        yield objective, [*signs.signs(objective.value, scope)]


class _Signs:
    """Where an expression has terms of a kind, and whether it rises with them (1), falls (-1), or may do either (0)."""

    def __init__(self, term: _Term, functions: Mapping[str, ast.Function], constants: Mapping[str, Number]) -> None:
        self._term, self._functions, self._constants = term, functions, constants

    def signs(self, expr: ast.Expr, scope: _Scope) -> Iterator[int]:
        """One sign for each term that is followed to the value of an expression."""
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
            case _ if sign := self._term.sign(expr, scope):
                yield sign
            case ast.Call() if expr.arguments:
                yield from self._of_call(expr, scope)
            case _:
                yield from self._unfollowed(expr, scope)

    def _unfollowed(self, expr: ast.Expr, scope: _Scope) -> Iterator[int]:
        """Of an expression that may rise or fall with the terms that it reads: a ratio `exp(l - old)`, a square."""
        bodies = {name: function.body for name, function in self._functions.items()}
        below: dict[str, object] = {**bodies, **scope.assigned}
        trees: list[object] = [children(expr)]
        for tree in trees:
            if any(self._term.is_written(node) for node in nodes_of(tree, ast.Expr)):
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
            yield from _Signs(self._term, others, self._constants).signs(function.body[-1].value, inner)
        else:
            yield from self._unfollowed(call, scope)

    def _inside(self, function: ast.Function, call: ast.Call, scope: _Scope) -> _Scope:
        """What the names of a called function's body are made of."""
        pairs = zip(call.arguments, function.parameters, strict=False)
        values = {argument.name or parameter.name.id: argument.value for argument, parameter in pairs}
        of_data = frozenset(name for name, value in values.items() if scope.has_data(value))
        drawn = frozenset(name for name, value in values.items() if names_read(value) & scope.drawn)
        return _scope(function.body, of_data, drawn)


def _sign_of_likelihood(expr: ast.Expr, scope: _Scope) -> int:
    """1 for a log probability of data, -1 for a cross-entropy of them."""
    if isinstance(expr, ast.Index):
        return int(_is_log_probability(expr) and scope.has_data(expr.items))
    if not isinstance(expr, ast.Call) or len(expr.arguments) != 2 or not scope.has_data(expr.arguments[1].value):
        return 0
    return 1 if _is_log_probability(expr) else -(_callee(expr) == "cross_entropy")


def _is_log_probability(expr: ast.Expr) -> bool:
    """Whether an expression is one by its words: `log_prob(q, x)`, `log_softmax(f(x))[y]`."""
    if isinstance(expr, ast.Index):
        return _callee(expr.base) == "log_softmax"
    return isinstance(expr, ast.Call) and _callee(expr) == "log_prob" and len(expr.arguments) == 2


def _is_divergence(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Call) and _callee(expr) == "kl" and len(expr.arguments) == 2


def _callee(expr: ast.Expr) -> str:
    """The name of the function that an expression calls or is; nothing for others."""
    function = expr.function if isinstance(expr, ast.Call) else expr
    return function.id if isinstance(function, ast.Name) else ""


LIKELIHOOD = _Term(_is_log_probability, _sign_of_likelihood)
DIVERGENCE = _Term(_is_divergence, lambda expr, scope: int(_is_divergence(expr)))
