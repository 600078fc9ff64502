"""Which results of an export say how likely tags are: labels that are there or not, 1 or 0, several of them for one example.

As the objective says by its values, however it is written. A number that is the log-odds of a tag, or its probability, is learnt by the
likelihood of Bernoulli: it rises by -log p where the tag is there, and by -log(1 - p) where it is not. So numbers of our own stand for nets'
results, and the objective is computed for them, with tags and without. What an export makes of the same numbers says what its results are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Literal

import numpy as np

from mai.compiler.evaluating.targets.links import Slot, compared_results, fields_of_inputs
from mai.compiler.evaluating.targets.probing import computed, shape_of
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Program, Training
from mai.runtime.arrays import Array
from mai.spec.record import record

MOST = 1024  # Numbers of nets' results that are moved, and tags.
GRID = (-3.0, -1.0, 0.5, 2.0)  # Log-odds.
FAR = 6.0
EXACT = 1e-4

TagRole = Literal["tags", "probabilities", "log-odds", "tag scores"]
Number = tuple[Slot, int]  # One number of a net's result.


@record
class Tag:
    """A label that is there or not: the number of a field at this place."""

    field: str
    place: int


@record
class TagResult:
    """What a result of an export says of tags, and of which, in the order of its numbers."""

    role: TagRole
    tags: tuple[Tag, ...]


def tags_of(program: Program, export: str) -> dict[str, TagResult]:
    """By output, those of an export whose every number says of one tag whether it is there."""
    taken = set(fields_of_inputs(program, export).values())
    learnt: dict[Number, _Learnt] = {}
    for training in program.trainings:
        learnt |= _Losses(training, taken).learnt()
    return dict(_results(program.exports[export], learnt)) if learnt else {}


def sizes_of_tags(type_: Type) -> tuple[int, ...] | None:
    """The sizes of a field whose numbers may be tags, real ones, truths, or labels of two; None of another."""
    sizes = tuple(size for size in type_.shape if isinstance(size, int))
    is_of_two = type_.dtype is not DType.INT or type_.classes == 2
    return sizes if is_of_two and len(sizes) == type_.rank else None


def tag_names(tags: Sequence[Tag], types: Mapping[str, Type], labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What tags are called: as their field, with their place where it has several, and as the label that is there where `labels` has names."""

    def called(tag: Tag) -> str:
        sizes = sizes_of_tags(types[tag.field]) or ()
        place = f"[{', '.join(map(str, np.unravel_index(tag.place, sizes)))}]" if len(sizes) > 1 else tag.place
        label = [*labels.get(tag.field, ())][1:2]
        return f"{tag.field}{place if sizes else ''}" + (f": {label[0]}" if label else "")

    return tuple(map(called, tags))


@record
class _Learnt:
    """What one number of a net's result is learnt as: of a tag the log-odds, or the probability."""

    tag: Tag
    is_probability: bool

    def at(self, odds: float) -> float:
        """The number at these log-odds."""
        return 1 / (1 + float(np.exp(-odds))) if self.is_probability else odds


def _values(graph: Graph, slots: set[Slot]) -> dict[Slot, Value]:
    """The results of nets in a graph that stand there once, and have sizes that are known."""
    at = {slot: values[0] for slot, values in graph.calls.items() if slot in slots and len(values) == 1}
    return {slot: value for slot, value in at.items() if shape_of(value) is not None}


class _Moves:
    """Numbers in the place of nets' results: those of one example stand still, and in each of the others one of them is moved."""

    def __init__(self, values: Mapping[Slot, Value]) -> None:
        self.values = {value: prod(shape_of(value) or ()) for value in dict.fromkeys(values.values())}
        self.count = sum(self.values.values())
        starts = np.cumsum([0, *self.values.values()])
        self.starts = dict(zip(self.values, starts.tolist(), strict=False))
        self.numbers = {
            self.starts[value] + place: [(slot, place) for slot, each in values.items() if each is value]
            for value, size in self.values.items() for place in range(size)
        }  # fmt: skip

    def cuts(self, still: Array, moved: Array) -> dict[Value, Array]:
        """For `computed`: [1 + count, ...] of each value; number i is `still[i]`, and `moved[i]` in example 1 + i."""
        rows = np.repeat(still[None], self.count + 1, 0)
        rows[np.arange(1, self.count + 1), np.arange(self.count)] = moved
        parts = {value: rows[:, start : start + self.values[value]] for value, start in self.starts.items()}
        return {value: part.reshape(-1, *(shape_of(value) or ())) for value, part in parts.items()}


