"""A record's template becomes the text of a spec: jinja with the settings, and a few words about layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from mai.compiler.importing.config import Settings
from mai.spec.family_records import Record, template

if TYPE_CHECKING:
    from jinja2 import Environment


def render(record: Record, settings: Settings) -> str:
    """The declarations of a spec: its constants that something reads, then what the record's template says.

    Args:
        settings: of the model, of its generation, and what the template may ask besides.

    Raises:
        UnknownModel: the template refuses the settings.
    """
    from jinja2 import TemplateRuntimeError

    parts = "".join(map(template, record.get("macros", ())))
    whole = record.get("first", "") + parts + record["spec"]
    try:
        body = _environment().from_string(whole).render(**settings, this=settings).strip()
    except (TemplateRuntimeError, TypeError, LookupError, ArithmeticError) as error:
        raise UnknownModel(f"its settings do not fit each other for {record['title']}: {error}") from error
    read = set(re.findall(r"[^\W\d]\w*", body))
    lines = [f"const {name} = {number_text(n)}" for name, n in numbers_of(record, settings).items() if name in read]
    return "\n".join(lines) + "\n\n" + re.sub(r"\n{3,}", "\n\n", body) + "\n"


def numbers_of(record: Record, settings: Settings) -> dict[str, int | float]:
    """The constants of a record that are numbers with these settings, those that the text does not read included."""
    from jinja2 import UndefinedError

    environment = _environment()
    numbers: dict[str, int | float] = {}
    for name, expression in record.get("consts", {}).items():
        try:
            number = environment.compile_expression(expression)(settings | numbers)
        except (UndefinedError, ArithmeticError):
            continue
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            numbers[name] = number
    return numbers


class UnknownModel(Exception):
    """Why a template has no spec for some settings: several of them together are not known."""


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    environment.filters |= {"number": number_text, "turns": turns_text, "same": same}
    environment.globals["refuse"] = _refuse
    return environment


def _refuse(why: str) -> str:
    raise UnknownModel(why)


def number_text(value: object) -> str:
    """A number as the language writes it: 1e-5, 10000, 0.5."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnknownModel(f"a number is needed, this is {str(value)[:40]!r}")
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", repr(int(value) if whole else value))


def turns_text(values: Sequence[object], wanted: object) -> str:
    """In which turns i of a `repeat` a list has a value, as a condition: "true", "false", `i % 2 == 1`, `i < 3`, `i == 4 or i == 9`."""
    turns = [i for i, value in enumerate(values) if value == wanted]
    if len(turns) in (0, len(values)):
        return "true" if turns else "false"
    return next(text for text, holds in _conditions(len(values), turns) if holds == turns)


def _conditions(count: int, turns: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """Conditions on i with the turns for which they hold, the shortest first; the last one holds for these turns alone."""
    places = range(count)
    edges = ((f"i < {n}", [i for i in places if i < n]) for n in places)
    ends = ((f"i >= {n}", [i for i in places if i >= n]) for n in places)
    periods = ((f"i % {p} == {r}", [i for i in places if i % p == r]) for p in range(2, count) for r in range(p))
    others = ((f"i % {p} != {r}", [i for i in places if i % p != r]) for p in range(2, count) for r in range(p))
    yield from chain(periods, others, edges, ends)
    yield " or ".join(f"i == {i}" for i in turns), list(turns)


def same(values: Sequence[object]) -> bool:
    """Whether all values of a list are equal."""
    return len({str(v) for v in values}) <= 1
