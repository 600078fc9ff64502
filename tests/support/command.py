"""The command `mai`: in this process, or in one of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from typer.testing import CliRunner, Result

from mai.runtime.cli import application, main
from tests.support.served import LIMIT, SERVED


def invoke(*words: str | Path) -> Result:
    """The command's exit code, and what it says."""
    return CliRunner().invoke(application(str(words[0])), [*map(str, words)])


def run_command(*words: str | Path, cwd: Path | None = None, code: int = 0) -> CompletedProcess[str]:
    """The same of a process of its own, which need not import the large packages: that would take longer than most commands.

    What such a process computes is not counted by `--measure`: tests that call it are marked slow by hand.
    """
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, "out"), Path(folder, "err")]
        process = SERVED.Process(target=_work, args=([*map(str, words)], cwd or Path.cwd(), dict(os.environ), streams))
        process.start()
        process.join(LIMIT)
        process.kill()
        process.join()
        assert process.exitcode is not None
        done = CompletedProcess(words, process.exitcode, *(path.read_text(encoding="utf-8") for path in streams))
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


def _work(words: Sequence[str], cwd: Path, environment: Mapping[str, str], streams: Sequence[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", 1, encoding="utf-8", closefd=False) for number in (1, 2))
    sys.argv = ["mai", *words]
    main()
