"""Methods for differential equations: Butcher tableaus as data, and one stepper."""

from mai.compiler.solvers.tableaus import SOLVERS, Solver, Tableau

__all__ = ["SOLVERS", "Solver", "Tableau"]
