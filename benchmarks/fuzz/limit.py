"""A limit of processor time for what may never end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Hang(BaseException):
    """The limit has passed: no `except Exception` on the way may hold it up."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `Hang` inside the block once it has taken so many seconds of a processor."""

    def stop(number: int, frame: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
