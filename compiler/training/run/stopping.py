"""Ctrl-C and SIGTERM end a run well."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Stoppable(Protocol):
    """What ends after the step it is in, once it is `asked` to."""

    asked: bool


@contextmanager
def stoppable(trainer: Stoppable) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step, with a checkpoint."""

    def stop() -> None:
        trainer.asked = True

    with on_interrupt(stop):
        yield


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, and do nothing else."""
    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda number, frame: stop())
    except ValueError:  # Not the main thread, which alone hears of signals.
        previous = {}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
