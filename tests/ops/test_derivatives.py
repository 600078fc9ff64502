"""The derivative of every operation: forward and backward, of first and second order, against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import OPERATIONS, Case, Operation
from mai.compiler.ir.structure import Gradient, Pushforward, Structural
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise import Multiply, Sin
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.reductions import Sum
from mai.compiler.passes.derivatives.differentiate import differentiate
from mai.compiler.passes.local.prune import prune
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array
from tests.support.cases.operation_cases import BATCH, SIZES, feed_of, graph_of, may_lead

NONE = {
    "cached_attention": "what it keeps is handed on; texts are differentiated in their plain form",
    "fixed_attention": "as `cached_attention`",
    "two_level_attention": "as `cached_attention`",
    "with_derivative": "its derivative is what it is said to be",
    "eigenvalues": "its second input is made of the first",
    "spectrum": "its last row has that of `eigenvalues`",
    "windowed_attention": "as `cached_attention`",
    "stop_gradient": "its derivative is not that of its values",
}
TORCH_HAS_NONE = {"batch_norm": (3, 4)}
STEP = 1e-5
SMOOTH = 1e-5


def real_inputs(op: type[Operation], case: Case) -> list[int]:
    return [i for i, s in enumerate(case.inputs) if s is not None and s.type.dtype is DType.REAL]


def has_derivative(op: type[Operation], case: Case) -> bool:
    if issubclass(op, (Draw, Structural)) or op.name in NONE or not real_inputs(op, case):
        return False
    return graph_of(op, case, tuple(() for _ in case.inputs)).outputs[0].type.dtype is DType.REAL


CASES = [(n, i) for n, op in sorted(OPERATIONS.items()) for i, c in enumerate(op.cases) if has_derivative(op, c)]


def batched(op: type[Operation], case: Case) -> tuple[tuple[Any, ...], ...]:
    """Every input that may have one has the batch axis."""
    return tuple((BATCH,) if free else () for free in may_lead(op, case))


def scalar_of(graph: Graph) -> Value:
    """A number made of the result's elements, each with a weight of its own, not linear in them."""
    builder, (y,) = Builder(graph), graph.outputs
    weights = np.random.default_rng(3).uniform(0.5, 1.5, y.type.shape)
    scaled = builder.emit(Multiply, builder.emit(Sin, y), _constant(builder, weights))
    return builder.emit(Sum, scaled, axes=tuple(range(-y.type.rank, 0))) if y.type.rank else scaled


def _constant(builder: Builder, array: Array) -> Value:
    def nested(value: Any) -> Any:
        return tuple(map(nested, value)) if isinstance(value, list) else value

    return builder.constant(nested(array.tolist()), DType.REAL)


def code_of(graph: Graph, *outputs: Value) -> Graph:
    """A graph without derivatives that computes these outputs."""
    graph.outputs, graph.output_names = list(outputs), [f"y{i}" for i in range(len(outputs))]
    return prune(differentiate(prune(graph)))  # Without the derivatives that earlier outputs asked for.


def values(graph: Graph, feed: dict[str, Array]) -> list[Array]:
    return evaluate(graph, {n: np.asarray(a) for n, a in feed.items()}, {}, {})


def derived(graph: Graph, op: type[Structural], *inputs: Value) -> Value:
    type_ = inputs[1 if op is Gradient else 0].type
    lead = max((v.type.lead for v in inputs), key=len)
    return Builder(graph).add(op(), inputs, [type_.with_lead(lead)]).output


def tangent(graph: Graph, x: Value) -> Value:
    """A further input: a direction in which `x` moves."""
    t = Value(x.type, f"t{x.name}")
    graph.inputs.append(t)
    return t


def directions(graph: Graph, feed: dict[str, Array], places: list[int]) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {graph.inputs[i].name: rng.standard_normal(feed[graph.inputs[i].name].shape) for i in places}


def doubled(feed: dict[str, Array]) -> dict[str, Array]:
    return {n: np.asarray(a, np.float64) if a.dtype.kind == "f" else a for n, a in feed.items()}


def moved(feed: dict[str, Array], name: str, along: Array, step: float) -> dict[str, Array]:
    return {**feed, name: feed[name] + step * along}


