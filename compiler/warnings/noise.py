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
                from mai.compiler.passes.loops.influence import influence_of

                if not influence_of(node).commutes:
                    said = "these noises are not seen to commute: `milstein` leaves out their Lévy areas, and its strong order is 1/2"
                    help = "means and distributions are of order 1 all the same; `# mai: allow tangled-noise` where that is what you want"
                    yield warning("tangled-noise", node.span, said, help=help)
