"""A file that tells what happens in its loops, and torch on what it told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.structure import Constant, Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.comparing.roundings import are_roundings
from mai.compiler.onnx.comparing.trial import Reference, Trial, difference, run_trial
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.onnx.turns.compare import Played, Taken, all_starts, errors, starts
from mai.compiler.onnx.turns.steps import EPSILON, ROUNDINGS
from mai.compiler.ops.elementwise import FloorDivide, Modulo
from mai.compiler.passes.loops.tapes.replay import Replay, replayed
from mai.compiler.passes.loops.tapes.tape import Tape, has_all_rows, taped
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.source import Span

if TYPE_CHECKING:
    import onnxruntime as ort
    from torch.fx import GraphModule

CLOSE_TRIALS = 8  # How often states are moved by roundings, to see whether a condition was that close.
TurnStates = tuple[list[Array], list[Array], list[Array]]  # The states at the start, after each turn, and at the end.


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a file is from torch when both take the same steps from the same states, and what is the furthest."""

    error: float
    what: str
    loop: Node | None
    results: dict[str, Array]


class Turns:
    """The twin of a file, of the same graph, whose loops tell their states; and torch, which begins each turn with those."""

    def __init__(self, prepared: Prepared, weights: Mapping[str, Array], options: CompileOptions) -> None:
        self.plain, self.weights, self.options = prepared.plain, weights, options
        self.graph, self.tapes = taped(prepared.optimised)
        self.replay, self.replays = replayed(prepared.plain)
        self.torch = torch_reference(self.replay, weights)
        self.names = {v.name for v in prepared.plain.inputs}  # Of the export's own inputs: the others are tapes.

    @cached_property
    def twin(self) -> ort.InferenceSession:
        """The file that tells its loops' states, opened when it is first run: it holds all weights once more."""
        return opened(build(self.graph, self.weights, self.options))

    @property
    def complete(self) -> bool:
        """Whether every loop that chooses its steps has a tape, and the loops of both graphs have the same states."""
        replayed = {r.loop for r in self.replays}
        adaptive = {n for n in self.plain.walk() if n.op is Loop and Loop.of(n).ends_early}
        return (
            bool(replayed)
            and adaptive <= replayed
            and [_form(t) for t in self.tapes] == [_form(r) for r in self.replays]
        )

    def verdict(self, tried: Trial, tolerance: float) -> Verdict:
        """The twin beside torch on the twin's own steps; `tolerance` is what a state may differ by, relative."""
        outputs = run_trial(self.twin, self.plain, tried)
        count = len(self.plain.outputs)
        results, tapes = outputs[:count], list(self._read(outputs[count:]))
        inputs = {
            name: array for replay, tape in zip(self.replays, tapes, strict=True) for name, array in _fed(replay, tape)
        }
        fed = replace(tried, inputs={**tried.inputs, **inputs})
        expected = self.torch(fed)
        apart = [difference(a, b) for a, b in zip(results, expected[:count], strict=True)]
        if max(apart, default=0.0) > tolerance and are_roundings(
            self.replay, self.weights, fed, results, tolerance, math.inf
        ):
            apart = [min(a, tolerance) for a in apart]
        names = self.plain.output_names
        compared: list[tuple[float, str, Node | None]] = [
            (a, f"`{name}`", None) for name, a in zip(names, apart, strict=True)
        ]
        played_once = list(self._played(tapes, expected[count:]))
        for played in self._with_roundings(played_once, fed, tapes, tolerance):
            compared += [(error, what, played.replay.loop) for what, error in errors(played, tolerance)]
        # A loop comes before values computed from it, and not a number is the worst.
        error, what, loop = max(compared, key=lambda each: (not each[0] <= tolerance, each[2] is not None, each[0]))
        return Verdict(error, what, loop, dict(zip(names, results, strict=True)))

    def _played(self, tapes: list[TurnStates], results: list[Array]) -> Iterator[Played]:
        """Each loop's tape, and what torch made of it."""
        left, around = iter(results), [Taken(np.ones((), bool), ())]  # Of the loops around, the outermost first.
        for replay, (first, rows, _) in zip(self.replays, tapes, strict=True):
            del around[replay.depth + 1 :]
            own = [next(left) for _ in replay.results]
            count = len(first)
            played = Played(replay, around[-1], first, rows, own[:count], own[count : 2 * count], own[2 * count :])
            around.append(_taken_inside(played))
            yield played

    def _with_roundings(
        self, all_played: list[Played], fed: Trial, tapes: list[TurnStates], tolerance: float
    ) -> list[Played]:
        """Where results are apart: what roundings explain, seen from torch's turns that begin with states a few roundings away.

        A comparison is close where they move its two numbers as far as they are apart. `moved` is how far they move the states.
        """
        if not any(
            p.decides_otherwise.any() or any(e > tolerance for _, e in errors(p, tolerance)) for p in all_played
        ):
            return all_played
        count, generator = len(self.plain.outputs), np.random.default_rng(0)
        close = [[np.zeros(m.shape, bool) for m in played.margins] for played in all_played]
        moves = [[np.zeros(()) for _ in played.torch_rows] for played in all_played]
        for _ in range(CLOSE_TRIALS):
            moved = {name: _rounded(array, generator) for name, array in fed.inputs.items() if name not in self.names}
            moved_results = self.torch(replace(fed, inputs={**fed.inputs, **moved}))
            again = self._played(tapes, moved_results[count:])
            for before, after, flags, moved_by in zip(all_played, again, close, moves, strict=True):
                for m, n, flag in zip(before.margins, after.margins, flags, strict=True):
                    flag |= np.abs(n - m) >= np.abs(m)
                apart = before.distances(after.torch_rows)
                moved_by[:] = [np.maximum(a, b) for a, b in zip(moved_by, apart, strict=True)]
        return [replace(p, close=c, moved=m) for p, c, m in zip(all_played, close, moves, strict=True)]

    def _read(self, arrays: list[Array]) -> Iterator[TurnStates]:
        """For each tape the states at the start, after each turn that somebody took, and at the end."""
        left = iter(arrays)
        around: list[int] = []  # How many turns are left of the loops around, the outermost first.
        for tape in self.tapes:
            del around[tape.depth :]
            first, rows, last = ([_cut(tape, next(left), t, around) for t in tape.states] for _ in range(3))
            if not has_all_rows(tape.loop):
                rows = _taken(tape, first[0], rows)
            around.append(rows[0].shape[len(tape.states[0].lead) + tape.depth])
            yield first, rows, last


