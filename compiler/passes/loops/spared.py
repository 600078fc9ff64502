"""What evaluations of a velocity spare that compute less of it: what is reusable kept, guidance left out."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Region
from mai.compiler.ir.rewrite import nodes_for
from mai.compiler.ir.structure import Integrate
from mai.compiler.ops.elementwise.conversion import Reusable
from mai.compiler.ops.work import known_sizes, multiply_adds
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.solvers.grid import Spared
from mai.compiler.solvers.guidance import Guidance, guidance_in
from mai.compiler.solvers.reuse import differentiated


def spared_by(graph: Graph) -> Spared:
    """The shares of the multiply-adds of its one `integrate`'s velocity that are spared; 0 where less cannot be computed."""
    values, unrolled = known_sizes(graph), unroll(graph)
    (field,) = [node.regions[0] for node in unrolled.walk() if node.op is Integrate]
    keeps = graph.has(Reusable) and differentiated(field) is None
    guidance = guidance_in(field, unrolled)

    def count(kept: bool, guidance: Guidance | None) -> int:
        return multiply_adds(_less(field, kept, guidance), values, products=True)

    def share(kept: bool, guidance: Guidance | None) -> float:
        return 1 - count(kept, guidance) / whole

    whole = count(False, None)
    return Spared(share(keeps, None), share(False, guidance), share(keeps, guidance)) if whole else Spared()


def _less(field: Region, kept: bool, guidance: Guidance | None) -> Region:
    """What is computed of a velocity where the reusable values are there already, or where guidance is off."""
    nodes = [node for node in field.nodes if not (kept and node.op is Reusable)]
    outputs = list(field.outputs)
    if guidance is not None:
        nodes.remove(guidance.node)
        outputs.append(guidance.own)
    return Region(field.inputs, nodes_for(nodes, outputs), field.outputs)
