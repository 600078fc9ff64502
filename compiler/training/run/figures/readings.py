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

    losses: Sequence[tuple[int, int, float]]
    reported: Sequence[float]
    is_asked: bool
    is_due: bool


class Readings:
    """The figures of the steps since the last reading, of all processes alike. Each gives its share of a mean over the batch.

    They `are_free` where reading costs nothing: figures are where the program is.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.are_free = processes.count == 1 and processes.device.type == "cpu"
        self._losses: list[tuple[int, int, Tensor | float]] = []
        self._reported: Sequence[Tensor] = ()
        self._every, self._next, self._read = 1, 1, time.monotonic()

    def add(self, step: int, objective: int, loss: Tensor | float, reported: Sequence[Tensor]) -> None:
        """A step's loss of an objective, and what it reports besides: this process's share of the means."""
        self._losses.append((step, objective, loss))
        self._reported = reported or self._reported

    def are_due(self, is_wanted: bool) -> bool:
        """Whether it is time to read, for all processes after the same step; where reading costs nothing, also when this process wants to."""
        self._next -= 1
        return self._next <= 0 or (is_wanted and self.are_free)

    def read(self, is_asked: bool, is_due: bool) -> Reading:
        """Read what there is; one message, which says, too, after how many steps the next one comes."""
        losses, reported, self._losses, self._reported = self._losses, self._reported, [], ()
        if self.are_free:
            self._wait(self._interval())
            read = [(step, place, float(loss)) for step, place, loss in losses]
            return Reading(read, [float(each) for each in reported], is_asked, is_due)
        said = [float(is_asked), float(is_due and self.processes.main), float(self._interval())]
        *numbers, asked, due, every = self.processes.summed(
            [*(loss for *_, loss in losses if isinstance(loss, Tensor)), *reported], said
        )
        self._wait(int(every))
        read = [(step, place, number) for (step, place, _), number in zip(losses, numbers, strict=False)]
        return Reading(read, numbers[len(losses) :], asked > 0, due > 0)

    def _wait(self, steps: int) -> None:
        self._every = self._next = steps
        self._read = time.monotonic()

    def _interval(self) -> int:
        """The steps until the next reading, by how long these took, as the main process says it."""
        if not self.processes.main:
            return 0
        seconds = (time.monotonic() - self._read) / self._every
        return max(1, min(MOST_STEPS, int(PAUSE / max(1e-9, seconds))))
