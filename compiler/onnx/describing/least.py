"""Least sizes of free dimensions, proved: an axis may be empty where the file then computes what torch computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO

import numpy as np
import onnxruntime as ort

from mai.compiler.onnx.comparing.trial import Reference, difference, free_size, run_trial, trial
from mai.compiler.onnx.prepared import Prepared

BATCH = 2
Files = Sequence[tuple[ort.InferenceSession, float]]


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


def _agrees(prepared: Prepared, files: Files, reference: Reference, sizes: Mapping[str, int]) -> bool:
    """Whether the files and torch compute the same finite numbers of inputs of these sizes; False where one of them fails."""
    plain = prepared.plain
    tried = trial(plain, BATCH, longest=prepared.longest_text, sizes=sizes)
    try:
        with redirect_stderr(StringIO()):  # torch.fx prints what its code raises
            expected = reference(tried)
            results = [(run_trial(file, plain, tried), allowed) for file, allowed in files]
    except Exception:  # torch and onnxruntime raise many types for an empty axis that has no largest number
        return False
    near = [difference(a, b) <= allowed for each, allowed in results for a, b in zip(each, expected, strict=False)]
    return all(near) and all(np.isfinite(b).all() for b in expected)
