"""A loop's tape beside what torch makes of the same states, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mai.compiler.ir.structure import CONTROL, LENGTH, Loop, StepControl
from mai.compiler.ir.types import Axis, Type
from mai.compiler.onnx.comparing.roundings import UNCERTAIN
from mai.compiler.onnx.comparing.trial import difference
from mai.compiler.onnx.turns.steps import (
    Turn,
    decides_alike,
    error_excess,
    first_length_excess,
    goes_wrong,
    increment_excess,
    keeps_alike,
)
from mai.compiler.passes.loops.tapes.replay import Replay
from mai.runtime.arrays import Array

STEPS, COURSE = "the length of its steps", "which steps it keeps, and when it ends"
ENDS = "when its examples end"
FAR = 0.01  # Relative: of a turn whose results roundings move so far, nothing can be said.


@dataclass(frozen=True, slots=True)
class Taken:
    """Which turns which examples take: [lead..., turns of the loops around...], for values with the lead axes `lead`."""

    mask: Array
    lead: tuple[Axis, ...]

    def along(self, type: Type, array: Array) -> Array:
        """The mask with the axes of a state's array, which may have other lead axes, more turns, and has a shape."""
        gone = tuple(place for place, axis in enumerate(self.lead) if axis not in type.lead)
        mask = np.asarray(self.mask.any(gone))  # A state that is no example's is of all.
        for place, axis in enumerate(type.lead):
            if axis not in self.lead:
                mask = np.expand_dims(mask, place)
        return np.broadcast_to(mask.reshape(*mask.shape, *(1,) * (array.ndim - mask.ndim)), array.shape)


@dataclass(frozen=True, slots=True)
class Played:
    """A loop's states before it, after each turn and after it: as the file has them, and as torch makes them of the file's.

    Each has lead axes, an axis for the turns of each loop around, and `rows` one for the turns, then the shape. `taken` says which
    turns of the loops around are taken; `margins` how far a condition's comparisons are from saying otherwise, and, where it was asked,
    `close` whether that is as far as roundings go, and `moved`, [lead..., turns] for each state, how far these move what a turn makes.
    """

    replay: Replay
    taken: Taken
    first: list[Array]
    rows: list[Array]
    torch_first: list[Array]
    torch_rows: list[Array]
    margins: list[Array] = field(default_factory=list)
    close: list[Array] = field(default_factory=list)
    moved: list[Array] = field(default_factory=list)

    @property
    def decides_otherwise(self) -> Array:
        """In which turns a condition of the text ends an example in one program and not in the other: [..., turns]."""
        loop = Loop.of(self.replay.loop)
        if not loop.decides:
            return np.zeros((), bool)
        if loop.control is None:
            return np.asarray(self.going & (self.rows[0] != self.torch_rows[0]))
        # Where one keeps a step and the other does not, `error_excess` judges.
        turns = [Turn.of(states, loop.control) for states in (self.before, self.rows, self.torch_rows)]
        return np.asarray(self.going & keeps_alike(*turns) & ~decides_alike(*turns))

    @property
    def is_wrong_to_end(self) -> Array:
        """Of these, the turns in which roundings do not explain it."""
        wrong = self.decides_otherwise
        for flags, margin in zip(self.close, self.replay.results[2 * len(self.first) :], strict=False):
            lead = margin.type.lead
            of_turns = np.asarray(flags.any(tuple(range(len(lead) + self.replay.depth + 1, flags.ndim))))
            wrong = wrong & ~Taken(of_turns, lead).along(self.types[0], wrong)
        return wrong

    def distances(self, rows: list[Array]) -> list[Array]:
        """For each state how far torch's is from another one's after each turn: the largest of the shape, [lead..., turns]."""
        return [
            _distance(own, other, len(v.type.lead) + self.replay.depth + 1)
            for v, own, other in zip(self.replay.last, self.torch_rows, rows, strict=True)
        ]

    @property
    def sure(self) -> list[Taken]:
        """For each state in which turns of which examples it is compared, where roundings were looked at.

        Not where they explain how far it is from torch's; nor where they move a state far, as 1 / (a - b) of nearly equal numbers,
        unless they do so in all turns.
        """
        widest = max(range(len(self.types)), key=lambda place: len(self.types[place].lead))
        type, axes = self.types[widest], len(self.types[widest].lead) + self.replay.depth + 1
        unsure = np.zeros(self.rows[widest].shape[:axes], bool)
        for own, moved, torch in zip(self.types, self.moved, self.torch_rows, strict=True):
            inside = tuple(range(moved.ndim, torch.ndim))
            size = np.abs(np.where(np.isfinite(torch), torch, 0).astype(np.float64)).max(inside, initial=0.0)
            unsure |= Taken(~(moved <= FAR * size), own.lead).along(type, unsure)
        compared = Taken(np.asarray(~unsure | unsure.all()), type.lead)
        return [
            Taken((apart > UNCERTAIN * moved) & compared.along(own, apart), own.lead)
            for own, moved, apart in zip(self.types, self.moved, self.distances(self.rows), strict=True)
        ]

    @property
    def going(self) -> Array:
        """Which examples go on at the start of each turn, where the first state says so: [..., turns]."""
        own = starts(self.first[0], self.rows[0], self.replay.depth, self.types[0]).astype(bool)
        return own & self.taken.along(self.types[0], own)

    @property
    def types(self) -> list[Type]:
        """The types of the states."""
        return [v.type for v in self.replay.last]

    @property
    def before(self) -> list[Array]:
        """The file's states at the start of each turn."""
        return all_starts(self.replay, self.first, self.rows)


