"""What all tests share."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from xdist import is_xdist_controller

from mai.compiler.check import check
from mai.compiler.program import Program
from tests.support.few_reports import FewReports
from tests.support.slow_tests import Measure, listed

ROOT = Path(__file__).parents[1]
settings.register_profile("mai", deadline=None)  # how long an example takes is the machine's
settings.load_profile("mai")
EXAMPLES = sorted((ROOT / "examples").glob("*.mai"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption("--measure", action="store_true", help="write the list of slow tests anew, from what these take")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--measure"):
        config.pluginmanager.register(Measure())
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(FewReports())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what the list names; nothing of it when it is measured."""
    slow = frozenset(() if config.getoption("--measure") else listed())
    for item in items:
        if item.nodeid in slow:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Do not look for garbage while thousands of tests are made, and seldom later; among what stays to the end, next to never.

    They are not frozen: what compiles asks how many objects are, and Python counts them one by one.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.set_threshold(200_000, 20, 1000)
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """What holds for a whole run: no fixture, which is looked up for every test."""
    if not is_xdist_controller(session):
        import torch  # which collecting alone need not

        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MAI_CACHE"] = folder
        try:
            return (yield)
        finally:
            gc.freeze()  # else Python looks through all that there is once more, to end


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with a golden file; `--update-golden` writes it."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.name} is missing: run `make docs` and read what it says"
        assert text == path.read_text(encoding="utf-8")

    return compare


FOLDERS = count()


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own. pytest's looks through the folders of all tests before, each time, for a number that is free."""
    folder = tmp_path_factory.getbasetemp() / f"test_{next(FOLDERS)}"
    folder.mkdir()
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Program]:
    """A program from its text."""

    def make(text: str) -> Program:
        path = tmp_path / "spec.mai"
        path.write_text(text, encoding="utf-8")
        checked = check(path)
        assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
        return checked.program

    return make


@pytest.fixture
def example() -> Callable[[str], Program]:
    """A program of the examples, by name."""

    def make(name: str, **sets: str) -> Program:
        checked = check(ROOT / "examples" / f"{name}.mai", sets)
        assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
        return checked.program

    return make