@pytest.mark.parametrize(("name", "number"), CASES)
def test_forward_and_backward_are_what_differences_say(name: str, number: int) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    leads = batched(op, case)
    graph, feed = graph_of(op, case, leads), doubled(feed_of(case, 11, leads))
    places = real_inputs(op, case)
    along = directions(graph, feed, places)
    e, xs = scalar_of(graph), [graph.inputs[place] for place in places]
    forward = [derived(graph, Pushforward, e, x, tangent(graph, x)) for x in xs]
    backward = [derived(graph, Gradient, e, x) for x in xs]
    plain, code = code_of(graph, e), code_of(graph, *forward, *backward)
    feed |= {f"t{n}": direction for n, direction in along.items()}
    slopes = values(code, feed)
    for x, ours, back in zip(xs, slopes[: len(xs)], slopes[len(xs) :], strict=True):
        ahead, behind = (values(plain, moved(feed, x.name, along[x.name], step))[0] for step in (STEP, -STEP))
        wanted = (ahead - behind) / (2 * STEP)
        np.testing.assert_allclose(ours, wanted, rtol=2e-6, atol=1e-7, err_msg=f"forward, input {x.name}")
        axes = tuple(range(back.ndim - x.type.rank, back.ndim))
        pulled = (back * along[x.name]).sum(axes)
        np.testing.assert_allclose(pulled, wanted, rtol=2e-6, atol=1e-7, err_msg=f"backward, input {x.name}")


@pytest.mark.parametrize(("name", "number"), CASES)
def test_second_derivatives_are_what_differences_of_first_ones_say(name: str, number: int) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    leads = batched(op, case)
    graph, feed = graph_of(op, case, leads), doubled(feed_of(case, 12, leads))
    places = real_inputs(op, case)
    along = directions(graph, feed, places)
    e, xs = scalar_of(graph), [graph.inputs[place] for place in places]
    feed |= {f"t{n}": direction for n, direction in along.items()}
    for x, t in zip(xs, [tangent(graph, x) for x in xs], strict=True):
        first, forward = derived(graph, Gradient, e, x), derived(graph, Pushforward, e, x, t)
        second = derived(graph, Pushforward, first, x, t), derived(graph, Gradient, forward, x)
        code = code_of(graph, first, *second)
        ahead, behind = (values(code, moved(feed, x.name, along[x.name], step))[0] for step in (STEP, -STEP))
        wanted = (ahead - behind) / (2 * STEP)
        for ours, how in zip(values(code, feed)[1:], ("forward", "backward"), strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=SMOOTH, atol=1e-6, err_msg=f"{how}, input {x.name}")


@pytest.mark.parametrize(("name", "number"), CASES)
def test_torch_differentiates_its_lowering_to_the_same(
    name: str, number: int, agree_on_all: Callable[..., list[Array]]
) -> None:
    """numpy = torch = ONNX for the derivative's code, and torch's own derivative of the operation is the same."""
    op = OPERATIONS[name]
    case = op.cases[number]
    leads = batched(op, case)
    graph, feed = graph_of(op, case, leads), feed_of(case, 13, leads)
    e, places = scalar_of(graph), real_inputs(op, case)
    plain = code_of(graph, e)
    ours = agree_on_all(code_of(graph, *[derived(graph, Gradient, e, graph.inputs[i]) for i in places]), feed, SIZES)
    tensors = {n: torch.from_numpy(a) for n, a in feed.items()}
    compared = [place for place in places if place not in TORCH_HAS_NONE.get(name, ())]
    for place in compared:
        tensors[graph.inputs[place].name].requires_grad_(True)
    lower(plain, Weights({}))(*[tensors[v.name] for v in graph.inputs])[0].sum().backward()
    for place in compared:
        slope, theirs = ours[places.index(place)], tensors[graph.inputs[place].name].grad
        assert theirs is not None
        summed = slope.reshape(-1, *theirs.shape).sum(0) if slope.ndim > theirs.ndim else slope
        np.testing.assert_allclose(summed, theirs.numpy(), rtol=1e-3, atol=1e-4, err_msg=f"input {place}")


def test_every_operation_of_reals_has_a_derivative() -> None:
    for name, _ in CASES:
        op = OPERATIONS[name]
        assert op.derivative is not None or op.expansion is not None, name
