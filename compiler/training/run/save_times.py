"""When a run keeps a checkpoint: soon, and then after waits that are each twice as long."""

from __future__ import annotations

import time


class SaveTimes:
    """`first` is how many seconds to wait for the first one, `most` the longest wait."""

    def __init__(self, first: float, most: float) -> None:
        self.wait, self.most = first, most
        self.last = time.monotonic()

    def is_due(self) -> bool:
        """Whether the wait is over."""
        return time.monotonic() - self.last > self.wait

    def saved(self) -> None:
        """A checkpoint is written: the next wait begins."""
        self.last, self.wait = time.monotonic(), min(2 * self.wait, self.most)
