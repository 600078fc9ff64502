"""Every operation's cases as graphs of one operation, with every mixture of lead axes, and inputs for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import OPERATIONS, Case, Operation, Sample
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, real
from mai.compiler.ops.scan import load_operations
from mai.runtime.arrays import Array

load_operations()

Lead = tuple[Axis, ...]
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
TOKEN = Axis("m1", 2, 1)
LEADS: dict[str, Lead] = {"none": (), "batch": (BATCH,), "both": (BATCH, TOKEN), "token": (TOKEN,)}
SIZES = {"batch": 3, "m1": 2}
CASES = [(name, i) for name, op in sorted(OPERATIONS.items()) for i in range(len(op.cases))]


def draw(sample: Sample, lead: Lead, rng: np.random.Generator) -> Array:
    shape = tuple(SIZES[a.name] for a in lead) + sample.shape
    match sample.kind:
        case "sparse":
            return np.asarray(rng.standard_normal(shape) * (rng.random(shape) > 0.3), np.float32)
        case "positive":
            return np.asarray(rng.uniform(0.5, 2.0, shape), np.float32)
        case "unit":
            return np.asarray(rng.uniform(0.01, 0.99, shape), np.float32)
        case "int":
            return np.asarray(rng.integers(0, sample.high, shape))
        case "natural":
            return np.asarray(rng.integers(1, sample.high, shape))
        case "whole":
            return np.asarray(rng.integers(1 - sample.high, sample.high, shape))
        case "bool":
            return np.asarray(rng.random(shape) < 0.5)
        case "seen":
            return np.asarray((rng.random(shape) < 0.5) | np.eye(*shape[-2:], shape[-1] - shape[-2], dtype=bool))
        case "definite" | "regular":
            return np.asarray(_matrices(shape, rng, symmetric=sample.kind == "definite"), np.float32)
    return np.asarray(rng.standard_normal(shape), np.float32)


def _matrices(shape: tuple[int, ...], rng: np.random.Generator, symmetric: bool) -> Array:
    """Matrices with eigenvalues 1, 1.5, 2, ..., or with singular values between 2 / 3 and 3 / 2, and a determinant above 0."""
    left, right = (np.linalg.qr(rng.standard_normal((*shape[:-2], n, shape[-1])))[0] for n in shape[-2:])
    right = left if symmetric else right
    if shape[-2] == shape[-1]:
        left[..., 0] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[..., None]
    values = 1 + np.arange(shape[-1]) / 2 if symmetric else np.geomspace(2 / 3, 3 / 2, shape[-1])
    return np.asarray((left * values) @ right.swapaxes(-1, -2))


def graph_of(op: type[Operation], case: Case, *choices: tuple[Lead, ...]) -> Graph:
    """A graph that applies one operation for each choice of lead axes, to inputs `x0`, `x1`, ... that are numbered on.

    It reads the batch off a further input. Many choices in one graph are built, checked and opened once.
    """
    graph = Graph(name="case")
    for number, (sample, lead) in enumerate(_inputs(case, choices)):
        graph.inputs.append(Value(sample.type.with_lead(lead), f"x{number}"))
    operands, count = [*graph.inputs], len(case.inputs)
    clock = Value(real().with_lead((BATCH,)), "clock")
    graph.inputs.append(clock)
    graph.sizes["batch"] = (clock, 0)
    builder = Builder(graph)
    starts = [number * count for number in range(len(choices))]
    graph.outputs = [builder.emit(op, *operands[start : start + count], **case.attributes) for start in starts]
    graph.output_names = [f"y{number}" for number in range(len(choices))]
    return graph


def feed_of(case: Case, seed: int, *choices: tuple[Lead, ...]) -> dict[str, Array]:
    """Inputs for `graph_of`."""
    rng = np.random.default_rng(seed)
    drawn = {f"x{number}": draw(sample, lead, rng) for number, (sample, lead) in enumerate(_inputs(case, choices))}
    return {**drawn, "clock": np.zeros(SIZES["batch"], np.float32)}


def _inputs(case: Case, choices: Sequence[tuple[Lead, ...]]) -> Iterator[tuple[Sample, Lead]]:
    for leads in choices:
        for sample, lead in zip(case.inputs, leads, strict=True):
            assert sample is not None
            yield sample, lead


def may_lead(op: type[Operation], case: Case) -> list[bool]:
    """Which inputs may have lead axes."""
    return [place not in op.unled and s is not None and s.lead for place, s in enumerate(case.inputs)]


def lead_choices(op: type[Operation], number: int) -> list[tuple[Lead, ...]]:
    """Of a case of an operation every mixture of lead axes for up to two inputs; for more, each choice on every input and some mixtures.

    Where an operation has several cases, those next to each other have one half of the mixtures of two inputs each.
    """
    options = [list(LEADS.values()) if free else [()] for free in may_lead(op, op.cases[number])]
    if sum(len(o) > 1 for o in options) <= 2:
        mixtures = [*itertools.product(*options)]
        if len(mixtures) < len(LEADS) ** 2 or len(op.cases) == 1:
            return mixtures
        half = CASES.index((op.name, number)) % 2
        return [m for place, m in enumerate(mixtures) if (place + place // len(LEADS)) % 2 == half]
    return [tuple(o[(i + j * k) % len(o)] for j, o in enumerate(options)) for i in range(4) for k in range(3)]
