"""Runs that can be ended: by a time limit, by another thread, and by Ctrl-C.

ONNX Runtime leaves a run as soon as the next node would begin once `RunOptions.terminate` is set. Python delivers Ctrl-C to
the main thread, and only between its own instructions, never inside a run; so a run that the main thread asks for is
done by a worker, while the main thread waits where a signal reaches it. Every run has options of its own: ending one leaves
the runs of other threads alone.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from functools import lru_cache
from typing import TypeVar

import onnxruntime as ort

from mai.runtime.errors import ModelError

Result = TypeVar("Result")
Run = Callable[[ort.RunOptions], Result]  # Something that ONNX Runtime does under these options.

MAX_WORKERS = 256  # Runs at one time; further ones wait.


class TimeLimit:
    """The seconds that a call may compute, spent by one run after another; None for no limit.

    Another thread may end the call by `cancel`.

    Raises:
        ModelError: `input-range`: the seconds are no number above 0.
    """

    def __init__(self, seconds: object) -> None:
        number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if seconds is not None and not (number and float(seconds) > 0):  # type: ignore[arg-type]
            raise ModelError("input-range", f"`timeout` is a number of seconds above 0, this is {seconds!r}")
        self.seconds = math.inf if seconds is None else float(seconds)  # type: ignore[arg-type]
        self._left = self.seconds
        self._changing, self._cancelled = threading.Lock(), False
        self._options: ort.RunOptions | None = None

    @classmethod
    def of(cls, timeout: object) -> TimeLimit:
        """The limit itself, or that of so many seconds. Raises `ModelError`, as the class does."""
        return timeout if isinstance(timeout, cls) else cls(timeout)

    def cancel(self) -> None:
        """End the run that goes on, from any thread, and refuse all later ones of this call."""
        with self._changing:
            self._cancelled = True
            if self._options is not None:
                self._options.terminate = True

    def run(self, run: Run[Result]) -> Result:
        """What a run gives, where it ends within what is left of the time.

        Raises:
            ModelError: `call-timeout`: it does not, and was ended; `call-cancelled`: by `cancel`.
            KeyboardInterrupt: Ctrl-C was pressed in the main thread, and the run was ended.
            Exception: whatever ONNX Runtime raises.
        """
        options = self._begin()
        start = time.monotonic()
        try:
            if math.isinf(self._left) and threading.current_thread() is not threading.main_thread():
                return run(options)
            return self._wait(run, options)
        except Exception as error:
            if self._cancelled and not isinstance(error, ModelError):
                raise _cancelled_error() from error
            raise
        finally:
            self._left -= time.monotonic() - start

    def _begin(self) -> ort.RunOptions:
        """The options of a run that begins now, by which `cancel` ends it."""
        with self._changing:
            if self._cancelled:
                raise _cancelled_error()
            self._options = ort.RunOptions()
            return self._options

    def _wait(self, run: Run[Result], options: ort.RunOptions) -> Result:
        future = _workers().submit(run, options)
        try:
            return future.result(None if math.isinf(self._left) else min(max(self._left, 0.0), threading.TIMEOUT_MAX))
        except NotDone as error:
            _end(future, options)
            raise ModelError(
                "call-timeout", f"the call was ended: it took more than {self.seconds:g} seconds"
            ) from error
        except BaseException:
            _end(future, options)
            raise


def _cancelled_error() -> ModelError:
    return ModelError("call-cancelled", "the call was ended by whoever made it")


def _end(future: Future[Result], options: ort.RunOptions) -> None:
    """End a run, and wait until it has: its arrays are in use till then."""
    options.terminate = True
    future.exception()


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_WORKERS, "mai-run")


if hasattr(os, "register_at_fork"):  # A fork has none of its parent's threads.
    os.register_at_fork(after_in_child=_workers.cache_clear)
