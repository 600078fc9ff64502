"""How much a graph computes for one example, counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mai.compiler.ops.work import known_sizes, multiply_adds
from mai.compiler.passes import forms
from mai.compiler.program import Program


@pytest.mark.parametrize(
    ("signature", "result", "products", "others"),
    [
        ("x: [3]) -> [64]", "linear(x, 64)", 3 * 64, 0),
        ("x: [2, 5, 7]) -> [4, 5, 7]", "conv(x, 4, 3)", 4 * 5 * 7 * 2 * 3 * 3, 0),
        ("x: [6, 8]) -> [6, 8]", "x @ x' @ x", 6 * 6 * 8 + 6 * 8 * 6, 6 * 8),
        ("x: [6, 8], y: [9, 8]) -> [6, 8]", "attend(x, y, y, 1)", 2 * 6 * 8 * 9, 0),
        ("x: [3], n: int = 5) -> [3]", "TURNS", 5 * 3 * 3, 5 * 3),
        ("x: [3]) -> [3]", "x * x", 0, 3),
    ],
)
def test_products_are_counted(
    signature: str, result: str, products: int, others: int, program: Callable[[str], Program]
) -> None:
    body = "repeat n shared { x = tanh(linear(x, 3)) }\n  return x" if result == "TURNS" else f"return {result}"
    graph = forms.prepare(program(f"export f({signature} {{\n  {body}\n}}\n").exports["f"])
    assert multiply_adds(graph, known_sizes(graph), products=True) == products
    assert multiply_adds(graph, known_sizes(graph)) == products + others
