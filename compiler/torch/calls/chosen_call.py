"""Products with chosen matrices as one call of generated code."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from mai.compiler.ir.operation import Operation
from mai.compiler.ops.products.chosen import ChosenAffine


@fx.wrap
def chosen_affine(x: Tensor, which: Tensor, *parts: Tensor, count: int, rank: int) -> Tensor:
    """Each row's product with its own of `count` matrices; see `ops/products/chosen.py`."""
    operation: type[Operation] = ChosenAffine
    result: Tensor = operation.torch(torch, x, which, *parts, count=count, rank=rank)
    return result
