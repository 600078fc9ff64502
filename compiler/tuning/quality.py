"""How good samples are: their exact 2-Wasserstein distance to data, or a function of the user's; lower is better."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

Metric = Callable[[Array, Array | None], float]
USUAL = "W2"
MOST_TURNS = 10_000_000  # Of the network simplex: far more than a few thousand points take.


def wasserstein(samples: Array, data: Array | None) -> float:
    """W2 of two clouds of points [n, ...] and [m, ...]: the root of the least mean squared distance of a coupling of them.

    Exact, by the network simplex (Bonneel et al. 2011, in POT). Infinite for samples that are not finite.
    """
    import ot

    assert data is not None, "a distance to data needs data"
    x, y = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (samples, data))
    if not np.isfinite(x).all():
        return math.inf
    squares = ot.dist(x, y)
    return math.sqrt(max(0.0, float(ot.emd2([], [], squares, numItermax=MOST_TURNS))))


def metric_of(name: str) -> Metric:
    """The metric by its name: `W2`, or `module:function`, looked for in the folder where one is, too.

    Raises:
        MaiError: `tune-metric`: there is no such function; or, from the metric, that it failed or gave no number.
    """
    if name == USUAL:
        return wasserstein
    module, _, function = name.partition(":")
    if not (module and function):
        raise _wrong(f"--metric {name}: write {USUAL}, or --metric module:function")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # A module of the user's own may raise anything.
        raise _wrong(f"--metric {name}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise _wrong(f"--metric {name}: `{function}` is no function")
    return _guarded(name, found)


def _guarded(name: str, function: Callable[[Array, Array | None], Any]) -> Metric:
    def metric(samples: Array, data: Array | None) -> float:
        try:
            made = float(function(samples, data))
        except Exception as error:  # The user's function may raise anything.
            raise _wrong(f"{name} failed: {type(error).__name__}: {error}") from error
        if math.isnan(made):
            raise _wrong(f"{name} gave no number (NaN) for samples {list(samples.shape)}")
        return made

    return metric


def _wrong(message: str) -> MaiError:
    help = "it takes samples [n, ...] and data [m, ...], arrays of numpy, and gives a number: lower is better"
    return MaiError([Diagnostic("tune-metric", None, message, help=help)])
