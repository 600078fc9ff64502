"""`repeat`: a loop whose body is elaborated until the types of its states no longer change, or its turns, one by one.

A `repeat` that is not `shared` and whose number of turns is known means its turns, each with parameters of its own. Where
they are alike, one body stands for all of them, which takes no longer to check than one turn; where they are not, since the
body needs to know its number (`if i % 2 == 0`) or changes a shape, each is elaborated by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from mai.compiler.elaborate.bindings import Binding, Environment, WeightScope
from mai.compiler.elaborate.blocks.kept import bind_kept, check_kept, kept_of_turn, kept_while_going, stack_turns
from mai.compiler.elaborate.blocks.loop_states import MAX_TURNS, State, leave, settle, states_of
from mai.compiler.elaborate.blocks.until import going_state, is_shared, kept_where_stopped
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.errors.attempt import attempt
from mai.compiler.elaborate.expressions.names import check_distinct
from mai.compiler.elaborate.repeating.alike_turns import AlikeTurns
from mai.compiler.elaborate.repeating.templates import MAX_ATTEMPTS, MAX_TURNS_APART
from mai.compiler.elaborate.statement_rules import assigned_names, elaborates
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.spec import ast
from mai.spec.diagnostics import Label, Reporter
from mai.spec.record import record

MAX_FRESH_TURNS = 10_000


@record
class Turns:
    """The number of turns, as a value (`total`) and as a size where it is one (`count`), and the scope of the weights inside."""

    total: Value
    count: Size | None
    scope: WeightScope


def _bound_names(statement: ast.Repeat) -> list[ast.Identifier]:
    return [*assigned_names(statement.body), *(kept.name for kept in statement.keeps)]


@elaborates(ast.Repeat, binds=_bound_names)
def _repeat(e: Context, env: Environment, statement: ast.Repeat) -> Binding:
    turns = _turns(e, env, statement)
    check_distinct(e, [kept.name for kept in statement.keeps])
    check_kept(e, statement, turns.count)
    can_differ = isinstance(turns.count, int) and not is_shared(statement)
    if not can_differ or e.turns_apart >= MAX_TURNS_APART or e.failed_attempts >= MAX_ATTEMPTS:
        _loop(e, env, statement, turns)
        return None
    alike = attempt(e, env, lambda: _loop(e, env, statement, turns, is_tried=_are_few(e, turns)))
    if alike is None:
        return None
    if _are_few(e, turns):
        _explain(e, *_taken_apart(e, env, statement, turns, _known(turns)))
    else:
        _explain(e, *_taken_apart(e, env, statement, turns, 1))
        _refuse_many(e, statement, alike)
    return None


def _are_few(e: Context, turns: Turns) -> bool:
    """Whether the turns may be taken apart."""
    return isinstance(turns.count, int) and e.turns_apart + turns.count <= MAX_TURNS_APART


def _explain(e: Context, apart: Reporter | None, turn: int) -> None:
    """Report the errors of turns that are not alike, from elaborating them one by one; nothing where they have none.

    An error of the first turn is one of all turns, and is reported without a number.
    """
    if apart is None:
        return
    for diagnostic in apart.diagnostics:
        e.report.add(replace(diagnostic, message=f"in turn {turn}, {diagnostic.message}") if turn else diagnostic)
    raise Stop


def _known(turns: Turns) -> int:
    assert isinstance(turns.count, int)
    return turns.count


def _taken_apart(
    e: Context, env: Environment, statement: ast.Repeat, turns: Turns, count: int
) -> tuple[Reporter | None, int]:
    """Elaborate the first `count` turns one by one; what is wrong with them, if anything, and the turn that it is wrong with."""
    done, outer_turn, places = 0, e.draws.turn, dict(e.draws.places)

    def elaborate() -> None:
        nonlocal done
        scope, kept = e.scope.enter("repeat"), []
        alike = AlikeTurns(e, statement)
        e.turns_apart += count
        for done in range(count):
            turn = e.builder.constant(done)
            e.draws.turn, e.draws.places = e.draws.inner_turn(outer_turn, turns.total, turn), dict(places)
            inside = env.child()
            _bind_index(inside, statement, done)
            _body(e, inside, statement, scope.at(str(done)), alike.block)
            for name in assigned_names(statement.body):
                if name.id in env.names:
                    env.names[name.id] = inside.names[name.id]
            kept.append(kept_of_turn(e, inside, statement))
            if e.report.failed:
                return
        bind_kept(env, statement, stack_turns(e, statement, kept))

    try:
        return attempt(e, env, elaborate), done
    finally:
        e.draws.turn = outer_turn


def _refuse_many(e: Context, statement: ast.Repeat, alike: Reporter) -> None:
    """Refuse turns of which the first is right and that are too many: to be built, or to be taken apart."""
    first = alike.diagnostics[0]
    if first.slug == "repeat-too-long":
        e.report.add(first)
        raise Stop
    message = f"turns that are not alike are elaborated one by one, up to {MAX_TURNS_APART:,} of them"
    where = () if first.span is None else (Label(first.span, first.message),)
    raise e.fail("repeat-too-long", statement.count.span, message, where=where, help=first.help)


def _loop(e: Context, env: Environment, statement: ast.Repeat, turns: Turns, is_tried: bool = False) -> None:
    """Elaborate one body for all turns; `is_tried` where they may be taken apart instead."""
    names = states_of(e, env, assigned_names(statement.body))
    states = first_states = [*going_state(e, statement), *names]
    turns = replace(turns, scope=_scope(e, turns.count, statement))
    outer_turn, outer_open = e.draws.turn, e.open_turns
    kept: list[Value] = []

    def body(values: list[Value], region: Region) -> list[Value]:
        e.draws.turn = e.draws.inner_turn(outer_turn, turns.total, region.inputs[0])
        e.open_turns = [*outer_open, region.inputs[0]] if is_tried else outer_open
        after = _turn(e, env, statement, first_states, values, region.inputs[0], turns)
        kept[:] = after[len(first_states) :]
        return after[: len(first_states)]

    index = Value(Type(DType.INT, classes=turns.count), "turn")
    try:
        region, states = settle(e, states, body, [index])
    finally:
        e.draws.turn, e.open_turns = outer_turn, outer_open
    inside = tuple(f"{path}." for path in turns.scope.names(turns.scope.path))
    is_fresh = not is_shared(statement) and any(name.startswith(inside) for name in e.graph.weights)
    if is_fresh:
        _check_fresh(e, turns.count, statement)
    ends = statement.until is not None
    loop = Loop(turns.count, is_fresh, stops=ends, fill=0 if ends else None, until=ends)
    region.outputs += kept
    last = e.builder.loop(turns.total, loop, [s.first for s in states], region)
    own = len(states) - len(names)
    leave(env, states[own:], last[own:])
    bind_kept(env, statement, last[len(states) :])


def _turns(e: Context, env: Environment, statement: ast.Repeat) -> Turns:
    written = e.expressions.expression(env, statement.count)
    count = _count(e, written, statement)
    total = e.builder.size(count) if count is not None else e.value(written, statement.count.span)
    return Turns(total, count, e.scope)


def _turn(
    e: Context, env: Environment, statement: ast.Repeat, states: Sequence[State], values: list[Value], turn: Value,
    turns: Turns,
) -> list[Value]:  # fmt: skip
    """Elaborate one turn: bind the states, elaborate the body, and return the states after it, then what is kept of it."""
    inside = env.child()
    own = 0 if statement.until is None else 1
    for state, value in zip(states[own:], values[own:], strict=True):
        inside.names[state.name] = value
    _bind_index(inside, statement, turn)
    _body(e, inside, statement, replace(turns.scope, counts={}))
    after, kept = [e.value(inside.names[s.name], s.span) for s in states[own:]], kept_of_turn(e, inside, statement)
    if statement.until is None:
        return [*after, *kept]
    states_after = kept_where_stopped(e, inside, statement.until, values, after)
    return [*states_after, *kept_while_going(e, values[0], kept)]


def _bind_index(inside: Environment, statement: ast.Repeat, turn: Binding) -> None:
    if statement.index is not None:
        inside.bind(statement.index, turn)


def _body(
    e: Context, inside: Environment, statement: ast.Repeat, scope: WeightScope,
    block: Callable[[Environment], Binding] | None = None,
) -> None:  # fmt: skip
    with e.weight_scope(scope):
        returned = e.statements.block(inside, statement.body) if block is None else block(inside)
    if returned is not None:
        raise e.fail("unreachable", statement.span, "a `repeat` block cannot `return`: return after it")


def _count(e: Context, written: Binding, statement: ast.Repeat) -> Size | None:
    """The number of turns as a size; None where it is a tensor."""
    span = statement.count.span
    if isinstance(written, Value):
        if written.type.dtype is not DType.INT or written.type.rank or written.type.lead:
            help = e.default_help(written)
            raise e.fail("repeat-count", span, "a `repeat` counts with one whole number for all examples", help=help)
        return None
    count = e.size(written, span, "a count", written=statement.count)
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
    return e.scope.enter("repeat", None if is_shared(statement) else copies)
