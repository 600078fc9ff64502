"""Calls that configure: `adamw(lr = 0.05 * n)` as data, for the models to judge."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Binding, Environment, Function, Poison, is_number
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.names import look_up
from mai.compiler.ir.graph import Value
from mai.spec import ast
from mai.spec.settings import Configuration
from mai.spec.source import Span


def read_configuration(
    e: Context, env: Environment, arguments: Sequence[ast.Argument], call: ast.Expr | None = None
) -> Configuration | None:
    """The arguments of a train block, or those of a `call`; None where a value among them is wrong."""
    name = ""
    if isinstance(call, ast.Call):
        name, arguments = call.function.span.text, call.arguments
    elif call is not None:
        name = call.span.text
    positional: list[object] = []
    places: list[Span] = []
    named: dict[str, object] = {}
    spans: dict[str, Span] = {}
    name_spans: dict[str, Span] = {}
    for argument in arguments:
        value = _value(e, env, argument.value)
        if isinstance(value, Poison):
            return None
        if argument.name is None:
            positional.append(value)
            places.append(argument.value.span)
            continue
        if argument.name in named:
            e.error("duplicate-argument", argument.span, f"`{argument.name}` is given twice")
            return None
        named[argument.name] = value
        spans[argument.name] = argument.value.span
        name_spans[argument.name] = argument.name_span or argument.span
    written = arguments[0].span.to(arguments[-1].span) if arguments else _nowhere(env)
    span = written if call is None else call.span
    return Configuration(name, tuple(positional), named, span, spans, name_spans, tuple(places))


def _nowhere(env: Environment) -> Span:
    return Span(env.module.source, 0, 0)


def _configures(callee: Binding | None) -> bool:
    """A call of nothing known, or of a layer: `linear` is a schedule here."""
    return callee is None or isinstance(callee, Function)


def _last_name(callee: ast.Name | ast.Field) -> str:
    return callee.id if isinstance(callee, ast.Name) else callee.name


def _value(e: Context, env: Environment, expr: ast.Expr) -> object:
    """A number, a text, a list; a call as a configuration; a name that nothing defines as itself: `split = train`."""
    callee = expr.function if isinstance(expr, ast.Call) else None
    if isinstance(callee, (ast.Name, ast.Field)) and _configures(look_up(env, _last_name(callee))):
        call = read_configuration(e, env, (), expr)
        return Poison() if call is None else call
    if isinstance(expr, ast.Name) and not is_number(look_up(env, expr.id)):
        return expr.id
    if isinstance(expr, ast.Stack):
        items = tuple(_value(e, env, item) for item in expr.items)
        return next((item for item in items if isinstance(item, Poison)), items)
    value = e.expressions.expression(env, expr)
    if isinstance(value, Value):
        return e.error("static-needed", expr.span, "a setting is fixed when the file is compiled")
    return value
