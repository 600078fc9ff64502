"""The checker in a browser's Python, against the same questions here: seconds of a processor, as both take one core.

    python -m benchmarks.editor.playground

Needs node, and Pyodide as `make playground` installs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import record, seconds, table
from mai.compiler.playground.answers import answer
from mai.compiler.playground.build import NotInstalled, write_playground

ROOT = Path(__file__).parents[2]
MODULES, EXAMPLES = ROOT / ".venv" / "playground" / "node_modules", ROOT / "examples"
ROUNDS = 5
CHECKED = ("moons_flow", "dit", "llama", "digits_unet", "score")
Question = dict[str, Any]


def main(words: list[str]) -> None:
    """Measure, print and record the table, or say what is missing; a word is the `node_modules` folder, if it is another."""
    modules = Path(words[0]) if words else MODULES
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_playground(Path(folder), modules, EXAMPLES)
        except NotInstalled as error:
            print(error, file=sys.stderr)
            return
        there = _there(Path(folder), modules, QUESTIONS)
    rows = []
    for question, times in zip(QUESTIONS, there["times"], strict=True):
        here, browser = median(_here(question)), median(times)
        rows.append((_said(question), seconds(browser), seconds(here), f"{browser / here:.1f} ×"))
    text = table(("the checker, after a change", "in a browser's Python", "here", "times as long"), rows)
    start, first = seconds(there["start"]), seconds(there["first"])
    record("playground", f"{text}\n\nPython starts there in {start}, and the first check takes {first}.", there)


def _question(name: str, ask: str, before: str = "") -> Question:
    """A question about an example, at the first place after some words of it."""
    text = (EXAMPLES / f"{name}.mai").read_text(encoding="utf-8")
    at = text.index(before) + len(before)
    return {"ask": ask, "path": f"/spec/{name}.mai", "text": text, "at": at, "export": "sample"}


QUESTIONS = [
    *(_question(name, "check") for name in CHECKED),
    _question("moons_flow", "complete", "return "), _question("moons_flow", "hover", "xs"), _question("moons_flow", "format"),
    _question("moons_flow", "draw"),
]  # fmt: skip


def _said(question: Question) -> str:
    return f"{question['ask']}: {Path(question['path']).name}"


def _there(site: Path, modules: Path, questions: list[Question]) -> Any:
    asked = site / "questions.json"
    asked.write_text(json.dumps(questions), encoding="utf-8")
    script = str(Path(__file__).with_suffix(".mjs"))
    done = subprocess.run(
        ["node", script, str(modules), str(site), str(ROUNDS), str(asked)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _here(question: Question) -> list[float]:
    """The same in this Python, after a first time."""
    times = []
    for round_ in range(ROUNDS + 1):
        started = time.process_time()
        answer(json.dumps({**question, "text": f"{question['text']}# {round_}\n"}))
        times.append(time.process_time() - started)
    return times[1:]


if __name__ == "__main__":
    main(sys.argv[1:])
