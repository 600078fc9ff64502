"""Every operation's cases with sizes that only the call knows, wherever its shape rule takes them; and points to look at.

A number of a case's shapes becomes a symbol, everywhere that it stands in the inputs and in attributes that are sizes, if the
operation takes that. So a new operation is tried by the cases that it has anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from inspect import signature

import numpy as np

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import OPERATIONS, Case, Operation, Sample, ShapeError, typed
from mai.compiler.ir.sizes import Dim, Size, symbol
from mai.compiler.ir.sizes import evaluate as size_of
from mai.compiler.ir.structure import Gradient, Pushforward
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops.elementwise import Multiply, Sin
from mai.compiler.ops.elementwise.conversion import StopGradient, WithDerivative
from mai.compiler.ops.linear.spectra import Eigenvalues, Spectrum
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.reductions import Sum
from mai.compiler.passes.derivatives.differentiate import differentiate
from mai.compiler.passes.local.prune import prune
from mai.runtime.arrays import Array
from tests.support.cases.operation_cases import CASES as CASES
from tests.support.cases.operation_cases import draw

BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
TRIED = (1, 2, 3, 5, 7, 8)
BOUND = {
    "cached_attention": "the sizes of its caches and of its mask depend on each other; only `incremental` makes it",
    "fixed_attention": "as `cached_attention`",
    "two_level_attention": "as `cached_attention`",
    "eigenvalues": "the second input is what `spectrum` makes of the first",
    "is_whole": "what it tells is a size of its whole input",
    "orthogonal_factor": "a matrix has at least as many rows as columns",
    "windowed_attention": "as `cached_attention`",
}
Feed = dict[str, Array]
POINTS: dict[str, dict[str, tuple[float, ...]]] = {
    "zeros": {"normal": (0.0,)},
    "ties": {"normal": (-1.0, 0.0, 1.0), "positive": (0.5, 1.0), "unit": (0.25, 0.75)},
    "extremes": {
        "normal": (-1e4, -80.0, -20.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 20.0, 80.0, 1e4),
        "positive": (1e-6, 1.0, 20.0, 1e4),
        "unit": (1e-6, 0.5, 0.999999),
    },
    "small": {"normal": (-1e-3, -1e-6, 1e-6, 1e-3), "positive": (1e-6, 1e-3), "unit": (1e-6, 1e-3)},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FreeCase:
    """An operation on types with free sizes; `own` has the sizes that the case itself has."""

    op: type[Operation]
    case: Case
    types: tuple[Type | None, ...]
    attributes: dict[str, object]
    own: dict[str, int]

    @property
    def real_places(self) -> list[int]:
        """The inputs that a derivative may be taken of."""
        return [i for i, t in enumerate(self.types) if t is not None and t.dtype is DType.REAL]

    def assignments(self) -> Iterator[dict[str, int]]:
        """Sizes for the symbols: the case's own, all alike, and mixtures."""
        names = list(self.own)
        yield {**self.own, "batch": 2}
        if names:
            for size in TRIED:
                yield {**dict.fromkeys(names, size), "batch": 1}
        if len(names) > 1:
            for turn in range(2):
                yield {**{n: TRIED[(i * 3 + turn) % len(TRIED)] for i, n in enumerate(names)}, "batch": 3}


def free_case(op: type[Operation], case: Case) -> FreeCase:
    """The case with as many symbols as the operation takes, one tried after the other."""
    types = tuple(None if s is None else s.type for s in case.inputs)
    weights = {n for i, s in enumerate(case.inputs) if s and not _may_lead(op, i, s) for n in s.shape}
    own: dict[str, int] = {}
    attributes = dict(case.attributes)
    sizes = [v for k, v in attributes.items() if _is_size(op, k)]
    numbers = [] if op.name in BOUND else [n for n in _numbers(types, sizes) if n > 1 and n not in weights]
    for number in dict.fromkeys(numbers):
        name = symbol(f"S{number}")
        freed = tuple(t and t.with_shape(_swapped(t.shape, number, name)) for t in types)
        changed = {k: _swapped_in(v, number, name) if _is_size(op, k) else v for k, v in attributes.items()}
        try:
            typed(op, [t for t in freed if t], {**op.attributes, **changed})
        except (ShapeError, TypeError):
            continue
        types, attributes, own[str(name)] = freed, changed, number
    return FreeCase(op, case, types, attributes, own)


def free_case_of(name: str, number: int) -> FreeCase:
    """A case of an operation, by its name and its number."""
    return free_case(OPERATIONS[name], OPERATIONS[name].cases[number])


def _may_lead(op: type[Operation], place: int, sample: Sample) -> bool:
    return place not in op.unled and sample.lead


def _is_size(op: type[Operation], attribute: str) -> bool:
    """Whether an attribute may be a size that only the call knows, by the types of the operation's shape rule."""
    parameter = signature(op.shape).parameters.get(attribute)
    return parameter is not None and "Size" in str(parameter.annotation)


def _numbers(types: tuple[Type | None, ...], attributes: list[object]) -> Iterator[int]:
    for size in [*(s for t in types if t for s in t.shape), *attributes]:
        yield from (n for n in (size if isinstance(size, tuple) else (size,)) if isinstance(n, int))


def _swapped(shape: tuple[Size, ...], number: int, name: Dim) -> tuple[Size, ...]:
    return tuple(name if s == number else s for s in shape)


def _swapped_in(attribute: object, number: int, name: Dim) -> object:
    if isinstance(attribute, tuple):
        return _swapped(attribute, number, name)
    return name if attribute == number else attribute


