"""The inputs that an export's draws read for each example, its seed and its number, and what these may be."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph
from mai.compiler.ops.random.philox import MASK
from mai.compiler.ops.random.random_numbers import Draw

Range = tuple[int | None, int | None]  # Both ends included, each of which may be open.

OPEN: Range = (None, None)
SEEDS: Range = (0, None)
NUMBERS: Range = (0, MASK)  # A draw's counter has 32 bits of the number: a larger one would draw as another example.


def ranges_of_draws(graph: Graph) -> dict[str, Range]:
    """The range of each input that a draw reads, both ends included, by name; `graph` is as the export is written, before passes."""
    ranges: dict[str, Range] = {}
    for node in graph.walk():
        if issubclass(node.op, Draw):
            seed, _, example = node.inputs
            read = ((seed, SEEDS), (example, NUMBERS))
            ranges |= {value.name: allowed for value, allowed in read if value in graph.inputs}
    return ranges
