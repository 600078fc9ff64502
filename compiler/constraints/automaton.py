"""A pattern as an automaton of the bytes of UTF-8: deterministic, and with as few states as there can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mai.compiler.constraints.patterns import SURROGATES, Choice, Letters, Pattern, Sequel, Times, common, others
from mai.runtime.arrays import Array

MOST_NODES = 200_000  # Of the automaton that may be in several states at once.
MOST_STATES = 20_000
LENGTHS = ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF))  # Of one, two, three, four bytes.


class TooLarge(Exception):
    """A pattern needs more states than a table may have."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """States 0 to S - 1, of which 0 is the first, and S is that of texts which match nothing however they go on.

    moves: the state after each byte, [S + 1, 256]; whole: in which states a text matches, [S + 1].
    """

    moves: Array
    whole: Array


@dataclass(slots=True)
class _Several:
    """An automaton that may be in several states at once (Thompson 1968): where bytes lead, and where a state leads by itself."""

    by_bytes: list[list[tuple[int, int, int]]] = field(default_factory=list)  # first byte, last byte, next state
    freely: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        if len(self.freely) >= MOST_NODES:
            raise TooLarge
        self.by_bytes.append([])
        self.freely.append([])
        return len(self.freely) - 1

    def add(self, pattern: Pattern, start: int) -> int:
        """The state at which texts of a pattern end that begin at `start`."""
        match pattern:
            case Letters(spans):
                end = self.state()
                for sequence in _sequences(common(spans, others((SURROGATES,)))):
                    self._bytes(sequence, start, end)
                return end
            case Sequel(parts):
                for part in parts:
                    start = self.add(part, start)
                return start
            case Choice(parts):
                end = self.state()
                for part in parts:
                    inner = self.state()
                    self.freely[start].append(inner)
                    self.freely[self.add(part, inner)].append(end)
                return end
            case Times(part, least, most):
                return self._times(part, least, most, start)

    def _times(self, part: Pattern, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self.add(part, start)
        if most is None:
            inner = self.state()
            self.freely[start].append(inner)
            self.freely[self.add(part, inner)].append(inner)
            return inner
        end = self.state()
        for _ in range(most - least):
            self.freely[start].append(end)
            start = self.add(part, start)
        self.freely[start].append(end)
        return end

    def _bytes(self, sequence: tuple[tuple[int, int], ...], start: int, end: int) -> None:
        *before, (first, last) = sequence
        for low, high in before:
            inner = self.state()
            self.by_bytes[start].append((low, high, inner))
            start = inner
        self.by_bytes[start].append((first, last, end))


def _sequences(spans: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Spans of letters as sequences of spans of bytes."""
    for first, last in spans:
        for low, high in LENGTHS:
            if first <= high and last >= low:
                yield from _of_one_length(chr(max(first, low)).encode(), chr(min(last, high)).encode())


def _of_one_length(low: bytes, high: bytes) -> Iterator[tuple[tuple[int, int], ...]]:
    """The byte strings between two of one length, whose bytes but the first are those that go on with a letter."""
    if len(low) == 1:
        yield ((low[0], high[0]),)
        return
    least, most = b"\x80" * (len(low) - 1), b"\xbf" * (len(low) - 1)
    if low[0] == high[0]:
        for rest in _of_one_length(low[1:], high[1:]):
            yield ((low[0], low[0]), *rest)
        return
    first, last = low[0], high[0]
    if low[1:] != least:
        for rest in _of_one_length(low[1:], most):
            yield ((first, first), *rest)
        first += 1
    tail: tuple[tuple[tuple[int, int], ...], ...] = ()
    if high[1:] != most:
        tail = tuple(((last, last), *rest) for rest in _of_one_length(least, high[1:]))
        last -= 1
    if first <= last:
        yield ((first, last), *((0x80, 0xBF),) * (len(low) - 1))
    yield from tail


def automaton_of(pattern: Pattern) -> Automaton:
    """The automaton of the texts that match a pattern as a whole. Raises `TooLarge`."""
    several = _Several()
    start = several.state()
    end = several.add(pattern, start)
    return _smallest(*_deterministic(several, start, end))


def _closure(several: _Several, states: frozenset[int]) -> frozenset[int]:
    reached, waiting = set(states), list(states)
    while waiting:
        for state in several.freely[waiting.pop()]:
            if state not in reached:
                reached.add(state)
                waiting.append(state)
    return frozenset(reached)


def _deterministic(several: _Several, start: int, end: int) -> tuple[Array, Array]:
    """The states in which it may be at once become states, by the bytes that make a difference; the last one is none."""
    edges = sorted({0, 256} | {b for by in several.by_bytes for low, high, _ in by for b in (low, high + 1)})
    place, widths = {edge: k for k, edge in enumerate(edges)}, np.diff(edges)
    numbers = {_closure(several, frozenset((start,))): 0}
    waiting, rows = list(numbers), []
    for states in waiting:
        leads: list[set[int]] = [set() for _ in widths]
        for state in states:
            for low, high, after in several.by_bytes[state]:
                for k in range(place[low], place[high + 1]):
                    leads[k].add(after)
        row = []
        for lead in leads:
            after_all = _closure(several, frozenset(lead))
            if after_all and after_all not in numbers:
                if len(numbers) >= MOST_STATES:
                    raise TooLarge
                numbers[after_all] = len(numbers)
                waiting.append(after_all)
            row.append(numbers[after_all] if after_all else -1)
        rows.append(np.repeat(row, widths))
    moves = np.stack([*rows, np.full(256, -1)])
    moves[moves < 0] = len(rows)
    return moves, np.array([*(end in states for states in waiting), False])


def _smallest(moves: Array, whole: Array) -> Automaton:
    """States that no text tells apart become one (Moore 1956); the first stays 0, what matches nothing comes last."""
    columns = np.unique(moves, axis=1)
    weights = np.random.default_rng(0).integers(1, 2**63, columns.shape[1] + 1, np.uint64)
    group, count = whole.astype(np.uint64), 0
    while count < (groups := len(np.unique(group))):
        count = groups
        marks = weights[0] * group + (group[columns] * weights[1:]).sum(1, dtype=np.uint64)
        group = np.unique(marks, return_inverse=True)[1].reshape(-1).astype(np.uint64)
    group = group.astype(np.int64)
    order = [group[0], *(g for g in range(group.max() + 1) if g not in (group[0], group[-1]))]
    order += [] if group[-1] == group[0] else [group[-1]]
    place = np.argsort(order)[group]
    kept = [int(np.argmax(group == g)) for g in order]
    smaller, ends = place[moves[kept]], whole[kept]
    if group[-1] == group[0]:  # No text matches.
        smaller, ends = np.ones((2, 256), np.int64), np.zeros(2, bool)
    return Automaton(smaller, ends)
