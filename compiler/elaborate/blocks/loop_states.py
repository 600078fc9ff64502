"""What loops carry from turn to turn: names whose values have the same type before, during and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import Environment, Poison, is_number
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.types import DType, Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.spec import ast
from mai.spec.diagnostics import Label
from mai.spec.record import record
from mai.spec.source import Span

MAX_TURNS = 100_000
Body = Callable[[list[Value], Region], list[Value]]


@record
class State:
    """A name that a loop carries from turn to turn, and the value that it has before."""

    name: str
    span: Span
    first: Value


def states_of(e: Context, env: Environment, names: Sequence[ast.Identifier]) -> list[State]:
    """The names among `names` that already have a tensor or a number: the loop carries them."""
    states = []
    for name in names:
        value = env.names.get(name.id)
        if isinstance(value, Poison):
            raise Stop
        if isinstance(value, (Value, list)) or is_number(value):
            states.append(State(name.id, env.where.get(name.id, name.span), e.value(value, name.span)))
    return states


def settle(
    e: Context, states: list[State], body: Body, extra: Sequence[Value], are_together: bool = False
) -> tuple[Region, list[State]]:
    """Run a body until its states have the types they began with, widening what they begin with in between.

    A state gains the lead axes of what it becomes, and an integer becomes real; a changed shape is refused. The body
    reads `extra` before the states; where they go together, the first of these and all states have the same lead axes.
    """
    places, counts = dict(e.draws.places), dict(e.scope.counts)
    while True:
        e.draws.places, e.scope.counts = dict(places), dict(counts)
        region = Region([Value(v.type, v.name) for v in (*extra, *(s.first for s in states))])
        inside = region.inputs[len(extra) :]
        for value, state in zip(inside, states, strict=True):
            value.name = state.name
        with e.region(region):
            next_values = body(inside, region)
        widened = [_widened(e, s, v) for s, v in zip(states, next_values, strict=True)]
        if are_together:
            widened = together(e, widened)
            extra[0].type = extra[0].type.with_lead(widened[0].first.type.lead)
        if all(new.first is old.first for new, old in zip(widened, states, strict=True)):
            with e.region(region):
                region.outputs = [_as_type(e, v, s.first.type) for s, v in zip(states, next_values, strict=True)]
            return region, states
        for node in region.nodes:
            node.drop()
        states = widened


def together(e: Context, states: list[State]) -> list[State]:
    """The states, each with the lead axes of all."""
    lead = join_leads([s.first.type for s in states])
    return [replace(s, first=e.builder.spread(s.first, lead)) for s in states]


def leave(env: Environment, states: Sequence[State], last: Sequence[Value]) -> None:
    """Bind the states' names to their values after the loop."""
    for state, value in zip(states, last, strict=False):
        value.name = state.name
        env.names[state.name] = value


def _widened(e: Context, state: State, after: Value) -> State:
    first = state.first
    if after.type.shape != first.type.shape:
        message = f"`{state.name}` begins as {describe(first.type.shape)} and becomes {describe(after.type.shape)}"
        at = e.origins.get(after, state.span)
        where = [Label(state.span, f"{describe(first.type.shape)} here")] if state.span != at else []
        raise e.fail("loop-shape-changes", at, message, label=describe(after.type.shape), where=where)
    if after.type.dtype is DType.REAL and first.type.dtype is DType.INT:
        first = e.emit(el.ToReal, first, name=state.name)
    return replace(state, first=e.builder.spread(first, after.type.lead))


def _as_type(e: Context, value: Value, wanted: Type) -> Value:
    real = value if value.type.dtype is wanted.dtype else e.emit(el.ToReal, value)
    return e.builder.spread(real, wanted.lead)
