"""Hoisting by lead axes: what a loop's body computes without its states leaves the loop.

What depends on nothing inside is computed once, before the loop. What depends on the turn alone is computed for all
turns at once, before the loop: the turn becomes a vector with the lead axis `turn`, every operation follows, since
operations are polymorphic in their lead axes, and the body takes a row of the result.
"""

from __future__ import annotations

from math import prod

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, made_in, read_instead, reading, rewriting, symbols_of
from mai.compiler.ir.structure import Loop, Spread
from mai.compiler.ir.types import TURN_DEPTH, Axis
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.indexing import Iota, Take

LARGEST_ROW = 65_536  # Elements of a table a turn, 256 KB: what is larger costs more to keep than to compute again.


@rewriting(Loop)
def hoist_in_place(graph: Graph) -> Graph:
    """The body of every loop holds what depends on its states, on draws, and scalars of the turn that cost nothing. The graph is changed."""
    _hoist(graph, local_sizes(graph))
    return graph


def _hoist(region: Region, local: set[str]) -> None:
    nodes, region.nodes = region.nodes, []
    builder = Builder(region)
    for node in nodes:
        for inner in node.regions:
            _hoist(inner, local)
        if node.op is Loop:
            _leave(builder, node, local)
            _tabulate(builder, node)
        region.nodes.append(node)


def local_sizes(graph: Graph) -> set[str]:
    """The sizes that are read inside a loop."""
    outside = {*graph.inputs, *(s.value for s in graph.settings.values())}
    return {name for name, source in graph.sources.items() if source not in outside}


def split_by_dependence(body: Region, local: set[str]) -> tuple[list[Node], list[Node]]:
    """The nodes that depend on nothing inside, and the others; a `local` size is read inside a loop."""
    inside = made_in(body)
    free, kept = [], []
    for node in body.nodes:
        if any(v in inside for v in reading(node)) or symbols_of(node) & local:
            kept.append(node)
            continue
        free.append(node)
        inside.difference_update(node.outputs)
    return free, kept


def _leave(builder: Builder, loop: Node, local: set[str]) -> None:
    """Move what depends on nothing inside the body in front of the loop."""
    body = loop.regions[0]
    free, body.nodes = split_by_dependence(body, local)
    builder.region.nodes += free


def _tabulate(builder: Builder, loop: Node) -> None:
    """Compute what depends on the turn alone for all turns at once, and let the body take its rows."""
    body, count = loop.regions[0], Loop.of(loop).count
    timed = timed_values(body)
    wanted = tables_of(body, timed)
    if count is None or not wanted:
        return
    builder.span, builder.scope = loop.span, loop.scope
    axis = Axis("turn", count, TURN_DEPTH)
    turns = builder.lead(builder.emit(Iota, count=count, name="turns"), (axis,))
    outside = Copier(builder, {body.inputs[0]: turns})
    outside.nodes(n for n in body.nodes if n.output in timed)
    rows = Builder(Region())
    taken = {}
    for value in wanted:
        table = builder.unlead(outside[value], 1)
        rank = table.type.rank
        taken[value] = rows.emit(Take, table, body.inputs[0], axis=-rank, rank=rank, name=value.name)
        rows.region.nodes[-1].span = loop.span
    loop.unlink()
    for node in body.nodes:
        if node.output in taken:
            node.drop()
    body.nodes = rows.region.nodes + [n for n in body.nodes if n.output not in taken]
    _replace(body, taken)
    loop.link()


def timed_values(body: Region) -> dict[Value, bool]:
    """The values that depend on the first input, a turn or a time, and on nothing else inside; True where worth a table."""
    timed: dict[Value, bool] = {body.inputs[0]: False}
    inside = made_in(body)
    for node in body.nodes:
        own = [v for v in node.inputs if v in inside]
        if not own or not all(v in timed for v in own) or not _can_follow(node, timed, body.inputs[0].type.lead):
            continue
        heavy = node.output.type.rank > 0 or any(timed[v] for v in own)
        timed.update(dict.fromkeys(node.outputs, heavy))
    del timed[body.inputs[0]]
    return timed


def _can_follow(node: Node, timed: dict[Value, bool], lead: tuple[Axis, ...]) -> bool:
    """Whether an operation's inputs may gain a lead axis."""
    if node.regions or issubclass(node.op, (Draw, Spread)):
        return False
    if prod(size for size in node.output.type.shape if isinstance(size, int)) > LARGEST_ROW:
        return False
    return node.output.type.lead == lead and not any(
        node.inputs[i] in timed for i in node.op.unled if i < len(node.inputs)
    )


def tables_of(body: Region, timed: dict[Value, bool]) -> list[Value]:
    """The tables: values worth one that the rest of the body, or what leaves it, uses."""
    rest = [v for n in body.nodes if n.output not in timed for v in reading(n)] + body.outputs
    return [v for v in dict.fromkeys(rest) if timed.get(v)]


def _replace(region: Region, new: dict[Value, Value]) -> None:
    """Let the code of a region read new values, and give them."""
    for node in region.nodes:
        read_instead(node, new, lambda inner: _replace(inner, new))
    region.outputs = [new.get(v, v) for v in region.outputs]
