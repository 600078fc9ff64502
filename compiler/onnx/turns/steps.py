"""What a turn of an adaptive solver may decide, in plain numpy, from the states before and after it.

A solver estimates the error of a step by a difference of nearly equal numbers, so that two programs, each right to its last
bit, estimate errors that are some roundings of the velocities apart. What they decide by it may differ as far as that explains, and no
further: the estimate is read back from the decision, and compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mai.compiler.ir.structure import CONTROL, StepControl
from mai.compiler.solvers.adaptive import FIRST, LARGEST, SAFETY, SMALLEST
from mai.runtime.arrays import Array

ROUNDINGS = 32  # How many of the roundings that are seen in velocities may add up in the estimate of an error.
EPSILON = 2.0**-24  # Of one rounding, relative.
FINEST = 2.0**-21  # The least that is taken for the roundings of a velocity, relative to it.
AROUND = 8  # Turns before and after one whose velocities tell how large the roundings are in it.
SHARE = 1e-3  # Of an error: what the roundings of its power may be, of which the next length is made.
EXACT = 1e-5  # Of a quotient of two lengths.


@dataclass(frozen=True, slots=True)
class Turn:
    """The states before or after turns: [..., turns] for those of the control, [..., turns, shape] for the others."""

    going: Array
    tau: Array
    length: Array
    evaluations: Array
    states: list[Array]
    slopes: list[Array]

    @classmethod
    def of(cls, states: list[Array], control: StepControl) -> Turn:
        """From all states of a loop."""
        number = control.states
        return cls(
            states[0], states[1], states[2], states[3],
            [y.astype(np.float64) for y in states[CONTROL : CONTROL + number]],
            [k.astype(np.float64) for k in states[CONTROL + number : CONTROL + 2 * number]],
        )  # fmt: skip


def kept(before: Turn, after: Turn) -> Array:
    """Whether a step was kept, for each example and turn: time has passed, or an event lies in it.

    A step so short that no time passes in float32 is kept where the states move.
    """
    return np.asarray((after.tau > before.tau) | ends(before, after) | _moves(before, after))


def _moves(before: Turn, after: Turn) -> Array:
    """Whether a state or its velocity is another after a turn."""
    moved = np.zeros(before.tau.shape, bool)
    for a, b in zip([*before.states, *before.slopes], [*after.states, *after.slopes], strict=True):
        moved |= ~_equal(a, b).all(tuple(range(moved.ndim, a.ndim)))
    return moved


def ends(before: Turn, after: Turn) -> Array:
    """Whether an event ended the way in a turn, whose step was kept and is not taken."""
    return np.asarray(before.going & ~after.going & (after.tau < 1) & (after.tau <= before.tau))


def keeps_alike(before: Turn, file: Turn, torch: Turn) -> Array:
    """Where two programs both keep a step or both do not."""
    return np.asarray(before.going & (kept(before, file) == kept(before, torch)))


def decides_alike(before: Turn, file: Turn, torch: Turn) -> Array:
    """The same, with an event in both steps or in none."""
    return np.asarray(keeps_alike(before, file, torch) & (ends(before, file) == ends(before, torch)))


def goes_wrong(before: Turn, after: Turn, control: StepControl) -> Array:
    """Where what a turn did does not follow from whether it kept its step: who goes on, the way gone, the evaluations."""
    length = _taken_length(before)
    last = before.length >= 1 - before.tau
    ended = ends(before, after)
    moved = kept(before, after) & ~ended
    way = np.where(moved, before.tau + length, before.tau)
    arrived = last & (moved | (_stands(before) & ~after.going))
    wrong = after.going != (before.going & ~arrived & ~ended)
    wrong |= ~(np.abs(after.tau - way) <= EXACT)
    wrong |= after.evaluations != before.evaluations + control.stages
    return np.asarray(wrong & before.going)


def error_excess(before: Turn, file: Turn, torch: Turn, control: StepControl) -> Array:
    """How far two programs' errors of a step are apart, over what roundings of velocities explain: at most 1 is right."""
    length = _taken_length(before)
    low, high = _errors(kept(before, file), file.length / length, control.order)
    least, most = _errors(kept(before, torch), torch.length / length, control.order)
    gap = np.maximum(np.maximum(low - most, least - high), 0.0)
    same = decides_alike(before, file, torch)
    slopes = zip(before.slopes, file.slopes, torch.slopes, strict=True)
    roundings = [_nearby(_rounding(k, a, b, same)) for k, a, b in slopes]
    allowed = ROUNDINGS * length * control.weights * _size(before.states, roundings, before, control)
    excess = np.where(np.isnan(gap), np.inf, gap / np.maximum(allowed + SHARE * np.maximum(low, least), 1e-30))
    # Who stops in a step lets its length stand, which says nothing of its error.
    is_comparable = (ends(before, file) == ends(before, torch)) | (kept(before, file) != kept(before, torch))
    is_comparable &= ~(np.isnan(file.length) & np.isnan(torch.length))  # Ways that began with no numbers.
    return np.asarray(np.where(before.going & ~_stands(before) & is_comparable, excess, 0.0))


