"""A strip bent to an S, seen from the side."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points, noisy

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class SCurve(Points):
    """A strip bent to an S, seen from the side: two arcs of radius 1 around (0, 1) and (0, -1)."""

    name: ClassVar[str] = "s_curve"

    def draw(self, generator: Generator, count: int) -> Arrays:
        """scikit-learn's strip without its width."""
        import numpy as np

        t = 3 * np.pi * (generator.random(count) - 0.5)
        points = np.stack([np.sin(t), np.sign(t) * (np.cos(t) - 1)], 1)
        return {"x": noisy(generator, points, self.noise)}
