"""Two half circles that reach into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class Moons(Points):
    """Two half circles."""

    name: ClassVar[str] = "moons"

    @property
    def label_count(self) -> int:
        return 2

    def draw(self, generator: Generator, count: int) -> Arrays:
        from sklearn.datasets import make_moons

        points, labels = make_moons(count, noise=self.noise, random_state=int(generator.integers(2**31)))
        return {"x": points, "y": labels}
