"""Examples that are held out and trained on alike: a model knows them, so that they do not tell how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mai.compiler.data.rows import Rows

MOST_BYTES = 1 << 26  # That are compared: of more it would cost as much as reading them.
MATTER = 0.01  # Of a part: fewer copies change its figures by less than this.
DIFFERENT = 0.1  # Of those that are trained on so many have to differ: where a few values repeat, all examples are alike by nature.

Examples = Mapping[str, Rows]


def notes_of_copies(trained: Examples, validation: Examples | None, test: Examples | None) -> Iterator[str]:
    """How many examples of each part are also trained on, in words; nothing where they are few, or there are too many numbers to compare."""
    parts = {"held out": validation, "for tests": test}
    there = {name: part for name, part in parts.items() if part is not None}
    if not there or sum(map(_size, (trained, *there.values()))) > MOST_BYTES:
        return
    known = {*_in_bytes(trained)}
    if len(known) < DIFFERENT * _count(trained):
        return
    for name, part in there.items():
        copies = sum(each in known for each in _in_bytes(part))
        if copies >= MATTER * _count(part) and copies:
            what = "are also among those that are trained on, all fields alike: they tell more than there is"
            yield f"{copies:,} of {_count(part):,} examples {name} {what}"


def _count(part: Examples) -> int:
    return min(len(rows) for rows in part.values())


def _size(part: Examples) -> int:
    return sum(int(np.prod(rows.shape, dtype=np.int64)) * rows.dtype.itemsize for rows in part.values())


def _in_bytes(part: Examples) -> Iterator[bytes]:
    """Each example as bytes: those of all its fields."""
    count = _count(part)
    flat = [np.ascontiguousarray(part[name][:count]).reshape(count, -1).view(np.uint8) for name in sorted(part)]
    return map(bytes, np.concatenate(flat, 1))
