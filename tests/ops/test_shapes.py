"""What each shape rule refuses, and at which operand it points; and the shapes that it works out."""

from __future__ import annotations

from typing import Any

import pytest

from mai.compiler.ir.operation import Operation, ShapeError, broadcast, describe, typed
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise
from mai.compiler.ops import reductions as reduce
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.losses import loss
from mai.compiler.ops.products import attention, convolution, pooling, product, rotary, upsampling
from mai.compiler.ops.random import random_numbers as random
from mai.compiler.ops.reductions import norm
from mai.compiler.ops.shapes import indexing, shape

P, H, K = symbol("P"), symbol("H"), symbol("k")
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)


def r(*sizes: Size) -> Type:
    return Type(DType.REAL, sizes)


def i(*sizes: Size) -> Type:
    return Type(DType.INT, sizes)


def rule(op: type[Operation], types: list[Type], attributes: dict[str, Any]) -> Type:
    type_: Type = typed(op, types, {**op.attributes, **attributes})
    return type_


HEADS = {"heads": 2, "kv_heads": 2}
REFUSED: list[tuple[type[Operation], list[Type], dict[str, Any], str, int | None, str]] = [
    (elementwise.Add, [r(3), r(4)], {}, "shape-mismatch", 1, "[3] and [4]"),
    (elementwise.Add, [r(P), r(4)], {}, "shape-mismatch", 1, "[P] and [4]"),
    (logic.Where, [Type(DType.BOOL, (2,)), r(2), r(2, 3)], {}, "shape-mismatch", 2, "[2] and [2, 3]"),
    (reduce.Sum, [r(3, 4)], {"axes": (-1, -1)}, "axis-out-of-range", None, "twice"),
    (product.Affine, [r(4), r(3, 5)], {}, "shape-mismatch", 0, "[3, 5] with [4]"),
    (product.Affine, [r(), r(3, 5)], {}, "shape-mismatch", 0, "[]"),
    (product.Affine, [r(4), r(4)], {}, "rank-mismatch", 1, "[n, d]"),
    (product.Affine, [r(4), r(3, 4), r(4)], {}, "shape-mismatch", 2, "[3]"),
    (product.Affine, [r(4), r(3, 4).with_lead((BATCH,))], {}, "shape-mismatch", 1, "all examples"),
    (product.Matmul, [r(2, 3), r(4, 5)], {}, "shape-mismatch", 1, "[4, 5]"),
    (product.Matmul, [r(3), r(3, 5)], {}, "rank-mismatch", 0, "[3]"),
    (product.Matmul, [r(2, 3, 4), r(3, 4, 5)], {}, "shape-mismatch", 1, "[3, 4, 5]"),
    (product.Einsum, [r(3, 4), r(5, 3)], {"equation": "ab,bc->ac"}, "dimension-mismatch", 2, "4 in one tensor and 5"),
    (convolution.Conv, [r(4, 4), r(2, 4, 3, 3)], {}, "rank-mismatch", 0, "[k, H, W]"),
    (convolution.Conv, [r(3, 8, 8), r(2, 4, 3, 3)], {}, "shape-mismatch", 0, "takes 4 channels"),
    (convolution.Conv, [r(3, 8, 8), r(2, 3)], {}, "shape-mismatch", 1, "[o, k, *size]"),
    (convolution.Conv, [r(3, 8, 8), r(2, 2, 3, 3)], {"groups": 2}, "shape-mismatch", 0, "3 channels are not 2 equal groups"),
    (convolution.Conv, [r(3, 2, 8), r(2, 3, 3, 3)], {}, "shape-mismatch", 0, "an axis of 2"),
    (convolution.Conv, [r(3, 8, 8), r(2, 3, 3, 3), r(3)], {}, "shape-mismatch", 2, "[2]"),
    (convolution.Conv, [r(3, 8, 8), r(2, 3, 3, 3)], {"stride": (1, 0)}, "bad-setting", None, "at least 1"),
    (convolution.Conv, [r(3, 8, 8), r(2, 3, 3, 3)], {"padding": ((0, 0), (-1, 0))}, "bad-setting", None, "at least 0"),
    (upsampling.Upsample, [r(3, 8, 8)], {"factor": (2, 0)}, "bad-setting", None, "at least once"),
    (pooling.MaxPool, [r(3, 1, 8)], {}, "shape-mismatch", 0, "`max_pool`"),
    (pooling.AvgPool, [r(8, 8)], {"size": (2,), "stride": (2,), "padding": ((2, 0),)}, "bad-setting", None, "see nothing"),
    (pooling.AvgPool, [r(8)], {}, "rank-mismatch", 0, "[8]"),
    (norm.LayerNorm, [r()], {}, "rank-mismatch", 0, "scalar"),
    (norm.LayerNorm, [r(3, 4), r(3)], {}, "shape-mismatch", 1, "[4]"),
    (norm.LayerNorm, [r(3, 4), r(4), r(3)], {}, "shape-mismatch", 2, "[4]"),
    (norm.LayerNorm, [r(P)], {}, "dimension-unknown", 0, "last axis"),
    (norm.RmsNorm, [r(3, 4), r(3)], {}, "shape-mismatch", 1, "[4]"),
    (norm.GroupNorm, [r(6, 4, 4), r(6), r(6)], {"groups": 4}, "shape-mismatch", 0, "6 channels"),
    (norm.GroupNorm, [r(8, 4), r(8), r(8)], {}, "rank-mismatch", 0, "[k, H, W]"),
    (norm.GroupNorm, [r(8, 4, 4), r(4), r(8)], {}, "shape-mismatch", 1, "[8]"),
    (norm.BatchNorm, [r(8, 4), *[r(8)] * 4], {"rank": 2}, "rank-mismatch", 0, "[k]"),
    (norm.BatchNorm, [r(8), r(8), r(8), r(7), r(8)], {"rank": 1}, "shape-mismatch", 3, "[7]"),
    (attention.Attention, [r(5, 6), r(5, 6), r(5, 6)], {"heads": 4}, "shape-mismatch", 0, "width of 6"),
    (attention.Attention, [r(6), r(5, 6), r(5, 6)], HEADS, "rank-mismatch", 0, "[P, d]"),
    (attention.Attention, [r(5, 6), r(5, 6), r(4, 6)], HEADS, "shape-mismatch", 2, "values [4, 6]"),
    (attention.Attention, [r(5, 6), r(5, 8), r(5, 8)], HEADS, "shape-mismatch", 1, "[5, 8]"),
    (attention.Attention, [r(5, 6), r(5, 4), r(5, 4)], {"heads": 3, "kv_heads": 2}, "shape-mismatch", 1, "evenly"),
    (attention.Attention, [r(5, K), r(5, K), r(5, K)], HEADS, "shape-mismatch", 0, "width of k"),
    (rotary.Rotary, [r(5, 6), r(5, 1), r(5, 1)], {"heads": 2}, "shape-mismatch", 0, "even width"),
    (rotary.Rotary, [r(5, 8), r(5, 2), r(4, 2)], {"heads": 2}, "shape-mismatch", 2, "the angles of"),
    (shape.Reshape, [r(3, 4)], {"shape": (5, 2)}, "shape-mismatch", 0, "[5, 2]"),
    (shape.Reshape, [r(P, 4)], {"shape": (H, 4)}, "shape-mismatch", 0, "[H, 4]"),
    (shape.Concat, [r(3, 4), r(4)], {}, "rank-mismatch", 1, "number of axes"),
    (shape.Concat, [r(3, 4), r(2, 4)], {}, "shape-mismatch", 1, "axis -1"),
    (shape.Stack, [r(3), r(4)], {}, "shape-mismatch", 1, "[3] and [4]"),
    (shape.Expand, [r(3)], {"shape": (4,)}, "shape-mismatch", 0, "[4]"),
    (indexing.Slice, [r(4)], {"start": 5}, "index-out-of-range", 0, "empty"),
    (indexing.Slice, [r(P)], {"start": P}, "index-out-of-range", 0, "empty"),
    (indexing.Slice, [r(4)], {"step": 0}, "index-out-of-range", 0, "forward"),
    (indexing.Slice, [r(4)], {"step": P}, "static-needed", 0, "step"),
    (loss.CrossEntropy, [r(), i()], {}, "shape-mismatch", 1, "[]"),
    (loss.CrossEntropy, [r(3, 4), i(4)], {}, "shape-mismatch", 1, "[3]"),
    (random.RandomNormal, [i(), r(), i()], {"shape": ()}, "dtype-mismatch", 1, "whole numbers"),
    (random.RandomHalves, [i(), i(), i(3)], {"shape": ()}, "dtype-mismatch", 2, "[3]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "types", "attributes", "slug", "operand", "part"),
    REFUSED,
    ids=[f"{n}-{r[0].name}" for n, r in enumerate(REFUSED)],
)
def test_refused(
    op: type[Operation], types: list[Type], attributes: dict[str, Any], slug: str, operand: int | None, part: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        rule(op, types, attributes)
    assert (caught.value.slug, caught.value.operand) == (slug, operand)
    assert part in caught.value.message


WORKED_OUT: list[tuple[type[Operation], list[Type], dict[str, Any], tuple[Size, ...]]] = [
    (elementwise.Add, [r(P, 1), r(4)], {}, (P, 4)),
    (logic.Less, [r(P), r(P)], {}, (P,)),
    (reduce.Mean, [r(P, 3)], {"axes": (-2,)}, (3,)),
    (reduce.Max, [r(P, 3)], {"axes": (-2,), "keep": True}, (1, 3)),
    (reduce.Argmax, [r(P, 3)], {"axis": -2}, (3,)),
    (product.Matmul, [r(P, 4), r(2, 4, H)], {}, (2, P, H)),
    (product.Einsum, [r(P, 4), r(H, 4)], {"equation": "ab,cb->ca"}, (H, P)),
    (convolution.Conv, [r(2, H, 9), r(3, 2, 3, 3)], {"stride": (2, 2), "padding": ((1, 1), (1, 1))}, (3, (H - 1) // 2 + 1, 5)),
    (convolution.Conv, [r(2, H, H), r(3, 2, 3, 3)], {"padding": ((1, 1), (1, 1))}, (3, H, H)),
    (upsampling.Upsample, [r(2, H, 3)], {"factor": (3, 3)}, (2, 3 * H, 9)),
    (pooling.MaxPool, [r(2, 2 * H, 8)], {}, (2, H, 4)),
    (attention.Attention, [r(P, 8), r(H, 4), r(H, 4)], {"heads": 4, "kv_heads": 2}, (P, 8)),
    (shape.Reshape, [r(P, 6)], {"shape": (3 * P, 2)}, (3 * P, 2)),
    (shape.Transpose, [r(2, P, 4)], {"perm": (-1, -3, -2)}, (4, 2, P)),
    (shape.Concat, [r(P, 3), r(2, 3)], {"axis": -2}, (P + 2, 3)),
    (shape.Stack, [r(P), r(P)], {"axis": -2}, (2, P)),
    (indexing.Slice, [r(P)], {"start": 1, "stop": -1}, (P - 2,)),
    (indexing.Slice, [r(P)], {"start": P - 3}, (3,)),
    (indexing.Slice, [r(P)], {"start": -2}, (2,)),
    (indexing.Slice, [r(P)], {"start": -P}, (P,)),
    (indexing.Slice, [r(7)], {"start": 1, "stop": 100, "step": 2}, (3,)),
    (indexing.Pick, [r(P, 3)], {"axis": -2, "index": 0}, (3,)),
    (indexing.Take, [r(3, 10, H), i(P, 2)], {"axis": -2, "rank": 3, "index_rank": 2}, (3, P, 2, H)),
    (shape.Unsqueeze, [r(P)], {"axes": (-1, -3)}, (1, P, 1)),
    (shape.Squeeze, [r(1, P, 1)], {"axes": (-1,)}, (1, P)),
    (indexing.Iota, [], {"count": P}, (P,)),
    (random.RandomUniform, [i(), i(), i()], {"shape": (P, 2)}, (P, 2)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "types", "attributes", "shape"), WORKED_OUT, ids=[f"{n}-{r[0].name}" for n, r in enumerate(WORKED_OUT)]
)
def test_worked_out(
    op: type[Operation], types: list[Type], attributes: dict[str, Any], shape: tuple[Size, ...]
) -> None:
    assert rule(op, types, attributes).shape == shape


def test_dtypes_and_classes() -> None:
    assert rule(elementwise.Add, [i(3), i(3)], {}).dtype is DType.INT
    assert rule(elementwise.ToReal, [i(3)], {}).dtype is DType.REAL
    assert rule(logic.Equal, [r(3), r(3)], {}).dtype is DType.BOOL
    assert rule(logic.Where, [Type(DType.BOOL), i(3), i(3)], {}).dtype is DType.INT
    assert rule(reduce.Argmax, [r(5)], {}) == Type(DType.INT, (), classes=5)
    assert rule(indexing.Iota, [], {"count": 7}) == Type(DType.INT, (7,), classes=7)
    table = Type(DType.INT, (10,), classes=3)
    assert rule(indexing.Take, [table, i()], {"axis": -1}).classes == 3


def test_broadcast_and_describe() -> None:
    assert broadcast((P, 1), (3,)) == (P, 3)
    assert broadcast((P,), (H,)) is None
    assert broadcast((), (2,)) == (2,)
    assert describe((P, 64)) == "[P, 64]"
    assert describe(()) == "[]"
