"""One trial of a broken file: what went wrong, in how long, and the smallest bytes that show it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.limit import Hang, limited
from mai.compiler.check import ahead, check
from mai.spec.diagnostics.render import render, to_json

LIMIT = 5.0  # seconds of the processor, so that a busy machine is no hang; the examples take a hundredth


@dataclass(frozen=True, slots=True)
class Trial:
    """`failure` names what must not happen, in one line; `sound` says that the file was good all the same."""

    failure: str | None
    sound: bool
    seconds: float


def timed(attempt: Callable[[], tuple[str | None, bool]], limit: float) -> Trial:
    """What an attempt says of its failure and of its soundness; what it raises, and what takes too long, is a failure."""
    began = time.process_time()
    failure, sound = None, False
    try:
        with limited(limit):
            failure, sound = attempt()
    except Hang:
        failure = f"more than {limit:g} s"
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"raised {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return Trial(failure, sound, time.process_time() - began)


def checked(raw: bytes, path: Path, limit: float = LIMIT) -> Trial:
    """Check a text as a file at `path` as `mai check` does, and tell its diagnostics in both forms."""

    def attempt() -> tuple[str | None, bool]:
        outcome = check(path)
        later = ahead(outcome.program) if outcome.program is not None else []
        render([*outcome.diagnostics, *later])
        to_json([*outcome.diagnostics, *later])
        sound = outcome.program is not None
        internal = [d.message for d in outcome.diagnostics if d.slug == "internal"]
        if internal:
            return _place(internal[0]), sound
        if sound == any(d.severity == "error" for d in outcome.diagnostics):
            return "a program with errors" if sound else "neither a program nor an error", sound
        return None, sound

    path.write_bytes(raw)
    return timed(attempt, limit)


def _place(message: str) -> str:
    """`mai itself failed: KeyError at share.py:31`: the same bug in another text has the same place."""
    return ":".join(message.split(":")[:3]).strip()


def minimised(raw: bytes, fails: Callable[[bytes], bool], seconds: float = 60.0) -> bytes:
    """The smallest text found that still fails: ever smaller pieces are left out (Zeller and Hildebrandt 2002)."""
    end, size = time.monotonic() + seconds, max(1, len(raw) // 2)
    while size and time.monotonic() < end:
        smaller = _without(raw, size, fails, end)
        size = size if len(smaller) < len(raw) else size // 2
        raw = smaller
    return raw


def _without(raw: bytes, size: int, fails: Callable[[bytes], bool], end: float) -> bytes:
    """Every piece of this size left out whose absence keeps the failure."""
    at = 0
    while at < len(raw) and time.monotonic() < end:
        tried = raw[:at] + raw[at + size :]
        if fails(tried):
            raw = tried
        else:
            at += size
    return raw
