"""The figures of steps stay on the device that computes them until somebody looks: reading one makes the program wait for the device."""

from __future__ import annotations

import time
from collections.abc import Sequence

from torch import Tensor

from mai.compiler.training.run.processes import Processes
from mai.spec.record import record

PAUSE = 0.25  # Seconds between two readings, about.
MOST_STEPS = 64  # Between two readings.


@record
class Reading:
    """What steps came to: `losses` are those of objectives, as (step, objective, loss); `reported` the means of what is reported.

    `is_asked` says that some process is to stop, `is_due` that the main one wants a checkpoint.
    """

    losses: tuple[tuple[int, int, float], ...]
    reported: tuple[float, ...]
    is_asked: bool
    is_due: bool


class Readings:
    """The figures of the steps since the last reading, of all processes alike. Each gives its share of a mean over the batch."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self._losses: list[tuple[int, int, Tensor]] = []
        self._reported: Sequence[Tensor] = ()
        self._every, self._next, self._read = 1, 1, time.monotonic()

    def add(self, step: int, objective: int, loss: Tensor, reported: Sequence[Tensor]) -> None:
        """A step's loss of an objective, and what it reports besides: this process's share of the means."""
        self._losses.append((step, objective, loss))
        self._reported = reported or self._reported

    def are_due(self) -> bool:
        """Whether it is time to read, for all processes after the same step; where reading costs nothing, after each."""
        self._next -= 1
        return self._next <= 0

    def read(self, is_asked: bool, is_due: bool) -> Reading:
        """Read what there is; one message, which says, too, after how many steps the next one comes."""
        processes = self.processes
        said = [float(is_asked), float(is_due and processes.main), float(self._interval() if processes.main else 0)]
        figures = [*(loss for *_, loss in self._losses), *self._reported]
        *numbers, asked, due, every = processes.summed(figures, said)
        count = len(self._losses)
        losses = tuple((*which[:2], number) for which, number in zip(self._losses, numbers[:count], strict=True))
        self._losses, self._reported = [], ()
        self._every = self._next = int(every)
        self._read = time.monotonic()
        return Reading(losses, tuple(numbers[count:]), asked > 0, due > 0)

    @property
    def are_free(self) -> bool:
        """Whether reading costs nothing: figures are where the program is."""
        return self.processes.count == 1 and self.processes.device.type == "cpu"

    def _interval(self) -> int:
        """The steps until the next reading, by how long these took."""
        if self.are_free:
            return 1
        seconds = (time.monotonic() - self._read) / self._every
        return max(1, min(MOST_STEPS, int(PAUSE / max(1e-9, seconds))))
