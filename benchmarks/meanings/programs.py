"""A program by its seed, and how far its file is from what it means."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import benchmarks.meanings.derivatives
import benchmarks.meanings.forms
import benchmarks.meanings.mathematics
import benchmarks.meanings.recurrences
import benchmarks.meanings.results  # noqa: F401  they register what they make
from benchmarks.meanings.statements import add_statement, body_with
from benchmarks.meanings.terms import Maker, Shape, dims
from mai.compiler.interface.spec import Spec
from mai.runtime.arrays import Array

CLASSES, EXAMPLES = 3, 3
DEPTH = 3
LARGEST = 1e30  # Beyond it a file, in single precision, may say infinity.
ROUNDINGS = 1e-6  # What inputs are moved by, relative, to see how far the result then is.
FAR, MANY = 2e-3, 3000  # Relative to the result; and how many times as far as roundings of its inputs a file may be.


@dataclass(frozen=True, slots=True)
class Program:
    """Layers, statements and a result, of inputs of these shapes and of labels; and what the result means for one example."""

    layers: str
    statements: str
    result: str
    shape: Shape
    inputs: dict[str, Shape]
    labels: dict[str, int]
    meaning: Callable[[dict[str, Array]], Array]

    @property
    def text(self) -> str:
        """A spec whose export `f` is the result."""
        head = f"export f({self._fields()}) -> {dims(self.shape)}"
        return f"{self.layers}{head} {{\n{self.statements}  return {self.result}\n}}\n"

    @property
    def loss(self) -> str:
        """A spec that minimises the sum of the result's numbers, each times one of `weights`, which are an input more."""
        fields = f"{self._fields()}, weights: {dims(self.shape)}"
        body = f"{self.statements}  result = {self.result}\n  minimize sum(weights * result)\n"
        return f"{self.layers}data {fields} from python(rows)\ntrain(steps = 1) {{\n{body}}}\n"

    def _fields(self) -> str:
        reals = [f"{name}: {dims(shape)}" for name, shape in self.inputs.items()]
        return ", ".join([*reals, *(f"{name}: class[{count}]" for name, count in self.labels.items())])


def program(seed: int) -> Program:
    """The program of a seed."""
    maker = Maker(np.random.default_rng(seed))
    inputs = {f"x{i}": maker.shape() for i in range(maker.below(4, 1))}
    maker.labels = {"k": CLASSES} if maker.happens(0.3) else {}
    body = body_with(inputs)
    for _ in range(maker.below(5, 1)):
        add_statement(maker, body, DEPTH)
    shape = maker.shape()
    result = maker.term(shape, body.scope, DEPTH)
    lines = "".join(f"  {line}\n" for line in body.lines)

    def meaning(example: dict[str, Array]) -> Array:
        env = dict(example)
        body.run(env)
        return np.asarray(result.value(env))

    return Program("".join(maker.layers), lines, result.text, shape, inputs, dict(maker.labels), meaning)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a file is from the meaning, relative to the largest number or 1, and how far roundings of the inputs move that."""

    error: float
    moved: float

    @property
    def word(self) -> str:
        """What is to be said of it."""
        if self.error <= FAR:
            return "right"
        if self.moved == np.inf:
            return "unknown"
        return "sensitive" if self.error <= MANY * self.moved else "WRONG"


def between(result: Array, moved: Array, expected: Array) -> Outcome:
    """How far numbers are from what was expected, and how far others are; nothing is known where that is beyond single precision."""
    if not np.all(np.abs(expected) < LARGEST):
        return Outcome(np.inf, np.inf)
    scale = 1 + np.abs(expected).max(initial=0.0)
    errors = (np.nan_to_num(np.abs(a - expected), nan=np.inf).max(initial=0.0) for a in (result, moved))
    return Outcome(*(float(error / scale) for error in errors))


def examples(program: Program, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """A few examples of its inputs, and of its labels."""
    dice = np.random.default_rng(seed)
    reals = {n: dice.normal(size=(EXAMPLES, *s)).astype(np.float32) for n, s in program.inputs.items()}
    return reals, {n: dice.integers(0, c, EXAMPLES) for n, c in program.labels.items()}


def tried(program: Program, seed: int) -> Outcome:
    """Compile a program and run its file on a few examples. Raises `MaiError` where it is refused."""
    reals, labels = examples(program, seed)
    dice = np.random.default_rng(seed + 1)
    near = {n: x * (1 + ROUNDINGS * dice.choice([-1.0, 1.0], x.shape)) for n, x in reals.items()}
    expected, moved = (meanings(program, {**each, **labels}) for each in (reals, near))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = np.asarray(Spec(program.text, "program").f(**reals, **labels))
    if result.shape != expected.shape:
        return Outcome(float("inf"), 0.0)
    return between(result, moved, expected)


def meanings(program: Program, inputs: dict[str, Array]) -> Array:
    """Of all examples, each alone, in double precision."""
    rows = (
        {n: a[i].astype(np.float64) if a.dtype.kind == "f" else a[i] for n, a in inputs.items()}
        for i in range(EXAMPLES)
    )
    with np.errstate(all="ignore"):
        return np.stack([program.meaning(row) for row in rows])
