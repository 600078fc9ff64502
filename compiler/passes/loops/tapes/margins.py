"""How far a loop's condition is from saying otherwise: the differences of the numbers that it compares."""

from __future__ import annotations

from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.rewrite import Copier
from mai.compiler.ops.elementwise import Subtract
from mai.compiler.solvers.events.compared import comparisons_of


def emit_margins(copier: Copier, body: Region) -> list[Value]:
    """The difference of each two real numbers whose comparison decides a body's first output, as code of its copy."""
    pairs = [node.inputs for node in comparisons_of(body, body.outputs[0])]
    return [copier.builder.emit(Subtract, copier[a], copier[b], name="margin") for a, b in pairs]
