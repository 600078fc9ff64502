"""Constants of a file: equal ones are one, and different ones stay apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.lowering.nodes import Nodes


@pytest.mark.parametrize("kind", [list, np.array])
@pytest.mark.parametrize("rows", [4, 66])
def test_tables_that_are_made_one_after_the_other_stay_apart(
    rows: int, kind: Callable[[list[list[float]]], object]
) -> None:
    """Python gives the place of a table that nobody holds any more to the next one."""
    nodes = Nodes(Graph(name="f"), 23)
    constants = [nodes.const(kind([[float(number)] * 64 for _ in range(rows)]), "float32") for number in range(20)]
    numbers = [np.unique(c.const_value.numpy()).tolist() for c in constants if c.const_value is not None]
    assert numbers == [[float(number)] for number in range(20)]


@pytest.mark.parametrize("size", [4, 5000])
def test_equal_constants_are_one(size: int) -> None:
    nodes, table = Nodes(Graph(name="f"), 23), np.ones(size)
    assert nodes.const(table, "float32") is nodes.const(table, "float32")
    assert nodes.const([1.0] * size, "float32") is nodes.const([1.0] * size, "float32")
