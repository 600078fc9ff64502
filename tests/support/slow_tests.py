"""The tests that `make fast` leaves out since they take long, by their names in `tests/slow.txt`: measured, not guessed.

`python -m pytest --measure -m "not slow"` writes the list anew; of a few files, their part of it.
"""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

Result = Iterator[object]
LIST = Path(__file__).parents[1] / "slow.txt"
LONG = 0.12  # Seconds of a processor for one test.
SOME = 0.05  # For a test with others beside it that do the same with other parameters.
# Here a parameter is a thing that is tested by this alone, an operation, a source, a solver, which may take longer.
THING = 0.25
OF_THINGS = ("tests/ops/", "tests/training/test_registries.py")


def cpu_seconds() -> float:
    """What this process and those that it waited for have computed so far."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def listed() -> list[str]:
    return LIST.read_text(encoding="utf-8").splitlines()


def choose_slow(seconds: Mapping[str, float]) -> list[str]:
    """The slow ones of some tests. Of those that differ in parameters alone, the quickest stays if it is not long itself."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in seconds:
        alike[name.split("[")[0]].append(name)
    quickest = {min(names, key=lambda n: seconds[n]) for names in alike.values()}

    def limit(name: str) -> float:
        if name.startswith(OF_THINGS):
            return THING
        return LONG if name in quickest else SOME

    return [name for name in seconds if seconds[name] > limit(name)]


def write_list(seconds: Mapping[str, float]) -> None:
    """Replace what the list says of the tests that were measured, and keep the rest."""
    names = {*choose_slow(seconds), *(name for name in listed() if name not in seconds)}
    LIST.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


class Measure:
    """Takes down what each test takes with what is made for it alone, and writes the list of the slow ones at the end."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.shared = 0.0  # seconds for what several tests share

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Result:
        return (yield from self._measured(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Result:
        return (yield from self._measured(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Result:
        began, before = cpu_seconds(), self.shared
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self.shared = before + cpu_seconds() - began

    def _measured(self, item: pytest.Item) -> Result:
        began = cpu_seconds() - self.shared
        try:
            return (yield)
        finally:
            if item.get_closest_marker("slow") is None:
                self.seconds[item.nodeid] += cpu_seconds() - self.shared - began

    def pytest_sessionfinish(self) -> None:
        write_list(self.seconds)
