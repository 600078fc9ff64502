"""`repeat`: a body is elaborated once, until the types of its states hold still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mai.compiler.elaborate.bindings import Binding, Environment, Poison, WeightScope, is_number
from mai.compiler.elaborate.core import Stop
from mai.compiler.elaborate.statements import Statements, assigned_names
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.spec import ast
from mai.spec.diagnostics import Label
from mai.spec.source import Span

MAX_TURNS = 100_000
MAX_FRESH_TURNS = 10_000


@dataclass(frozen=True, slots=True)
class State:
    """A name that a loop carries from turn to turn."""

    name: str
    span: Span
    first: Value


class Loops(Statements):
    """Loops, as regions whose states have the same type before, during and after."""

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        return {**super()._statement_rules(), ast.Repeat: self._repeat}

    def _states(self, env: Environment, names: Sequence[ast.Identifier]) -> list[State]:
        """The names among `names` that already have a tensor or a number: the loop carries them."""
        states = []
        for name in names:
            held = env.names.get(name.id)
            if isinstance(held, Poison):
                raise Stop
            if isinstance(held, Value) or is_number(held):
                states.append(State(name.id, env.where.get(name.id, name.span), self.value(held, name.span)))
        return states

    def _settle(
        self, states: list[State], turn: Callable[[list[Value], Region], list[Value]], extra: Sequence[Value],
        together: bool = False,
    ) -> tuple[Region, list[State], list[Value]]:  # fmt: skip
        """Run a body until its states have the types they began with, widening what they begin with in between.

        A state gains the lead axes of what it becomes, and an integer becomes real; a changed shape is refused. The body
        reads `extra` before the states; where they go `together`, the first of these and all states have the same lead axes.
        """
        places = dict(self.draws.places)
        counts = dict(self.scope.counts)
        while True:
            self.draws.places, self.scope.counts = dict(places), dict(counts)
            region = Region([Value(v.type, v.name) for v in (*extra, *(s.first for s in states))])
            for value, state in zip(region.inputs[len(extra) :], states, strict=True):
                value.name = state.name
            with self.region(region):
                made = turn(region.inputs[len(extra) :], region)
            widened = [self._widened(s, v) for s, v in zip(states, made, strict=True)]
            if together:
                widened = self._together(widened)
                extra[0].type = extra[0].type.with_lead(widened[0].first.type.lead)
            if all(new.first is old.first for new, old in zip(widened, states, strict=True)):
                with self.region(region):
                    region.outputs = [self._as_type(v, s.first.type) for s, v in zip(states, made, strict=True)]
                return region, states, made
            states = widened

    def _together(self, states: list[State]) -> list[State]:
        """The states, each with the lead axes of all."""
        lead = join_leads([s.first.type for s in states])
        return [replace(s, first=self.builder.spread(s.first, lead)) for s in states]

    def _widened(self, state: State, made: Value) -> State:
        first = state.first
        if made.type.shape != first.type.shape:
            message = f"`{state.name}` begins as {describe(first.type.shape)} and becomes {describe(made.type.shape)}"
            at = self.origins.get(made, state.span)
            where = [Label(state.span, f"{describe(first.type.shape)} here")] if state.span != at else []
            raise self.fail("loop-shape-changes", at, message, label=describe(made.type.shape), where=where)
        if made.type.dtype is DType.REAL and first.type.dtype is DType.INT:
            first = self.emit(el.ToReal, first, name=state.name)
        return replace(state, first=self.builder.spread(first, made.type.lead))

    def _as_type(self, value: Value, wanted: Type) -> Value:
        real = value if value.type.dtype is wanted.dtype else self.emit(el.ToReal, value)
        return self.builder.spread(real, wanted.lead)

    # ----------------------------------------------------------------- repeat

    def _repeat(self, env: Environment, statement: ast.Repeat) -> Binding:
        count = self.expression(env, statement.count)
        turns = self._turns(count, statement)
        total = self.builder.size(turns) if turns is not None else self.value(count, statement.count.span)
        states = self._states(env, assigned_names(statement.body))
        inner = self._loop_scope(turns, statement)
        outer_turn = self.draws.turn

        def body(values: list[Value], region: Region) -> list[Value]:
            self.draws.turn = self._inner_turn(outer_turn, total, region.inputs[0])
            scope = replace(inner, counts={})
            return self._turn_of(env, statement, states_now, values, region.inputs[0], scope, turns)

        states_now = states
        index = Value(Type(DType.INT, classes=turns), "turn")
        try:
            region, states, _ = self._settle(states, body, [index])
        finally:
            self.draws.turn = outer_turn
        fresh = not statement.shared and any(name.startswith(inner.path + ".") for name in self.graph.weights)
        self._check_fresh(fresh, turns, statement)
        last = self.builder.loop(total, Loop(turns, fresh), [s.first for s in states], region)
        self._leave(env, states, last)
        return None

    def _turn_of(
        self, env: Environment, statement: ast.Repeat, states: Sequence[State], values: list[Value], turn: Value,
        scope: WeightScope, turns: Size | None,
    ) -> list[Value]:  # fmt: skip
        """One turn: bind the states, do the body, read the states again."""
        inside = env.child()
        for state, value in zip(states, values, strict=True):
            inside.names[state.name] = value
        if statement.index is not None:
            inside.bind(statement.index, turn)
        with self.weight_scope(scope):
            returned = self.block(inside, statement.body)
        if returned is not None:
            raise self.fail("unreachable", statement.span, "a `repeat` block cannot `return`: return after it")
        return [self.value(inside.names[s.name], s.span) for s in states]

    def _inner_turn(self, outer: Value, total: Value, turn: Value) -> Value:
        """One number for the turns of nested loops: outer * count + inner."""
        if outer is self.first_turn:
            return turn
        return self.emit(el.Add, self.emit(el.Multiply, outer, total), turn)

    def _turns(self, count: Binding, statement: ast.Repeat) -> Size | None:
        if isinstance(count, Value):
            if count.type.dtype is not DType.INT or count.type.rank or count.type.lead:
                raise self.fail(
                    "repeat-count", statement.count.span, "a `repeat` counts with one whole number for all examples"
                )
            return None
        turns = self.size(count, statement.count.span, "a count")
        if isinstance(turns, int) and turns > MAX_TURNS:
            message = f"{turns:,} turns are more than a `repeat` can have ({MAX_TURNS:,})"
            raise self.fail("repeat-too-long", statement.count.span, message)
        return turns

    def _check_fresh(self, fresh: bool, turns: Size | None, statement: ast.Repeat) -> None:
        if not fresh:
            return
        if not isinstance(turns, int):
            message = "each turn owns parameters, so the number of turns must be known when the file is compiled"
            raise self.fail(
                "static-needed", statement.count.span, message, help="write `repeat ... shared` to reuse one set"
            )
        if turns > MAX_FRESH_TURNS:
            message = f"{turns:,} turns with parameters of their own are more than can be built ({MAX_FRESH_TURNS:,})"
            raise self.fail("repeat-too-long", statement.count.span, message)

    def _loop_scope(self, turns: Size | None, statement: ast.Repeat) -> WeightScope:
        copies = turns if isinstance(turns, int) else 1
        return self.scope.enter("repeat", None if statement.shared else copies)

    def _leave(self, env: Environment, states: Sequence[State], last: Sequence[Value]) -> None:
        for state, value in zip(states, last, strict=False):
            value.name = state.name
            env.names[state.name] = value

    @property
    def first_turn(self) -> Value:
        """The turn of draws outside every loop: 0 in an export, the step in a train block."""
        raise NotImplementedError
