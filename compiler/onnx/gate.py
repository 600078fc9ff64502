"""The gate: a file is written only if ONNX Runtime computes with it what torch computes, loops included.

The file's graph with whole weights in float32 is run beside torch on random inputs. A file in few bits is opened, too; one
in 16 bits is run, and so is a form of it in float32 where every value is rounded to 16 bits.

Where torch's result is infinite or not a number, as log(x) is at some of the random x, the file's has to be the same: that is no
error of the file. A result of which no number was finite in any trial has not been compared, and that is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime as ort

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import EVALUATIONS, Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType
from mai.compiler.onnx.build import build
from mai.compiler.onnx.first_difference import first_difference
from mai.compiler.onnx.opened import opened
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.onnx.trial import (
    FREE_SIZE,
    Reference,
    Trial,
    difference,
    run_trial,
    session,
    trial,
    with_unlike_prompts,
)
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

TOLERANCE = 1e-4
DRIFT = 1000  # How many of its own tolerances a solution may be from another, after many steps.
NARROW_TOLERANCE = {"fp16": 0.02, "bf16": 0.1}  # Some 20 roundings of 11 and of 8 bits, one upon the other.
WIDER = {"fp16": "--precision bf16, where numbers are large, or float32", "bf16": "--precision fp16 or float32"}
BATCHES = (1, 3)
RANGES = ((0.0, 1.0), (1.0, 2.0))  # Of inputs, where normal ones gave a result no finite number: a sum of logarithms.


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


@dataclass(frozen=True, slots=True)
class Passed:
    """How far a file is from torch, relative, and what it gave in each trial."""

    error: float
    comparisons: list[Comparison]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the file of a prepared export must pass before it is written."""

    prepared: Prepared
    weights: Mapping[str, Array]
    options: CompileOptions

    def passed(self, raw: bytes) -> Passed:
        """How far a file's results are from torch's, and what they are.

        Raises:
            MaiError: it is above the tolerance: `compile-mismatch`, which names the first node that differs, or
                `precision-loss`.
        """
        reference = torch_reference(self.prepared.plain, self.weights)
        file = self._whole(raw)
        whole = list(self._trials(file, reference))
        error = self._whole_error([*whole, *self._unlike_prompts(file, reference, whole)])
        if self.options.quantize is not None:
            return Passed(error, self._run_again(raw, whole))  # Whole weights are compared; these are what is written.
        precision = self.options.precision
        if precision == "float32":
            return Passed(error, whole)
        sessions = [self._rounded(raw)] + ([session(raw)] if precision == "fp16" else [])
        narrow = [list(self._trials(each, reference)) for each in sessions]
        return Passed(max(self._narrow_error(comparisons, precision) for comparisons in narrow), narrow[0])

    def files(self, raw: bytes) -> list[tuple[ort.InferenceSession, float]]:
        """What is run of a file, and how far its results may be from torch's: in few bits, as far as numbers can be."""
        precision, few = self.options.precision, self.options.quantize is not None
        files = [(self._whole(raw), allowance(self.prepared.plain))]
        if few or precision == "fp16":
            files.append((session(raw), sys.float_info.max))
        if precision != "float32":
            files.append((self._rounded(raw), sys.float_info.max))
        return files

    @property
    def _whole_options(self) -> CompileOptions:
        """For whole weights in float32."""
        return CompileOptions(opset=self.options.opset)

    def _whole(self, raw: bytes) -> ort.InferenceSession:
        """The file itself, or one of the same graph with whole weights in float32."""
        if self.options.quantize is None and self.options.precision == "float32":
            return session(raw)
        return opened(build(self.prepared.optimised, self.weights, self._whole_options))

    def _rounded(self, raw: bytes) -> ort.InferenceSession:
        """The same graph in float32, each value rounded: of bf16 a CPU has no kernels, and in fp16 it leaves roundings out."""
        onnx.checker.check_model(raw, full_check=True)
        options = CompileOptions(opset=self.options.opset, precision=self.options.precision)
        return opened(build(self.prepared.optimised, self.weights, options, rounded=True))

    def _whole_error(self, comparisons: Iterable[Comparison]) -> float:
        worst, allowed = 0.0, allowance(self.prepared.plain)
        for compared in comparisons:
            error = max(compared.differences.values())
            if not error <= allowed:
                raise MaiError([self._mismatch(compared.trial, error, allowed)])
            worst = max(worst, error)
        return worst

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

    def _trials(self, file: ort.InferenceSession, reference: Reference) -> Iterator[Comparison]:
        """Trials of an opened file beside the reference."""
        plain, longest = self.prepared.plain, self.prepared.longest_text
        names = [n for n in plain.output_names if n != EVALUATIONS]
        # Results of which no number has been compared yet. A solver that does not arrive gives none, and the runtime tells it.
        blank = set[str]() if _is_adaptive(plain) else set(names)
        was_compared = False
        usual = [
            trial(plain, batch, longest=longest, free=free) for batch, free in zip(BATCHES, self._free, strict=True)
        ]
        others = [trial(plain, 1, longest=longest, reals=reals) for reals in RANGES]
        for place, tried in enumerate([*usual, *others]):
            if place >= len(usual) and was_compared and not blank:
                return
            expected_results = _expected(reference, tried)
            if expected_results is None:
                continue
            was_compared = True
            results = dict(zip(names, run_trial(file, plain, tried), strict=False))
            expected = dict(zip(names, expected_results, strict=False))
            blank -= {name for name, array in expected.items() if not array.size or np.isfinite(array).any()}
            yield Comparison(tried, results, expected)
        if not was_compared:
            raise MaiError([self._out_of_range()])
        if blank:
            raise MaiError([self._not_finite(min(blank, key=names.index))])

    def _unlike_prompts(
        self, file: ort.InferenceSession, reference: Reference, whole: Sequence[Comparison]
    ) -> Iterator[Comparison]:
        """Prompts of different lengths side by side, where a text grows from one that may have them."""
        text = self.prepared.text
        if text is None or self.prepared.whole is not None:
            return
        tried = with_unlike_prompts(
            max((c.trial for c in whole), key=lambda t: len(t.inputs[text.prompt])), text.prompt
        )
        results, expected = run_trial(file, self.prepared.plain, tried), _expected(reference, tried)
        if expected is not None:
            names = whole[0].results
            yield Comparison(tried, *(dict(zip(names, arrays, strict=False)) for arrays in (results, expected)))

    @property
    def _free(self) -> tuple[int, int]:
        """Two sizes for dimensions that a host chooses, or one where the smaller may be too small."""
        least = max(self.prepared.smallest().values(), default=1)
        return FREE_SIZE, FREE_SIZE - 1 if least < FREE_SIZE else FREE_SIZE

    def _run_again(self, raw: bytes, whole: Iterable[Comparison]) -> list[Comparison]:
        """What the file itself gives, in few bits, for the trials of whole weights."""
        file, plain = session(raw), self.prepared.plain
        runs = [(c, run_trial(file, plain, c.trial)) for c in whole]
        return [replace(c, results=dict(zip(c.results, results, strict=False))) for c, results in runs]

    def _not_finite(self, name: str) -> Diagnostic:
        message = f"`{name}` of `{self.prepared.plain.name}` is not finite for any input that was tried: nothing could be compared"
        return Diagnostic("not-finite", None, message, help="a number overflows, or something is divided by 0")

    def _out_of_range(self) -> Diagnostic:
        message = f"for every input that was tried, `{self.prepared.plain.name}` reads beyond an axis: nothing could be compared"
        help = "an index is below the size of its axis: `x[clip(i, 0, 9)]` reads ten places"
        return Diagnostic("index-out-of-range", None, message, help=help)

    def _mismatch(self, tried: Trial, error: float, allowed: float) -> Diagnostic:
        apart = f"by {error:.1e} (relative; {allowed:.0e} is allowed)"
        if not np.isfinite(error):
            apart = "where one of them is finite and the other is not, or in shape"
        message = f"`{self.prepared.plain.name}` in ONNX differs from torch {apart}"
        first = first_difference(self.prepared.optimised, self.weights, tried, self._whole_options, TOLERANCE)
        if first is None:
            return Diagnostic("compile-mismatch", None, message + "; no single operation differs")
        node, own = first
        where = f" in `{node.scope}`" if node.scope else ""
        much = f": {own:.1e}" if np.isfinite(own) else ""
        label = f"first differs at `{node.op.name}`, `{node.output.name}`{where}{much}"
        return Diagnostic("compile-mismatch", node.span, message, label=label)


