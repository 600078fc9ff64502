"""What a sweep goes over: consts with several values each, or with ranges for a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from mai.runtime.command_line.markers import Misuse
from mai.spec.record import record

LOG = ":log"
Point = Mapping[str, str]  # The value of each const, as `--set` has it.


@record
class Choices:
    """Values of a const, one after the other: `width=32,64`."""

    values: tuple[str, ...]


@record
class Range:
    """Values from `low` to `high`, both included: `lr=1e-4..1e-1:log`, `depth=2..6`; whole numbers where both are written so."""

    low: float
    high: float
    whole: bool
    log: bool


Axis = Choices | Range


def read_axes(words: Sequence[str]) -> dict[str, Axis]:
    """`NAME=VALUES` words as axes by name. Raises `Misuse` for what is none."""
    axes: dict[str, Axis] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals or not name or not text.strip():
            raise Misuse(f"--set {word}: write --set NAME=32,64,128, or NAME=1e-4..1e-1:log for a search")
        if name in axes:
            raise Misuse(f"--set {word}: `{name}` is given twice")
        axes[name] = _range(word, text.strip()) if ".." in text else _choices(word, text)
    return axes


def _choices(word: str, text: str) -> Choices:
    values = tuple(value.strip() for value in text.split(","))
    if "" in values or len(set(values)) < len(values):
        raise Misuse(f"--set {word}: each value once, with commas between them: NAME=32,64,128")
    return Choices(values)


def _range(word: str, text: str) -> Range:
    bounds, log = text.removesuffix(LOG), text.endswith(LOG)
    low, _, high = bounds.partition("..")
    try:
        numbers = float(low), float(high)
    except ValueError as error:
        raise Misuse(f"--set {word}: a range is NAME=LOW..HIGH, or NAME=LOW..HIGH{LOG}") from error
    if not numbers[0] < numbers[1] or (log and numbers[0] <= 0):
        raise Misuse(f"--set {word}: the first number is smaller than the second{', and above 0' if log else ''}")
    whole = all(each.strip().lstrip("-").isdecimal() for each in (low, high))
    return Range(*numbers, whole, log)


def grid(axes: Mapping[str, Axis]) -> list[Point]:
    """Every combination of values. Raises `Misuse` for a range, of which only a search tries some."""
    for name, axis in axes.items():
        if isinstance(axis, Range):
            raise Misuse(f"--set {name}: a range has no end of values; say how many to try: --search 20, or name them")
    values = [axis.values for axis in axes.values() if isinstance(axis, Choices)]
    return [dict(zip(axes, each, strict=True)) for each in product(*values)]


def in_words(point: Point) -> str:
    """A point as a person reads it, and as its folders are called."""
    return ",".join(f"{name}={value}" for name, value in point.items())
