"""A fault in a copy of the tree, and whether the tests see it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

MEMORY = 24 << 30  # bytes of addresses: a wrong size ends in MemoryError
# Which tests are likely to see a fault in a file, by the beginning of its path; all others follow.
LIKELY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("compiler/passes/text", ("tests/passes",)),
    ("compiler/passes/branches", ("tests/passes/test_pair.py", "tests/passes")),
    ("compiler/passes/derivatives", ("tests/ops/test_derivatives.py", "tests/numerics", "tests/passes")),
    ("compiler/passes/loops/retime", ("tests/tuning/test_plans.py",)),
    ("compiler/passes", ("tests/passes", "tests/numerics")),
    ("compiler/ops/random", ("tests/ops/test_random.py", "tests/ops")),
    ("compiler/ops/along", ("tests/passes",)),
    ("compiler/ops/growing", ("tests/passes",)),
    ("compiler/ops/work", ("tests/passes", "tests/show")),
    ("compiler/ops/linear", ("tests/numerics/test_matrices.py", "tests/ops")),
    ("compiler/ops/fourier", ("tests/numerics/test_fourier.py", "tests/ops")),
    ("compiler/ops", ("tests/ops", "tests/passes", "tests/numerics")),
    ("compiler/ir", ("tests/ops/test_parity.py", "tests/passes")),
    ("compiler/onnx", ("tests/onnx", "tests/ops/test_parity.py", "tests/passes")),
    ("compiler/torch", ("tests/ops/test_parity.py", "tests/training", "tests/show")),
)
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


def diff_of(path: str, before: bytes, after: bytes) -> str:
    """Two texts of a file as a diff."""
    old, new = (raw.decode().splitlines(keepends=True) for raw in (before, after))
    return "".join(unified_diff(old, new, path, path, n=1))


def run_tests(tree: Path, path: str, marker: str, limit: float, likely_alone: bool = False) -> Outcome:
    """The tests with a marker expression, the likely ones for a fault in `path` first, until one fails."""
    likely = next((tests for beginning, tests in LIKELY if path.startswith(beginning)), ())
    first = [name for name in likely if (tree / name).exists()]
    began = time.monotonic()
    failed = _pytest(tree, first, marker, limit) if first else None
    if failed is None and not likely_alone:
        rest = ["tests", *(f"--ignore={name}" for name in first)]
        failed = _pytest(tree, rest, marker, limit - (time.monotonic() - began))
    return Outcome(failed, time.monotonic() - began)


def _pytest(tree: Path, chosen: Sequence[str], marker: str, limit: float) -> str | None:
    """The test that failed, "time", or None."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "-m", marker, *chosen]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=max(1.0, limit))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "time"
    if process.returncode in (0, 5):  # 5: no test has this marker
        return None
    failed = FAILED.search(output)
    return failed[1] if failed else f"pytest ended with {process.returncode}"
