"""Every other square of a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.points import Points, noisy
from mai.compiler.data.source_kinds import Finite, Reading, Request
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays


class Checkerboard(Points):
    """Every other square of a 4 x 4 board on [-2, 2]^2; `count` points in all, or without end."""

    name: ClassVar[str] = "checkerboard"
    noise: float = setting(default=0.0, ge=0)
    count: int | None = setting(default=None, ge=1, le=MANY)

    def columns(self, base: Path) -> dict[str, Column] | None:
        return {"x": Column((2,), False)} if self.count else super().columns(base)

    def read(self, request: Request) -> Reading:
        if not self.count:
            return super().read(request)
        return Finite(self.draw(request.generator(), self.count))

    def draw(self, generator: Generator, count: int) -> Arrays:
        """Squares of side 1 whose column and row have an even sum."""
        import numpy as np

        row, column = generator.integers(4, size=count), generator.integers(2, size=count)
        corner = np.stack([2 * column + row % 2, row], 1) - 2.0
        return {"x": noisy(generator, corner + generator.random((count, 2)), self.noise)}
