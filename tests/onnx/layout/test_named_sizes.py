"""Sizes that a `Reshape` leaves to the runtime have the names of what they are: results of one size share memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mai.compiler.compile_options import CompileOptions
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights

SIZES = {"4, 8": "4 * batch", "1, 8": "batch", "N, 8": "N * batch", "N, 3, 8": "3 * N * batch"}


@pytest.mark.parametrize("precision", ["float32", "fp16"])
@pytest.mark.parametrize("sizes", SIZES)
def test_rows_of_products_have_names(program: Callable[[str], Program], sizes: str, precision: str) -> None:
    checked = program(f"export f(x: [{sizes}]) -> [{sizes}] {{ return x + linear(tanh(linear(x, 16)), 8) }}\n")
    graph = forms.optimise(forms.prepare(checked.exports["f"]))
    model = build(graph, load_weights(checked, None)[0], CompileOptions(precision=precision))
    flat = [
        n.outputs[0] for n in model.graph.all_nodes() if n.op_type == "Reshape" and len(n.outputs[0].shape or ()) == 2
    ]
    assert [str(v.shape and v.shape[0]) for v in flat] == [SIZES[sizes]] * 2
    opened(model)  # ONNX Runtime refuses a value of another type than it is told.
