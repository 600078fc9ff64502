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
import benchmarks.meanings.results  # noqa: F401  they register what they make
from benchmarks.meanings.statements import add_statement, body_with
from benchmarks.meanings.terms import Maker, Shape, dims
from mai.compiler.interface.spec import Spec
from mai.runtime.arrays import Array

CLASSES, EXAMPLES = 3, 3
DEPTH = 3
LARGEST = 1e30  # Beyond it a file, in single precision, may say infinity.
ROUNDINGS = 1e-6  # What inputs are moved by, relative, to see how far the result then is.


@dataclass(frozen=True, slots=True)
class Program:
    """A spec with an export `f`, its inputs' shapes, its labels, and its meaning: of one example."""

    text: str
    inputs: dict[str, Shape]
    labels: dict[str, int]
    meaning: Callable[[dict[str, Array]], Array]


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
    typed = [f"{n}: {dims(s)}" for n, s in inputs.items()] + [f"{n}: class[{c}]" for n, c in maker.labels.items()]
    lines = "".join(f"  {line}\n" for line in body.lines)
    text = f"export f({', '.join(typed)}) -> {dims(shape)} {{\n{lines}  return {result.text}\n}}\n"

    def meaning(example: dict[str, Array]) -> Array:
        env = dict(example)
        body.run(env)
        return np.asarray(result.value(env))

    return Program("".join(maker.layers) + text, inputs, dict(maker.labels), meaning)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a file is from the meaning, relative to the largest number or 1, and how far roundings of the inputs move that."""

    error: float
    moved: float


def tried(program: Program, seed: int) -> Outcome:
    """Compile a program and run its file on a few examples. Raises `MaiError` where it is refused."""
    dice = np.random.default_rng(seed)
    reals = {n: dice.normal(size=(EXAMPLES, *s)).astype(np.float32) for n, s in program.inputs.items()}
    labels = {n: dice.integers(0, c, EXAMPLES) for n, c in program.labels.items()}
    near = {n: x * (1 + ROUNDINGS * dice.choice([-1.0, 1.0], x.shape)) for n, x in reals.items()}
    expected, moved = (_meaning(program, {**each, **labels}) for each in (reals, near))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = np.asarray(Spec(program.text, "program").f(**reals, **labels))
    if result.shape != expected.shape:
        return Outcome(float("inf"), 0.0)
    result, moved, expected = (np.clip(a, -LARGEST, LARGEST) for a in (result, moved, expected))
    scale = 1 + np.abs(expected).max(initial=0.0)
    return Outcome(*(float(np.abs(a - expected).max(initial=0.0) / scale) for a in (result, moved)))


def _meaning(program: Program, inputs: dict[str, Array]) -> Array:
    """Of all examples, each alone, in double precision."""
    rows = (
        {n: a[i].astype(np.float64) if a.dtype.kind == "f" else a[i] for n, a in inputs.items()}
        for i in range(EXAMPLES)
    )
    with np.errstate(all="ignore"):
        return np.stack([program.meaning(row) for row in rows])
