"""The self-test that a file carries: the trials of its gate, and what of its results is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.comparing.gate import NARROW_TOLERANCE, Comparison
from mai.compiler.onnx.comparing.own_steps import allowance
from mai.runtime.arrays import Array
from mai.runtime.self_test.compare import abridge
from mai.runtime.self_test.record import Expected, Run, SelfTest

KEPT = 48  # Numbers of a run, of all its results together,
MOST, LEAST = 16, 4  # and of one of them.
MARGIN = 2  # Another engine may differ by so many times what torch does.
FEW_BITS_TOLERANCE = 0.01  # Engines round the other operand of a product with weights in few bits, or do not.


def self_test(comparisons: Sequence[Comparison], plain: Graph, options: CompileOptions) -> SelfTest:
    """The self-test of a file: what it gave in the trials of its gate, but for those that tell nothing of another engine."""
    alike = [c for c in comparisons if _is_alike(c)] or list(comparisons)
    runs = [_run(c) for c in [c for c in alike if _is_finite(c)] or alike]
    return SelfTest(tolerance=_tolerance(comparisons, plain, options), runs=runs)


def _is_alike(compared: Comparison) -> bool:
    """Whether torch gave finite numbers at the same places: roundings decide that where they are magnified."""
    reals = [name for name, result in compared.results.items() if result.dtype.kind == "f"]
    return all(np.isfinite(compared.differences[name]) for name in reals)


def _is_finite(compared: Comparison) -> bool:
    return all(np.isfinite(result).all() for result in compared.results.values())


def _tolerance(comparisons: Iterable[Comparison], plain: Graph, options: CompileOptions) -> float:
    """How far another engine's real results may be from the file's own, relative.

    An adaptive solver takes other steps there, within its own tolerance; few bits are not what whole weights are.
    """
    apart = [d for c in comparisons for n, d in c.differences.items() if c.results[n].dtype.kind == "f"]
    worst = max((d for d in apart if np.isfinite(d)), default=0.0)
    if options.quantize is not None:
        allowed = max(FEW_BITS_TOLERANCE, worst)
    elif options.precision != "float32":
        allowed = max(NARROW_TOLERANCE[options.precision], worst)
    else:
        allowed = MARGIN * worst
    return float(f"{max(allowed, allowance(plain)):.1e}")


def _run(compared: Comparison) -> Run:
    count = min(MOST, max(LEAST, KEPT // max(1, len(compared.results))))
    kept = {name: _expected(result, compared.expected[name], count) for name, result in compared.results.items()}
    return Run(recipe=compared.trial.recipe, outputs=kept)


def _expected(result: Array, reference: Array, count: int) -> Expected:
    """What is kept of a result; of whole numbers those alone that torch has, too: few bits choose other tokens, a rounding away."""
    if result.dtype.kind == "f":
        return abridge(result, count)
    sure = result == reference if result.shape == reference.shape else np.zeros(result.shape, bool)
    return abridge(result, count, None if sure.all() else sure.reshape(-1))
