"""Compiled files called from JavaScript: `make test` installs onnxruntime-web where there is npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import INSTALLED, LIBRARY

HERE = Path(__file__).parent
Call = dict[str, Any]


@pytest.fixture(scope="session")
def installed() -> Path:
    """The folder that onnxruntime-web is installed in."""
    if shutil.which("node") is None or not (INSTALLED / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("needs node and onnxruntime-web: `make test` installs it where there is npm")
    return INSTALLED


@pytest.fixture(scope="session")
def javascript(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[Call]], list[Any]]:
    """Make calls `{file, step, values, prompt}` in one Node; what came of each."""

    def answers(calls: Sequence[Call]) -> list[Any]:
        asked = tmp_path_factory.mktemp("calls") / "calls.json"
        asked.write_text(json.dumps(calls), encoding="utf-8")
        command = ["node", str(HERE / "calls.mjs"), str(LIBRARY), str(asked), str(installed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        record: list[Any] = json.loads(done.stdout)
        return record

    return answers
