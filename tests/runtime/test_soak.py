"""Many threads on one model: what one thread gives, and no memory that grows. `benchmarks/soak.py` goes on for longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.soak import Call, sample, sampler, soak, stream, text, write
from mai.runtime import Model

pytestmark = pytest.mark.slow

CALLS, GROWTH = 400, 32 << 20


@pytest.mark.parametrize(("make", "call"), [(sampler, sample), (text, write), (text, stream)], ids=lambda f: f.__name__)
def test_eight_threads_give_what_one_gives(make: Callable[[Path], Model], call: Call, tmp_path: Path) -> None:
    done = soak(make(tmp_path), call, CALLS)
    assert done.wrong == 0
    assert done.growth < GROWTH
