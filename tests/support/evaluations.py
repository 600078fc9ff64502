"""`mai train` and `mai eval` in this process: a run of a spec, and its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.command import invoke


def trained(folder: Path, text: str, name: str = "s") -> Path:
    """The folder of a run of this spec, whose data lie in the folder."""
    spec, run = folder / f"{name}.mai", folder / "run"
    spec.write_text(text)
    done = invoke("train", spec, "--out", run, "--quiet", "--device", "cpu")
    assert done.exit_code == 0, done.output
    return run


def evaluated(*words: str | Path) -> dict[str, Any]:
    """What `mai eval` says of these words, as plain values."""
    done = invoke("eval", *words, "--json", "--resamples", "20")
    assert done.exit_code == 0, done.output
    values: dict[str, Any] = json.loads(done.stdout)
    return values
