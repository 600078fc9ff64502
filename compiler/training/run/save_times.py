"""When a run keeps a checkpoint: soon, and then after waits that are each twice as long."""

from __future__ import annotations

import time

SHARE = 20


class SaveTimes:
    """`first` is how many seconds to wait for the first one, `most` the longest wait; 0 is none at all."""

    def __init__(self, first: float, most: float) -> None:
        self.wait, self.most = first, most
        self.last = time.monotonic()

    def is_due(self) -> bool:
        """Whether the wait is over."""
        return time.monotonic() - self.last > self.wait

    def saved(self, began: float) -> None:
        """A checkpoint is written, which `began` at a time: the next wait begins. Writing takes a 20th of the time at most."""
        self.last = time.monotonic()
        own = SHARE * (self.last - began) if self.most else 0.0
        self.wait = max(min(2 * self.wait, self.most), own)
