"""Calls of built-in functions: their arguments by name, and what their shape rules refuse told at the operand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from mai.compiler.elaborate.bindings import (
    Binding,
    BoundArgument,
    Builtin,
    Partial,
)
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.expressions.signatures import counted
from mai.compiler.elaborate.expressions.static import StaticError
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError
from mai.compiler.ir.signature import written
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

# Over the elements of one tensor, and of two.
PAIRS = {"max": "maximum", "min": "minimum"}


def call_builtin(e: Context, function: Builtin, arguments: list[BoundArgument], span: Span) -> Binding:
    """The result of a built-in function; the function with the rest fixed where only its tensors lack."""
    if function.name in PAIRS:
        _check_pair(e, function, arguments, span)
    bound = bound_arguments(e, function, arguments, span)
    if bound is None:
        return Partial(function, tuple(arguments))
    operands = [a for a in arguments if a.name is None] if _parameters(function).variadic else []
    spans = [a.span for a in operands or bound.values()]
    try:
        result: Binding = function.implementation(e, *operands, **bound)
        return result
    except ShapeError as error:
        axis = bound["axis"].value if "axis" in bound else None
        if error.axis is not None and isinstance(axis, int):
            error.axis = axis
        return e.refused(error, spans, span)
    except StaticError as error:
        return e.error(error.slug, span, error.message)


def _check_pair(e: Context, function: Builtin, arguments: Sequence[BoundArgument], span: Span) -> None:
    """Refuse `max(x, 0)`: elsewhere it is the larger of two, and here an axis would be meant, which is said by name."""
    positional = [a for a in arguments if a.name is None]
    if len(positional) < 2:
        return
    pair, name = PAIRS[function.name], Span(span.source, span.start, span.start + len(function.name))
    message = f"`{function.name}` is over the elements of one tensor; an axis is named, `{function.name}(x, axis = 0)`"
    words = f"write `{pair}(...)` for each element of the two"
    help = put(name, pair, words) if name.text == function.name else words
    raise e.fail("too-many-arguments", positional[1].span, message, help=help)


def bound_arguments(
    e: Context, function: Builtin, arguments: Sequence[BoundArgument], span: Span
) -> dict[str, BoundArgument] | None:
    """Arguments by parameter name, but for the operands of what takes any number; None where only tensors lack."""
    names, required, variadic, open_ = _parameters(function)
    positional = [a for a in arguments if a.name is None]
    if len(positional) > len(names) and not variadic:
        message = f"`{function.name}` takes {counted(len(names), 'argument')}, here are {len(positional)}"
        raise e.fail("too-many-arguments", positional[len(names)].span, message)
    bound: dict[str, BoundArgument] = {} if variadic else dict(zip(names, positional, strict=False))
    for argument in arguments:
        if argument.name is not None:
            bind_named(e, function.name, argument, (*names, argument.name) if open_ else names, bound)
    missing = [n for n in required if n not in bound]
    if missing and not variadic:
        if not positional and not _has_tensor(arguments):
            return None
        raise e.fail("missing-argument", span, f"`{function.name}` lacks its argument `{missing[0]}`")
    return bound


def bind_named(
    e: Context, callee: str, argument: BoundArgument, names: Sequence[str], bound: dict[str, BoundArgument]
) -> None:
    """Put an argument with a name beside those that are bound. Raises `Stop` for an unknown name, and for one twice."""
    assert argument.name is not None
    at = argument.name_span or argument.span
    if argument.name not in names:
        raise e.unknown_argument(callee, argument.name, at, names)
    if argument.name in bound:
        help = repairs.without_second(bound[argument.name], argument)
        raise e.fail("duplicate-argument", at, f"`{callee}` is given `{argument.name}` twice", help=help)
    bound[argument.name] = argument


def _has_tensor(arguments: Sequence[BoundArgument]) -> bool:
    return any(isinstance(a.value, (Value, tuple)) for a in arguments)


class Parameters(NamedTuple):
    """A built-in's parameter names, those it requires, and whether it takes any number of operands and of names."""

    names: tuple[str, ...]
    required: tuple[str, ...]
    variadic: bool
    open: bool


def _parameters(function: Builtin) -> Parameters:
    record = function.function
    if record is None:
        return _of_signature(function.implementation)
    required = tuple([written(a) for a in record.arguments if not a.is_optional])
    return Parameters(tuple(map(written, record.arguments)), required, False, False)


@cache
def _of_signature(implementation: Callable[..., Binding]) -> Parameters:
    parameters = list(inspect.signature(implementation).parameters.values())[1:]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    open_ = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = tuple(p.name for p in named if p.default is p.empty)
    return Parameters(tuple(p.name for p in named), required, variadic, open_)