def increment_excess(before: Turn, file: Turn, torch: Turn, tolerance: float) -> list[Array]:
    """For each state, how far its change in a step is from torch's, over what `tolerance`, relative, and roundings explain."""
    same = decides_alike(before, file, torch)
    length = _taken_length(before)
    excesses = []
    slopes = zip(before.slopes, file.slopes, torch.slopes, strict=True)
    roundings = [_nearby(_rounding(k, ka, kb, same)) for k, ka, kb in slopes]
    for y, a, b, rounding in zip(before.states, file.states, torch.states, roundings, strict=True):
        change, size = _largest(b - y, before), _largest(y, before)
        allowed = tolerance * change + ROUNDINGS * (length * rounding + EPSILON * size)
        with np.errstate(invalid="ignore"):
            apart = _largest(np.where(_equal(a, b), 0.0, a - b), before)
        excess = np.where(apart == 0, 0.0, apart / np.maximum(allowed, 1e-38))
        excesses.append(np.where(same, np.where(np.isnan(excess), np.inf, excess), 0.0))
    return excesses


def first_length_excess(file: Turn, torch: Turn, control: StepControl) -> Array:
    """The same for the length of the first step, of `Turn`s before the loop, [...]."""
    speed = np.maximum(_size(file.states, [_largest(k, file) for k in file.slopes], file, control), 1e-15)
    size = _size(file.states, [_largest(y, file) for y in file.states], file, control)
    # A velocity's change is looked for over a hundredth of the time that it takes to go through the state's size.
    guess = np.where((size < 1e-5) | (speed < 1e-5), FIRST, 0.01 * size / speed)
    roundings = [_rounding(a, a, b, file.going) for a, b in zip(file.slopes, torch.slopes, strict=True)]
    share = ROUNDINGS * _size(file.states, roundings, file, control) / guess / speed
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.log(file.length.astype(np.float64) / torch.length))
    return np.asarray(
        np.where(_equal(file.length, torch.length), 0.0, apart / (np.log1p(share) / control.order + SHARE))
    )


def _taken_length(before: Turn) -> Array:
    """The lengths of steps, which do not go beyond the end; 1 for those that nobody takes."""
    length = np.minimum(before.length, 1 - before.tau)
    return np.asarray(np.where(before.going & (length > 0), length, np.float32(1)))


def _stands(before: Turn) -> Array:
    """Where a step is so short, or none, that no time passes in float32: nobody sees whether it was kept."""
    return np.asarray(before.tau + np.minimum(before.length, 1 - before.tau) <= before.tau)


def _errors(kept: Array, factor: Array, order: int) -> tuple[Array, Array]:
    """Between what a step's error was, as a share of the allowed one, if the next step is `factor` times as long.

    Not a number where no error gives such a factor.
    """
    error = (SAFETY / np.maximum(factor.astype(np.float64), 1e-30)) ** order
    low = np.where(factor > LARGEST * (1 - EXACT), 0.0, error)
    high = np.where(factor < SMALLEST * (1 + EXACT), np.inf, error)
    outside = (factor > LARGEST * (1 + EXACT)) | (factor < SMALLEST * (1 - EXACT))
    outside |= np.where(kept, factor < SAFETY * (1 - EXACT), factor > SAFETY * (1 + EXACT))
    return np.where(outside, np.nan, low), np.where(outside, np.nan, high)


def _equal(a: Array, b: Array) -> Array:
    """Where two numbers are the same, or both none."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _largest(slope: Array, turn: Turn) -> Array:
    """The largest number of each example and turn."""
    return np.asarray(np.abs(slope).max(tuple(range(turn.tau.ndim, slope.ndim)), initial=0.0))


def _rounding(before: Array, file: Array, torch: Array, same: Array) -> Array:
    """How large roundings of a velocity are, for each example and turn: as is seen in `same` ones, or the least that they are."""
    axes = tuple(range(same.ndim, before.ndim))
    least = [FINEST * np.abs(k).max(axes, initial=0.0) for k in (before, file, torch)]
    with np.errstate(invalid="ignore"):
        seen = np.where(same, np.nan_to_num(np.abs(file - torch)).max(axes, initial=0.0), 0.0)
    return np.asarray(np.nan_to_num(np.max([seen, *least], axis=0)))


def _nearby(roundings: Array) -> Array:
    """The largest of the turns around each, of all examples."""
    if not roundings.size:
        return roundings
    of_turns = roundings.max(tuple(range(roundings.ndim - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(of_turns, AROUND), 2 * AROUND + 1)
    return np.asarray(np.broadcast_to(windows.max(-1), roundings.shape))


def _size(states: list[Array], numbers: list[Array], turn: Turn, control: StepControl) -> Array:
    """The root mean square of numbers, one for each state, example and turn, over what the state's error may be."""
    total, count = np.zeros(turn.tau.shape), 0
    for y, number in zip(states, numbers, strict=True):
        axes = tuple(range(turn.tau.ndim, y.ndim))
        scale = control.atol + control.rtol * np.abs(y)
        total = total + number**2 * (1 / scale**2).sum(axes)
        count += int(np.prod(y.shape[turn.tau.ndim :]))
    return np.asarray(np.sqrt(total / max(count, 1)))
