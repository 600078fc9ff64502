"""Noises of which a method computes less than its name says."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.structure import Integrate, is_noisy
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.tableaus import Milstein
from mai.compiler.warnings.subject import Subject, warning
from mai.spec.diagnostics import Diagnostic


def tangled_noise(subject: Subject) -> Iterator[Diagnostic]:
    """Milstein's method for noises that may not commute: their Lévy areas are left out."""
    for graph in subject.graphs:
        for node in graph.walk():
            if is_noisy(node) and isinstance(SOLVERS[Integrate.of(node).method].rule, Milstein):
                from mai.compiler.passes.loops.noises.influence import by_another_method, influence_of

                if not influence_of(node).commutes:
                    said = "these noises are not seen to commute: `milstein` leaves out their Lévy areas, and its strong order is 1/2"
                    help = by_another_method(node, "euler_maruyama", "`{}` is of the same orders, without derivatives")
                    yield warning("tangled-noise", node.span, said, help=help)
