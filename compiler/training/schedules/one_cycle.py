"""A rate that rises and falls once."""

from __future__ import annotations

import math
from typing import ClassVar

from mai.compiler.training.settings import Schedule
from mai.spec.settings import setting


class OneCycle(Schedule):
    """Up from `start` of the rate over a share `rise` of the run, then down to `final`, on half cosines (Smith and Topin 2019).

    An optimizer's momentum stays as it is.
    """

    name: ClassVar[str] = "one_cycle"
    rise: float = setting(default=0.3, gt=0, lt=1)
    start: float = setting(default=0.04, ge=0, le=1)
    final: float = setting(default=4e-6, ge=0, le=1)

    def factor(self, step: int, steps: int) -> float:
        share = step / max(1, steps - 1)
        if share < self.rise:
            return _between(self.start, 1.0, share / self.rise)
        return _between(1.0, self.final, (share - self.rise) / (1 - self.rise))


def _between(begin: float, end: float, share: float) -> float:
    """From `begin` to `end` on half a cosine."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * share))
