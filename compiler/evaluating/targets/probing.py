"""Graphs computed with numbers of our own in the place of nets' results, which shows what the graph computes from each of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from mai.compiler.evaluating.targets.links import Slot
from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.types import DType
from mai.compiler.passes import forms
from mai.runtime.arrays import Array

MOST = 4096  # Numbers of one result.
EXACT = 1e-5
NUMPY = {DType.INT: np.int64, DType.BOOL: np.bool_}
Codes = dict[Slot, Array]  # The numbers that stand for a net's results.


def shape_of(value: Value) -> tuple[int, ...] | None:
    """Its sizes in memory but for the batch; None where they are not numbers."""
    if not value.type.batched:
        return None
    sizes = tuple(size for size in value.type.physical[1:] if isinstance(size, int))
    return sizes if len(sizes) == len(value.type.physical) - 1 else None


def coded(graph: Graph) -> tuple[Codes, dict[float, tuple[Slot, int]]]:
    """A number for every number of every net's result, and what each stands for."""
    codes, first, count = Codes(), dict[float, tuple[Slot, int]](), 1
    for slot, values in graph.calls.items():
        shape = shape_of(values[0]) if isinstance(slot[1], int) and len(values) == 1 else None
        if shape is not None and prod(shape) <= MOST:
            codes[slot] = np.arange(count, count + prod(shape), dtype=float).reshape(shape)
            first |= {float(count + place): (slot, place) for place in range(prod(shape))}
            count += prod(shape)
    return codes, first


def handed_through(graph: Graph, value: Value, codes: Codes) -> list[float] | None:
    """The codes that a value is made of, where it hands them through as they are; None where it does not."""
    shape = shape_of(value)
    if shape is None or prod(shape) > MOST:
        return None
    runs = []
    for scale in (1.0, np.pi):
        cuts = {graph.calls[slot][0]: each * scale for slot, each in codes.items()}
        (run,) = computed(graph, [value], cuts, {}, 1)
        runs.append(np.broadcast_to(run / scale, (1, *shape)).reshape(-1))
    whole: list[float] = np.rint(runs[0]).tolist()
    is_handed = all(np.allclose(run, whole, atol=EXACT, rtol=0) for run in runs)
    return whole if is_handed else None


def computed(
    graph: Graph, values: Sequence[Value], cuts: Mapping[Value, Array], fields: Mapping[str, Array], batch: int
) -> list[Array]:
    """Values of a graph with arrays in the place of others, `cuts`, of one example or of all; every weight and other input is 1."""
    part = forms.prepare(_cut(graph, values, [*cuts]))
    shapes = {value.name: shape_of(value) or () for value in part.inputs}
    types = {value.name: NUMPY.get(value.type.dtype, np.float64) for value in part.inputs}
    arrays = {f"cut {place}": array for place, array in enumerate(cuts.values())} | dict(fields)
    inputs: dict[str, Array] = {
        name: np.array(np.broadcast_to(arrays.get(name, np.ones(())), (batch, *shape)), types[name])
        for name, shape in shapes.items()
    }
    weights = {name: np.ones(weight.shape) for name, weight in part.weights.items()}
    with np.errstate(all="ignore"):  # What has no logarithm, say, is no quantile.
        return Evaluation(part, weights).run(inputs)


def _cut(graph: Graph, values: Sequence[Value], cuts: Sequence[Value]) -> Graph:
    """A graph that ends in some values, with others as its inputs."""
    inputs = {value: Value(value.type, f"cut {place}") for place, value in enumerate(cuts)}
    copiers: list[Copier] = []

    def rule(copier: Copier, node: Node) -> bool:
        copiers[:] = [copier]
        copier.copy(node)
        copier.mapping.update({value: inputs[value] for value in node.outputs if value in inputs})
        return True

    copied = copy_graph(graph, rule)
    copied.outputs = [copiers[0][value] if copiers else value for value in values]
    copied.output_names = [str(place) for place in range(len(values))]
    copied.inputs = [*copied.inputs, *inputs.values()]
    return forms.prune(copied)
