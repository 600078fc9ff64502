"""Trials: random inputs and settings, a file run on them, and how far two results are apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import evaluate, symbols
from mai.compiler.ir.structure import NOTHING
from mai.compiler.ir.types import DType
from mai.compiler.onnx.describing.limits import largest, never_negative, signed, smallest
from mai.runtime.arrays import Array
from mai.runtime.files import mapped
from mai.runtime.model.data import data_path
from mai.runtime.model.mapping import source_of
from mai.runtime.model.session import FOLDER, ONE_COPY, session_options
from mai.runtime.self_test.draw import draw
from mai.runtime.self_test.record import Recipe
from mai.spec.diagnostics import Diagnostic, MaiError

SHARED = 2**30  # Bytes of weights that are not rearranged for speed, which would be a second copy of them.
FREE_SIZE = 5  # Of a dimension that a host chooses.
MAX_STEPS = 3
MOST_MOVES = 64  # How often sizes are made larger, or smaller.
SEED = 2**31 - 9  # Large, and whole on engines of 32 bits, too, where a file's self-test is run.
NUMPY: dict[DType, type[np.generic]] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}


@dataclass(frozen=True, slots=True)
class Trial:
    """Inputs by name, each [batch, ...], and settings for one run; by the recipe a host can draw them, too."""

    inputs: dict[str, Array]
    settings: dict[str, float | int | bool]
    recipe: Recipe


Reference = Callable[[Trial], list[Array]]


def trial(
    graph: Graph, batch: int, seed: int = 0, longest: int | None = None, reals: tuple[float, float] | None = None,
    sizes: Mapping[str, int] | None = None, free: int = FREE_SIZE, least: Mapping[str, int] | None = None,
) -> Trial:  # fmt: skip
    """Reals of deviation 1, or in the range `reals`, labels in their range, few steps; a text grows to `longest` tokens.

    `sizes` are those of free dimensions, by name; others are `free`, or as large as they must and may be: `least`, or what the graph says.
    """
    free = free_size(longest, free)
    most = MAX_STEPS if longest is None else min(MAX_STEPS, longest - free + 1)
    settings: dict[str, float | int | bool] = {name: s.default for name, s in graph.settings.items()}
    spoken = {n for v in graph.inputs for s in v.type.shape for n in symbols(s)}
    read = {s for name, s in graph.sizes.items() if name in spoken and not isinstance(s, tuple)}
    for name, setting in graph.settings.items():
        if graph.sizes.get(name) is setting.value and name != "batch":
            settings[name] = min(setting.default, most)
        if setting.value in read:
            settings[name] = free
    if "batch" in settings:
        settings["batch"] = batch
    if "seed" in settings:
        settings["seed"] = SEED
    least = smallest(graph) if least is None else least
    limits = largest(graph)
    usual = {name: max(_within(free, limits.get(name)), least.get(name, 1)) for name in sorted(spoken)}
    asked = {name: min(size, limits.get(name, size)) for name, size in (sizes or {}).items() if name in usual}
    named = {"batch": batch, **_with_room(graph, usual, limits, settings), **asked}
    written = [s for v in graph.inputs for s in v.type.shape if not isinstance(s, int)]
    chosen = {"batch": batch, **{str(s): int(evaluate(s, named)) for s in written}}
    recipe = Recipe(seed=seed, reals=reals, sizes=chosen, settings=settings)
    return Trial({v.name: _draw(v, place, recipe) for place, v in enumerate(graph.inputs)}, settings, recipe)


def free_size(longest: int | None, free: int = FREE_SIZE) -> int:
    """The size of a dimension that a host chooses, `free` unless a text of `longest` tokens has no room for it."""
    return free if longest is None else max(1, min(free, longest - MAX_STEPS, longest // 2))


def _with_room(
    graph: Graph, sizes: Mapping[str, int], limits: Mapping[str, int], settings: Mapping[str, float]
) -> dict[str, int]:
    """Sizes of which the first ones are larger where several make one that would be empty: `x[:n - m]` has rows."""
    chosen, several = dict(sizes), never_negative(graph)
    for _ in range(MOST_MOVES):
        empty = (size for size in several if int(evaluate(size, {**settings, **chosen})) < 1)
        names = {n for size in islice(empty, 1) for n in signed(size, 1) if n in chosen}
        larger = {name: chosen[name] + 1 for name in names if chosen[name] < limits.get(name, math.inf)}
        if not larger:
            break
        chosen |= larger
    return chosen


def _within(free: int, limit: int | None) -> int:
    """A size below a limit, as far below it as the size is below the usual one: trials have different sizes."""
    return free if limit is None else max(1, min(free, limit - FREE_SIZE + free))


def with_unlike_prompts(tried: Trial, prompt: str, fewest: int) -> Trial:
    """The same with prompts of different lengths: each begins with a place without a token more, and has `fewest` tokens at least."""
    rows = tried.inputs[prompt].copy()
    for place, row in enumerate(rows):
        row[: min(place, len(row) - fewest)] = NOTHING
    return replace(tried, inputs={**tried.inputs, prompt: rows})


def _draw(value: Value, place: int, recipe: Recipe) -> Array:
    sizes = ["batch", *value.type.shape]
    dims = [s if isinstance(s, int) else recipe.sizes[str(s)] for s in sizes]
    classes = value.type.classes if isinstance(value.type.classes, int) else None
    return draw(value.type.dtype.value, dims, classes, place, recipe)


def session(file: Path | bytes) -> ort.InferenceSession:
    """A compiled file, or its bytes, on the CPU, with the options that the runtime opens it with."""
    options = session_options()
    source = file if isinstance(file, bytes) else _source(file, options)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _source(path: Path, options: ort.SessionOptions) -> str | bytes:
    """What is opened of a file; options that its weights need are added."""
    if any(file.exists() and file.stat().st_size > SHARED for file in (path, data_path(path))):
        options.add_session_config_entry(*ONE_COPY)
    with mapped(path) as raw:
        source, folder = source_of(path, raw)
    if folder is not None:
        options.add_session_config_entry(FOLDER, str(folder))
    return source


def run_trial(session: ort.InferenceSession, graph: Graph, trial: Trial) -> list[Array]:
    """The file's results for a trial. Raises `MaiError`, `compile-mismatch`, where it cannot be run."""
    names = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    dtypes = {name: NUMPY[s.value.type.dtype] for name, s in graph.settings.items()}
    feed = {**trial.inputs, **{n: np.array(v, dtypes[n]) for n, v in trial.settings.items()}}
    try:
        results: list[Array] = session.run(None, {n: a for n, a in feed.items() if n in names})
    except Exception as error:  # onnxruntime raises many types of its own
        shapes = ", ".join(f"{name}: {list(a.shape)}" for name, a in trial.inputs.items())
        reason = str(error).strip().split("\n")[0].rpartition("] ")[2][:200]
        message = f"`{graph.name}` cannot be run on a trial ({shapes}): {reason}"
        raise MaiError(
            [Diagnostic("compile-mismatch", None, message, help="it has to work for sizes like these")]
        ) from error
    return results


def difference(result: Array, expected: Array) -> float:
    """The largest difference relative to the largest magnitude.

    It is infinite where one is a finite number and the other is not, or they are of other shapes or other infinities.
    """
    if result.shape != expected.shape:
        return float("inf")
    a, b = result.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    scale = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / max(scale, 1e-6)
