"""A data set by mai, as a user has it: the spec, `mai train`, `mai eval` on the test part."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.data_sets.sets import Written

SPECS = Path(__file__).parent / "specs"


def mai_score(data: Written, seed: int, folder: Path) -> float:
    """How the compiled file of a spec does on the test part, through the command line."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = data.write(folder, seed)
    spec = Path(shutil.copy(SPECS / f"{data.name}.mai", folder))
    command("train", str(spec), "--out", str(folder / "run"), "--seed", str(seed), "--quiet")
    said = json.loads(command("eval", str(folder / "run"), *tests, "--json"))
    return float(said["metrics"][data.score]["value"])


def command(*words: str) -> str:
    """What a command of mai's prints."""
    done = subprocess.run([sys.executable, "-m", "mai.runtime.cli", *words], check=True, capture_output=True, text=True)
    return done.stdout
