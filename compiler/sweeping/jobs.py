"""Commands that run side by side, each in a process and with a log of its own; an interrupt ends all of them well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from mai.compiler.training.run.stopping import on_interrupt
from mai.runtime.run_folders.files import LOG
from mai.spec.record import record


@record
class Job:
    """Words of `mai`, and the folder whose log has what they say."""

    words: tuple[str, ...]
    folder: Path


class Jobs:
    """Runs jobs, `count` at a time; `interrupted` says whether it was told to stop, after which no job begins."""

    def __init__(self, count: int) -> None:
        self.count, self.interrupted = count, False
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, jobs: Iterable[Job], done: Callable[[Job, int], None]) -> None:
        """Run all; `done` hears of each that has ended, with its exit code, in this thread."""
        with ThreadPoolExecutor(self.count) as pool, on_interrupt(self._interrupt):
            futures = {pool.submit(self._one, job): job for job in jobs}
            for future in as_completed(futures):
                code = future.result()
                if code is not None:
                    done(futures[future], code)

    def _one(self, job: Job) -> int | None:
        """The exit code of a job; None where none has begun."""
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / LOG).open("ab") as log:
            with self._lock:
                if self.interrupted:
                    return None
                command = [sys.executable, "-m", "mai.compiler", *job.words]
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
                )
                self._running.add(process)
            if self.interrupted:  # Between the look and the start.
                process.send_signal(signal.SIGTERM)
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        return code

    def _environment(self) -> dict[str, str]:
        """Of several side by side, each has its share of the processor's cores."""
        cores = max(1, (os.cpu_count() or 1) // self.count)
        return os.environ if self.count == 1 else {"OMP_NUM_THREADS": str(cores), **os.environ}  # type: ignore[return-value]

    def _interrupt(self) -> None:
        """An interrupt is passed on: a training ends after its step, with a checkpoint."""
        self.interrupted = True
        for process in tuple(self._running):
            process.send_signal(signal.SIGTERM)


def last_words(folder: Path) -> str:
    """Why a job failed, as its log says: its last error, or else its last line."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    errors = [line for line in lines if line.startswith("error")]
    return _last(errors) or _last([line for line in lines if line.strip()]) or "it said nothing"


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else ""
