"""Clouds of points in the plane, drawn fresh for every step from (seed, step)."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.source_kinds import Endless, Reading, Request, Source
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Arrays
    from mai.runtime.arrays import Array


class Points(Source):
    """Points in the plane; `cloud` of them make one example where it is given."""

    noise: float = setting(default=0.05, ge=0)
    cloud: int | None = setting(default=None, ge=1, le=MANY)

    @property
    def label_count(self) -> int:
        """How many labels there are; none where all points are of one kind."""
        return 0

    @abstractmethod
    def draw(self, generator: Generator, count: int) -> Arrays:
        """Points `x`, real [count, 2], and their labels `y`, whole [count], where there are labels."""

    def columns(self, base: Path) -> dict[str, Column] | None:
        cloud = (self.cloud,) if self.cloud else ()
        labels = {"y": Column(cloud, True, self.label_count)} if self.label_count else {}
        return {"x": Column((*cloud, 2), False), **labels}

    def read(self, request: Request) -> Reading:
        return Endless(self.clouds)

    def clouds(self, generator: Generator, count: int) -> Arrays:
        """Examples `x`, and `y` where there are labels, each a cloud where `cloud` is given."""
        drawn = self.draw(generator, count * (self.cloud or 1))
        if not self.cloud:
            return drawn
        return {name: each.reshape(count, self.cloud, *each.shape[1:]) for name, each in drawn.items()}


def noisy(generator: Generator, points: Array, noise: float) -> Array:
    """The points, each number with normal noise of the deviation `noise`."""
    return points + noise * generator.standard_normal(points.shape)
