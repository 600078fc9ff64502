"""A spiral strip, seen from the side."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points, noisy

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays

SCALE = 7.5


class SwissRoll(Points):
    """A spiral strip, seen from the side."""

    name: ClassVar[str] = "swiss_roll"

    def draw(self, generator: Generator, count: int) -> Arrays:
        """scikit-learn's roll, scaled to about [-2, 2]."""
        import numpy as np

        t = 1.5 * np.pi * (1 + 2 * generator.random(count))
        points = np.stack([t * np.cos(t), t * np.sin(t)], 1) / SCALE
        return {"x": noisy(generator, points, self.noise)}
