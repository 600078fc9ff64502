"""Tables of turns, and rows kept of them, made a block at a time: the same numbers for any number of turns, and nothing as long as all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mai.compiler.compile_options import PORTABLE, CompileOptions
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.passes import forms
from mai.compiler.passes.loops import in_blocks as blocks
from mai.compiler.program import Program

Maker = Callable[[str], Program]
BLOCK = 4
OF_TIME = "tanh(h + cos(t * w) * w)"
# Loops with a table of what their turn alone decides.
CUT = {
    "a table": f"repeat n shared as t {{ h = {OF_TIME} }}",
    "two, and the turn itself": f"repeat n shared as t {{ h = {OF_TIME} - h / (2 + t) + sin(t * w + 1) * h / 2 }}",
    "a draw of each turn": f"repeat n shared as t {{\n    e ~ normal([3])\n    h = {OF_TIME} + e\n  }}",
    "a loop inside": "repeat n shared as t {\n    g = h\n    repeat 3 shared as u { g = tanh(g + cos(t * w) + u) }\n    h = g / 2\n  }",
    "steps": "integrate s in 0..1 using rk4(n) { dh/ds = tanh(h + cos(s * w)) }",
    "an end of each example": f"repeat n shared as t until h[0] > 0.75 {{ h = {OF_TIME} }}",
    "steps until an end": "integrate s in 0..1 using rk4(n) { dh/ds = tanh(h + cos(s * w)) } until h[0] > 0.75",
    "steps of a noisy one": "integrate s in 0..1 using euler_maruyama(n) { dh = tanh(h + cos(s * w)) * ds + 0.5 * dW }",
}
# Loops that keep something of each turn, with a table or without one.
KEPT = {
    "rows and a table": f"repeat n shared as t {{ h = {OF_TIME} }} keep h as hs\n  h += sum(hs, axis = 0)",
    "rows of two values": "repeat n {\n    i = argmax(h)\n    g = sum(h)\n    h = tanh(h * w + g)\n  } keep i as is, g as gs\n"
    "  h += sum(gs, axis = 0) + sum(is, axis = 0)",
    "rows of no example": "g = w\n  repeat n { g = tanh(g + 0.5) } keep g as gs\n  h += sum(gs, axis = 0)",
    "rows of a loop inside": "repeat 2 {\n    g = h\n    repeat n { g = tanh(g * w + 1) } keep g as gs\n    h = tanh(h + sum(gs, axis = 0))\n  }",
    "a path": "integrate s in 0..1 using rk4(n) { dh/ds = tanh(h) } keep h as hs\n  h = sum(hs * hs, axis = 0)",
    "rows until an end": "repeat n until h[0] > 0.75 { h = tanh(h * w + 1) / 2 } keep h as hs\n  h += sum(hs, axis = 0)",
    "a path until an end": "integrate s in 0..1 using rk4(n) { dh/ds = tanh(h + cos(s * w)) } until h[0] > 0.75 keep h as hs\n"
    "  h += sum(hs, axis = 0)",
    "more turns than a block, always": "repeat 9 { h = tanh(h * w + 1) } keep h as hs\n  h = hs[7] + hs[1]",
}
# Those that read what all turns are together, or keep rows of many numbers alone.
WHOLE = {
    "a table that is made once for all turns of a loop around": f"repeat n shared as u {{\n    repeat n shared as t {{ h = {OF_TIME} + u }}\n  }}",
    "a table of all": "a = cumsum(cos(range(n) / 2), axis = 0)\n  repeat n shared as t { h = tanh(h + a[t]) }",
    "wide rows": "g = zeros([4096]) + h[0]\n  repeat n { g = tanh(g + 1) } keep g as gs\n  h += sum(gs)",
    "a recurrence": "repeat n shared as t { h = 0.5 * h + cos(t * w) }",
    "a known number of turns": f"repeat 9 shared as t {{ h = {OF_TIME} }}",
}


def graph_of(program: Maker, body: str) -> Graph:
    text = f"let w = [0.25, 0.5, 2]\n\nexport f(x: [3], n: int = 5) -> [3] {{\n  h = x\n  {body}\n  return h\n}}\n"
    return forms.optimise(forms.prepare(program(text).exports["f"]))


@pytest.mark.parametrize("kind", [*CUT, *KEPT])
def test_blocks_compute_what_all_turns_do(program: Maker, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = graph_of(program, {**CUT, **KEPT}[kind]), np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    monkeypatch.setattr(blocks, "MOST_TURNS", BLOCK)
    cut = blocks.in_blocks(graph)
    assert sum(n.op is Loop for n in cut.walk()) > sum(n.op is Loop for n in graph.walk())
    model = build(graph, {})
    session = opened(model)
    for turns in (0, 1, BLOCK, BLOCK + 1, 3 * BLOCK):
        (whole,) = evaluate(graph, {"x": x}, {"n": turns}, {})
        np.testing.assert_allclose(evaluate(cut, {"x": x}, {"n": turns}, {})[0], whole, rtol=1e-12)
        (result,) = session.run(None, {"x": x, "n": np.array(turns)})
        np.testing.assert_allclose(result, whole, rtol=1e-5, atol=2e-6)
    sizes = {str(s) for node in model.graph.all_nodes() for v in node.outputs for s in v.shape or ()}
    assert "n" not in sizes or kind in KEPT  # Nothing else in the file has a row for each turn.


@pytest.mark.parametrize("kind", WHOLE)
def test_other_loops_stay(program: Maker, kind: str) -> None:
    graph = graph_of(program, WHOLE[kind])
    assert blocks.in_blocks(graph) is graph


@pytest.mark.parametrize("options", [{"portable": True, **PORTABLE}, {"cuda": True}], ids=["portable", "cuda"])
def test_files_for_hosts_that_want_few_loops_have_no_more(program: Maker, options: dict[str, Any]) -> None:
    model = build(graph_of(program, CUT["a table"]), {}, CompileOptions(**options))
    assert sum(node.op_type == "Loop" for node in model.graph.all_nodes()) == 1
