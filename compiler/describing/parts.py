"""Which rows of its table, or images of its folder, a spec trains on, holds out, and keeps for tests, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.batches import load
from mai.compiler.data.fields import bad
from mai.runtime.files import write_atomically

if TYPE_CHECKING:
    from mai.compiler.data.places import Places
    from mai.compiler.program import Program

NAMES = {"train": "train", "held_out": "held-out", "test": "test"}  # Of parts, as they are written.


def save_parts(program: Program, path: Path) -> None:
    """Write a .csv with the `row` of each example, from 1, and the `part` that it is in, in the order of the rows.

    An image of a folder has its `file` in the place of a row. Rows of several files are counted on from one to the next. What is held out or for tests in files of its own has the rows of these,
    and stands behind the others.

    Raises:
        MaiError: the data cannot be read, or their examples are no rows of a table.
        OSError: the file cannot be written.
    """
    training = program.trainings[0]
    data = load(training.data, training.fields, 0, Path(program.source.path).parent, where=training.where)
    if "train" not in data.places or any(each.begins is not None for each in data.places.values()):
        what = "they are windows, which share rows" if data.places else "no row of a table is one of them"
        raise bad(f"`{training.data.name}`: its examples have no rows of their own: {what}")
    in_files = {"held_out": "validation", "test": "test"}
    others = {part for part, setting in in_files.items() if getattr(training.data, setting, None) is not None}
    own = {name: places for name, places in data.places.items() if name not in others}
    lines = [*_lines(own), *(line for name in NAMES if name in others for line in _lines({name: data.places[name]}))]
    head = "row,part" if data.places["train"].files is None else "file,part"
    write_atomically(path, ("\n".join([head, *lines]) + "\n").encode())


def _lines(places: Mapping[str, Places]) -> list[str]:
    """The rows of some parts, or the names of their files, in order."""
    rows = sorted(
        (int(row), NAMES[name], str(row + 1) if each.files is None else _quoted(str(each.files[i])))
        for name, each in places.items()
        for i, row in enumerate(each.rows)
    )
    return [f"{called},{part}" for _, part, called in rows]


def _quoted(name: str) -> str:
    """A name as a cell of a csv file."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"\r\n') else name
