"""Two half circles that reach into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.runtime.arrays import Array


class Moons(Points):
    """Two half circles."""

    name: ClassVar[str] = "moons"

    @property
    def label_count(self) -> int:
        return 2

    def draw(self, generator: Generator, count: int) -> tuple[Array, Array]:
        from sklearn.datasets import make_moons

        points: tuple[Array, Array] = make_moons(count, noise=self.noise, random_state=int(generator.integers(2**31)))
        return points
