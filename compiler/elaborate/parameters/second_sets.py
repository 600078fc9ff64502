"""`net slow = average(f, 0.999)` and `net reference = copy(f)`: a net with a second set of parameters.

They begin as those of the net, whatever it begins with, and have no gradient. After every step an average moves towards the
net's parameters, slow = keep * slow + (1 - keep) * f; a copy stays.
"""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.elaborate.bindings import Environment, Function, Module, Poison, Twin, is_number
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.expressions.names import look_up
from mai.spec import ast
from mai.spec.diagnostics import Help, Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

ARGUMENTS = {"average": 2, "copy": 1}
FORMS = "write `net slow = average(f, 0.999)` or `net reference = copy(f)`"


def second_set(module: Module, declaration: ast.Twin, report: Reporter) -> Function | Poison:
    """The net that the declaration names; poison where it is none, which is reported."""
    call = declaration.value
    name = call.function.id if isinstance(call, ast.Call) and isinstance(call.function, ast.Name) else ""
    if not isinstance(call, ast.Call) or name not in ARGUMENTS:
        return _wrong(report, declaration.value.span, "a net is written out, or follows another", FORMS)
    if len(call.arguments) != ARGUMENTS[name] or any(argument.name for argument in call.arguments):
        message = f"`{name}` takes a net{' and how much of the average stays' if name == 'average' else ''}"
        return _wrong(report, call.span, message, FORMS)
    net, *rest = (argument.value for argument in call.arguments)
    function = look_up(Environment(module), net.id) if isinstance(net, ast.Name) else None
    if not isinstance(function, Function) or function.declaration.kind != "net" or function.twin is not None:
        return _wrong(report, net.span, f"`{net.span.text}` is no net with parameters of its own", None)
    keep = _keep(module, rest[0], report) if rest else 1.0
    return keep if isinstance(keep, Poison) else replace(function, twin=Twin(declaration.name.id, keep))


def _keep(module: Module, written: ast.Expr, report: Reporter) -> float | Poison:
    value = Elaborator(report, "const", {}).expressions.expression(Environment(module), written)
    if isinstance(value, Poison):
        return value
    if isinstance(value, (int, float)) and is_number(value) and 0 <= value < 1:
        return float(value)
    message = "how much of an average stays in a step is a number from 0 to below 1"
    return _wrong(report, written.span, message, put(written.span, "0.999"))


def _wrong(report: Reporter, span: Span, message: str, help: Help) -> Poison:
    report.error("second-set", span, message, help=help)
    return Poison()
