"""A rate that rises and falls once."""

from __future__ import annotations

import math
from typing import ClassVar

from mai.compiler.training.settings import Schedule
from mai.spec.settings import setting


class OneCycle(Schedule):
    """Up from `start` of the rate over a share `rise` of the steps, then down to `final`, on half cosines (Smith and Topin 2019).

    The same rates as torch's `OneCycleLR`. An optimizer's momentum stays as it is, as there with `cycle_momentum=False`.
    """

    name: ClassVar[str] = "one_cycle"
    rise: float = setting(default=0.3, gt=0, lt=1)
    start: float = setting(default=0.04, ge=0, le=1)
    final: float = setting(default=4e-6, ge=0, le=1)

    def factor(self, step: int, steps: int) -> float:
        top = self.rise * steps - 1
        if step < top:
            return _between(self.start, 1.0, step / top)
        return _between(1.0, self.final, (step - top) / (steps - 1 - top))


def _between(begin: float, end: float, share: float) -> float:
    """From `begin` to `end` on half a cosine."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * share))
