"""Ctrl-C and SIGTERM end a run well."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Stoppable(Protocol):
    """What ends after the step it is in, once it is `asked` to."""

    asked: bool


@contextmanager
def stoppable(trainer: Stoppable) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step, with a checkpoint."""

    def stop(number: int, frame: Any) -> None:
        trainer.asked = True

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, stop)
    except ValueError:
        previous = {}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
