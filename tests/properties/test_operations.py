"""Every operation: value and derivative at free sizes, at zeros, ties and extremes: numpy = torch = ONNX, and what differences say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.operation import OPERATIONS
from mai.compiler.ir.sizes import evaluate as size_of
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array
from tests.support.cases.free_cases import (
    BOUND,
    CASES,
    POINTS,
    Feed,
    FreeCase,
    differentiable,
    feed_of,
    free_case,
    free_case_of,
    graph_of,
    graph_of_second,
)

STEP = 1e-6
STEPS = {"floor_divide", "modulo"}  # They jump many times within a step where numbers are large.


class Engines:
    """A graph ready to be run: by numpy in double precision, by torch and by ONNX Runtime in single precision."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.module = lower(graph, Weights({}))
        raw = ir.serde.serialize_model(build(graph, {}, CompileOptions())).SerializeToString()
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        self.session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])

    def numpy(self, feed: Feed) -> list[Array]:
        with np.errstate(all="ignore"):
            return evaluate(self.graph, feed, {}, {})

    def others(self, feed: Feed) -> Iterator[tuple[str, list[Array]]]:
        with torch.no_grad():
            results = self.module(*[torch.from_numpy(feed[v.name]) for v in self.graph.inputs])
        yield "torch", [r.numpy() for r in results]
        names = {i.name for i in self.session.get_inputs()}
        yield "onnx", self.session.run(None, {n: a for n, a in feed.items() if n in names})


def in_domain(plain: Graph, feed: Feed, sizes: dict[str, int]) -> bool:
    """Whether numpy takes these sizes, and gives those that the type says: `x[5]` of three rows is refused by the runtime."""
    shapes = [tuple(int(size_of(s, sizes)) for s in v.type.physical) for v in plain.outputs]
    try:
        return [r.shape for r in evaluate(plain, feed, {}, {})] == shapes
    except (IndexError, ValueError):
        return False


def compare(
    free: FreeCase, engines: Engines, feed: Feed, wanted: list[Array], where: str, roundings: float = 2e-6
) -> None:
    """What cancels is as wrong as a rounding of the largest number, or of a product of two where several elements meet."""
    largest = max((float(np.abs(a).max(initial=0.0)) for a in feed.values() if a.dtype.kind == "f"), default=0.0)
    product = largest if issubclass(free.op, Elementwise) else max(largest, largest**2)
    for name, results in engines.others(feed):
        for place, (ours, expected) in enumerate(zip(results, wanted, strict=True)):
            assert ours.shape == expected.shape, f"{name}, output {place}, {where}"
            with np.errstate(all="ignore"):
                rounded = expected.astype(ours.dtype)
            if ours.dtype.kind != "f":
                np.testing.assert_array_equal(ours, rounded, err_msg=f"{name}, output {place}, {where}")
                continue
            scale = max(product, float(np.abs(rounded[np.isfinite(rounded)]).max(initial=0.0)))
            place_of = f"{name}, output {place}, {where}"
            np.testing.assert_allclose(ours, rounded, rtol=1e-4, atol=roundings * scale, err_msg=place_of)


def check_differences(engines: Engines, free: FreeCase, feed: Feed, results: list[Array], where: str) -> None:
    """Where slopes to both sides exist, a derivative lies between them; and the gradient is made of the derivatives."""
    y, derivatives = results[0], results[1:]
    for number, place in enumerate(free.real_places):
        forward, gradient = derivatives[2 * number : 2 * number + 2]
        with np.errstate(all="ignore"):
            sides = [
                np.stack([(engines.numpy(moved(feed, place, s))[0] - y) / s for s in (step, -step)])
                for step in (STEP, STEP / 4)
            ]
            apart = np.abs(sides[0] - sides[1])
        exists = (apart <= 0.1 * np.abs(sides[1]) + 1e-6 * np.maximum(np.abs(y), 1.0)).all(0)
        slack = 1e-4 * np.abs(sides[0]).max(0) + 2 * apart.max(0) + 1e-8 * np.maximum(np.abs(y), 1.0)
        low, high = sides[0].min(0) - slack, sides[0].max(0) + slack
        wrong = exists & ~((low <= forward) & (forward <= high))
        assert not wrong.any(), (
            f"input {place}, {where}: {forward[wrong][:3]} not in {low[wrong][:3]}, {high[wrong][:3]}"
        )
        _check_transposed(engines, feed, place, forward, gradient, where)


