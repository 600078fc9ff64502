"""The command `mai` in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from mai.runtime.cli import application


def invoke(*words: str | Path) -> Result:
    """The command's exit code, and what it says."""
    return CliRunner().invoke(application(str(words[0])), [*map(str, words)])
