"""A recurrence in recorded code: one call, whose regions and the ways back through them are modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx

from mai.compiler.ir.graph import Node, Region
from mai.compiler.passes.loops.recurrences.long_axes import turned, turned_places
from mai.compiler.passes.loops.recurrences.recurrence import Recurrence, Update
from mai.compiler.passes.loops.recurrences.way_back import WayBack, back_through_reads, back_through_update
from mai.compiler.torch.recurrences.recurrence import recurrence
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.torch.interpreter import TorchInterpreter


def recurrence_code(walk: TorchInterpreter, node: Node, blocks: Recurrence) -> list[fx.Proxy]:
    """The last states of a loop, then what is kept; turn by turn where an operation in it has no derivative as code."""
    places, blocks = turned_places(blocks, node), turned(blocks, node)
    try:
        backs = [back_through_update(update) for update in blocks.updates]
        reads_back = back_through_reads(blocks.reads)
    except MaiError:
        return walk.plain_loop(node)
    walk.nodes(blocks.free)
    count, states = walk.turns_and_states(node)
    tables = tuple(walk[row.table] for row in blocks.rows)
    axes = tuple(len(row.table.type.physical) + row.axis for row in blocks.rows)
    pairs = zip(blocks.updates, backs, strict=True)
    updates = tuple(_update(walk, node, blocks, update, way) for update, way in pairs)
    reads = (walk.module(blocks.reads, blocks.turns), _way(walk, blocks, blocks.reads, reads_back))
    leads = tuple(len(v.type.lead) for v in node.regions[0].outputs[len(states) :])
    arguments = (updates, reads, count, walk.code.device, states, tables, axes, leads, tuple(sorted(places)))
    results = walk.code.call(recurrence, arguments, walk.empty(node))
    return [walk.code.item(results, i) for i in range(len(node.outputs))]


def _update(walk: TorchInterpreter, loop: Node, blocks: Recurrence, update: Update, way: WayBack) -> tuple[object, ...]:
    """A state of a block: its code and the way back, how many results that has, its place, and how they fit and are read."""
    reading = None if update.reading is None else (update.reading.over, update.reading.kept)
    code, results = _way(walk, blocks, update.region, way), len(update.region.outputs)
    return code, results, update.place, blocks.fit(update, loop), reading


def _way(walk: TorchInterpreter, blocks: Recurrence, region: Region, way: WayBack) -> tuple[object, ...]:
    """The way back through a region as modules, and what comes back there: places of inputs, and values from around it."""
    again, back = walk.module(way.again, blocks.turns), walk.module(way.back, blocks.turns)
    return again, back, tuple(region.inputs.index(v) if v in region.inputs else walk[v] for v in way.sources)
