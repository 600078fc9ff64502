"""Examples that are held out and trained on alike: a model knows them, so that they do not tell how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mai.compiler.data.rows import Rows
from mai.runtime.arrays import Array

MOST_BYTES = 1 << 26  # That are compared: of more it would cost as much as reading them.
BLOCK = 1 << 14  # Rows that are looked at together.
MATTER = 0.01  # Of a part: fewer copies change its figures by less than this.
DIFFERENT = 0.1  # Of those that are trained on so many have to differ: where a few values repeat, all examples are alike by nature.

Examples = Mapping[str, Rows]


def notes_of_copies(trained: Examples, validation: Examples | None, test: Examples | None) -> Iterator[str]:
    """How many examples of each part are also trained on, in words; nothing where they are few, or there are too many numbers to compare."""
    parts = {"held out": validation, "for tests": test}
    there = {name: part for name, part in parts.items() if part is not None}
    if not there or sum(map(_size, (trained, *there.values()))) > MOST_BYTES:
        return
    prints = np.sort(_fingerprints(trained))
    if 1 + np.count_nonzero(np.diff(prints)) < DIFFERENT * len(prints):
        return
    for name, part in there.items():
        copies = int(_are_among(np.sort(_fingerprints(part)), prints).sum())
        if copies >= MATTER * _count(part) and copies:
            what = "are also among those that are trained on, all fields alike: they tell more than there is"
            yield f"{copies:,} of {_count(part):,} examples {name} {what}"


def _count(part: Examples) -> int:
    return min(len(rows) for rows in part.values())


def _size(part: Examples) -> int:
    return sum(int(np.prod(rows.shape, dtype=np.int64)) * rows.dtype.itemsize for rows in part.values())


def _are_among(prints: Array, others: Array) -> Array:
    """Which of some numbers are among others, both sorted, which is read fastest: [n] truths."""
    places = np.minimum(np.searchsorted(others, prints), len(others) - 1)
    among: Array = others[places] == prints
    return among


def _fingerprints(part: Examples) -> Array:
    """A number of 64 bits for each example, [n], of the bytes of all its fields, in eight bytes an example beside one block of rows.

    Two of a million examples that differ have the same one once in tens of millions of times.
    """
    count = _count(part)
    prints: Array = np.zeros(count, np.uint64)
    for name in sorted(part):
        for begin in range(0, count, BLOCK):
            block = np.ascontiguousarray(part[name][begin : min(begin + BLOCK, count)])
            for word in _words_of(block).T:
                prints[begin : begin + BLOCK] = _mixed(prints[begin : begin + BLOCK] + word)
    return prints


def _words_of(block: Array) -> Array:
    """The bytes of some rows as numbers of 64 bits, [n, words]; what lacks to the last one is 0."""
    rows = block.reshape(len(block), -1).view(np.uint8)
    whole = np.zeros((len(rows), -(-rows.shape[1] // 8) * 8), np.uint8)
    whole[:, : rows.shape[1]] = rows
    return whole.view(np.uint64)


def _mixed(numbers: Array) -> Array:
    """Numbers of 64 bits in which every bit depends on all bits (splitmix64; Steele, Lea and Flood 2014)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = numbers ^ (numbers >> np.uint64(31))
    return mixed
