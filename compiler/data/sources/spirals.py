"""Spiral arms around the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points, noisy
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class Spirals(Points):
    """Spiral arms around the origin, labelled by their number."""

    name: ClassVar[str] = "spirals"
    classes: int = setting(default=2, ge=1, le=MANY)

    @property
    def label_count(self) -> int:
        return self.classes

    def draw(self, generator: Generator, count: int) -> Arrays:
        """Arms of one and a half turns, the radius growing from 0 to 1."""
        import numpy as np

        labels = generator.integers(self.classes, size=count)
        radius = np.sqrt(generator.random(count))
        angle = 3 * np.pi * radius + 2 * np.pi * labels / self.classes
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return {"x": noisy(generator, points, self.noise), "y": labels}
