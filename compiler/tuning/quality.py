"""The quality of samples: their exact 2-Wasserstein distance to data, or a function of the user's; lower is better."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable

import numpy as np

from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

Metric = Callable[[Array, Array | None], float]
WASSERSTEIN = "W2"
MAX_PIVOTS = 10_000_000  # Of the network simplex: far more than a few thousand points take.


def wasserstein(samples: Array, data: Array | None) -> float:
    """The 2-Wasserstein distance of two clouds of points, [n, ...] and [m, ...].

    It is the root of the least mean squared distance over all couplings of the two, exact, by the network simplex of POT
    (Bonneel et al. 2011). Infinite where a sample is not finite.
    """
    import ot

    assert data is not None, "a distance to data needs data"
    x, y = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (samples, data))
    if not np.isfinite(x).all():
        return math.inf
    squares = ot.dist(x, y)
    return math.sqrt(max(0.0, float(ot.emd2([], [], squares, numItermax=MAX_PIVOTS))))


def metric_of(name: str) -> Metric:
    """The metric of a name: `W2`, or `module:function`, a user's own, which may lie in the working directory.

    Raises:
        MaiError: `tune-metric`: there is no such function. The metric itself raises it where the function fails or returns
            no number.
    """
    if name == WASSERSTEIN:
        return wasserstein
    module, _, function = name.partition(":")
    if not (module and function):
        raise _metric_error(f"--metric {name}: write {WASSERSTEIN}, or --metric module:function")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        imported = getattr(importlib.import_module(module), function)
    except Exception as error:  # A module of the user's own may raise anything.
        raise _metric_error(f"--metric {name}: {type(error).__name__}: {error}") from error
    if not callable(imported):
        raise _metric_error(f"--metric {name}: `{function}` is no function")
    return _checked(name, imported)


def _checked(name: str, function: Callable[[Array, Array | None], float]) -> Metric:
    """A user's function whose failures are diagnostics."""

    def metric(samples: Array, data: Array | None) -> float:
        try:
            value = float(function(samples, data))
        except Exception as error:  # The user's function may raise anything.
            raise _metric_error(f"{name} failed: {type(error).__name__}: {error}") from error
        if math.isnan(value):
            raise _metric_error(f"{name} gave no number (NaN) for samples {list(samples.shape)}")
        return value

    return metric


def _metric_error(message: str) -> MaiError:
    help = "it takes samples [n, ...] and data [m, ...], arrays of numpy, and gives a number: lower is better"
    return MaiError([Diagnostic("tune-metric", None, message, help=help)])