def _rounded(array: Array, generator: np.random.Generator) -> Array:
    """Real numbers, each some roundings larger or smaller; others as they are."""
    if array.dtype.kind != "f":
        return array
    signs = generator.choice([-1.0, 1.0], array.shape)
    return np.asarray(array * (1 + ROUNDINGS * EPSILON * signs)).astype(array.dtype)


def _cut(tape: Tape, array: Array, type: Type, around: Sequence[int]) -> Array:
    """A tape's array with the turns that are left of the loops around it."""
    index = (slice(None),) * len(type.lead) + tuple(slice(count) for count in around[: tape.depth])
    return array[index]


def _taken(tape: Tape, going: Array, rows: list[Array]) -> list[Array]:
    """The rows without those of turns at the end that no example takes any more."""
    own = starts(going, rows[0], tape.depth, tape.states[0])
    axis = len(tape.states[0].lead) + tape.depth
    turns = np.flatnonzero(own.any(tuple(i for i in range(own.ndim) if i != axis)))
    count = int(turns.max(initial=-1)) + 1
    return [r.take(range(count), len(t.lead) + tape.depth) for r, t in zip(rows, tape.states, strict=True)]


def _taken_inside(played: Played) -> Taken:
    """Which turns of a loop, and of those around it, which examples take."""
    type, rows = played.types[0], played.rows[0]
    axis = len(type.lead) + played.replay.depth
    going = np.ones(rows.shape[: axis + 1], bool)
    if Loop.of(played.replay.loop).ends_early:
        going = played.before[0].astype(bool)
    return Taken(going & played.taken.along(type, going), type.lead)


def _fed(replay: Replay, tape: TurnStates) -> Iterator[tuple[str, Array]]:
    """A tape as the inputs of a replay, by their names."""
    first, rows, last = tape
    names = [v.name for v in (*replay.before, *replay.last)]
    before = all_starts(replay, first, rows)
    if Loop.of(replay.loop).until:
        going = Taken(before[0], replay.last[0].type.lead)
        types = [v.type for v in replay.last[1:]]
        before[1:] = [_filled(going, array, t, replay.depth) for array, t in zip(before[1:], types, strict=True)]
    yield from zip(names, [*before, *last], strict=True)


def _filled(going: Taken, array: Array, type: Type, depth: int) -> Array:
    """States at the start of each turn; an example that has stopped has those of its last turn, with which nothing goes wrong."""
    axis = len(type.lead) + depth
    mask, filled = np.moveaxis(going.along(type, array), axis, 0), np.moveaxis(array.copy(), axis, 0)
    for turn in range(1, len(filled)):
        filled[turn] = np.where(mask[turn], filled[turn], filled[turn - 1])
    return np.moveaxis(filled, 0, axis)


def _form(recorded: Tape | Replay) -> tuple[object, ...]:
    """What two tapes have in common whose loops have the same states."""
    return recorded.depth, [(v.type.dtype, v.type.physical) for v in recorded.loop.regions[0].inputs[1:]]


def torch_reference(graph: Graph, weights: Mapping[str, Array]) -> Reference:
    """What torch computes of a prepared graph for a trial; its module is made at the first one."""
    from mai.compiler.torch.run import run

    module = cache(lambda: torch_module(graph, weights))

    def reference(tried: Trial) -> list[Array]:
        try:
            return run(module(), graph, tried.inputs, tried.settings)
        except RuntimeError as error:
            if "ZeroDivisionError" not in str(error):
                raise
            message = f"`{graph.name}` divides a whole number by another that may be 0, as in a trial"
            help = "a divisor `maximum(n, 1)` is at least 1; or divide real numbers"
            raise MaiError([Diagnostic("division-by-zero", _division(graph), message, help=help)]) from error

    return reference


def _division(graph: Graph) -> Span | None:
    """Where a graph divides whole numbers by others than constants, first."""
    divisions = [n for n in graph.walk() if n.op in (FloorDivide, Modulo) and n.output.type.dtype is DType.INT]
    unknown = [n for n in divisions if n.inputs[1].producer is None or n.inputs[1].producer.op is not Constant]
    return next((n.span for n in unknown), None)


def torch_module(graph: Graph, weights: Mapping[str, Array]) -> GraphModule:
    """A prepared graph as a torch module with its weights, which are only read."""
    from mai.compiler.torch.module import lower
    from mai.compiler.torch.parameters import Weights

    return lower(graph, Weights(graph.weights, weights).eval())
