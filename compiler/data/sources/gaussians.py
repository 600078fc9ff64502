"""Normal clouds around a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.points import Points, noisy
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class Gaussians(Points):
    """Normal clouds around a circle, labelled by their number."""

    name: ClassVar[str] = "gaussians"
    modes: int = setting(default=8, ge=1, le=MANY)
    radius: float = setting(default=2.0, gt=0)

    @property
    def label_count(self) -> int:
        return self.modes

    def draw(self, generator: Generator, count: int) -> Arrays:
        import numpy as np

        labels = generator.integers(self.modes, size=count)
        angle = 2 * np.pi * labels / self.modes
        centres = self.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        return {"x": noisy(generator, centres, self.noise), "y": labels}
