"""What an integral is to a method: where it starts and stops, and its velocity, as code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Axis
from mai.compiler.ops import elementwise as el
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.compiler.solvers.reuse import Kept

Slopes = list[Value]


@record
class Influence:
    """How the noises of an equation move its states, dx = f dt + g dB, as far as the code of the equation shows it.

    moved: the places of the states that a noise moves.
    own: for each of these the one noise that moves it, number by number and no other state, with a factor that reads of all moved
        numbers that one alone; None where it is not so. A single number that moves all is every state's own.
    reads: whether a factor reads a state; moving: whether it reads one that a noise moves.
    commutes: whether the order of two noises makes no difference (Kloeden and Platen 1992, 10.3.13).
    """

    moved: tuple[int, ...] = ()
    own: Mapping[int, int] | None = None
    reads: bool = False
    moving: bool = False
    commutes: bool = True


NO_INFLUENCE = Influence()


def no_draws(turn: Value) -> list[Value]:
    """Of an equation without noise."""
    return []


@record
class Problem:
    """`velocity(time, states)` appends the states' derivatives to the builder's region.

    That of a stochastic equation is `velocity(time, states, turn, step, noises...)` and gives increments; `draws(turn)` gives
    standard normal draws, one of each noise or several, and `noise` says how the noises move the states. `stages(times)` computes
    what the velocity needs of the time alone, for all times of the innermost lead axis at once, and gives a `velocity` for each.
    `ends(time, states, turn, step)` says whether an example has come to its end; None where the interval alone says it. In the
    velocity are `inner` other integrals. `kept` is what steps keep of it, if they keep anything.
    """

    builder: Builder
    start: Value
    stop: Value
    states: list[Value]
    velocity: Callable[..., Slopes]
    stages: Callable[[Value], list[Callable[..., Slopes]]]
    ends: Callable[..., End] | None = None
    draws: Callable[[Value], list[Value]] = no_draws
    noise: Influence = NO_INFLUENCE
    inner: int = 0
    kept: Kept | None = None

    @property
    def lead(self) -> tuple[Axis, ...]:
        """The lead axes of the states."""
        return self.states[0].type.lead

    def axis(self, name: str, size: Size) -> Axis:
        """A lead axis inside those of the states and outside all that the velocity makes, with its integrals."""
        depth = max((a.depth for a in self.lead), default=0) + 2.0**-20 / (1 + self.inner)
        return Axis(f"{name}_{self.inner}", size, depth)


@record
class Compared:
    """Two numbers, or arrays of them, that a condition compares, by which operation, and the truth that comes of it."""

    op: type[Operation]
    left: Value
    right: Value
    truth: Value


@record
class End:
    """Whether an example ends at a time with states, and the comparisons that decide it."""

    holds: Value
    compared: list[Compared]


def combined(builder: Builder, terms: dict[Fraction, Value], slopes: list[Value], row: tuple[Fraction, ...]) -> Value:
    """sum_j c_j k_j, slopes with one coefficient added up first: the fewest products. `terms` has c as values."""
    groups: dict[Fraction, Value] = {}
    for c, k in zip(row, slopes, strict=False):
        if c:
            groups[c] = builder.emit(el.Add, groups[c], k) if c in groups else k
    total: Value | None = None
    for c, k in groups.items():
        part = builder.emit(el.Multiply, k, terms[c])
        total = part if total is None else builder.emit(el.Add, total, part)
    assert total is not None, "every row of a tableau has a coefficient"
    return total
