"""Compiles specs by the command line of whichever mai is on the path, in one process: `compiling.py JOBS.json`.

A script and no module: it runs with the sources of another checkout, which may not have it. So it uses of mai only what stays,
the words of the command line.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import mai

mai.__version__ = "0"  # Files of two versions differ by it, and by the digests that follow from it.

from mai.runtime.cli import main  # noqa: E402


def compile_one(words: list[str], folder: Path) -> None:
    """`mai compile WORDS --out FOLDER`; what it says goes to `said.txt` there."""
    folder.mkdir(parents=True)
    sys.argv = ["mai", "compile", *words, "--out", str(folder)]
    with (
        (folder / "said.txt").open("w", encoding="utf-8") as said,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        contextlib.suppress(SystemExit),
    ):
        main()


def compile_all(jobs: Path) -> None:
    """All jobs of a list of `{words, folder}`, a line each as it is done."""
    for job in json.loads(jobs.read_text(encoding="utf-8")):
        compile_one(job["words"], Path(job["folder"]))
        print(Path(job["folder"]).name, flush=True)


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]))
