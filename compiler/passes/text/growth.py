"""The loop that both executable forms of `extend` make: one token a turn, in which each row may end at its own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import NOTHING, Across, Extend, Loop
from mai.compiler.ir.types import BATCH_DEPTH, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.conversion import written_out
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.passes.fill import full


@dataclass(eq=False, slots=True)
class State:
    """A state of the loop.

    Attributes:
        value: the input of the body.
        first: makes its initial value, before the loop.
        next: its value for the next turn.
    """

    value: Value
    first: Callable[[Builder], Value]
    next: Value | None = None


Finish = Callable[[Value], list[State]]  # From the token that is appended to the states.
Advance = Callable[
    [Value, Value], tuple[list[Value], Finish]
]  # From the turn and the initial row to the token with what is kept, and the rest.


def grow(copier: Copier, node: Node, inputs: Sequence[Value], advance: Advance) -> list[Value]:
    """The text of an `extend` and the rows of what it keeps, by a loop.

    Args:
        inputs: those of the `extend`, in the place where the loop stands.
        advance: emits one turn into the loop's body, from the number of the turn and the initial row. It returns the chosen
            token and what is kept of the turn, and a function from the token that is really appended, which may be none, to the states.
    """
    builder = copier.builder
    row, count, *stops = inputs
    region, outer = Region([Value(count.type, "turn")]), builder.region
    builder.region = region
    (token, *kept), finish = advance(region.inputs[0], row)
    token, ending = _end_rows(builder, token, stops) if stops else (token, [])
    states = [*ending, *finish(token)]
    region.inputs += [s.value for s in states]
    region.outputs = [*(s.next for s in states if s.next is not None), token, *kept]
    builder.region = outer
    first = [s.first(builder) for s in states]
    loop = Loop(Extend.of(node).count, fresh=False, stops=bool(stops), fill=NOTHING)
    tokens, *rows = builder.loop(count, loop, first, region)[len(states) :]
    text = builder.emit(Concat, row, tokens, axis=-1, name=node.output.name)
    return [text, *(_where_appended(builder, tokens, each) for each in rows)]


def _where_appended(builder: Builder, tokens: Value, rows: Value) -> Value:
    """What turns kept, [count, ...], and 0 for those whose token is none."""
    appended = builder.emit(logic.GreaterEqual, tokens, builder.constant(0))
    for _ in rows.type.shape[1:]:
        appended = builder.emit(Unsqueeze, appended)
    return builder.emit(logic.Where, appended, rows, full(builder, Type(rows.type.dtype), 0), name=rows.name)


def texts(graph: Graph) -> list[Node]:
    """The loops of a prepared graph that grow a text; in its incremental form, a loop has a `length`."""
    return [node for node in graph.nodes if node.op is Loop and Loop.of(node).tokens is not None]


def ended_of(loop: Node) -> Value | None:
    """Which rows have ended after a turn of a loop that `grow` made; None where none can."""
    return loop.regions[0].outputs[1] if Loop.of(loop).stops else None


def ended_before(loop: Node) -> Value | None:
    """Which had ended before it, a state."""
    after = ended_of(loop)
    return None if after is None else loop.regions[0].inputs[1 + loop.regions[0].outputs.index(after)]


def begins_with(loop: Node, prompt: Value) -> bool:
    """Whether the first values of a loop's states are made from a prompt, without another loop between."""
    waiting, seen = list(loop.inputs), set(loop.inputs)
    while waiting:
        value = waiting.pop()
        if value is prompt:
            return True
        producer = value.producer
        more = [v for v in producer.inputs if v not in seen] if producer is not None and not producer.regions else []
        waiting, seen = waiting + more, seen | set(more)
    return False


def ends_of(written: Graph) -> tuple[int | str, ...]:
    """The tokens that end the rows of the texts that a graph grows: numbers, and names of settings; what is computed is not among them."""
    names = {setting.value: name for name, setting in written.settings.items()}
    grown = [n for n in written.nodes if n.op is Extend]
    stops = dict.fromkeys(v for n in grown for v in n.inputs[2:] if v.type.dtype is DType.INT)
    ends = (names.get(v, _whole_number(v)) for v in stops)
    return tuple(end for end in ends if end is not None and end != NOTHING)


def _whole_number(value: Value) -> int | None:
    number = written_out(value)
    return number if isinstance(number, int) else None


def longest(node: Node) -> int | None:
    """How many tokens an `extend` can read, by the tables of whose rows it takes as many; None where nothing limits it."""
    length = symbol(Extend.of(node).length)
    cuts = [(n, n.attributes["start"] or 0) for n in node.regions[0].walk() if n.op is Slice]
    cuts = [(n, start) for n, start in cuts if n.attributes["stop"] == length + start]
    sizes = [n.inputs[0].type.shape[n.attributes["axis"]] - start for n, start in cuts]
    return min((size for size in sizes if isinstance(size, int)), default=None)


def _end_rows(builder: Builder, token: Value, stops: Sequence[Value]) -> tuple[Value, list[State]]:
    """Replace the tokens of rows that have met one of `stops` by NOTHING; the states say which have, and whether a row goes on."""
    lead = token.type.lead
    ended = Value(Type(DType.BOOL, (), lead), "ended")
    going = Value(Type(DType.BOOL), "going")
    token = builder.emit(logic.Where, ended, builder.constant(NOTHING), token, name=token.name)
    now = builder.emit(logic.LogicalOr, ended, is_one_of(builder, token, stops), name="ended")
    least = smallest(builder, builder.emit(el.ToReal, now))
    on = builder.emit(logic.Less, least, builder.constant(0.5), name="going")
    return token, [
        State(going, lambda b: b.constant(True), on),
        State(ended, lambda b: b.spread(b.constant(False), lead), now),
    ]


def is_one_of(builder: Builder, token: Value, ends: Sequence[Value]) -> Value:
    """Whether a token, or each of some, is one of the tokens [] that end a text."""
    first, *rest = (builder.emit(logic.Equal, token, end) for end in ends)
    for other in rest:
        first = builder.emit(logic.LogicalOr, first, other)
    return first


def smallest(builder: Builder, x: Value) -> Value:
    """The smallest of the numbers [] of a batch, as one number for all examples."""
    batch = next(a for a in x.type.lead if a.depth == BATCH_DEPTH)
    across = builder.add(Across(), [x], [Type(x.type.dtype, (batch.size,))]).output
    return builder.emit(red.Min, across, axes=(-1,))
