"""Two circles, one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points, noisy
from mai.spec.settings import setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class Circles(Points):
    """Two circles around the origin: the outer one, of radius 1, has the label 0, the inner one the label 1."""

    name: ClassVar[str] = "circles"
    inner: float = setting(default=0.5, gt=0, lt=1)

    @property
    def label_count(self) -> int:
        return 2

    def draw(self, generator: Generator, count: int) -> Arrays:
        import numpy as np

        labels = generator.integers(2, size=count)
        radius, angle = np.where(labels == 1, self.inner, 1.0), 2 * np.pi * generator.random(count)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return {"x": noisy(generator, points, self.noise), "y": labels}
