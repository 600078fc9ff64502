"""First values of training, and weights for compiling: of a run, of the spec's `weights from`, or of the params' lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch

from mai.compiler.ir.graph import Weight
from mai.compiler.program import Program
from mai.compiler.torch.parameters import Weights, first_value
from mai.compiler.weights.load import MappedWeights, names_from_file
from mai.compiler.weights.tensor_files import TensorFiles, metadata_of
from mai.runtime.arrays import Array
from mai.runtime.files import MEMORY_SHARE, memory
from mai.runtime.run_folders.record import read_record
from mai.spec.diagnostics import Diagnostic, MaiError

MOST_KEPT = 2**28  # Bytes of weights that are read once and kept.


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


def load_weights(program: Program, path: Path | None, seed: int = 0) -> tuple[Mapping[str, Array], int | None]:
    """The weights of a program by name, and how many steps they were trained for (None: not at all).

    Large ones of a file are read whenever they are asked for, so that they need not be in memory together.

    Raises:
        MaiError: as `starting`; of weights that are read later, some of it then.
    """
    steps = None if path is None else _steps(path)
    stored = _stored(program, path, seed)
    if stored is not None and sum(4 * prod(weight.shape) for weight in program.weights.values()) > MOST_KEPT:
        return CheckedWeights(program, stored, path), steps
    _check_memory(program)
    return dict(_values(program, stored, path, seed)), steps


class CheckedWeights(Mapping[str, Array]):
    """Weights that are read when they are asked for; that they are finite is looked at once."""

    def __init__(self, program: Program, stored: Mapping[str, Array], path: Path | None) -> None:
        self._program, self._stored, self._path = program, stored, path
        self._seen: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        array = self._stored[name]
        if name not in self._seen:
            _check_finite(self._program.weights[name], array, self._path)
            self._seen.add(name)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def starting(program: Program, path: Path | None, seed: int = 0) -> Iterator[tuple[str, Array]]:
    """The weights of a program, one after the other.

    Args:
        path: a file of weights as training writes it or, where the spec has a `weights from`, one with the names that its
            rules speak of. Without it, the file that the spec names; without that, first values.

    Raises:
        MaiError: `weights-missing`, `weights-mismatch` naming the first weight that does not fit, `not-finite` naming the first
            that is not finite, and what `MappedWeights` raises.
    """
    yield from _values(program, _stored(program, path, seed), path, seed)


def _values(
    program: Program, stored: Mapping[str, Array] | None, path: Path | None, seed: int
) -> Iterator[tuple[str, Array]]:
    """The weights that are `stored`, or first values, one after the other. Raises `MaiError`, `not-finite`."""
    if stored is None:
        yield from ((name, first_value(weight, seed)) for name, weight in program.weights.items())
        return
    for name, array in stored.items():
        _check_finite(program.weights[name], array, path)
        yield name, array


def _stored(program: Program, path: Path | None, seed: int) -> Mapping[str, Array] | None:
    """The weights that a file has; None where no file says any."""
    if path is None and program.loading is None:
        return None
    if path is None or _has_other_names(program, path):
        return MappedWeights(program, path, seed)
    return OwnWeights(program, path)


def _check_memory(program: Program) -> None:
    """Refuse parameters that the machine cannot hold, at the largest of them, before any is made."""
    weights = program.weights.values()
    total = sum(4 * prod(weight.shape) for weight in weights)
    if total > MEMORY_SHARE * memory():
        largest = max(weights, key=lambda weight: prod(weight.shape))
        message = f"the parameters take {total / 1e9:,.0f} GB, and this machine has {memory() / 1e9:,.0f} GB"
        raise MaiError([Diagnostic("too-many-parameters", largest.span, message, label=f"{list(largest.shape)} here")])


class OwnWeights(Mapping[str, Array]):
    """Weights under the spec's own names, read when they are asked for; the file stays open."""

    def __init__(self, program: Program, path: Path) -> None:
        self._files = TensorFiles(path)
        self._files.check()
        self._names = {weight.name: _name_in(weight, self._files) for weight in program.weights.values()}
        for name, weight in program.weights.items():
            shape = self._files.shapes.get(self._names[name])
            check_fits(weight, shape, f"in {path}", partial(_settings_of_run, path))

    def __getitem__(self, name: str) -> Array:
        array: Array = self._files.read(self._names[name]).numpy()
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


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


def check_fits(weight: Weight, shape: tuple[int, ...] | None, where: str, help: Callable[[], str | None]) -> None:
    """Raise `MaiError`, `weights-mismatch`, where weights have another shape of a parameter, or None, as they lack it; `help` says what to do."""
    if shape == weight.shape:
        return
    others = f"`{weight.name}` is {list(weight.shape)} in the spec and {list(shape or ())} {where}"
    message = others if shape is not None else f"there is no `{weight.name}` {list(weight.shape)} {where}"
    raise MaiError([Diagnostic("weights-mismatch", weight.span, message, help=help())])


def _settings_of_run(path: Path) -> str | None:
    """What to say where the weights of a run do not fit: the consts that it was trained with."""
    run = read_record(path.parent)
    said = " ".join(f"--set {name}={value}" for name, value in run.sets.items()) if run is not None else ""
    return f"they were trained with {said}: say so here, too" if said else None


def _check_finite(weight: Weight, array: Array, path: Path | None) -> None:
    count = array.size - int(np.isfinite(array).sum())
    if count:
        where = f" in {path}" if path else ""
        numbers = "1 number is" if count == 1 else f"{count:,} numbers are"
        message = f"of `{weight.name}` {list(weight.shape)}{where}, {numbers} infinite or not a number (NaN)"
        help = "a training that diverges ends so: take an earlier checkpoint, or a lower rate"
        raise MaiError([Diagnostic("not-finite", weight.span, message, help=help)])


def _steps(path: Path) -> int | None:
    steps = metadata_of(path).get("trained_steps", "")
    return int(steps) if steps.isdigit() else None
