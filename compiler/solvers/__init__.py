"""Methods for differential equations: their coefficients as data, and how each takes its steps, as code of the IR."""

from mai.compiler.solvers.tableaus import (
    DEFAULTS,
    SOLVERS,
    Adams,
    Rosenbrock,
    Solver,
    Tableau,
    takes_derivatives,
    takes_increments,
)

__all__ = ["DEFAULTS", "SOLVERS", "Adams", "Rosenbrock", "Solver", "Tableau", "takes_derivatives", "takes_increments"]
