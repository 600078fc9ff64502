"""What has to be positive, a deviation or what a logarithm is of, and comes from a linear layer, whose numbers are of any sign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mai.compiler.elaborate.random.families import FAMILIES
from mai.compiler.warnings.objectives.assigned import assigned_once
from mai.compiler.warnings.probabilities import parameters_of
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import put

Functions = Mapping[str, ast.Function]
ROOTS = {"log": "a positive number", "sqrt": "a number of at least 0"}
LINEAR = ("linear", "conv", "conv1d", "conv3d")


class _Body:
    """A body, and what of its names is assigned once: an expression, and which of its results it is."""

    def __init__(self, body: Sequence[ast.Statement], functions: Functions) -> None:
        self._values = assigned_once(nodes_of(body, ast.Assign))
        self._functions = functions

    def is_linear(self, expr: ast.Expr, place: int | None = None) -> bool:
        """Whether an expression, or the result of it at a place, is what a linear layer gives, or some numbers of it."""
        match expr:
            case ast.Name() if expr.id in self._values:
                return self._without(expr.id).is_linear(*self._values[expr.id])
            case ast.Index():
                return self.is_linear(expr.base, place)
            case ast.Several() if place is not None:
                return self.is_linear(expr.items[place])
            case ast.Pipe():
                return self._gives_linear(expr.right, place)
            case ast.Call():
                return self._gives_linear(expr.function, place)
        return False

    def _without(self, name: str) -> _Body:
        """The same body where one name has no value: a name that is made of itself is followed once."""
        other = _Body((), self._functions)
        other._values = {each: value for each, value in self._values.items() if each != name}
        return other

    def _gives_linear(self, callee: ast.Expr, place: int | None) -> bool:
        """Whether a function gives what a linear layer does."""
        name = callee.function if isinstance(callee, ast.Call) else callee
        if not isinstance(name, ast.Name):
            return False
        function = self._functions.get(name.id)
        if function is None:
            return name.id in LINEAR
        last = function.body[-1] if function.body else None
        others = {each: f for each, f in self._functions.items() if each != name.id}
        return isinstance(last, ast.Return) and _Body(function.body, others).is_linear(last.value, place)


def unbounded_parameters(subject: Subject) -> Iterator[Diagnostic]:
    """`normal(m, s)` where s ends in a linear layer: a deviation below 0 has no density, only NaN."""
    functions = {f.name.id: f for f in subject.functions}
    if not any(True for call in subject.nodes(ast.Call) for _ in _positive_arguments(call)):
        return
    for declaration in subject.file.declarations:
        if isinstance(declaration, ast.Function | ast.Train | ast.Claim):
            body = _Body(declaration.body, functions)
            for call in nodes_of(declaration.body, ast.Call):
                for what, value in _positive_arguments(call):
                    if body.is_linear(value):
                        yield _unbounded(what, value)


def _positive_arguments(call: ast.Call) -> Iterator[tuple[str, ast.Expr]]:
    """The arguments that have a least value and no largest one, each with what it is: those of distributions, and of `log` and `sqrt`."""
    name = call.function.span.text
    if name in ROOTS and call.arguments:
        yield f"`{name}` is of {ROOTS[name]}", call.arguments[0].value
    for parameter, value in parameters_of(call) if name in FAMILIES else ():
        if parameter.least is not None and parameter.most is None:
            yield f"`{parameter.name}` of `{name}` is {parameter.what}", value


def _unbounded(what: str, value: ast.Expr) -> Diagnostic:
    said = f"{what}; this comes from a linear layer, and is any number"
    help = put(value.span, f"softplus({value.span.text})", "write `{}`")
    return warning("unbounded-parameter", value.span, said, help=help)
