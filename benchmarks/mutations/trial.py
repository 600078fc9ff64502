"""A fault in a copy of the tree, and whether the tests see it."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.context
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from pathlib import Path

import pytest

from benchmarks.mutations.faults import Fault
from benchmarks.mutations.probes import put_probes

ROOT = Path(__file__).parents[2]
# What the tests import, and takes seconds.
PACKAGES = ("hypothesis", "lark", "matplotlib", "onnx", "onnx_ir", "onnxruntime", "scipy.stats", "sklearn", "torch", "torch.export", "transformers")  # fmt: skip
MEMORY = 24 << 30  # bytes of addresses: a wrong size ends in MemoryError
FAST, SLOW = "not slow", "slow"
LIKELY, REST, ALL = slice(0, 2), slice(2, 3), slice(0, 3)  # of the stages of `run_tests`
SECONDS = {FAST: 30.0, SLOW: 300.0}  # of a processor, for one test
OF_NUMBERS = {"ops", "passes", "numerics", "integrals", "sampling", "onnx", "properties"}  # folders of tests
SOME = 40  # tests that are begun with: to collect whole files takes as long as to run these
UNKNOWN = "ERROR: not found"  # A test that is begun with may have another name with a fault.
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests ended: `by` is the test that failed, "time" where they did not end, None where all passed."""

    by: str | None
    seconds: float


def copy_tree(root: Path, folder: Path) -> None:
    """What git tracks or would track, as files: the tests run in it as in a clone."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines():
        if (root / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name, follow_symlinks=False)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def diff_of(path: str, before: bytes, after: bytes) -> str:
    """Two texts of a file as a diff."""
    old, new = (raw.decode().splitlines(keepends=True) for raw in (before, after))
    return "".join(unified_diff(old, new, path, path, n=1))


def record_reach(tree: Path, faults: Sequence[Fault], path: Path) -> None:
    """Write which faults each test of `make fast` reaches; probes are put into the tree, which serves for nothing else."""
    put_probes(tree, faults)
    _pytest(tree, ["tests", "--record", str(path)], FAST, limit=7200)


@dataclass(frozen=True, slots=True)
class Tests:
    """The tests for one fault: those to begin with, the order of all, and those that fail without any fault, which say nothing."""

    likely: Sequence[str]
    order: Sequence[str]
    unsound: Sequence[str]


def tests_for(reach: Path, number: int, fault: Fault) -> Tests:
    """The tests that reach a fault first; of one that is reached at import alone, those named as its module, and all that compare numbers.

    Those that compare numbers come before others, one of each function before those that differ in parameters alone, the quick ones first.
    """
    tests: dict[str, tuple[list[int], float, bool]] = json.loads(reach.read_text())
    sound = {name: seconds for name, (_, seconds, passed) in tests.items() if passed}
    likely = {name for name in sound if number in tests[name][0]}
    stem = Path(fault.path).stem.removesuffix("s")
    likely = likely or {name for name in sound if stem in name or _is_of_numbers(name)}
    order = sorted(sound, key=lambda n: (n not in likely, not _is_of_numbers(n), stem not in n, sound[n]))
    firsts = {*{name.split("[")[0]: name for name in reversed(order)}.values()}
    order = sorted(order, key=lambda name: (name not in likely, name not in firsts))
    return Tests(order[: len(likely)], order, [*(tests.keys() - sound.keys())])


def _is_of_numbers(name: str) -> bool:
    return name.split("/")[1] in OF_NUMBERS


def run_tests(tree: Path, tests: Tests, marker: str, part: slice, limit: float) -> Outcome:
    """A part of the tests with a marker, until one fails: some likely ones, then the files that have likely ones; all others."""
    files = [*dict.fromkeys(name.split("::")[0] for name in tests.likely)]
    first, without = tree / "build" / "first.txt", tree / "build" / "without.txt"
    first.parent.mkdir(exist_ok=True)
    for path, names in ((first, tests.order), (without, tests.unsound)):
        path.write_text("\n".join(names), encoding="utf-8")
    words = ["-x", "--first", str(first), "--without", str(without), "--seconds", str(SECONDS[marker])]
    stages = [tests.likely[:SOME], files, ["tests", *(f"--ignore={name}" for name in files)]]
    began = time.monotonic()
    failed = next(
        filter(None, (_pytest(tree, [*stage, *words], marker, limit) for stage in stages[part] if stage)), None
    )
    return Outcome(failed, time.monotonic() - began)


def _pytest(tree: Path, words: Sequence[str], marker: str, limit: float) -> str | None:
    """The test that failed, "time" after `limit` seconds of a processor, or None."""
    command = ["-p", "no:cacheprovider", "-p", "benchmarks.mutations.reach", "-m", marker, *words]
    with tempfile.NamedTemporaryFile() as output:
        process = _forking().Process(target=_ran, args=(tree, command, limit, output.name))
        process.start()
        process.join(20 * limit)  # one that waits takes no processor
        if process.is_alive():
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
            return "time"
        said = output.read().decode(errors="replace")
    if process.exitcode in (0, 5) or UNKNOWN in said:  # 5: no test has this marker
        return None
    if process.exitcode == -signal.SIGXCPU:
        return "time"
    failed = FAILED.search(said)
    return failed[1] if failed else f"pytest ended with {process.exitcode}: {said[-300:]}"


@cache
def _forking() -> multiprocessing.context.ForkServerContext:
    """Processes that have the packages which the tests import, and nothing of mai: to import them takes longer than most faults."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PACKAGES])
    return context


def _ran(tree: Path, command: Sequence[str], limit: float, output: str) -> None:
    """Run the tests of a tree in this process, which ends with their exit code."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 60))
    with open(output, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    own = [str(tree / "src"), str(tree)]
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": os.pathsep.join(own), "OMP_NUM_THREADS": "1"}
    roots = {str(ROOT), str(ROOT / "src"), ""}
    sys.path[:] = [*own, *(place for place in sys.path if place not in roots)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmarks", "mai", "tests")]:
        del sys.modules[name]
    sys.exit(int(pytest.main([*command])))
