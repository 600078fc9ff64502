"""Files whose weights are too many to be compared as a whole: the first turns of their layers are compared instead.

A file of billions of weights takes several times its memory beside torch. Its turns are lowered alike, so that what a mistake would be is in
the first of them, too; the whole file is run afterwards, by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop, WeightOf
from mai.compiler.onnx.let_go import weight_bytes
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.program import Program

TURNS = 2  # Of each `repeat` that owns weights.
WHOLE = 2**30  # Bytes of weights, in float32, up to which a file is compared as a whole.


@dataclass(frozen=True, slots=True)
class Slice:
    """A program with an export of few turns, and that export prepared."""

    program: Program
    prepared: Prepared


def shallow(program: Program, export: str) -> Program | None:
    """The program with the first turns of an export's layers alone; None where all of it can be compared, or it has no more."""
    graph = program.exports[export]
    if weight_bytes(graph) <= WHOLE or not _is_deep(graph):
        return None
    sliced = unroll(graph, at_most=TURNS, alike=False)
    read = {WeightOf.of(node).weight for node in sliced.walk() if node.op is WeightOf}
    sliced.weights = {name: weight for name, weight in sliced.weights.items() if name in read}
    return replace(program, exports={**program.exports, export: sliced})


def said(prepared: Prepared, part: Slice) -> str:
    """What was compared, in words."""
    whole, few = (weight_bytes(p.plain) / 1e9 for p in (prepared, part.prepared))
    name = prepared.plain.name
    return f"of `{name}`, {few:.2f} GB of {whole:.2f} were compared with torch: {TURNS} turns of its layers; the whole was run by itself"


def _is_deep(graph: Graph) -> bool:
    """Whether a `repeat` that owns weights has more turns than are compared."""
    loops = (Loop.of(node) for node in graph.walk() if node.op is Loop)
    return any(loop.fresh and isinstance(loop.count, int) and loop.count > TURNS for loop in loops)