# ---------------------------------------------------------------------- graph


def differentiable(free: FreeCase) -> bool:
    """Whether the operation has a derivative, and real numbers to take it of."""
    if free.op in (
        StopGradient,
        WithDerivative,
        Spectrum,
        Eigenvalues,
    ):  # Their derivatives are not those of their values.
        return False
    has_rule = free.op.derivative is not None or free.op.expansion is not None
    return has_rule and bool(free.real_places) and not issubclass(free.op, Draw)


def graph_of(free: FreeCase, *, derivatives: bool) -> Graph:
    """The operation; for each real input x its derivative along `t`, and the gradient of sum(w y) with respect to x."""
    graph, builder, y = _applied(free)
    if derivatives and y.type.dtype is DType.REAL and differentiable(free):
        scalar = _weighted_sum(graph, builder, y)
        for x in [graph.inputs[i] for i in free.real_places]:
            graph.outputs.append(builder.add(Pushforward(), [y, x, _along(graph, x)], [y.type]).output)
            graph.outputs.append(builder.add(Gradient(), [scalar, x], [x.type.with_lead(y.type.lead)]).output)
    return _finished(graph)


def graph_of_second(free: FreeCase) -> Graph:
    """For each real input x the gradient of sum(w sin(y)), and the derivative of that along `t`."""
    graph, builder, y = _applied(free)
    scalar = _weighted_sum(graph, builder, builder.emit(Sin, y))
    graph.outputs = []
    for x in [graph.inputs[i] for i in free.real_places]:
        gradient = builder.add(Gradient(), [scalar, x], [x.type.with_lead(y.type.lead)]).output
        second = builder.add(Pushforward(), [gradient, x, _along(graph, x)], [gradient.type]).output
        graph.outputs += [gradient, second]
    return _finished(graph)


def _applied(free: FreeCase) -> tuple[Graph, Builder, Value]:
    graph = Graph(name="case")
    for place, type_ in enumerate(free.types):
        assert type_ is not None
        sample = free.case.inputs[place]
        assert sample is not None
        lead = (BATCH,) if _may_lead(free.op, place, sample) else ()
        graph.inputs.append(Value(type_.with_lead(lead), f"x{place}"))
    own = list(graph.inputs)
    _read_sizes(graph, [*free.own, "batch"])
    builder = Builder(graph)
    y = builder.emit(free.op, *own, **free.attributes)
    graph.outputs = [y]
    return graph, builder, y


def _finished(graph: Graph) -> Graph:
    graph.output_names = [f"y{i}" for i in range(len(graph.outputs))]
    return prune(differentiate(graph))


def _read_sizes(graph: Graph, names: list[str]) -> None:
    """Every symbol is the length of an input of its own."""
    for name in names:
        graph.inputs.append(Value(Type(DType.REAL, (symbol(name),)), f"axis_{name}"))
        graph.sizes[name] = (graph.inputs[-1], 0)


def _weighted_sum(graph: Graph, builder: Builder, y: Value) -> Value:
    w = Value(y.type, "w")
    graph.inputs.append(w)
    weighted, rank = builder.emit(Multiply, w, y), y.type.rank
    return builder.emit(Sum, weighted, axes=tuple(range(-rank, 0))) if rank else weighted


def _along(graph: Graph, x: Value) -> Value:
    """A direction for x, an input of its own."""
    graph.inputs.append(Value(x.type, f"t{x.name[1:]}"))
    return graph.inputs[-1]


# --------------------------------------------------------------------- inputs


def feed_of(free: FreeCase, graph: Graph, sizes: dict[str, int], point: str, seed: int) -> Feed:
    """Numbers for the inputs: drawn as the case says, or those of a point."""
    rng = np.random.default_rng(seed)
    feed: Feed = {}
    for value in graph.inputs:
        shape = tuple(int(size_of(s, sizes)) for s in value.type.physical)
        if value.name[0] == "x":
            sample = free.case.inputs[int(value.name[1:])]
            assert sample is not None
            feed[value.name] = _numbers_at(point, _within(free, sample, sizes), shape, rng)
        else:
            feed[value.name] = np.asarray(rng.uniform(0.5, 1.5, shape), np.float32)
    for name in [n for n in feed if n[0] == "t"]:
        feed[name] = _direction(feed["x" + name[1:]], rng)
    return feed


def _within(free: FreeCase, sample: Sample, sizes: dict[str, int]) -> Sample:
    """Indices stay below a size that they were below."""
    bound = {own: sizes[name] for name, own in free.own.items()}
    return replace(sample, high=bound.get(sample.high, sample.high))


def _numbers_at(point: str, sample: Sample, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    choices = {} if sample.kind in ("definite", "regular") else POINTS.get(point, {})
    if sample.type.dtype is DType.REAL and choices:
        return np.asarray(rng.choice(choices.get(sample.kind, choices["normal"]), shape), np.float32)
    if sample.kind in ("bool", "seen") and point == "ties":
        return np.ones(shape, bool)
    return draw(replace(sample, shape=shape), (), rng)


def _direction(x: Array, rng: np.random.Generator) -> Array:
    """Relative to the size of a number, so that a small step is small everywhere."""
    scale = np.where(x == 0, 1.0, np.abs(x))
    signs = rng.choice([-1.0, 1.0], x.shape)
    return np.asarray(signs * rng.uniform(0.5, 1.5, x.shape) * scale, np.float32)
