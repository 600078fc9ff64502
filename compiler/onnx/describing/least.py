"""Least sizes of free dimensions and settings, proved: an axis may be empty where the file then computes what torch computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO

import numpy as np
import onnxruntime as ort

from mai.compiler.ir.sizes import Dim, evaluate, symbols
from mai.compiler.onnx.comparing.trial import MOST_MOVES, Reference, difference, free_size, run_trial, trial
from mai.compiler.onnx.describing.limits import emptied, never_negative, signed
from mai.compiler.onnx.prepared import Prepared
from mai.runtime.model.manifest import Manifest
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.record import record

BATCH = 2
USUAL: Mapping[str, int] = {}  # No setting but the trial's own.
Files = Sequence[tuple[ort.InferenceSession, float]]


@record
class Least:
    """What is proved of a file: the least size of each free dimension that is above 1, and of what is made of several, and the least number of settings."""

    sizes: Mapping[str, int]
    settings: Mapping[str, int]

    def fields(self, manifest: Manifest) -> dict[str, object]:
        """The fields of a file's manifest that say so."""
        ports = [
            port.model_copy(update={"minimum": self.settings.get(port.name, port.minimum)})
            for port in manifest.settings
        ]
        return {"least": dict(self.sizes), "settings": ports}


def least(prepared: Prepared, files: Callable[[], Files], reference: Reference) -> Least:
    """What is proved of a file, whose `files` are opened where something is to be tried.

    Raises `MaiError`, `bad-setting`, where the file cannot compute with a setting's own default.
    """
    counts, several = [*emptied(prepared.plain)], never_negative(prepared.plain)
    if not (counts or several) and prepared.smallest() == prepared.smallest(rows=0):
        return Least(prepared.smallest(), USUAL)
    opened = files()
    settings = least_counts(prepared, counts, opened, reference)
    for name, number in settings.items():
        default = prepared.plain.settings[name].default
        if default < number:
            message = f"`{name}` is at least {number}, its default is {default}, with which an axis is empty"
            raise MaiError([Diagnostic("bad-setting", None, message, help="no file computes that")])
    made_of_several = {
        str(size): int(is_axis and not _may_be_empty(prepared, size, opened, reference))
        for size, is_axis in several.items()
    }
    return Least({**least_sizes(prepared, opened, reference), **made_of_several}, settings)


def least_sizes(prepared: Prepared, files: Files, reference: Reference) -> dict[str, int]:
    """The least size of each free dimension of a file, where it is above 1.

    No axis has a negative size. Sizes with which some axis is empty are tried, downwards, and all the least ones at once; so are
    prompts that a text grows from. A size is right where each of `files`, the forms that the file is run in, gives torch's
    results, as far apart as is said beside it: one in few bits finite numbers in the same shape.
    """
    certain, possible = prepared.smallest(), prepared.smallest(rows=0)
    if certain == possible:
        return certain
    least, free = dict(certain), free_size(prepared.longest_text)
    usual = {name: max(free, size) for name, size in certain.items()}
    for name, size in certain.items():
        for smaller in range(size - 1, possible.get(name, 1) - 1, -1):
            if not _agrees(prepared, files, reference, {**usual, name: smaller}):
                break
            least[name] = smaller
    if not _agrees(prepared, files, reference, least):
        return certain
    return {name: size for name, size in least.items() if size > 1}


def least_counts(
    prepared: Prepared, counts: Sequence[tuple[str, int, int]], files: Files, reference: Reference
) -> dict[str, int]:
    """The least number of each setting that sizes depend on, where it is above what its uses ask: `x[:n]` with 0 is nothing."""
    least: dict[str, int] = {}
    for name, low, full in counts:
        for number in range(full - 1, low - 1, -1):
            if not _agrees(prepared, files, reference, {}, {name: number}):
                least[name] = number + 1
                break
    return least


def _may_be_empty(prepared: Prepared, size: Dim, files: Files, reference: Reference) -> bool:
    """Whether an axis of this size, `n - m`, may have no row: numbers are made smaller, or larger, until it has none."""
    tried = trial(prepared.plain, BATCH, longest=prepared.longest_text)
    numbers = {**tried.recipe.sizes, **tried.settings}
    for _ in range(MOST_MOVES):
        smaller = [(name, -1) for name in signed(size, 1) if numbers[name] > 1]
        moves = smaller or [(name, 1) for name in signed(size, -1)]
        if not moves or int(evaluate(size, numbers)) <= 0:
            break
        (name, step), *_ = moves
        numbers[name] = int(numbers[name]) + step
    sizes, settings = (
        {n: int(numbers[n]) for n in symbols(size) & each.keys()} for each in (tried.recipe.sizes, tried.settings)
    )
    return int(evaluate(size, numbers)) == 0 and _agrees(prepared, files, reference, sizes, settings)


def _agrees(
    prepared: Prepared,
    files: Files,
    reference: Reference,
    sizes: Mapping[str, int],
    settings: Mapping[str, int] = USUAL,
) -> bool:
    """Whether the files and torch compute the same finite numbers of inputs of these sizes; False where one of them fails."""
    plain = prepared.plain
    tried = trial(plain, BATCH, longest=prepared.longest_text, sizes=sizes)
    tried = replace(tried, settings={**tried.settings, **settings})
    try:
        with redirect_stderr(StringIO()):  # torch.fx prints what its code raises
            expected = reference(tried)
            results = [(run_trial(file, plain, tried), allowed) for file, allowed in files]
    except Exception:  # torch and onnxruntime raise many types for an empty axis that has no largest number
        return False
    near = [difference(a, b) <= allowed for each, allowed in results for a, b in zip(each, expected, strict=False)]
    return all(near) and all(np.isfinite(b).all() for b in expected)
