"""The batches of a run, on the device that computes with them.

Small examples in memory are read for many steps at once, since finding them costs more than copying them. Where reading takes a good
part of the time, as decoding images does, processes of its own do it: a batch is a function of the seed and the step, so it is the same
whoever reads it, and nothing of these processes has to be kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mai.compiler.data.splitting.order import Batches
from mai.compiler.training.step.read_ahead import ReadAhead, Reader, Tensors, spare_cores

NUMBERS, MOST_STEPS = 1 << 15, 64  # Read at once, at most.
WATCHED = 1.0  # Seconds, after which it is known how much of them reading takes.
SHARE = 0.05  # Of the time, that reading may take.
WORTH = 2.0  # Seconds of reading that are left, for which processes are started.


class Feed:
    """Batches of `size` examples, of which this process has those at some `places`, up to the step `last`.

    `workers` are the processes that read; with None, as many as pay, if any.
    """

    def __init__(
        self, batches: Batches, size: int, places: range, last: int, device: torch.device, workers: int | None = None
    ) -> None:
        self.reader = Reader(batches, size, slice(places.start, places.stop), device.type == "cpu")
        self.count, self.last, self.device, self.workers = len(places), last, device, workers
        self._fields: Tensors = {}
        self._steps, self._many = range(0), 1
        self._ahead: ReadAhead | None = None
        self._pace = Pace()

    def at(self, step: int) -> Mapping[str, Tensor]:
        """The examples of a step by field, each [examples, ...]. Raises `MaiError` where they cannot be read."""
        if step not in self._steps:
            self._fetch(step)
        if len(self._steps) == 1:
            return self._fields
        begin = (step - self._steps.start) * self.count
        return {name: rows[begin : begin + self.count] for name, rows in self._fields.items()}

    def close(self) -> None:
        """End the processes that read."""
        self._ahead = None

    def _fetch(self, step: int) -> None:
        """Have the next steps, of which this is the first."""
        is_next = step == self._steps.stop
        self._steps = range(step, max(step + 1, min(step + self._many, self.last)))
        if self._ahead is None or not is_next:
            workers = self._workers()
            self._ahead = ReadAhead(self.reader, workers, self.device, self._steps, self.last) if workers else None
        fields = None if self._ahead is None else self._ahead.next()
        fields = self._own() if fields is None else fields
        self._fields = {name: tensor.to(self.device, non_blocking=True) for name, tensor in fields.items()}

    def _workers(self) -> int:
        """How many processes are to read from here on."""
        if self.workers is not None:
            return self.workers
        wanted = self._pace.workers(self.last - self._steps.start)
        return min(wanted, spare_cores(_bytes(self._fields))) if wanted else 0

    def _own(self) -> Tensors:
        """The steps, read here."""
        began = time.monotonic()
        fields = self.reader.read(self._steps)
        if self.device.type == "cuda":
            fields = {name: tensor.pin_memory() for name, tensor in fields.items()}
        self._pace.read(len(self._steps), time.monotonic() - began)
        numbers = sum(tensor[0].numel() for tensor in fields.values()) * self.count
        self._many = max(1, min(MOST_STEPS, NUMBERS // max(1, numbers)))
        return fields


@dataclass(slots=True)
class Pace:
    """How much of a run's time reading takes. The first reading is none to go by: files are opened then."""

    began: float = 0.0
    seconds: float = 0.0
    steps: int = 0

    def read(self, steps: int, seconds: float) -> None:
        """So many steps were read, in so much time."""
        if not self.began:
            self.began = time.monotonic()
            return
        self.seconds += seconds
        self.steps += steps

    def workers(self, left: int) -> int:
        """How many processes read as fast as steps are computed, of which so many are left; 0 where none pays."""
        passed = time.monotonic() - self.began
        if not self.steps or passed < WATCHED or self.seconds < SHARE * passed:
            return 0
        is_worth = left * self.seconds / self.steps > WORTH
        return math.ceil(self.seconds / max(1e-9, passed - self.seconds)) if is_worth else 0


def _bytes(fields: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in fields.values())
