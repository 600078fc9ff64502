"""The solvers that a spec can name. A method that executes has a tableau; the others are checked only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Tableau:
    """An explicit Runge-Kutta method (Butcher 1964): stage i is at time c_i and starts from sum_j a_ij k_j."""

    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    c: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Solver:
    """A method by name: its order, its options in their order, and its tableau where it executes."""

    name: str
    order: int
    options: tuple[str, ...] = ("steps", "adjoint")
    tableau: Tableau | None = None
    adaptive: bool = False


_0, _1 = Fraction(0), Fraction(1)
_EULER = Tableau(((),), (_1,), (_0,))
_MIDPOINT = Tableau(((), (Fraction(1, 2),)), (_0, _1), (_0, Fraction(1, 2)))
_HEUN = Tableau(((), (_1,)), (Fraction(1, 2), Fraction(1, 2)), (_0, _1))
_RK4 = Tableau(
    ((), (Fraction(1, 2),), (_0, Fraction(1, 2)), (_0, _0, _1)),
    (Fraction(1, 6), Fraction(1, 3), Fraction(1, 3), Fraction(1, 6)),
    (_0, Fraction(1, 2), Fraction(1, 2), _1),
)
_ADAPTIVE = ("rtol", "atol", "max_steps", "adjoint")

SOLVERS: dict[str, Solver] = {
    s.name: s
    for s in (
        Solver("euler", 1, tableau=_EULER),
        Solver("midpoint", 2, tableau=_MIDPOINT),
        Solver("heun", 2, tableau=_HEUN),
        Solver("rk4", 4, tableau=_RK4),
        Solver("ab2", 2),
        Solver("ab3", 3),
        Solver("euler_maruyama", 1),
        Solver("tsit5", 5, _ADAPTIVE, adaptive=True),
        Solver("dopri5", 5, _ADAPTIVE, adaptive=True),
    )
}
