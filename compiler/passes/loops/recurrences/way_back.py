"""The way back through a block of turns, as code: what comes back to all that a region reads, from what came to its results.

A region is computed again on the way back, as far as that is asked for: `again` gives the values in it that `back` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value, values_behind
from mai.compiler.ir.interpreter import is_leaf
from mai.compiler.ir.rewrite import Copier, free_values, nodes_for
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ops.elementwise import Multiply
from mai.compiler.passes.derivatives.dependence import is_real
from mai.compiler.passes.derivatives.derivative import Derivative
from mai.compiler.passes.local.share import share_region
from mai.compiler.passes.loops.recurrences.contractions import contract
from mai.compiler.passes.loops.recurrences.recurrence import Update
from mai.spec.record import record

Seeds = dict[Value, Value]
Came = Callable[[Derivative, Sequence[Value]], tuple[list[Value], Seeds]]


@record
class WayBack:
    """How derivatives come back through a region.

    again: the region's inputs -> its results if they are wanted, then the values that `back` reads.
    back: (the region's inputs, those values, what came) -> what comes back to each of `sources`, which are inputs of the region and
        values from around it.
    """

    again: Region
    back: Region
    sources: tuple[Value, ...]


def back_through_update(update: Update) -> WayBack:
    """The way back through what a state is computed from; `again` gives the region's results, too.

    What came is g, what came to the states after each turn, and the states before; of a state with a reading, what came to each result.
    """
    came = _came_to_each if update.reading else _came_to_line(update)
    return _way_back(update.region, came, update.region.outputs)


def back_through_reads(reads: Region) -> WayBack:
    """The way back through what is kept of the turns; what came is what came to each result."""
    return _way_back(reads, _came_to_each, [])


def _came_to_line(update: Update) -> Came:
    """From g, of h = a h + b: g times the state before comes to a, and g to b."""

    def came(derivative: Derivative, results: Sequence[Value]) -> tuple[list[Value], Seeds]:
        before, after = update.gives
        g, state = Value(after.type, "g"), Value(before.type, before.name)
        slope, offset = results
        seeds: Seeds = {slope: derivative.fitted(derivative.builder.emit(Multiply, g, state), slope.type)}
        seeds[offset] = derivative.added(seeds.get(offset), derivative.fitted(g, offset.type))
        return [g, state], seeds

    return came


def _came_to_each(derivative: Derivative, results: Sequence[Value]) -> tuple[list[Value], Seeds]:
    came = [Value(v.type, f"came_to_{v.name}") for v in results]
    seeds: Seeds = {}
    for value, part in zip(results, came, strict=True):
        seeds[value] = derivative.added(seeds.get(value), part)
    return came, seeds


def _way_back(region: Region, came: Came, wanted: Sequence[Value]) -> WayBack:
    joint = Region(list(region.inputs))
    copier = Copier(Builder(joint))
    copier.nodes(region.nodes)
    there, results = set(joint.nodes), [copier[v] for v in region.outputs]
    derivative = Derivative(copier.builder, ())
    inputs, seeds = came(derivative, results)
    sources = [v for v in (*region.inputs, *free_values(region)) if _moves(v)]
    parts = derivative.backward([n for n in joint.nodes if n in there], seeds, sources)
    pairs = [(source, part) for source, part in zip(sources, parts, strict=True) if part is not None]
    joint.outputs = [*(copier[v] for v in wanted), *(part for _, part in pairs)]
    share_region(joint)
    results, ends = joint.outputs[: len(wanted)], joint.outputs[len(wanted) :]
    nodes, kept = _split(joint.nodes, there, ends)
    again = nodes_for([n for n in joint.nodes if n in there], [*results, *kept])
    _drop_others(joint, {*again, *nodes})
    return WayBack(
        Region(list(region.inputs), again, [*results, *kept]),
        contract(Region([*region.inputs, *kept, *inputs], nodes, ends)),
        tuple(source for source, _ in pairs),
    )


def _split(nodes: Sequence[Node], there: set[Node], parts: Iterable[Value]) -> tuple[list[Node], list[Value]]:
    """The nodes of the way back with the constants that they read, and what they read of the way there."""
    parts = list(parts)
    needed = nodes_for(nodes, parts)
    back = [n for n in needed if n not in there or is_leaf(n)]
    outputs = {v for n in back for v in n.outputs}
    read = dict.fromkeys(v for v in (*(v for n in back for v in n.inputs), *parts) if v not in outputs)
    return back, [v for v in read if v.producer in there]


def _drop_others(joint: Region, used: Container[Node]) -> None:
    """What nobody reads must not be known to values that others look at."""
    for node in joint.nodes:
        if node not in used:
            node.drop()


def _moves(value: Value) -> bool:
    """Whether derivatives may come back to a value: real numbers that are no constants."""
    behind = (v for v in values_behind(value) if is_real(v))
    return is_real(value) and any(v.producer is None or v.producer.op is WeightOf for v in behind)
