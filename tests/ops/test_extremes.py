"""Where a formula taken literally overflows: large arguments, ties, whole powers of negative numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import OPERATIONS, Operation
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise
from mai.compiler.ops import reductions as reduce
from mai.compiler.ops.elementwise import clip, exponential
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.losses import loss
from mai.compiler.ops.reductions import norm, places, statistics, truth
from mai.compiler.ops.reductions.prod import Prod
from mai.compiler.ops.scan import load_operations
from mai.compiler.ops.shapes import gather, indexing
from mai.runtime.arrays import Array

LARGE = np.array([-1e4, -200.0, -90.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 90.0, 200.0, 1e4], np.float32)
ROWS: list[tuple[type[Operation], list[Any], dict[str, Any]]] = [
    (elementwise.Sigmoid, [LARGE], {}),
    (elementwise.Silu, [LARGE], {}),
    (elementwise.Gelu, [LARGE], {}),
    (elementwise.Softplus, [LARGE], {}),
    (elementwise.Tanh, [LARGE], {}),
    (elementwise.Erf, [LARGE], {}),
    (elementwise.LeakyRelu, [LARGE], {}),
    (elementwise.Sign, [LARGE], {}),
    (elementwise.Floor, [np.array([-2.5, -2.0, -0.1, 0.0, 0.1, 2.5], np.float32)], {}),
    (elementwise.ToInt, [np.array([-2.7, -0.5, 0.5, 2.7], np.float32)], {}),
    (elementwise.Power, [np.array([-2.0, -1.5, 0.0, 3.0], np.float32), np.array([3.0, 2.0, 2.0, 0.0], np.float32)], {}),
    (reduce.Logsumexp, [LARGE], {}),
    (reduce.Logsumexp, [-LARGE**2], {}),
    (reduce.Softmax, [LARGE], {}),
    (reduce.LogSoftmax, [LARGE], {}),
    (reduce.Argmax, [np.array([1.0, 3.0, 3.0, 2.0], np.float32)], {}),
    (reduce.Cumprod, [np.array([-2.0, 0.0, 3.0, -1.0, 5.0], np.float32)], {}),
    (reduce.Cumprod, [np.array([2.0], np.float32)], {}),
    (loss.CrossEntropy, [LARGE, np.array(0)], {}),
    (norm.LayerNorm, [np.full(8, 300.0, np.float32)], {}),
    (norm.RmsNorm, [np.zeros(8, np.float32)], {}),
    (norm.LayerNorm, [np.linspace(0, 1e3, 8, dtype=np.float32)], {"eps": 0.0}),
]  # fmt: skip

NAN = float("nan")
GAPS = np.array([[1, NAN, 3, -2], [NAN, 5, 2, 1], [3, 1, 2, NAN], [NAN] * 4, [-1, np.inf, NAN, -np.inf]], np.float32)
OF_GAPS: list[tuple[type[Operation], tuple[float, ...], dict[str, Any], Callable[[Array], Array]]] = [
    (reduce.Max, (), {}, lambda x: x.max(-1)),
    (reduce.Min, (), {"axes": (-2,)}, lambda x: x.min(-2)),
    (reduce.Argmax, (), {}, lambda x: x.argmax(-1)),
    (places.Argmin, (), {}, lambda x: x.argmin(-1)),
    (indexing.Argsort, (), {}, lambda x: x.argsort(-1, kind="stable")),
    (gather.TopPlaces, (), {"count": 3}, lambda x: np.array([[1, 2, 0], [0, 1, 2], [3, 0, 2], [0, 1, 2], [2, 1, 0]])),
    (elementwise.Sign, (), {}, np.sign),
    (exponential.Log1p, (), {}, np.log1p),
    (elementwise.Maximum, (0.0,), {}, lambda x: np.maximum(x, 0)),
    (clip.Clip, (-1.0, 2.0), {}, lambda x: np.clip(x, -1, 2)),
]  # fmt: skip


def _row(op: type[Operation], inputs: tuple[object, ...]) -> tuple[type[Operation], list[Any], dict[str, Any]]:
    arrays = [np.asarray(x) for x in inputs]
    return op, [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays], {}


load_operations()
ROWS += [_row(op, inputs) for op in OPERATIONS.values() for inputs in op.extremes]


@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero)")
@pytest.mark.parametrize(("op", "others", "attributes", "wanted"), OF_GAPS, ids=[row[0].name for row in OF_GAPS])
def test_no_number_is_passed_over(
    op: type[Operation],
    others: tuple[float, ...],
    attributes: dict[str, Any],
    wanted: Callable[[Array], Array],
    agree: Callable[..., Array],
) -> None:
    x = Value(Type(DType.REAL, GAPS.shape), "x")
    graph = Graph(name="case", inputs=[x], output_names=["y"])
    builder = Builder(graph)
    graph.outputs = [builder.emit(op, x, *map(builder.constant, others), **attributes)]
    np.testing.assert_allclose(agree(graph, {"x": GAPS}, {}), wanted(GAPS), 1e-6)


@pytest.mark.parametrize("op", [reduce.Sum, Prod, statistics.Norm, truth.AnyOf, truth.AllOf], ids=lambda op: op.name)
def test_of_none_there_is_what_changes_nothing(op: type[Operation], agree: Callable[..., Array]) -> None:
    x = Value(Type(DType.BOOL if issubclass(op, truth.OfTruth) else DType.REAL, (3, 0)), "x")
    graph = Graph(name="case", inputs=[x], output_names=["y"])
    graph.outputs = [Builder(graph).emit(op, x, axes=(-1,))]
    neutral = op in (Prod, truth.AllOf)
    none = np.zeros((3, 0), bool if x.type.dtype is DType.BOOL else np.float32)
    np.testing.assert_array_equal(agree(graph, {"x": none}, {}), [neutral] * 3)


@pytest.mark.parametrize(("op", "arrays", "attributes"), ROWS, ids=[f"{i}-{r[0].name}" for i, r in enumerate(ROWS)])
def test_extremes(
    op: type[Operation], arrays: list[Array], attributes: dict[str, Any], agree: Callable[..., Array]
) -> None:
    graph = Graph(name="case")
    for place, array in enumerate(arrays):
        dtype = DType.INT if array.dtype.kind == "i" else DType.REAL
        graph.inputs.append(Value(Type(dtype, array.shape), f"x{place}"))
    graph.outputs = [Builder(graph).emit(op, *graph.inputs, **attributes)]
    graph.output_names = ["y"]
    result = agree(graph, {f"x{place}": array for place, array in enumerate(arrays)}, {})
    assert np.isfinite(result).all()


OF_REALS = [
    op
    for op in OPERATIONS.values()
    if issubclass(op, Elementwise)
    and all(s is not None and s.kind not in ("int", "natural", "bool") for s in op.cases[0].inputs)
]


@pytest.mark.parametrize("op", OF_REALS, ids=lambda op: op.name)
def test_an_operand_that_may_give_no_number_says_where_it_gives_one(op: type[Operation]) -> None:
    """There an operation is computed, and differentiated, whose result `where` does not take."""
    count = len(op.cases[0].inputs)
    attributes = {**op.attributes, **op.cases[0].attributes}

    def is_finite(operand: int, number: float) -> bool:
        inputs = [np.float32(number if place == operand else 0.5) for place in range(count)]
        with np.errstate(all="ignore"):
            return bool(np.isfinite(op.reference(np, *inputs, **attributes)).all())

    numbers = {operand: number for operand, number in op.steep.items() if isinstance(number, float)}
    unsafe = {place for place in range(count) if not all(is_finite(place, number) for number in (-2, 0, 2, 200))}
    assert unsafe <= numbers.keys() <= {*range(count)}
    assert all(is_finite(operand, number) for operand, number in numbers.items())