def all_starts(replay: Replay, first: list[Array], rows: list[Array]) -> list[Array]:
    """The states at the start of each turn."""
    return [starts(f, r, replay.depth, v.type) for f, r, v in zip(first, rows, replay.last, strict=True)]


def starts(first: Array, rows: Array, depth: int, type: Type) -> Array:
    """The state at the start of each turn, from the state before the loop and those after each turn."""
    axis = len(type.lead) + depth
    count = rows.shape[axis]
    return np.concatenate([np.expand_dims(first, axis), rows], axis).take(range(count), axis)


def errors(played: Played, tolerance: float) -> Iterator[tuple[str, float]]:
    """What was compared, and how far it is apart: above `tolerance` it is wrong."""
    loop = played.replay.loop
    names, control = [v.name for v in loop.regions[0].inputs[1:]], Loop.of(loop).control
    compared = played.taken
    if control is not None:
        yield from _errors_of_steps(played, control, names, tolerance)
        before, file, torch = (Turn.of(a, control) for a in (played.before, played.rows, played.torch_rows))
        # Whoever keeps other steps has other states: `error_excess` is for them.
        same = decides_alike(before, file, torch)
        compared = Taken(same & played.taken.along(played.types[0], same), played.types[0].lead)
    decides = int(Loop.of(loop).until)  # Its first state is a decision.
    if Loop.of(loop).decides:
        yield ENDS, float("inf") if played.is_wrong_to_end.any() else 0.0
    if decides:
        compared = Taken(played.going, played.types[0].lead)
    sure = played.sure if played.moved else None
    for place, name in enumerate(names[decides:], decides):
        type, first, rows = played.types[place], played.first[place], played.rows[place]
        apart = _apart(first, played.torch_first[place], played.taken.along(type, first))
        if control is not None and place == LENGTH:
            apart = 0.0
        if control is None or place >= CONTROL:
            mask = compared.along(type, rows)
            if sure is not None:
                mask = mask & sure[place].along(type, rows)
            apart = max(apart, _apart(rows, played.torch_rows[place], mask))
        yield f"`{name}`", apart


def _distance(a: Array, b: Array, axes: int) -> Array:
    """The largest difference in what follows the first `axes` axes: infinite where one is a number and the other is not."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a.astype(np.float64) - b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    return np.asarray(apart.max(tuple(range(axes, a.ndim)), initial=0.0))


def _apart(file: Array, torch: Array, mask: Array) -> float:
    return difference(np.where(mask, file, 0), np.where(mask, torch, 0))


def _errors_of_steps(
    played: Played, control: StepControl, names: list[str], tolerance: float
) -> Iterator[tuple[str, float]]:
    """What a solver decides, and how far its steps go."""
    before, file, torch = (Turn.of(a, control) for a in (played.before, played.rows, played.torch_rows))
    for name, excess in zip(names[CONTROL:], increment_excess(before, file, torch, tolerance), strict=False):
        yield f"the step of `{name}`", tolerance * float(excess.max(initial=0.0))
    yield COURSE, float("inf") if goes_wrong(before, file, control).any() else 0.0
    first, torch_first = (Turn.of(a, control) for a in (played.first, played.torch_first))
    begins = first_length_excess(first, torch_first, control)
    begins = np.where(played.taken.along(played.types[0], begins), begins, 0.0)
    lengths = (error_excess(before, file, torch, control), begins)
    yield STEPS, tolerance * max(float(e.max(initial=0.0)) for e in lengths)
