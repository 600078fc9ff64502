"""Least sizes of free dimensions, proved: an axis may be empty where the file then computes what torch computes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO

import numpy as np
import onnxruntime as ort

from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.limits import smallest
from mai.compiler.onnx.trial import FREE_SIZE, Reference, difference, run_trial, session, trial

BATCH = 2


def least_sizes(graph: Graph, raw: bytes, reference: Reference, allowed: float) -> dict[str, int]:
    """The least size of each free dimension of a file, where it is above 1.

    No axis has a negative size. Sizes with which some axis is empty are tried, downwards, and all the least ones at once.
    """
    certain, possible = smallest(graph), smallest(graph, rows=0)
    if certain == possible:
        return certain
    opened, least = session(raw), dict(certain)
    usual = {name: max(FREE_SIZE, size) for name, size in certain.items()}
    for name, size in certain.items():
        for smaller in range(size - 1, possible.get(name, 1) - 1, -1):
            if not _agrees(graph, opened, reference, allowed, {**usual, name: smaller}):
                break
            least[name] = smaller
    if not _agrees(graph, opened, reference, allowed, least):
        return certain
    return {name: size for name, size in least.items() if size > 1}


def _agrees(
    graph: Graph, opened: ort.InferenceSession, reference: Reference, allowed: float, sizes: Mapping[str, int]
) -> bool:
    """Whether a file and torch compute the same finite numbers of inputs of these sizes; False where one of them fails."""
    tried = trial(graph, BATCH, sizes=sizes)
    try:
        with redirect_stderr(StringIO()):  # torch.fx prints what its code raises
            pairs = list(zip(run_trial(opened, graph, tried), reference(tried), strict=False))
    except Exception:  # torch and onnxruntime raise many types for an empty axis that has no largest number
        return False
    return all(np.isfinite(b).all() and difference(a, b) <= allowed for a, b in pairs)
