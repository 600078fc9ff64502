"""A command that may take so much time of processors, however busy the machine is with other work."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

BUSY = 20  # So many times as long may pass by the clock: a command that waits for ever computes nothing.
LOOK = 1.0  # Seconds between two looks.


class TooLong(Exception):
    """The time was over before the command was."""


def run_limited(words: Sequence[str], seconds: float) -> str:
    """Run a command and what it starts for at most so many seconds of processors.

    Returns:
        What it says where it fails: the end of its stderr, or how it ended.

    Raises:
        TooLong: they are over. Nothing of it goes on.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
        try:
            _wait(process, seconds)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return said.read().strip()[-600:] or f"ended by {process.returncode}"


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    looks = 0
    while process.poll() is None:
        try:
            process.wait(LOOK)
        except subprocess.TimeoutExpired:
            looks += 1
            if _spent(process.pid) > seconds or looks * LOOK > seconds * BUSY:
                raise TooLong from None


def _spent(session: int) -> float:
    """The seconds of processors that the living processes of a session have taken."""
    done = subprocess.run(["ps", "-o", "times=", "-g", str(session)], capture_output=True, text=True, check=False)
    return sum(map(float, done.stdout.split()))
