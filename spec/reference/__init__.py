"""The examples of the reference: what is written, and what it gives, as `make docs` has worked out."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from mai.spec.record import record

FOLDER = Path(__file__).parent
BY_HAND, RESULTS = FOLDER / "examples.toml", FOLDER / "results.json"
BY_HAND_SETTINGS, TAKER = FOLDER / "settings.toml", "TAKER"  # TAKER stands for what takes the settings of a line.
SETTINGS_TITLE = "Settings"
INPUT = " with "  # Before each input of an expression.


@record
class Example:
    """What is written, and what it gives in the words of the language: `[0.09, 0.245]`, `a tensor [64]`, or nothing, for a statement."""

    code: str
    gives: str

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{self.code} gives {self.gives}" if self.gives else self.code

    @property
    def markdown(self) -> str:
        """For a page."""
        expression, *inputs = self.code.split(INPUT)
        values = f"{INPUT}{' and '.join(map(_code, inputs))}" if inputs else ""
        result = f" gives {_result(self.gives)}" if self.gives else ""
        return f"{_code(expression)}{values}{result}"


def _code(text: str) -> str:
    """A text as code, between more ticks than it holds."""
    ticks = "``" if "`" in text else "`"
    return f"{ticks}{text}{ticks}"


def _result(gives: str) -> str:
    """What an example gives, its words apart from its code: `a tensor` is no code."""
    words, bracket, rest = gives.partition("[") if gives.startswith("a ") else ("", "", gives)
    value, comma, after = (bracket + rest).partition(", for ")
    return f"{words}{_code(value)}{comma}{after}"


@lru_cache(maxsize=1)
def examples_of_reference() -> dict[str, dict[str, Example]]:
    """All examples: by the title of a section of the reference, then by the name of an entry."""
    if not RESULTS.is_file():
        return {}
    examples = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {title: {name: Example(*each) for name, each in own.items()} for title, own in examples.items()}


def example_of_setting(taker: str, name: str) -> Example | None:
    """A line that has a setting of what is called `taker`: an optimizer, a source, a train block."""
    return examples_of_reference().get(SETTINGS_TITLE, {}).get(f"{taker}.{name}")
