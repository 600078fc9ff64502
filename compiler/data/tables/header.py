"""The names of a table's columns, as a file has them and as a spec calls them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.runtime.inputs.cells import few_of, is_number
from mai.spec.words import RESERVED

NAME = re.compile(r"(?![\d⁰¹²³⁴-⁹¼-¾])(?:(?![⁰¹²³⁴-⁹])\w)+")
SHOWN = 8  # Places that a message names.
TAKEN = RESERVED | {"batch", "seed"}  # The latter are settings that every file may have.


def name_columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The columns by what a spec calls them.

    `sepal length (cm)` is `sepal_length_cm`, or `sepal_length_cm_2` where another is called so, and `else` is `else_`.

    Columns without a name are left out: the first one holds the numbers of rows, as pandas writes them.

    Raises:
        MaiError: no column has a name, two have one, or the first line holds numbers and no names.
    """
    names = [name for name in names if name.strip()]
    written = [name.strip() for name in names]
    if not written:
        raise bad(f"{path} needs a line of column names and at least one row")
    if written and all(is_number(name) for name in written):
        message = f"the first line of {path} holds numbers: {few_of(written)}"
        raise bad(message, help="the first line names the columns, as in `x0,x1,y`")
    if len(set(written)) < len(written):
        twice = dict.fromkeys(name for name in written if written.count(name) > 1)
        places = [str(place) for place, name in enumerate(written, 1) if name in twice]
        message = f"{path} has two columns of one name: {few_of(twice)} (columns {', '.join(places[:SHOWN])})"
        raise bad(message, help="call one of them otherwise in the line of names")
    called = [identifier(name) for name in written]
    return dict(zip(_apart(called, written), names, strict=True))


def note_of_nameless(names: Sequence[str]) -> str | None:
    """What is to be said of columns without a name; None where there are none, or the first alone has none."""
    places = [place for place, name in enumerate(names, 1) if not name.strip()]
    if places in ([], [1]):
        return None
    one = len(places) == 1
    return f"its column{'' if one else 's'} {few_of([*map(str, places)])} {'has' if one else 'have'} no name, and {'is' if one else 'are'} left out"


def doubt_of_names(names: Sequence[str]) -> str | None:
    """What is to be said of a first line that holds numbers that are hardly names, as 1990, 1991, ... are; None where nothing is."""
    numbers = [float(name) for name in names if is_number(name)]
    rising = all(a < b for a, b in pairwise(numbers))
    if not numbers or (rising and all(number.is_integer() for number in numbers)):
        return None
    some = few_of([f"`{name.strip()}`" for name in names if is_number(name)])
    return f"its first line, which names the columns, holds numbers, {some}: does the file lack a line of names?"


def _apart(called: Sequence[str], written: Sequence[str]) -> list[str]:
    """Names of which no two are alike: those that are as written stay, others get a number behind them."""
    taken = {name for name, own in zip(called, written, strict=True) if name == own}
    apart = []
    for name, own in zip(called, written, strict=True):
        free, number = name, 2
        while name != own and free in taken:
            free, number = f"{name}_{number}", number + 1
        taken.add(free)
        apart.append(free)
    return apart


def identifier(name: str) -> str:
    """A name that a spec may have: letters, digits and `_`, and no word that the language or a call has for itself."""
    if NAME.fullmatch(name):
        return f"{name}_" if name in TAKEN else name
    plain = re.sub(r"[\W⁰¹²³⁴-⁹]+", "_", name).strip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain or name
