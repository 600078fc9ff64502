"""Families of nets, `net st[L](...)`, and of layers, `family(f, L)`: which of them `st[k]` is, and its parameters.

A number chooses one, and so does the turn of a `repeat` that can be taken apart. Where only the run time knows, the parameters
of all are stacked, and those of the one that is meant are taken, for each example its own; where an operation takes no such
parameters, all nets are computed, and each example takes its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import Binding, Environment, Function, Partial, Poison
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.expressions.names import look_up
from mai.compiler.elaborate.expressions.whole import check_classes, whole
from mai.compiler.elaborate.functions.independence import depends
from mai.compiler.ir.graph import Value, Weight
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.shapes.shape import Stack
from mai.spec import ast
from mai.spec.source import Span


def check_chosen(e: Context, function: Function, span: Span) -> None:
    """A family cannot be called: one of its nets can. Raises `Stop`."""
    if function.count is None or function.member is not None:
        return
    message = f"`{function.name}` is a family of {function.count} nets: a call says which"
    raise e.fail("family-member", e.named or span, message, help=f"write `{function.name}[0](...)`")


def family_of(e: Context, layer: Binding, count: int, span: Span) -> Function | Partial:
    """`family(f, n)`: n layers with parameters of their own, which are named here; a family of n nets is one already."""
    if isinstance(layer, Partial) and isinstance(layer.function, Function):
        return Partial(_family_of_layers(e, layer.function, count, span), layer.arguments)
    if isinstance(layer, Function) and layer.member is None:
        return _family_of_layers(e, layer, count, span)
    raise e.fail("family-member", span, f"a family is of a layer, this is {kind_of(layer)}")


def _family_of_layers(e: Context, layer: Function, count: int, span: Span) -> Function:
    if layer.count == count:
        return layer
    if layer.count is not None:
        raise e.fail(
            "family-member", span, f"`{layer.name}` is a family of {layer.count} nets, here are {count} needed"
        )
    if layer.declaration.kind == "net":
        message = f"`{layer.name}` is a net, which has one set of parameters"
        help = f"write `net {layer.name}[{count}](...)` for a family, or make it a layer"
        raise e.fail("family-member", span, message, help=help)
    return replace(layer, count=count, at=e.scope.enter(layer.name))


def member_of(e: Context, env: Environment, family: Function | Partial, expr: ast.Index) -> Function | Partial:
    """`st[k]`, a net."""
    if isinstance(family, Function):
        return _member_of(e, env, family, expr)
    if isinstance(family.function, Function):
        return Partial(_member_of(e, env, family.function, expr), family.arguments)
    raise e.fail("family-member", expr.span, f"this is {kind_of(family)}, and no family of nets")


def _member_of(e: Context, env: Environment, family: Function, expr: ast.Index) -> Function:
    if family.count is None or family.member is not None:
        kind = f"one {family.declaration.kind}"
        help = f"write `net {family.name}[6](...)` for a family" if family.declaration.kind == "net" else None
        raise e.fail("family-member", expr.span, f"`{family.name}` is {kind}, and no family of nets", help=help)
    item = expr.items[0]
    if len(expr.items) != 1 or not isinstance(item, ast.Expr):
        raise e.fail("family-member", expr.span, f"`{family.name}[k]` is one net: it has one number")
    which = e.expressions.expression(env, item)
    if isinstance(which, Poison):
        raise Stop
    return replace(family, member=_number(e, family.name, family.count, which, item.span))


def _number(e: Context, name: str, count: int, which: Binding, span: Span) -> int | Value:
    """The number of a net of a family."""
    if isinstance(which, int) and not isinstance(which, bool):
        if not 0 <= which < count:
            message = f"`{name}` has {count} nets, from 0 to {count - 1}: there is no {which}"
            raise e.fail("index-out-of-range", span, message)
        return which
    if isinstance(which, (bool, float, str, list, tuple)):
        raise e.fail("family-member", span, f"a net of a family has a whole number, this is {kind_of(which)}")
    number = whole(e, which, span)
    if number.type.rank:
        raise e.fail("family-member", span, f"a net of a family has one number, this is {kind_of(number)}")
    if any(depends(e, number, turn) for turn in e.open_turns):
        raise e.fail("static-needed", span, "the turns of this `repeat` call different nets")
    check_classes(e, number, count, span)
    return number


def one_for_all(function: Function) -> bool:
    """Whether all examples call the same net."""
    return not isinstance(function.member, Value) or not function.member.type.lead


def chosen_result(e: Context, function: Function, each: Sequence[Binding]) -> Binding:
    """For each example the result of its own net, from those of all nets; several results one by one."""
    if isinstance(each[0], tuple):
        parts = zip(*(result for result in each if isinstance(result, tuple)), strict=True)
        return tuple(chosen_result(e, function, part) for part in parts)
    values = [result for result in each if isinstance(result, Value)]
    rank = values[0].type.rank
    stacked = e.emit(Stack, *values, axis=-1 - rank)
    assert isinstance(function.member, Value), "a number chooses a net before it is called"
    return e.emit(Take, stacked, function.member, axis=-1 - rank, rank=rank + 1, index_rank=0)


def parameter_of(e: Context, weights: Sequence[Weight], member: Value) -> Value:
    """The parameter of one net of a family, from those of all; they are stacked once, where no turn has its own."""
    key = tuple(weight.name for weight in weights)
    if key not in e.stacked:
        if weights[0].counts:
            return _taken(e, _stacked(e, weights), member)
        with e.region(e.graph):
            e.stacked[key] = _stacked(e, weights)
    return _taken(e, e.stacked[key], member)


def _stacked(e: Context, weights: Sequence[Weight]) -> Value:
    return e.emit(Stack, *map(e.parameter, weights), axis=-1 - len(weights[0].shape))


def _taken(e: Context, stacked: Value, member: Value) -> Value:
    rank = stacked.type.rank
    return e.emit(Take, stacked, member, axis=-rank, rank=rank, index_rank=0)


def path_of(e: Context, env: Environment, expr: ast.Field) -> str | None:
    """The name of a parameter, `st[0].linear_1.weight` as `st.0.linear_1.weight`; None for a field of something else."""
    base: str | None = getattr(expr.base, "id", None)
    if isinstance(expr.base, ast.Field):
        base = path_of(e, env, expr.base)
    elif isinstance(expr.base, ast.Index):
        base = _member_path(e, env, expr.base)
    return None if base is None else f"{base}.{expr.name}"


def _member_path(e: Context, env: Environment, expr: ast.Index) -> str | None:
    family = look_up(env, expr.base.id) if isinstance(expr.base, ast.Name) else None
    if not isinstance(family, Function):
        return None
    which = member_of(e, env, family, expr)
    if isinstance(which, Function) and isinstance(which.member, int):
        return f"{family.name}.{which.member}"
    raise e.fail(
        "static-needed",
        expr.span,
        f"which parameter of `{family.name}` this is has to be known when the file is compiled",
    )
