"""`repeat`: a loop whose body is elaborated until the types of its states no longer change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from mai.compiler.elaborate.bindings import Binding, Environment, WeightScope
from mai.compiler.elaborate.blocks.loop_states import MAX_TURNS, State, leave, settle, states_of
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.statement_rules import assigned_names, elaborates
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.spec import ast
from mai.spec.record import record

MAX_FRESH_TURNS = 10_000


@record
class Turns:
    """The number of turns, as a value (`total`) and as a size where it is one (`count`), and the scope of the weights inside."""

    total: Value
    count: Size | None
    scope: WeightScope


@elaborates(ast.Repeat, binds=lambda s: assigned_names(s.body))
def _repeat(e: Context, env: Environment, statement: ast.Repeat) -> Binding:
    turns = _turns(e, env, statement)
    states = first_states = states_of(e, env, assigned_names(statement.body))
    turns = replace(turns, scope=_scope(e, turns.count, statement))
    outer_turn = e.draws.turn

    def body(values: list[Value], region: Region) -> list[Value]:
        e.draws.turn = e.draws.inner_turn(outer_turn, turns.total, region.inputs[0])
        return _turn(e, env, statement, first_states, values, region.inputs[0], turns)

    index = Value(Type(DType.INT, classes=turns.count), "turn")
    try:
        region, states = settle(e, states, body, [index])
    finally:
        e.draws.turn = outer_turn
    is_fresh = not statement.shared and any(name.startswith(turns.scope.path + ".") for name in e.graph.weights)
    if is_fresh:
        _check_fresh(e, turns.count, statement)
    last = e.builder.loop(turns.total, Loop(turns.count, is_fresh), [s.first for s in states], region)
    leave(env, states, last)
    return None


def _turns(e: Context, env: Environment, statement: ast.Repeat) -> Turns:
    written = e.expressions.expression(env, statement.count)
    count = _count(e, written, statement)
    total = e.builder.size(count) if count is not None else e.value(written, statement.count.span)
    return Turns(total, count, e.scope)


def _turn(
    e: Context, env: Environment, statement: ast.Repeat, states: Sequence[State], values: list[Value], turn: Value,
    turns: Turns,
) -> list[Value]:  # fmt: skip
    """Elaborate one turn: bind the states, elaborate the body, and return the states after it."""
    inside = env.child()
    for state, value in zip(states, values, strict=True):
        inside.names[state.name] = value
    if statement.index is not None:
        inside.bind(statement.index, turn)
    with e.weight_scope(replace(turns.scope, counts={})):
        returned = e.statements.block(inside, statement.body)
    if returned is not None:
        raise e.fail("unreachable", statement.span, "a `repeat` block cannot `return`: return after it")
    return [e.value(inside.names[s.name], s.span) for s in states]


def _count(e: Context, written: Binding, statement: ast.Repeat) -> Size | None:
    """The number of turns as a size; None where it is a tensor."""
    span = statement.count.span
    if isinstance(written, Value):
        if written.type.dtype is not DType.INT or written.type.rank or written.type.lead:
            help = e.default_help(written)
            raise e.fail("repeat-count", span, "a `repeat` counts with one whole number for all examples", help=help)
        return None
    count = e.size(written, span, "a count")
    if isinstance(count, int) and count > MAX_TURNS:
        message = f"{count:,} turns are more than a `repeat` can have ({MAX_TURNS:,})"
        raise e.fail("repeat-too-long", span, message)
    return count


def _check_fresh(e: Context, count: Size | None, statement: ast.Repeat) -> None:
    """Check the number of turns that each own parameters: it must be known, and not too large."""
    span = statement.count.span
    if not isinstance(count, int):
        message = "each turn owns parameters, so the number of turns must be known when the file is compiled"
        raise e.fail("static-needed", span, message, help="write `repeat ... shared` to reuse one set")
    if count > MAX_FRESH_TURNS:
        message = f"{count:,} turns with parameters of their own are more than can be built ({MAX_FRESH_TURNS:,})"
        raise e.fail("repeat-too-long", span, message)
    around = prod(e.scope.turns)
    if around * count > MAX_FRESH_TURNS:
        message = f"{count:,} turns inside {around:,} are {around * count:,} with parameters of their own, too many to be built"
        help = f"up to {MAX_FRESH_TURNS:,} are; write `repeat ... shared` to reuse one set"
        raise e.fail("repeat-too-long", span, message, help=help)


def _scope(e: Context, count: Size | None, statement: ast.Repeat) -> WeightScope:
    copies = count if isinstance(count, int) else 1
    return e.scope.enter("repeat", None if statement.shared else copies)