def _check_transposed(
    engines: Engines, feed: Feed, place: int, forward: Array, gradient: Array, where: str
) -> None:  # fmt: skip
    """sum(w J t) is sum(t J^T w)."""
    if not np.isfinite(forward).all():
        return
    x, y = engines.graph.inputs[place].type, engines.graph.outputs[0].type
    ours = (feed["w"] * forward).sum(tuple(range(-y.rank, 0)))
    theirs = (gradient * feed[f"t{place}"]).sum(tuple(range(-x.rank, 0)))
    scale = np.abs(feed["w"] * forward).max(initial=1.0)
    np.testing.assert_allclose(theirs, ours, rtol=1e-8, atol=1e-10 * scale, err_msg=f"input {place}, {where}")


def in_double(feed: Feed) -> Feed:
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in feed.items()}


def moved(feed: Feed, place: int, step: float) -> Feed:
    """An input, some steps along its direction."""
    return {**feed, f"x{place}": feed[f"x{place}"] + step * feed[f"t{place}"]}


def check(free: FreeCase, plain: Graph, engines: Engines, sizes: dict[str, int], point: str) -> bool:
    """Whether the sizes are ones that the operation takes; if so, everything is compared there."""
    if any(int(size_of(s, sizes)) < 0 for v in engines.graph.inputs for s in v.type.physical):
        return False
    feed = feed_of(free, engines.graph, sizes, point, seed=len(sizes) + sum(sizes.values()))
    where = f"{point}, {sizes}"
    doubled = in_double(feed)
    with np.errstate(all="ignore"):
        if not in_domain(plain, doubled, sizes):
            return False
    results = engines.numpy(doubled)
    shapes = [tuple(int(size_of(s, sizes)) for s in v.type.physical) for v in engines.graph.outputs]
    assert [r.shape for r in results] == shapes, where
    compare(free, engines, feed, results, where)
    if len(results) > 1 and not (point == "extremes" and free.op.name in STEPS):
        check_differences(engines, free, doubled, results, where)
    return True


def check_all(name: str, number: int, *, thorough: bool) -> None:
    op = OPERATIONS[name]
    free = free_case(op, op.cases[number])
    plain, engines = graph_of(free, derivatives=False), Engines(graph_of(free, derivatives=True))
    assignments = list(free.assignments())
    some = assignments if thorough else assignments[:2]
    taken = [check(free, plain, engines, sizes, "drawn") for sizes in some]
    assert taken[0] and (len(taken) < 3 or sum(taken) > 1)
    for point in POINTS:
        for sizes in assignments[: 3 if thorough else 1]:
            check(free, plain, engines, sizes, point)


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_value_and_derivative(name: str) -> None:
    check_all(name, 0, thorough=False)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), CASES)
def test_value_and_derivative_of_every_case_at_every_size(name: str, number: int) -> None:
    check_all(name, number, thorough=True)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), [(n, i) for n, i in CASES if differentiable(free_case_of(n, i))])
def test_second_derivative(name: str, number: int) -> None:
    """The derivative along t of the gradient of sum(w sin(y)): numpy = torch = ONNX, and what central differences say."""
    free = free_case_of(name, number)
    plain, engines = graph_of(free, derivatives=False), Engines(graph_of_second(free))
    for sizes in free.assignments():
        if any(int(size_of(s, sizes)) < 0 for v in engines.graph.inputs for s in v.type.physical):
            continue
        feed = feed_of(free, engines.graph, sizes, "drawn", seed=sum(sizes.values()))
        if not in_domain(plain, in_double(feed), sizes):
            continue
        results = engines.numpy(in_double(feed))
        compare(free, engines, feed, results, f"{sizes}", roundings=2e-5)
        for turn, place in enumerate(free.real_places):
            ahead, behind = (engines.numpy(moved(in_double(feed), place, step))[2 * turn] for step in (STEP, -STEP))
            wanted = (ahead - behind) / (2 * STEP)
            scale = float(np.abs(wanted).max(initial=1.0))
            np.testing.assert_allclose(
                results[2 * turn + 1], wanted, rtol=1e-5, atol=1e-7 * scale, err_msg=f"input {place}, {sizes}"
            )


def test_every_operation_is_tried_at_free_sizes() -> None:
    numbers = {name: sum(1 for n, _ in CASES if n == name) for name, _ in CASES}
    fixed = {name for name, count in numbers.items() if not any(free_case_of(name, i).own for i in range(count))}
    assert fixed == set(BOUND)
