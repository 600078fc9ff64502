"""Attention with a window or a cap in blocks of rows, on torch, is that of all rows at once, and so are its derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mai.compiler.ops.products.attention import Attention
from mai.compiler.torch.calls import attention_call

FORMS = [
    {"causal": True, "softcap": 2.0},
    {"causal": False, "softcap": 0.5},
    {"causal": True, "window": 5, "sinks": 2},
    {"causal": True, "window": 1},
    {"causal": False, "window": 3, "sinks": 6},
    {"causal": True, "window": 9, "sinks": 1, "softcap": 3.0},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (13, 13), (8, 3), (3, 9)])
def test_blocks_are_all_rows(monkeypatch: pytest.MonkeyPatch, form: dict[str, Any], rows: int, columns: int) -> None:
    if "window" in form and rows != columns:
        pytest.skip("a window is of one text")
    monkeypatch.setattr(attention_call, "FEW", 0)
    monkeypatch.setattr(attention_call, "ROWS", 4)
    torch.manual_seed(rows)
    options = {"heads": 4, "kv_heads": 2, "window": 0, "sinks": 0, "softcap": 0.0, **form}
    sizes = ((2, rows, 8), (2, columns, 4), (1, columns, 4))
    tensors = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    weight = torch.randn(2, rows, 8, dtype=torch.float64)
    wanted, in_blocks = Attention.torch(torch, *tensors, **options), attention_call.attention(*tensors, **options)
    torch.testing.assert_close(in_blocks, wanted)
    pairs = (torch.autograd.grad((y * weight).sum(), tensors) for y in (wanted, in_blocks))
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other)
