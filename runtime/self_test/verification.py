"""The self-test of a file, run anew: which results differ from what was kept of them, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.self_test.compare import difference
from mai.runtime.self_test.draw import draw
from mai.runtime.self_test.record import Recipe

REAL = "float32"
LARGEST = 2**28  # Numbers of an input.
Compute = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output of one run is from what was kept of it.

    `amount` is relative to the largest number of a real result, and the share of the numbers that are others of one with whole
    numbers; it is infinite where the shape or the places of finite numbers are others. Up to `allowed` is content.
    """

    run: int
    output: str
    amount: float
    allowed: float
    real: bool

    @property
    def content(self) -> bool:
        """Whether it is within what is allowed."""
        return self.amount <= self.allowed

    def __str__(self) -> str:
        if not np.isfinite(self.amount):
            return f"`{self.output}` differs in shape, or in where its numbers are finite"
        if self.real:
            return f"`{self.output}` differs by {self.amount:.1e} of its largest number, {self.allowed:.0e} is allowed"
        return f"`{self.output}` differs in {self.amount:.1%} of its numbers, {self.allowed:.0%} may"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a self-test showed: the difference of each output in each run, and the provider that computed."""

    provider: str
    differences: tuple[Difference, ...]

    @property
    def content(self) -> bool:
        """Whether every difference is within what is allowed."""
        return all(d.content for d in self.differences)

    def __str__(self) -> str:
        runs, outputs = {d.run for d in self.differences}, {d.output for d in self.differences}
        reals = [d for d in self.differences if d.real]
        most = max(reals, key=lambda d: d.amount, default=None)
        apart = f"{most.amount:.0e} apart at most, {most.allowed:.0e} is allowed" if most else "equal"
        return f"{_count(len(runs), 'run')} of {_count(len(outputs), 'output')} on {self.provider}: {apart}"

    def check(self, name: str) -> None:
        """Check that the file of this name is content.

        Raises:
            ModelError: `self-test-failed`, with every output that differs.
        """
        worst: dict[str, Difference] = {}
        for d in (d for d in self.differences if not d.content):
            worst[d.output] = max(worst.get(d.output, d), d, key=lambda d: d.amount)
        if worst:
            differences = "; ".join(map(str, worst.values()))
            help = "another provider or ONNX Runtime may compute it right; else take the file that mai wrote"
            raise ModelError(
                "self-test-failed", f"{name} does not compute what it did when it was written: {differences}", help
            )


def verify(manifest: Manifest, name: str, provider: str, compute: Compute, tolerance: float | None) -> Verification:
    """Run the self-test of a manifest.

    Args:
        name: of the file, for messages.
        provider: what computes, for messages.
        compute: the outputs, by name, for the arrays of a run: the inputs, each [batch, ...], and the settings [].
        tolerance: how far results may be off, instead of what the file says.

    Raises:
        ModelError: `self-test-missing`: there is none.
    """
    test = manifest.self_test
    if test is None:
        raise ModelError(
            "self-test-missing",
            f"{name} has no self-test: an earlier mai wrote it",
            "compile it again",
        )
    try:
        differences = [
            d for number in range(len(test.runs)) for d in _differences(manifest, number, compute, tolerance)
        ]
    except (LookupError, ValueError, OverflowError, MemoryError) as error:
        raise ModelError("model-truncated", f"the self-test of {name} does not fit it", "compile it again") from error
    return Verification(provider, tuple(differences))


def _differences(manifest: Manifest, number: int, compute: Compute, tolerance: float | None) -> Iterator[Difference]:
    """Those of a run's outputs."""
    assert manifest.self_test is not None
    run, ports = manifest.self_test.runs[number], {p.name: p for p in manifest.outputs}
    results = compute(arrays_of(manifest, run.recipe))
    for output, expected in run.outputs.items():
        real = ports[output].dtype == REAL
        allowed = tolerance
        if allowed is None:
            allowed = manifest.self_test.tolerance if real else 0.0
        yield Difference(number, output, difference(results[output], expected), allowed, real)


def arrays_of(manifest: Manifest, recipe: Recipe) -> dict[str, Array]:
    """The arrays of a run by name: inputs in the shapes of their ports, [batch, ...], and settings [].

    Raises:
        LookupError, ValueError, OverflowError: the run does not fit the file.
    """
    inputs = {
        port.name: draw(port.dtype, _dims(port, recipe), port.classes, place, recipe)
        for place, port in enumerate(manifest.inputs)
    }
    dtypes = {port.name: port.dtype for port in manifest.settings}
    return inputs | {name: np.array(value, dtypes[name]) for name, value in recipe.settings.items()}


def _dims(port: Port, recipe: Recipe) -> list[int]:
    axes = ["batch", *port.shape] if port.batch else port.shape
    dims = [size if isinstance(size, int) else recipe.sizes[size] for size in axes]
    if prod(dims) > LARGEST:
        raise ValueError(f"an input of {prod(dims)} numbers")
    return dims


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
