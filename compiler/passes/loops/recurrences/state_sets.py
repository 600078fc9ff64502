"""Which states of a loop must stay together, and in which order loops of some of them come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mai.compiler.ir.graph import Region
from mai.compiler.passes.derivatives.dependence import is_real
from mai.compiler.passes.loops.recurrences.affine_line import is_affine
from mai.compiler.passes.loops.recurrences.recurrence import states_behind
from mai.spec.record import record


@record
class StateSet:
    """States that read each other, by their places; `reads` are the others that they read."""

    states: frozenset[int]
    reads: frozenset[int]
    is_affine: bool


def state_sets(body: Region) -> list[StateSet]:
    """The sets of a body's states, in no order."""
    behind, count = states_behind(body), len(body.inputs) - 1
    reads = [behind.get(v, set()) - {i} for i, v in enumerate(body.outputs[:count])]
    reach = [_reached(reads, i) for i in range(count)]
    sets = dict.fromkeys(frozenset({i, *(j for j in reach[i] if i in reach[j])}) for i in range(count))
    return [StateSet(s, frozenset().union(*(reads[i] for i in s)) - s, _is_affine(body, s)) for s in sets]


def _reached(reads: Sequence[set[int]], start: int) -> set[int]:
    reached, waiting = set[int](), [start]
    while waiting:
        new = reads[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def _is_affine(body: Region, states: frozenset[int]) -> bool:
    places = [(body.inputs[1 + i], body.outputs[i]) for i in states]
    return len(places) == 1 and is_real(places[0][0]) and is_affine(body, *places[0])


def fewest_groups(sets: Sequence[StateSet]) -> list[list[StateSet]]:
    """Sets of one kind, affine or not, and then of the other, each after what it reads; as few groups as can be."""
    return min((_groups(sets, is_affine_first) for is_affine_first in (False, True)), key=len)


def _groups(sets: Iterable[StateSet], is_affine_first: bool) -> list[list[StateSet]]:
    """As many sets of one kind as have what they read, then as many of the other, and so on."""
    left, kind, done = list(sets), is_affine_first, set[int]()
    groups = []
    while left:
        group: list[StateSet] = []
        while ready := [s for s in left if s.is_affine is kind and s.reads <= done]:
            group += ready
            done = done.union(*(s.states for s in ready))
            left = [s for s in left if s not in ready]
        groups += [group] if group else []
        kind = not kind
    return groups
