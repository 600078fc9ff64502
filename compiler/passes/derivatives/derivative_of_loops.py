"""Derivatives of loops.

Forward, a state's direction is one more state. Backward, the loop is done again with its states kept, and a second loop
goes through its turns from the last to the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import Copier, free_values, reading
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.conversion import ToInt
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.passes.derivatives.dependence import moving
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.compiler.ir.builder import Builder
    from mai.compiler.passes.derivatives.derivative import Derivative, Values


def forward_loop(d: Derivative, loop: Node, tangents: Values) -> Sequence[Value | None]:
    """The directions of a loop's outputs; None for those that do not move."""
    body, states = loop.regions[0], loop.inputs[1:]
    moves = moving(loop, set(tangents))
    leads = [tangents[v].type for v in reading(loop) if v in tangents]
    types = [v.type.with_lead(join_leads([v.type, *leads])) for v in body.outputs]
    first = [d.or_zeros(tangents.get(v), t) for v, t, m in zip(states, types, moves, strict=False) if m]
    inner = Region([Value(v.type, v.name) for v in body.inputs])
    directions = [Value(v.type, v.name) for v in first]
    moved = [v for v, m in zip(inner.inputs[1:], moves, strict=False) if m]
    with _inside(d.builder, inner):
        values = _copied(d.builder, body, inner.inputs)
        tangents = d.forward(list(inner.nodes), {**tangents, **dict(zip(moved, directions, strict=True))})
        along = [d.or_zeros(tangents.get(v), t) for v, t, m in zip(values, types, moves, strict=True) if m]
    inner.inputs += directions
    count, more = len(states), len(first)
    inner.outputs = [*values[:count], *along[:more], *values[count:], *along[more:]]
    last = _loop(d.builder, loop, [*states, *first], inner)
    rows = len(along) - more
    results = iter([*last[count : count + more], *last[len(last) - rows :]])
    return [next(results) if m else None for m in moves]


def backward_loop(d: Derivative, loop: Node, cotangents: Values, active: set[Value]) -> Iterable[tuple[Value, Value]]:
    """What comes back to a loop's first states, and to what its body reads from outside."""
    body, states = loop.regions[0], loop.inputs[1:]
    _check_can_go_back(loop)
    places = [i for i, moves in enumerate(moving(loop, active)[: len(states)]) if moves]
    captured = [v for v in free_values(body) if v in active]
    tables, taken = _starts(d.builder, loop)
    types = [_widest(d, v.type) for v in (*(states[i] for i in places), *captured)]
    comes_back = [*(cotangents.get(loop.outputs[i]) for i in places), *(None for _ in captured)]
    first = [d.or_zeros(v, t) for v, t in zip(comes_back, types, strict=True)]
    inner = Region([Value(body.inputs[0].type, "turn"), *(Value(v.type, v.name) for v in first)])
    came, sums = inner.inputs[1 : 1 + len(places)], inner.inputs[1 + len(places) :]
    with _inside(d.builder, inner):
        turn = _turn_from_the_end(d.builder, taken, inner.inputs[0])
        starts = [_row(d.builder, table, turn) for table in tables]
        if Loop.of(loop).until:
            starts[1:] = [
                _where_going(d.builder, starts[0], *pair) for pair in zip(starts[1:], states[1:], strict=True)
            ]
        begin = len(inner.nodes)
        results = _copied(d.builder, body, [turn, *starts])
        nodes = inner.nodes[begin:]
        kept = zip(results[len(states) :], loop.outputs[len(states) :], strict=True)
        rows = [(v, _row(d.builder, cotangents[output], turn)) for v, output in kept if output in cotangents]
        seeds: Values = {}
        for value, ct in [*zip((results[i] for i in places), came, strict=True), *rows]:
            seeds[value] = d.added(seeds.get(value), ct)
        parts = d.backward(nodes, seeds, [*(starts[i] for i in places), *captured])
        back = parts[: len(places)]
        total = [s if p is None else d.added(s, p) for s, p in zip(sums, parts[len(places) :], strict=True)]
        inner.outputs = [d.or_zeros(v, t) for v, t in zip([*back, *total], types, strict=True)]
    rule = Loop(None, fresh=False) if Loop.of(loop).until else Loop.of(loop)
    d.builder.span, d.builder.scope = loop.span, loop.scope
    last = d.builder.loop(taken, rule, first, inner)
    return zip([*(states[i] for i in places), *captured], last, strict=True)


def _check_can_go_back(loop: Node) -> None:
    rule = Loop.of(loop)
    if rule.count is not None and (rule.until or not rule.stops):
        return
    message = "this loop ends when it has arrived: its turns cannot be gone through backwards"
    help = "those of a solver with a fixed number of steps can; `jvp(y, x, direction)`, and `grad` by one number, go forward"
    if not rule.stops or rule.until:
        message = "how many turns this loop has is known only when a file runs: they cannot be gone through backwards"
        help = "they can where the number is fixed, and forward: `jvp(y, x, direction)`"
    raise MaiError([Diagnostic("not-differentiable", loop.span, message, help=help)])


def _starts(builder: Builder, loop: Node) -> tuple[Sequence[Value], Value]:
    """Run the loop again and keep the states at the start of each turn; how many turns were taken, too."""
    body, states = loop.regions[0], loop.inputs[1:]
    inner = Region([Value(v.type, v.name) for v in body.inputs])
    with _inside(builder, inner):
        results = _copied(builder, body, inner.inputs)
        counted = [builder.constant(1.0)] if Loop.of(loop).until else []
    inner.outputs = [*results[: len(states)], *inner.inputs[1:], *counted]
    rows = _loop(builder, loop, states, inner)[len(states) :]
    if not counted:
        return rows, loop.inputs[0]
    return rows[:-1], builder.emit(ToInt, builder.emit(Sum, rows[-1], axes=(-1,)), name="turns")


def _where_going(builder: Builder, going: Value, start: Value, first: Value) -> Value:
    """The state that an example began a turn with. For one that had stopped, its first state: the body computes no NaN of that."""
    return builder.emit(Where, going, start, first, name=start.name)


def _widest(d: Derivative, type: Type) -> Type:
    """The type of a derivative of a value: it may differ between examples where the value does not."""
    return type.with_lead(join_leads([type, type.with_lead(tuple(d.ambient or ()))]))


def _turn_from_the_end(builder: Builder, count: Value, turn: Value) -> Value:
    last = builder.emit(el.Subtract, count, builder.constant(1))
    return builder.emit(el.Subtract, last, turn, name="turn")


def _row(builder: Builder, table: Value, turn: Value) -> Value:
    rank = table.type.rank
    return builder.emit(Take, table, turn, axis=-rank, rank=rank, name=table.name)


def _copied(builder: Builder, body: Region, inputs: Sequence[Value]) -> list[Value]:
    """A copy of a body on other inputs; its outputs."""
    copier = Copier(builder, dict(zip(body.inputs, inputs, strict=True)))
    copier.nodes(body.nodes)
    return [copier[v] for v in body.outputs]


def _loop(builder: Builder, loop: Node, states: Sequence[Value], body: Region) -> tuple[Value, ...]:
    builder.span, builder.scope = loop.span, loop.scope
    return builder.loop(loop.inputs[0], Loop.of(loop), states, body)


@contextmanager
def _inside(builder: Builder, region: Region) -> Iterator[None]:
    outer, builder.region = builder.region, region
    yield
    builder.region = outer
