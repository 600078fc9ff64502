"""Sizes that are known only at run time: the same graph at two sizes, in all three backends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Setting, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Dim, Size, symbol, symbols
from mai.compiler.ir.sizes import evaluate as size_of
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise
from mai.compiler.ops import reductions as reduce
from mai.compiler.ops.fourier.real import RealInverse
from mai.compiler.ops.linear.spectra import OrthogonalFactor
from mai.compiler.ops.losses import loss
from mai.compiler.ops.products import attention, attention_rows, convolution, pooling, product, rotary, upsampling
from mai.compiler.ops.random import random_numbers as random
from mai.compiler.ops.reductions import norm, statistics
from mai.compiler.ops.reductions.places import Argmin
from mai.compiler.ops.reductions.prod import Prod
from mai.compiler.ops.shapes import gather, indexing, shape
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.one_hot import OneHot
from mai.compiler.ops.shapes.tile import Tile
from mai.runtime.arrays import Array

P, H, W, N = symbol("P"), symbol("H"), symbol("W"), symbol("n")
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
ROW = Axis("m1", symbol("R"), 1)
AT_RUN_TIME = [
    {"batch": 3, "R": 2, "P": 5, "H": 6, "W": 4, "n": 4},
    {"batch": 1, "R": 3, "P": 2, "H": 4, "W": 8, "n": 7},
]
SCALAR = Type(DType.INT)


@dataclass(frozen=True)
class Row:
    """An operation on symbolic shapes; `fixed` are inputs that never have lead axes."""

    op: type[Operation]
    inputs: tuple[Type, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    fixed: tuple[int, ...] = ()


def r(*sizes: Size) -> Type:
    return Type(DType.REAL, sizes)


def i(*sizes: Size) -> Type:
    return Type(DType.INT, sizes)


ROWS = [
    Row(elementwise.Add, (r(P, 3), r(3))),
    Row(reduce.Mean, (r(P, 3),), {"axes": (-2,)}),
    Row(reduce.Cumsum, (r(P, 3),), {"axis": -2}),
    Row(reduce.Cumprod, (r(P, 3),), {"axis": -1}),
    Row(reduce.Cumprod, (r(P, 3),), {"axis": -2}),
    Row(RealInverse, (r(P, 3), r(P, 3)), {"n": 4, "axis": -2}),
    Row(RealInverse, (r(H), r(H)), {"n": N}),
    Row(reduce.Argmax, (r(P),)),
    Row(Prod, (r(P, 3),), {"axes": (-2,)}),
    Row(statistics.Var, (r(P, 3),), {"axes": (-2, -1)}),
    Row(statistics.Std, (r(P, 3),), {"axes": (-2,), "keep": True}),
    Row(statistics.Norm, (r(P, 3),), {"axes": (-2,)}),
    Row(Argmin, (r(P),)),
    Row(Flip, (r(P, 3),), {"axis": -2}),
    Row(Tile, (r(P, 3),), {"counts": (2, 1)}),
    Row(gather.Gather, (r(10, H), i(P, H)), {"axis": -2}),
    Row(gather.TopPlaces, (r(P, 3),), {"axis": -2, "count": 2}),
    Row(OneHot, (i(P),), {"count": N}),
    Row(product.Affine, (r(P, 4), r(3, 4), r(3)), fixed=(1, 2)),
    Row(product.Affine, (r(H, W, 4), r(3, 4)), fixed=(1,)),
    Row(product.Matmul, (r(P, 4), r(4, P))),
    Row(product.Einsum, (r(P, 4), r(H, 4)), {"equation": "ab,cb->ac"}),
    Row(convolution.Conv, (r(2, H, W), r(3, 2, 3, 3), r(3)), {"padding": ((1, 1), (1, 1))}, (1, 2)),
    Row(convolution.Conv, (r(2, H, W), r(3, 2, 3, 3)), {"stride": (2, 2), "padding": ((1, 1), (1, 1))}, (1,)),
    Row(upsampling.Upsample, (r(2, H, W),)),
    Row(upsampling.Upsample, (r(2, H, W),), {"factor": (3, 2), "linear": True}),
    Row(pooling.MaxPool, (r(2, H, W),)),
    Row(pooling.AvgPool, (r(2, H, W),)),
    Row(norm.LayerNorm, (r(P, 4), r(4), r(4)), fixed=(1, 2)),
    Row(norm.RmsNorm, (r(P, 4), r(4)), fixed=(1,)),
    Row(norm.GroupNorm, (r(4, H, W), r(4), r(4)), {"groups": 2}, (1, 2)),
    Row(norm.BatchNorm, (r(4, H, W), r(4), r(4), r(4), r(4)), {"rank": 3}, (1, 2, 3, 4)),
    Row(attention.Attention, (r(P, 8), r(P, 4), r(P, 4)), {"heads": 4, "kv_heads": 2, "causal": True}),
    Row(attention.Attention, (r(P, 8), r(N, 8), r(N, 8)), {"heads": 2, "kv_heads": 2}),
    Row(rotary.Rotary, (r(P, 8), r(P, 2), r(P, 2)), {"heads": 2}),
    Row(shape.Reshape, (r(P, 6),), {"shape": (P, 2, 3)}),
    Row(shape.Reshape, (r(H, W, 2),), {"shape": (H * W, 2)}),
    Row(shape.Transpose, (r(P, H, 3),), {"perm": (-1, -3, -2)}),
    Row(shape.Concat, (r(P, 3), r(2, 3)), {"axis": -2}),
    Row(shape.Stack, (r(P), r(P)), {"axis": -2}),
    Row(shape.Expand, (r(4),), {"shape": (P, 4)}),
    Row(shape.Expand, (r(),), {"shape": (N,)}),
    Row(indexing.Slice, (r(P, 3),), {"axis": -2, "start": 1}),
    Row(indexing.Slice, (r(P, 3),), {"axis": -2, "start": P - 2}),
    Row(indexing.Slice, (r(P, 3),), {"axis": -2, "stop": -1}),
    Row(indexing.Pick, (r(P, 3),), {"axis": -2, "index": -1}),
    Row(indexing.Take, (r(10, 3), i(P)), {"axis": -2, "rank": 2, "index_rank": 1}),
    Row(indexing.Take, (r(3, 10), i(P)), {"axis": -1, "rank": 2, "index_rank": 1}),
    Row(indexing.Take, (r(P, 10, H), i(W)), {"axis": -2, "rank": 3, "index_rank": 1}),
    Row(indexing.Argsort, (r(P, H),), {"axis": -2}),
    Row(indexing.Iota, (), {"count": N}),
    Row(indexing.Iota, (), {"count": 2 * P + 1}),
    Row(loss.CrossEntropy, (r(P, 10), i(P))),
    Row(random.RandomHalves, (SCALAR, SCALAR, SCALAR), {"place": 3, "shape": (P, 3)}),
    Row(random.RandomNormal, (SCALAR, SCALAR, SCALAR), {"place": 3, "shape": (N,)}),
    Row(random.RandomUniform, (SCALAR, SCALAR, SCALAR), {"place": 3, "shape": (4, N)}),
    Row(OrthogonalFactor, (r(H, 3),)),
]  # fmt: skip


def free_symbols(row: Row) -> set[str]:
    attributes = [s for a in row.attributes.values() for s in (a if isinstance(a, tuple) else (a,))]
    sizes = [*(s for t in row.inputs for s in t.shape), *(s for s in attributes if isinstance(s, Dim))]
    return {name for size in sizes for name in symbols(size)}


def graph_of(row: Row, lead: tuple[Axis, ...]) -> Graph:
    """One operation; `n` is a setting, every other size is read off an axis of an input."""
    graph = Graph(name="case")
    for place, type in enumerate(row.inputs):
        graph.inputs.append(Value(type.with_lead(() if place in row.fixed else lead), f"x{place}"))
    own = list(graph.inputs)
    for name in sorted((free_symbols(row) | {s for a in lead for s in symbols(a.size)}) - {"n"}):
        graph.inputs.append(Value(r(symbol(name)), f"axis_{name}"))
        graph.sizes[name] = (graph.inputs[-1], 0)
    if "n" in free_symbols(row):
        count = Value(i(), "n")
        graph.settings["n"], graph.sizes["n"] = Setting(count, 4), count
    graph.outputs = [Builder(graph).emit(row.op, *own, **row.attributes)]
    graph.output_names = ["y"]
    return graph


def draw(value: Value, sizes: dict[str, int], rng: np.random.Generator) -> Array:
    shape = tuple(int(size_of(s, sizes)) for s in value.type.physical)
    if value.type.dtype is DType.INT:
        return np.asarray(rng.integers(0, 10, shape))
    return np.asarray(rng.uniform(0.5, 2.0, shape), np.float32)


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}-{row.op.name}" for i, row in enumerate(ROWS)])
@pytest.mark.parametrize("lead", [(), (BATCH,), (BATCH, ROW)], ids=["none", "batch", "both"])
def test_symbolic_sizes(
    row: Row, lead: tuple[Axis, ...], agree: Callable[..., Array], engines_of: Callable[[Graph], dict[str, Any]]
) -> None:
    graph = graph_of(row, lead)
    rng = np.random.default_rng(5)
    engines = engines_of(graph)
    for sizes in AT_RUN_TIME:
        feed = {v.name: draw(v, sizes, rng) for v in graph.inputs}
        agree(graph, feed, sizes, settings={"n": sizes["n"]} if "n" in graph.settings else {}, engines=engines)


@pytest.mark.parametrize("number", [n for n, row in enumerate(ROWS) if row.op is attention.Attention])
def test_rows_of_attention_in_blocks(number: int, monkeypatch: pytest.MonkeyPatch, agree: Callable[..., Array]) -> None:
    """Five rows, two at a time: the last block repeats one of the block before."""
    monkeypatch.setattr(attention_rows, "FEW", 2)
    monkeypatch.setattr(attention_rows, "ROWS", 2)
    graph, sizes, rng = graph_of(ROWS[number], (BATCH,)), AT_RUN_TIME[0], np.random.default_rng(5)
    feed = {v.name: draw(v, sizes, rng) for v in graph.inputs}
    agree(graph, feed, sizes, settings={"n": sizes["n"]} if "n" in graph.settings else {})
