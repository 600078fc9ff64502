"""First values of training, and weights for compiling: of a run, of the spec's `weights from`, or of the params' lines."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import torch

from mai.compiler.ir.graph import Weight
from mai.compiler.program import Program
from mai.compiler.torch.parameters import Weights, first_value
from mai.compiler.weights.load import map_weights, names_from_file
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime.arrays import Array
from mai.runtime.files import MEMORY_SHARE, memory
from mai.spec.diagnostics import Diagnostic, MaiError


def initial_weights(program: Program, path: Path | None, seed: int) -> Weights:
    """What training begins with, each weight put in its place as it is read. Raises as `starting`."""
    _check_memory(program)
    weights = Weights(program.weights)
    state = weights.state_dict()
    for name, array in starting(program, path, seed):
        state[name].copy_(torch.from_numpy(array))
    return weights


def loaded_names(program: Program, path: Path | None) -> set[str]:
    """The weights that a file gives their values: that at `path`, or the one that the spec names."""
    if path is not None and not _has_other_names(program, path):
        return set(program.weights)
    if program.loading is None:
        return set()
    return names_from_file(program, path)


def load_weights(program: Program, path: Path | None, seed: int = 0) -> tuple[dict[str, Array], int | None]:
    """The weights of a program by name, and how many steps they were trained for (None: not at all).

    Raises:
        MaiError: as `starting`.
    """
    _check_memory(program)
    arrays = dict(starting(program, path, seed))
    return arrays, None if path is None else _steps(path)


def starting(program: Program, path: Path | None, seed: int = 0) -> Iterator[tuple[str, Array]]:
    """The weights of a program, one after the other.

    Args:
        path: a file of weights as training writes it or, where the spec has a `weights from`, one with the names that its
            rules speak of. Without it, the file that the spec names; without that, first values.

    Raises:
        MaiError: `weights-missing`, `weights-mismatch` naming the first weight that does not fit, `not-finite` naming the first
            that is not finite, and what `map_weights` raises.
    """
    for name, array in _starting(program, path, seed):
        _check_finite(program.weights[name], array, path)
        yield name, array


def _starting(program: Program, path: Path | None, seed: int) -> Iterator[tuple[str, Array]]:
    if path is None and program.loading is None:
        return ((name, first_value(weight, seed)) for name, weight in program.weights.items())
    if path is None or _has_other_names(program, path):
        return map_weights(program, path, seed)
    return _own(program, path)


def _check_memory(program: Program) -> None:
    """Refuse parameters that the machine cannot hold, at the largest of them, before any is made."""
    weights = program.weights.values()
    total = sum(4 * prod(weight.shape) for weight in weights)
    if total > MEMORY_SHARE * memory():
        largest = max(weights, key=lambda weight: prod(weight.shape))
        message = f"the parameters take {total / 1e9:,.0f} GB, and this machine has {memory() / 1e9:,.0f} GB"
        raise MaiError([Diagnostic("too-many-parameters", largest.span, message, label=f"{list(largest.shape)} here")])


def _own(program: Program, path: Path) -> Iterator[tuple[str, Array]]:
    """Weights under the spec's own names."""
    with TensorFiles(path) as files:
        files.check()
        names = {weight.name: _name_in(weight, files) for weight in program.weights.values()}
        for name, weight in program.weights.items():
            _check_fits(weight, files.shapes.get(names[name]), path)
        for name in program.weights:
            yield name, files.read(names[name]).numpy()


def _name_in(weight: Weight, files: TensorFiles) -> str:
    """What a weight is called in a file; one that follows another and is not there begins as that one."""
    is_there = weight.follows is None or weight.name in files.shapes
    return weight.name if is_there else weight.follows.source  # type: ignore[union-attr]


def _has_other_names(program: Program, path: Path) -> bool:
    """Whether it is the rules of the spec that speak of this file: it has none of the spec's own names."""
    if program.loading is None:
        return False
    with TensorFiles(path) as files:
        return not program.weights.keys() & files.shapes.keys()


def _check_fits(weight: Weight, shape: tuple[int, ...] | None, path: Path) -> None:
    if shape == weight.shape:
        return
    shown = "is not among them" if shape is None else f"is {list(shape)} there and {list(weight.shape)} in the spec"
    message = f"the weights in {path} are of another spec: `{weight.name}` {shown}"
    raise MaiError([Diagnostic("weights-mismatch", weight.span, message)])


def _check_finite(weight: Weight, array: Array, path: Path | None) -> None:
    count = array.size - int(np.isfinite(array).sum())
    if count:
        where = f" in {path}" if path else ""
        numbers = "1 number is" if count == 1 else f"{count:,} numbers are"
        message = f"of `{weight.name}` {list(weight.shape)}{where}, {numbers} infinite or not a number (NaN)"
        help = "a training that diverges ends so: take an earlier checkpoint, or a lower rate"
        raise MaiError([Diagnostic("not-finite", weight.span, message, help=help)])


def _steps(path: Path) -> int | None:
    with TensorFiles(path) as files:
        steps = files.metadata.get("trained_steps", "")
    return int(steps) if steps.isdigit() else None
