"""Data that are larger than the memory that training takes of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options

SPEC = """data x: [64] from arrays("x.npy")
net f(x: [64]) -> [64] { return linear(x, 64) }
train(steps = 5, batch = 128) { minimize sum((f(x) - x)^2) }
"""
ROWS = 1_600_000  # 410 MB of numbers.
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def megabytes(name: str) -> float:
    """What the system says of this process's memory: `VmRSS` now, `VmHWM` the most since it was told to forget that."""
    match = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    assert match is not None
    return int(match[1]) / 1000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system tells memory so on Linux alone")
def test_a_large_array_is_never_in_memory(tmp_path: Path) -> None:
    """The file has holes, so that it takes no room on the disk; its rows are read as any others."""
    np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(ROWS, 64))
    (tmp_path / "m.mai").write_text(SPEC)
    program = check(tmp_path / "m.mai").program
    assert program is not None and (tmp_path / "x.npy").stat().st_size > 400e6
    FORGET.write_text("5")
    before = megabytes("VmRSS")
    train(program, tmp_path / "run", Options(quiet=True, device="cpu"))
    assert megabytes("VmHWM") - before < 250
