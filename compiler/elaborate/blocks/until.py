"""`repeat n until condition`: at most n turns; each example stops by itself.

The condition is tested after each turn and reads the body's names as they are then. An example for which it holds keeps its
states from then on, so that its results do not depend on the others of its batch; the loop ends when all have stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Environment, Poison
from mai.compiler.elaborate.blocks.loop_states import State
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.logic import Where
from mai.spec import ast
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span


def is_shared(statement: ast.Repeat) -> bool:
    """Whether all turns have one set of parameters: turns of which nobody knows how many there are cannot own any."""
    return statement.shared or statement.until is not None


def going_state(e: Context, statement: ast.Repeat) -> list[State]:
    """The state that says whether an example goes on, where a condition ends the loop."""
    if statement.until is None:
        return []
    return [State("going", statement.until.span, e.builder.constant(True))]


def kept_where_stopped(
    e: Context, inside: Environment, until: ast.Expr, before: Sequence[Value], after: Sequence[Value]
) -> list[Value]:
    """The states after a turn: whether each example goes on, then its new values, or its old ones if it had stopped.

    `before` are all states at the start of the turn, the first of them whether an example goes on; `after` are the others.
    """
    going, *old = before
    stops = read_condition(e, inside, until, "a `repeat`")
    goes_on = e.emit(logic.LogicalAnd, going, e.emit(logic.LogicalNot, stops), name="going")
    return [goes_on, *(_chosen(e, going, new, previous, until.span) for new, previous in zip(after, old, strict=True))]


def read_condition(e: Context, inside: Environment, until: ast.Expr, what: str) -> Value:
    """A condition that ends something: one truth for each example.

    Raises:
        Stop: it has a mistake, which is reported.
    """
    condition = e.expressions.expression(inside, until)
    if isinstance(condition, Poison):
        raise Stop
    value = e.truth(condition, until.span)
    if value.type.rank:
        message = f"{what} ends by one truth for each example, this is {describe(value.type.shape)}"
        help = put(until.span, f"all({until.span.text})", f"write `{{}}`, or `any({until.span.text})`")
        raise e.fail("repeat-until", until.span, message, help=help)
    return value


def _chosen(e: Context, going: Value, new: Value, old: Value, span: Span) -> Value:
    """The new value where an example goes on. A changed shape stays as it is: the loop refuses it."""
    if new.type.shape != old.type.shape:
        return new
    if new.type.dtype is not old.type.dtype:
        new, old = e.real(new, span), e.real(old, span)
    return e.emit(Where, going, new, old, name=old.name)