def _expected(reference: Reference, tried: Trial) -> list[Array] | None:
    """The reference's results; None where an index that depends on the inputs is beyond its axis: the file refuses it, too."""
    try:
        return reference(tried)
    except (IndexError, RuntimeError) as error:
        if "out of range" in str(error) or "out of bounds" in str(error):
            return None
        raise


def allowance(graph: Graph) -> float:
    """How far two runs of a graph may differ, relative to the largest result.

    A step that one run takes and the other, a rounding away, does not, is within the tolerance of an adaptive solver: so are
    the solutions that follow, but for what the equation makes of it.
    """
    tolerances = [rtol for n in graph.walk() if n.op is Loop and (rtol := Loop.of(n).rtol) is not None]
    return max([TOLERANCE, *(DRIFT * rtol for rtol in tolerances)])


def _is_adaptive(graph: Graph) -> bool:
    return any(n.op is Loop and Loop.of(n).rtol is not None for n in graph.walk())


def torch_reference(plain: Graph, weights: Mapping[str, Array]) -> Reference:
    """What torch computes of a graph for a trial."""
    import torch

    from mai.compiler.torch.module import lower
    from mai.compiler.torch.parameters import Weights
    from mai.compiler.torch.run import run

    parameters = Weights(plain.weights)
    parameters.load_state_dict({k: torch.from_numpy(np.asarray(weights[k], order="C")) for k in plain.weights})
    module = lower(plain, parameters.eval())

    def reference(tried: Trial) -> list[Array]:
        return run(module, plain, tried.inputs, tried.settings)

    return reference