class _Losses:
    """How the objectives of a train block change with numbers of nets' results that are compared with fields."""

    def __init__(self, training: Training, taken: set[str]) -> None:
        self.graph = training.evaluation
        compared = {
            name: slots for name, slots in compared_results(training, MOST).items()
            if name in training.fields and name not in taken
        }  # fmt: skip
        sizes = {name: sizes_of_tags(training.fields[name]) for name in compared}
        self.sizes = {name: each for name, each in sizes.items() if each is not None}
        self.tags = [Tag(name, place) for name, each in self.sizes.items() for place in range(prod(each))]
        slots = set[Slot]().union(*(compared[name] for name in self.sizes))
        self.moves = _Moves(_values(self.graph, slots))
        outputs = (self.graph.outputs[each.output] for each in training.objectives)
        self.outputs = [value for value in dict.fromkeys(outputs) if value.type.batched]

    def learnt(self) -> dict[Number, _Learnt]:
        """The numbers that are learnt as tags."""
        if not (self.outputs and 0 < len(self.tags) <= MOST and 0 < self.moves.count <= MOST):
            return {}
        learnt: dict[Number, _Learnt] = {}
        for is_probability in (False, True):
            tags = self._tags(is_probability)
            learnt |= {number: _Learnt(tag, is_probability) for i, tag in tags for number in self.moves.numbers[i]}
        return learnt

    def _tags(self, is_probability: bool) -> Iterator[tuple[int, Tag]]:
        """The numbers of which each is learnt as one tag alone, and that tag."""
        count = len(self.tags)
        absent, present = np.zeros(count, bool), np.ones(count, bool)
        fits = self._are_likelihoods(absent, False, is_probability) & self._are_likelihoods(
            present, True, is_probability
        )
        if not fits.any():
            return
        places = np.zeros(self.moves.count, np.int64)
        for bit in range((count - 1).bit_length()):
            is_set = (np.arange(count) >> bit & 1).astype(bool)
            places += (self._changes(is_set, 1.0, is_probability) < 0).astype(np.int64) << bit
        fits &= places < count
        some = np.random.default_rng(0).random(count) < 0.5
        there = some[np.minimum(places, count - 1)]
        fits &= (self._changes(some, 1.0, is_probability) < 0) == there
        yield from ((int(i), self.tags[places[i]]) for i in np.flatnonzero(fits))

    def _are_likelihoods(self, there: Array, is_there: bool, is_probability: bool) -> Array:
        """Of each number, whether the loss changes as minus the logarithm of a probability; weighed, or of a tag that is smoothed."""
        odds = np.array(GRID)
        is_there_or_not = np.stack([np.logaddexp(0, -odds), np.logaddexp(0, odds)], 1)
        forms = is_there_or_not - np.log(2)  # Of a tag that is there, and not, from even odds on.
        changes = np.stack([self._changes(there, each, is_probability) for each in GRID])
        changes = np.where(np.isfinite(changes), changes, 1e9)
        weights, *_ = np.linalg.lstsq(forms, changes, rcond=None)
        room = EXACT * np.maximum(np.abs(changes).max(0), 1e-6)
        own, other = (weights[0], weights[1]) if is_there else (weights[1], weights[0])
        fits: Array = (np.abs(forms @ weights - changes).max(0) < room) & (own > other + EXACT) & (other > -EXACT)
        return fits

    def _changes(self, there: Array, odds: float, is_probability: bool) -> Array:
        """How far the loss rises where each number alone is moved to these log-odds, with these tags."""
        one = _Learnt(self.tags[0], is_probability)
        still, moved = (np.full(self.moves.count, one.at(each)) for each in (0.0, odds))
        fields = {
            name: np.array([there[i] for i, tag in enumerate(self.tags) if tag.field == name], float).reshape(sizes)
            for name, sizes in self.sizes.items()
        }
        results = computed(self.graph, self.outputs, self.moves.cuts(still, moved), fields, self.moves.count + 1)
        with np.errstate(all="ignore"):  # What is infinite is no likelihood.
            total: Array = np.sum([each.reshape(self.moves.count + 1, -1).sum(1) for each in results], 0)
            rises: Array = total[1:] - total[0]
            return rises


def _results(graph: Graph, learnt: Mapping[Number, _Learnt]) -> Iterator[tuple[str, TagResult]]:
    """What the outputs of an export make of numbers that are learnt as tags."""
    moves = _Moves(_values(graph, {slot for slot, _ in learnt}))
    of = {i: learnt[numbers[0]] for i, numbers in moves.numbers.items() if numbers[0] in learnt}
    if not of or moves.count > MOST:
        return
    still = np.array([of[i].at(0.0) if i in of else 1.0 for i in range(moves.count)])
    ends = [np.array([of[i].at(end) if i in of else 1.0 for i in range(moves.count)]) for end in (-FAR, FAR)]
    for name, value in zip(graph.output_names, graph.outputs, strict=True):
        if shape_of(value) is None or prod(shape_of(value) or ()) > MOST:
            continue
        low, high = (
            computed(graph, [value], moves.cuts(still, end), {}, moves.count + 1)[0].astype(float).reshape(moves.count + 1, -1)
            for end in ends
        )  # fmt: skip
        tags = [_tag_of(low[:, k], high[:, k], of) for k in range(low.shape[1])]
        if tags and None not in tags and len(set(tags)) == len(tags):
            yield name, TagResult(_role(value, low, high, of, ends), tuple(tag for tag in tags if tag is not None))


def _tag_of(low: Array, high: Array, of: Mapping[int, _Learnt]) -> Tag | None:
    """The one tag with whose numbers a number of an output rises; None where it does not, or changes with others, too."""
    changes = np.flatnonzero((low[1:] != low[0]) | (high[1:] != high[0])).tolist()
    tags = {of[i].tag if i in of else None for i in changes}
    rises = all(high[1 + i] > low[1 + i] for i in changes)
    return tags.pop() if len(tags) == 1 and rises else None


def _role(value: Value, low: Array, high: Array, of: Mapping[int, _Learnt], ends: list[Array]) -> TagRole:
    numbers = np.concatenate([low, high])
    if ((numbers == 0) | (numbers == 1)).all():
        return "tags"
    if numbers.min() >= 0 and numbers.max() <= 1:
        return "probabilities"
    changed = [(np.flatnonzero(high[1:, k] != high[0, k]), k) for k in range(high.shape[1])]
    are_odds = all(
        not of[i].is_probability and np.isclose(high[1 + i, k], ends[1][i]) and np.isclose(low[1 + i, k], ends[0][i])
        for each, k in changed for i in each.tolist()
    )  # fmt: skip
    return "log-odds" if are_odds else "tag scores"
