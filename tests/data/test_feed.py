"""What a step computes with is the same whoever reads it, however much at once, and in whatever order it is asked for."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.files import pictures
from mai.compiler.data.sources.digits import Digits
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.moons import Moons
from mai.compiler.data.splitting.order import ALL, Batches, Fields
from mai.compiler.ir.types import DType, Type
from mai.compiler.training.step import feed as feeding
from mai.compiler.training.step.feed import Feed, Pace
from mai.compiler.training.step.read_ahead import spare_cores
from mai.spec.diagnostics import MaiError
from mai.spec.source import Source, Span

STEPS = 40
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are copies of the one that trains")


def feed(batches: Batches, places: range = range(10), workers: int | None = 0) -> Feed:
    return Feed(batches, 10, places, STEPS, torch.device("cpu"), workers)


def digits() -> Dataset:
    return load(Digits(), {"x": Type(DType.REAL, (64,))}, 0, Path())


def moons() -> Dataset:
    return load(Moons(), {"x": Type(DType.REAL, (2,))}, 0, Path())


class Noted(Batches):
    """Batches that note what is asked of them."""

    def __init__(self, batches: Batches) -> None:
        self.batches, self.steps = batches, list[range]()

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        self.steps.append(steps)
        return self.batches.rows(steps, size, places)


@pytest.mark.parametrize("places", [range(10), range(3, 7)], ids=["all", "a share"])
@pytest.mark.parametrize("make", [digits, moons])
def test_steps_read_together_are_those_read_one_by_one(make: Callable[[], Dataset], places: range) -> None:
    data = make()
    noted = Noted(data.batches)
    fed = feed(noted, places)
    for step in (0, 1, 2, 7, 8, 5, 39, *range(30, STEPS), *range(STEPS)):
        expected = data.batch(step, 10)["x"][places.start : places.stop]
        np.testing.assert_array_equal(fed.at(step)["x"].numpy(), expected)
    assert max(map(len, noted.steps)) > 30 and max(steps.stop for steps in noted.steps) == STEPS


def images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Images that are decoded when they are asked for."""
    monkeypatch.setattr(pictures, "IN_MEMORY", 0)
    for number in range(60):
        Image.new("L", (64, 64), number).save(folder / f"{number:02}.png")
    where = Span(Source("spec.mai", "data x from images()"), 0, 4)
    return load(Images(path="."), {"x": Type(DType.REAL, (1, 64, 64))}, 0, folder, where=where)


def test_images_are_packed_as_their_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches, places = images(tmp_path, monkeypatch).batches, slice(2, 9)
    packed, rows = (read(range(3, 5), 10, places)["x"] for read in (batches.packed, batches.rows))
    assert (packed.dtype, rows.dtype, packed.shape) == (np.uint8, np.float32, rows.shape)
    np.testing.assert_array_equal(batches.unpack({"x": packed})["x"], rows)


def test_what_has_no_narrower_form_is_packed_as_it_is() -> None:
    for data in (digits(), moons()):
        np.testing.assert_array_equal(data.batches.packed(range(2), 5)["x"], data.batches.rows(range(2), 5)["x"])


@linux
@pytest.mark.slow
def test_processes_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = images(tmp_path, monkeypatch)
    fed, alone = feed(data.batches, range(2, 9), workers=2), feed(data.batches, range(2, 9))
    for step in (*range(9), 30, 31, *range(4, STEPS)):
        assert torch.equal(fed.at(step)["x"], alone.at(step)["x"])
    fed.close()


@linux
@pytest.mark.slow
def test_what_a_process_cannot_read_is_told_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = feed(images(tmp_path, monkeypatch).batches, workers=1)
    for number in range(10):
        (tmp_path / f"0{number}.png").write_bytes(b"no image")
    with pytest.raises(MaiError, match=r"0\d\.png is no image") as caught:
        [fed.at(step) for step in range(STEPS)]
    assert caught.value.diagnostics[0].span is not None
    fed.close()


class Collected(Batches):
    """Batches whose reading ends what nothing refers to any more."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def rows(self, steps: range, size: int, places: slice = ALL) -> Fields:
        gc.collect()
        return self.batches.rows(steps, size, places)


class Session:
    """It notes that it was ended, and refers to itself: a collection ends it, nothing else does."""

    def __init__(self, ends: Path) -> None:
        self.ends, self.itself = ends, self

    def __del__(self) -> None:
        self.ends.touch()


@linux
@pytest.mark.slow
def test_what_the_program_has_made_is_not_ended_by_those_who_read(tmp_path: Path) -> None:
    gc.disable()
    try:
        Session(tmp_path / "ended")
        fed = feed(Collected(moons().batches), workers=1)
        fed.at(0)
        fed.close()
        assert not (tmp_path / "ended").exists()
        gc.collect()
        assert (tmp_path / "ended").exists()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("reading", "computing", "left", "workers"),
    [(0.02, 0.01, 1000, 2), (0.009, 0.01, 1000, 1), (0.0002, 0.01, 1000, 0), (0.02, 0.01, 9, 0)],
)
def test_processes_read_where_that_pays(
    reading: float, computing: float, left: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(feeding, "time", SimpleNamespace(monotonic=lambda: now))
    pace = Pace()
    pace.read(1, 5.0)
    for _ in range(200):
        now += reading + computing
        pace.read(1, reading)
    assert pace.workers(left) == workers


def test_no_process_is_begun_where_there_is_no_room_for_what_it_reads() -> None:
    assert spare_cores(1 << 60) == 0


SCRIPT = """
import sys, torch
from pathlib import Path
from types import SimpleNamespace
from mai.compiler.data.batches import load
from mai.compiler.data.sources.moons import Moons
from mai.compiler.ir.types import DType, Type
from mai.compiler.training.step import feed as feeding
from mai.compiler.training.step.feed import Feed
from multiprocessing import active_children
fed = Feed(load(Moons(), {"x": Type(DType.REAL, (2,))}, 0, Path()).batches, 10, range(10), 10**6, torch.device("cpu"), 2)
fed.at(0)
print(*(child.pid for child in active_children()), flush=True)
sys.stdin.read()
"""


@linux
@pytest.mark.slow
def test_readers_end_with_the_process_that_trains_however_that_ends() -> None:
    run = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    readers = [int(word) for word in run.stdout.readline().split()]
    assert len(readers) == 2 and all(map(is_there, readers))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    until = time.monotonic() + 5
    while any(map(is_there, readers)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(is_there, readers))


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
