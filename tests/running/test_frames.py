"""Deep calls have their frames in one piece of memory."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from mai.runtime.command_line.frames import in_one_piece


def pages_of_turns(turns: int) -> int:
    """The most pages that are taken from the system while a loop makes its calls, over the depths at which it may stand."""

    def leaf() -> None:
        """What is called at each turn."""

    def loop() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(turns):
            leaf()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    def deeper(depth: int) -> int:
        return max(loop(), deeper(depth - 1)) if depth else 0

    return deeper(400)


def test_a_loop_of_calls_takes_no_memory_at_any_depth() -> None:
    assert in_one_piece(pages_of_turns, 200) < 100


def test_arguments_results_and_errors_pass() -> None:
    def divide(a: float, *, by: float) -> float:
        return a / by

    assert in_one_piece(divide, 6.0, by=3.0) == 2.0
    call: Callable[..., float] = in_one_piece
    with pytest.raises(ZeroDivisionError):
        call(divide, 6.0, by=0.0)
