"""The gate: a file is written only if ONNX Runtime computes with it what torch computes, loops included.

The file's graph with whole weights in float32 is run beside torch on random inputs. A file in few bits is opened, too; one
in 16 bits is run, and so is a form of it in float32 where every value is rounded to 16 bits.

Loops that choose their steps choose others a rounding apart. So a twin of the file tells what its loops did, and torch does each turn
from the same states (`turns/`): no result may differ by more than float32's roundings, and no decision by more than they explain.
Other loops are looked at in this way when results are apart. If every turn is right then, the equation magnifies roundings: that is no
error, but told.

Where torch's result is infinite or not a number, as log(x) is at some of the random x, the file's has to be the same: that is no
error of the file. A result of which no number was finite in any trial has not been compared, and that is an error.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import EVALUATIONS, Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType
from mai.compiler.onnx.comparing.expected import Expectations, Expected, expectations, never_finite, usual_trials
from mai.compiler.onnx.comparing.first_difference import first_difference
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.comparing.own_steps import TOLERANCE, allowance, is_adaptive
from mai.compiler.onnx.comparing.roundings import are_roundings
from mai.compiler.onnx.comparing.trial import Trial, difference, run_trial, session
from mai.compiler.onnx.describing.least import Files, Least, least
from mai.compiler.onnx.let_go import let_go
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.onnx.turns.turns import Turns, Verdict, torch_reference
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

IN_A_TURN = 0.01  # What roundings may make of a turn from the same states: 1 - a^2 has few digits where a is nearly 1.
NARROW_TOLERANCE = {"fp16": 0.02, "bf16": 0.1}  # Some 20 roundings of 11 and of 8 bits, one upon the other.
WHOLE_TOLERANCE, LEAST_NORM = 0.25, 1e-6  # Of convolutions of whole numbers: tens of layers err by some hundredths.
WIDER = {"fp16": "--precision bf16, where numbers are large, or float32", "bf16": "--precision fp16 or float32"}
NEARLY = "a difference of nearly equal numbers has the digits in which they differ: compute it from what differs"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A trial, and what the file and torch gave for it, [batch, ...] each, by the names of the outputs."""

    trial: Trial
    results: dict[str, Array]
    expected: dict[str, Array]

    @property
    def differences(self) -> dict[str, float]:
        """How far each of the file's results is from torch's."""
        return {name: difference(result, self.expected[name]) for name, result in self.results.items()}

    @property
    def distance(self) -> float:
        """How far the file's real results are from torch's: the norm of the difference, relative, of the result that is farthest."""
        real = [(a, self.expected[n]) for n, a in self.results.items() if a.dtype == np.float32 and a.size]
        return max(
            (float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), LEAST_NORM) for a, b in real), default=0.0
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """How far a file is from torch, relative, and what it gave in each trial.

    `error` is the difference on the same steps, `apart` where each chooses its own: None if no solver does. Of few bits `error` is that of whole
    weights, and `moved` how far the real results of the file itself are from torch's, as a share of them; None where no more than roundings.
    """

    error: float
    comparisons: list[Comparison]
    apart: float | None = None
    warnings: tuple[Diagnostic, ...] = ()
    moved: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What the file of a prepared export must pass before it is written.

    `measured` says that the loss on held-out data was: then it tells what few bits cost, and random inputs, of other ranges, do not.
    """

    prepared: Prepared
    weights: Mapping[str, Array]
    options: CompileOptions
    measured: bool = False

    def passed(self, file: Path) -> Passed:
        """How far a file's results are from torch's, what they are, and what is to be said of them.

        Raises:
            MaiError: it is above the tolerance: `compile-mismatch`, which names the first node that differs, or
                `precision-loss`; or nothing could be compared, `not-finite`.
        """
        reference = torch_reference(self.prepared.plain, self.weights)
        return self._passed(file, expectations(self.prepared, self.weights, reference), [])

    def proved(self, file: Path) -> tuple[Least, Passed]:
        """The same, and the least sizes of the file's inputs: torch and the file are there once for both. Raises what `least` does, too."""
        reference = torch_reference(self.prepared.plain, self.weights)
        files: list[tuple[ort.InferenceSession, float]] = []

        def opened_files() -> Files:
            files.extend(self._files(file))
            return files

        fewest = least(self.prepared, opened_files, reference)
        expected = expectations(self.prepared, self.weights, reference)
        del reference
        let_go(self.prepared.plain)
        return fewest, self._passed(file, expected, files)

    def _passed(self, file: Path, expected: Expectations, files: list[tuple[ort.InferenceSession, float]]) -> Passed:
        """What a file gives beside what is expected; `files` are what is open of it, and are closed."""
        whole, unlike = self._run_whole(file, expected, files)
        passed = replace(self._whole_passed([*whole, *unlike]), comparisons=whole)
        if self.options.quantize is not None:  # Whole weights are compared; these are what is written.
            written = self._few_bits(file, whole)
            moved = max((c.distance for c in written), default=0.0)
            return replace(passed, comparisons=written, moved=moved if moved > TOLERANCE else None)
        precision = self.options.precision
        if precision == "float32":
            return passed
        sessions = [self._rounded(file)] + ([session(file)] if precision == "fp16" else [])
        narrow = [self._compared(each, expected.usual) for each in sessions]
        error = max(self._narrow_error(comparisons, precision) for comparisons in narrow)
        return replace(passed, error=error, comparisons=narrow[0])

    def _run_whole(
        self, file: Path, expected: Expectations, files: list[tuple[ort.InferenceSession, float]]
    ) -> tuple[list[Comparison], list[Comparison]]:
        """Whole weights in float32 beside torch: in the usual trials, and in those of unlike prompts. All sessions are closed again."""
        opened_file = files[0][0] if files else self._whole(file)
        files.clear()
        whole, unlike = self._compared(opened_file, expected.usual), self._compared(opened_file, expected.unlike)
        del opened_file
        let_go(self.prepared.plain)
        return whole, unlike

    def _compared(self, file: ort.InferenceSession, expected: Iterable[Expected]) -> list[Comparison]:
        """An opened file beside what torch gave."""
        return [
            Comparison(
                e.trial, dict(zip(e.results, run_trial(file, self.prepared.plain, e.trial), strict=False)), e.results
            )
            for e in expected
        ]

    def alone(self, file: Path) -> list[Comparison]:
        """What a file gives in the usual trials, of which a part was compared before; nothing, where a CPU has no kernels for it.

        Raises:
            MaiError: `not-finite`: a result is never a finite number.
        """
        if self.options.precision == "bf16":
            return []
        opened_file, plain, trials = session(file), self.prepared.plain, usual_trials(self.prepared)
        names = [n for n in plain.output_names if n != EVALUATIONS]
        runs = [dict(zip(names, run_trial(opened_file, plain, t), strict=False)) for t in trials]
        for name in names:
            if not any(np.isfinite(results[name]).any() or not results[name].size for results in runs):
                raise MaiError([never_finite(name, plain.name)])
        return [Comparison(t, results, results) for t, results in zip(trials, runs, strict=True)]

    def _files(self, file: Path) -> list[tuple[ort.InferenceSession, float]]:
        """What is run of a file, and how far its results may be from torch's: in few bits, as far as numbers can be."""
        precision, few = self.options.precision, self.options.quantize is not None
        files = [(self._whole(file), allowance(self.prepared.plain))]
        if few or precision == "fp16":
            files.append((session(file), sys.float_info.max))
        if precision != "float32":
            files.append((self._rounded(file), sys.float_info.max))
        return files

    @property
    def _whole_options(self) -> CompileOptions:
        """For whole weights in float32."""
        return CompileOptions(opset=self.options.opset)

    def _whole(self, file: Path) -> ort.InferenceSession:
        """The file itself, or one of the same graph with whole weights in float32."""
        if self.options.quantize is None and self.options.precision == "float32":
            return session(file)
        return opened(build(self.prepared.optimised, self.weights, self._whole_options))

    def _rounded(self, file: Path) -> ort.InferenceSession:
        """The same graph in float32, each value rounded: of bf16 a CPU has no kernels, and in fp16 it leaves roundings out."""
        onnx.checker.check_model(file, full_check=True)
        options = CompileOptions(opset=self.options.opset, precision=self.options.precision)
        return opened(build(self.prepared.optimised, self.weights, options, rounded=True))

    def _whole_passed(self, comparisons: list[Comparison]) -> Passed:
        """Results beside torch's where both go their own ways; and turn by turn, where ways part."""
        error, apart, allowed = 0.0, 0.0, allowance(self.prepared.plain)
        turns = self._turns() if is_adaptive(self.prepared.plain) else None
        for compared in comparisons:
            own = max(compared.differences.values())
            if turns is None and not own <= (allowed if is_adaptive(self.prepared.plain) else TOLERANCE):
                turns = self._turns()
                if turns is None:
                    self._allow(compared, own)
            error = max(error, own if turns is None else self._error_of_turns(turns, compared))
            apart = max(apart, own)
        warnings = (self.metastable(apart),) if apart > allowed else ()
        same_steps = turns is not None and is_adaptive(self.prepared.plain)
        return Passed(error, comparisons, apart if same_steps else None, warnings)

    def _turns(self) -> Turns | None:
        """The file's graph as one that tells of its loops; None where no loop can."""
        options = self._whole_options if self.options.quantize or self.options.precision != "float32" else self.options
        turns = Turns(self.prepared, self.weights, options)
        return turns if turns.complete else None

    def _error_of_turns(self, turns: Turns, compared: Comparison) -> float:
        """The largest difference from torch on the same steps. Raises `MaiError` above the tolerance."""
        verdict = turns.verdict(compared.trial, TOLERANCE)
        twin = max(difference(a, verdict.results[name]) for name, a in compared.results.items())
        if not twin <= TOLERANCE:
            self._allow(compared, twin)
        if not verdict.error <= TOLERANCE:
            self._allow(compared, verdict.error, verdict)
        return verdict.error

    def _allow(self, compared: Comparison, error: float, verdict: Verdict | None = None) -> None:
        """Raise `MaiError`, unless roundings explain that results are apart: in a turn from the same states they are few."""
        plain, results = self.prepared.plain, list(compared.results.values())
        is_turn = verdict is not None and verdict.loop is not None
        most = IN_A_TURN if is_turn else math.inf
        if error > most or not are_roundings(plain, self.weights, compared.trial, results, TOLERANCE, most):
            raise MaiError([self._mismatch(compared.trial, error, verdict)])

    def _narrow_error(self, comparisons: Iterable[Comparison], precision: str) -> float:
        """The error of a file in 16 bits: that of its real results, since a token is another one a rounding away."""
        plain = self.prepared.plain
        allowed = max(NARROW_TOLERANCE[precision], allowance(plain))
        real = {n for n, v in zip(plain.output_names, plain.outputs, strict=True) if v.type.dtype is DType.REAL}
        worst = max((d for c in comparisons for n, d in c.differences.items() if n in real), default=0.0)
        if not worst <= allowed:
            message = (
                f"in {precision}, `{plain.name}` differs from torch by {worst:.1e} (relative; {allowed:.0e} is allowed)"
            )
            raise MaiError([Diagnostic("precision-loss", None, message, help=WIDER[precision])])
        return worst

    def _few_bits(self, file: Path, whole: Iterable[Comparison]) -> list[Comparison]:
        """What the file itself gives, in few bits, for the trials of whole weights.

        Raises:
            MaiError: `precision-loss`: convolutions of whole numbers make it too much else.
        """
        opened_file, plain = session(file), self.prepared.plain
        runs = [(c, run_trial(opened_file, plain, c.trial)) for c in whole]
        again = [replace(c, results=dict(zip(c.results, results, strict=False))) for c, results in runs]
        layout = None if self.measured else self.prepared.coarse(self.options.bits)
        apart = max((c.distance for c in again), default=0.0)
        if layout and layout.convolves and _convolves(plain) and not apart <= WHOLE_TOLERANCE:
            message = f"in {self.options.quantize}, `{plain.name}` is {apart:.0%} from torch ({WHOLE_TOLERANCE:.0%} is allowed)"
            raise MaiError([Diagnostic("precision-loss", None, message, help="float32, or --quantize int4")])
        return again

    def _mismatch(self, tried: Trial, error: float, verdict: Verdict | None = None) -> Diagnostic:
        apart = f"by {error:.1e} (relative; {TOLERANCE:.0e} is allowed)"
        if not np.isfinite(error):
            apart = "where one of them is finite and the other is not, or in shape"
        steps = " from the same states" if verdict and verdict.loop else ""
        message = f"`{self.prepared.plain.name}` in ONNX differs from torch{steps} {apart}"
        first = first_difference(self.prepared.optimised, self.weights, tried, self._whole_options, TOLERANCE)
        if first is None:
            return self._turn_differs(message, verdict)
        node, own = first
        where = f" in `{node.scope}`" if node.scope else ""
        much = f": {own:.1e}" if np.isfinite(own) else ""
        label = f"first differs at `{node.op.name}`, `{node.output.name}`{where}{much}"
        return Diagnostic("compile-mismatch", node.span, message, label=label)

    def _turn_differs(self, message: str, verdict: Verdict | None) -> Diagnostic:
        """No operation differs in a first turn; a later one may, or what a loop decides."""
        message += "; no single operation differs"
        if verdict is None or verdict.loop is None:
            return Diagnostic("compile-mismatch", None, message)
        return Diagnostic(
            "compile-mismatch", verdict.loop.span, message, label=f"a turn of this loop differs in {verdict.what}"
        )

    def metastable(self, apart: float) -> Diagnostic:
        """What is said of results that are right turn by turn, and depend on roundings."""
        plain = self.prepared.plain
        digits = math.floor(-math.log10(apart)) if np.isfinite(apart) else 0
        sure = f"only {digits} digit{'s' * (digits != 1)}" if digits > 0 else "no digit"
        ends = (
            f"end {apart:.1e} apart (relative)"
            if np.isfinite(apart)
            else "end apart, one of them not at a finite number"
        )
        loops = [n for n in plain.walk() if n.op is Loop]
        right = "every turn of its loops is right, but " if loops else ""
        message = (
            f"`{plain.name}` magnifies roundings: {right}two runs that differ by roundings {ends}: "
            f"{sure} of its results can be relied on"
        )
        adaptive = [n for n in loops if Loop.of(n).control]
        help = f"other machines get other numbers here; what can be compared are averages over many examples; {NEARLY}"
        ending = [n for n in loops if Loop.of(n).until]
        if ending:
            help = "roundings decide in which turn an example stops: a finer condition brings the runs together"
        if adaptive:
            help = "a smaller `rtol` brings the runs together where steps are too coarse for the equation; chaos stays"
        span = next((n.span for n in [*adaptive, *ending, *loops]), None)
        if span is None:
            help = NEARLY
        return Diagnostic("metastable", span, message, severity="warning", help=help)


def _convolves(graph: Graph) -> bool:
    return any(n.op in (Conv, ConvTranspose) for n in graph.walk())
