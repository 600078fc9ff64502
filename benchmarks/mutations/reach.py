"""A plugin of pytest: which faults each test reaches (`--record`), and some tests before the others (`--first`).

A test takes the limit of its own with `--seconds`, in time of a processor: a fault may make a loop endless.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fuzz.limit import limited
from benchmarks.mutations.probes import REACHED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="the file to write what tests reach into")
    parser.addoption("--first", type=Path, help="a file with the names of the tests to begin with, a line each")
    parser.addoption("--without", type=Path, help="a file with the names of tests to leave out, a line each")
    parser.addoption("--seconds", type=float, default=0.0, help="of a processor, for one test")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record"):
        config.pluginmanager.register(Recorder(config.getoption("--record")))
    if config.getoption("--first"):
        config.pluginmanager.register(Order(config.getoption("--first"), config.getoption("--without")))
    if config.getoption("--seconds"):
        config.pluginmanager.register(Limit(config.getoption("--seconds")))


class Recorder:
    """Writes of each test, by its name, the faults that it reached, the processor seconds that it took, and whether it passed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tests: dict[str, tuple[list[int], float, bool]] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        reached = sys.__dict__.setdefault(REACHED, set())
        reached.clear()
        began = _seconds()
        try:
            return (yield)
        finally:
            self.tests[item.nodeid] = sorted(reached), round(_seconds() - began, 4), item.nodeid not in self.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(self.tests))


class Order:
    """Runs some tests in their order, and then the others, which may share what these made; leaves some out."""

    def __init__(self, first: Path, without: Path) -> None:
        self.places = {name: place for place, name in enumerate(first.read_text(encoding="utf-8").split("\n"))}
        self.left_out = set(without.read_text(encoding="utf-8").split("\n"))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid not in self.left_out]
        items[:] = sorted(kept, key=lambda item: self.places.get(item.nodeid, len(self.places)))


class Limit:
    """Fails a test that takes too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        with limited(self.seconds):
            return (yield)


def _seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
