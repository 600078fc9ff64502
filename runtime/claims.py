"""The claims of a spec, checked by running their files: `claims/NAME.CLAIM.onnx` in the folder of a run.

A claim's file computes the two sides of each comparison, or whether another condition holds, for every example; the numbers are
compared here. Data that a claim speaks of lie beside its file, as `NAME.CLAIM.npz`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.findings import Claim, Condition, Finding

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

FOLDER = "claims"
COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def claim_files(run: Path) -> list[Path]:
    """The files of the claims in a run's folder, in the order of their names."""
    return sorted((run / FOLDER).glob("*.onnx"))


def files_of(run: Path) -> list[Path]:
    """All compiled files in a run's folder, those of its claims last.

    Raises:
        ModelError: there are none.
    """
    files = [*sorted(run.glob("*.onnx")), *claim_files(run)]
    if not files:
        raise ModelError(
            "model-not-found", f"there are no compiled files in {run}", "train into it, or name a .onnx file"
        )
    return files


def check_claim(path: Path, provider: str | None = None) -> list[Finding]:
    """What the conditions of one claim come to; one that cannot be computed, of too few examples say, does not hold.

    Raises:
        ModelError: the file cannot be read.
    """
    from mai.runtime.files import read_arrays
    from mai.runtime.model.loader import load

    model = load(path, providers=provider)
    claim = model.manifest.claim
    if claim is None:
        raise ModelError("model-foreign", f"{path.name} is not the file of a claim")
    beside = path.with_suffix(".npz")
    inputs = dict(read_arrays(beside)) if model.manifest.inputs else {}
    try:
        runs = [_run(model, claim, seed, inputs) for seed in range(claim.seeds if model.manifest.draws else 1)]
    except ModelError as error:
        return [
            Finding(claim=model.manifest.export, text=each.text, holds=False, failure=_failure(claim, inputs, error))
            for each in claim.conditions
        ]
    return [_finding(model.manifest.export, condition, runs) for condition in claim.conditions]


def _failure(claim: Claim, inputs: dict[str, Array], error: ModelError) -> str:
    """Why a claim cannot be computed, and what to do: most likely, that it speaks of more examples than there are."""
    count = min(map(len, inputs.values()), default=claim.count)
    if error.slug != "not-arrived" and count < claim.count:
        return f"it speaks of {claim.count:,} held-out examples, and here are {count:,}: `count` says how many"
    return f"{error.message}; {error.help}" if error.help else error.message


def _run(model: Model, claim: Claim, seed: int, inputs: dict[str, Array]) -> dict[str, Array]:
    """The claim's numbers for one seed, [examples], by output."""
    settings = {"seed": seed} if model.manifest.draws else {}
    batch = {} if inputs else {"batch": claim.count}
    results = model.by_output(model.answer({**inputs, **settings, **batch}))
    return {name: np.asarray(values, np.float64) for name, values in results.items()}


def _finding(claim: str, condition: Condition, runs: list[dict[str, Array]]) -> Finding:
    """A condition over all runs, and where it holds least."""
    sides = [np.stack([run[name] for run in runs]) for name in condition.outputs]  # each [seeds, examples]
    examples, seeds = sides[0].shape[1], len(runs)
    if condition.comparison is None:
        holds, failure = bool((sides[0] > 0.5).all()), _not_finite("a side of a comparison in it", sides[0])
        return Finding(claim=claim, text=condition.text, holds=holds, examples=examples, seeds=seeds, failure=failure)
    left, right = sides
    failure = _not_finite("its left side", left) or _not_finite("its right side", right)
    all_hold = COMPARE[condition.comparison](left, right) & np.isfinite(left) & np.isfinite(right)
    worst = np.unravel_index(int(np.argmax(_excess(condition.comparison, left, right))), left.shape)
    with np.errstate(invalid="ignore"):  # Infinite numbers have no mean: a message says so.
        means = left.mean(axis=1)
        error = 2 * float(means.std(ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    return Finding(
        claim=claim, text=condition.text, holds=bool(all_hold.all()), comparison=condition.comparison,
        left=_finite(left[worst]), right=_finite(right[worst]), mean=_finite(means.mean()), interval=_finite(error),
        examples=examples, seeds=seeds, failure=failure,
    )  # fmt: skip


def _not_finite(name: str, side: Array) -> str | None:
    """For how many examples of [seeds, examples] one side is no finite number, and for which first; None for none."""
    places = np.argwhere(~np.isfinite(side))
    if not len(places):
        return None
    seed, example = places[0]
    kind = "NaN, not a number" if np.isnan(side[seed, example]) else "infinite"
    first = f", first for example {example} with seed {seed}" if side.size > 1 else ""
    return f"{name} is {kind}, for {len(places):,} of {side.size:,} examples{first}"


def _finite(number: float | None) -> float | None:
    """A number that JSON can hold, or None."""
    return float(number) if number is not None and math.isfinite(number) else None


def _excess(comparison: str, left: Array, right: Array) -> Array:
    """How far each pair is from holding: what is not finite is furthest."""
    with np.errstate(invalid="ignore"):
        apart = left - right
    amounts = {"<": apart, "<=": apart, ">": -apart, ">=": -apart, "==": np.abs(apart), "!=": -np.abs(apart)}
    amount: Array = np.nan_to_num(amounts[comparison], nan=np.inf, posinf=np.inf, neginf=-np.inf)
    return amount


def require(findings: list[Finding]) -> None:
    """Raise `ModelError` where a condition of a claim does not hold."""
    failed = [finding for finding in findings if not finding.holds]
    if failed:
        raise ModelError("claim-fails", "; ".join(f"it does not hold that {in_words(finding)}" for finding in failed))


def in_words(finding: Finding) -> str:
    """A finding as one line: `is_undone: max(abs(back - z)) < 1e-4, at most 3.1e-06 in 5 x 256 examples`."""
    said = f"{finding.claim}: {finding.text}"
    if finding.failure is not None:
        return f"{said}, which cannot be computed: {finding.failure}"
    if finding.comparison is None:
        return said
    if finding.left is None or finding.right is None:  # Of a file that mai before 0.17 has compiled.
        return f"{said}, which is no finite number"
    numbers = f"{finding.left:.3g} {finding.comparison} {finding.right:.3g}"
    if finding.examples * finding.seeds == 1:
        return f"{said}: {numbers}"
    over = f"{finding.seeds} x {finding.examples:,} examples" if finding.seeds > 1 else f"{finding.examples:,} examples"
    mean = "" if finding.mean is None else f", on average {finding.mean:.3g}"
    around = "" if finding.interval is None else f" +- {finding.interval:.1g}"
    return f"{said}: at worst {numbers} in {over}{mean}{around}"
