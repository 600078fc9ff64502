"""Recurrences: which loops are recognised, and that they are computed by blocks as their loops say, gradients too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

import mai.compiler.torch.interpreter as interpreter
import mai.compiler.torch.recurrences.recurrence as recurrence
from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.lowering.build import build
from mai.compiler.passes import forms
from mai.compiler.passes.loops.recurrences.parts import part_loop
from mai.compiler.passes.loops.recurrences.recurrence import Recurrence, find_recurrence
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]

FILE = """export f(x: [P, 3], u: [P, 2], w: [3]) -> [3] {{
{body}
}}
"""
# Loops whose states enter their own updates affinely, by what they are.
AFFINE = {
    "average": "h = w\n  repeat P shared as t { h = 0.875 * h + 0.125 * x[t] }\n  return h",
    "towards": "h = w\n  repeat P shared as t { h += sigmoid(x[t]) * (tanh(x[t]) - h) }\n  return h",
    "selective": "h = zeros([3, 2])\n  repeat P shared as t {\n    h = exp(-softplus(x[t])[:, None] * exp(w)[:, None]) * h"
    " + (x[t] * w)[:, None] * u[t]\n  }\n  return h @ u[0]",
    "linear attention": "h = zeros([3, 2])\n  repeat P shared as t { h += x[t][:, None] * u[t] }\n  return h @ u[0]",
    "one after the other": "h = w\n  g = zeros([3])\n  repeat P shared as t {\n    h = sigmoid(x[t]) * h + x[t]\n"
    "    g = 0.75 * g - h / (1 + x[t]^2)\n  }\n  return g * h",
    "what was before": "h = w\n  last = w\n  repeat P shared as t {\n    last = h\n    h = where(x[t] > 0, 0.5 * h, x[t])\n  }\n"
    "  return last - h",
    "nothing of itself": "h = w\n  repeat P shared as t { h = x[t] * w }\n  return h",
    "negative": "h = w\n  repeat P shared as t { h = x[t] - h / 2 }\n  return h",
    "by the turn": "h = w\n  repeat P shared as t { h = h * (1 - 1 / (2 + t)) + x[t] }\n  return h",
    "earlier places": "h = w\n  repeat P shared as t { h = 0.875 * h + x[P - 1 - t] }\n  return h",
    "a longer table": "h = w\n  repeat P - 1 shared as t { h = 0.875 * h + x[t] }\n  return h",
    "numbers": "h = sum(w)\n  repeat P shared as t { h = cos(x[t, 0]) * h + x[t, 1] }\n  return h * w",
    "read by products": "h = zeros([3, 2])\n  repeat P shared as t {\n    h = exp(x[t, 0]) * h + 0.5 * (x[t][:, None] * u[t])\n"
    "    y = h @ (u[t] - 1)\n  } keep y as ys\n  return cumsum(ys, axis = 0)[P - 1] * w",
    "heads": "h = zeros([2, 3, 2])\n  repeat P shared as t {\n    k = [x[t], w * x[t]]\n    v = [u[t], u[t] - 1]\n"
    '    h = u[t][:, None, None] * h / 2 + k[:, :, None] * v[:, None, :]\n    y = einsum("h n, h n m -> h m", k, h)\n'
    "    z = (x[t][None, :] @ x[t][:, None])[0, 0]\n  } keep y as ys, z as zs\n  return w * sum(ys) + sum(zs) + sum(h)",
    "row": "h = zeros([3, 2])\n  repeat P shared as t {\n    h -= x[t][:, None] * u[t][None, :]\n    y = (x[t][None, :] @ h)[0]\n"
    "  } keep y as ys\n  return w * sum(ys) + h[:, 0]",
    "read twice": "h = zeros([3, 2])\n  repeat P shared as t {\n    h = 0.5 * h + x[t][:, None] * u[t]\n    y = h @ u[t]\n    z = h[:, 0]\n"
    "  } keep y as ys, z as zs\n  return sum(ys, axis = 0) + sum(zs, axis = 0)",
    "kept": "h = w\n  repeat P shared as t { h = sigmoid(x[t]) * h + x[t] } keep h as hs\n  return sum(hs * x, axis = 0)",
    "states that are added": "h = w\n  g = w\n  f = w\n  repeat P shared as t {\n    h = sigmoid(x[t]) * h + (1 - x[t])\n"
    "    g = 0.875 * g + h\n    f = 0.75 * f + g - h\n    y = g * h + f\n  } keep y as ys, h as hs\n  return sum(ys * hs, axis = 0)",
    "shared": "h = w\n  g = w\n  repeat P shared as t {\n    (p, q) = split(concat(x[t], 2 * x[t] - 1), 2)\n    z = p * q\n"
    "    h = sigmoid(z) * h + z\n    g = z / (1 + z^2) * g + z\n    y = softmax(h + g) * p\n  } keep y as ys, z as zs\n"
    "  return sum(ys * zs, axis = 0) + h * g",
    "mapped": "h = w\n  repeat P shared as t { h = leak(h, x[t]) }\n  return h",
}
MAPPED = "layer leak(h: [], x: []) -> [] { return sigmoid(x) * h + x }\n"
# Loops that are none: a state goes through a nonlinear function, is mixed with others, or has whole numbers.
OTHERS = {
    "recurrent": "h = w\n  repeat P shared as t { h = tanh(h + x[t]) }\n  return h",
    "squared": "h = w\n  repeat P shared as t { h = x[t] * h * h }\n  return h",
    "divisor": "h = w\n  repeat P shared as t { h = x[t] / (2 + h) }\n  return h",
    "mixed": "h = w\n  repeat P shared as t { h = 0.5 * roll(h, 1) + x[t] }\n  return h",
    "each of the other": "h = w\n  g = w\n  repeat P shared as t {\n    last = h\n    h = 0.5 * g + x[t]\n    g = 0.5 * last\n  }\n  return h + g",
    "gated by itself": "h = w\n  repeat P shared as t { h = sigmoid(h) * h + x[t] }\n  return h",
    "drawn": "h = w\n  repeat P shared as t {\n    e ~ normal([3])\n    h = 0.5 * h + e\n  }\n  return h",
    "of whole numbers": "n = 0\n  repeat P shared as t { n = 2 * n + 1 }\n  return n * w + x[0]",
    "ended by itself": "h = w\n  repeat 9 shared as t until h[0] > 4 { h = 2 * h + u[0, 0] }\n  return h + x[0]",
    "without a state": "repeat P shared as t { y = x[t] * w } keep y as ys\n  return sum(ys, axis = 0)",
}

CELL = "    h = tanh(x[t] + w * h)\n"
# Loops of which some states are affine and others are not, with the parts that go turn by turn (0) and by blocks (1).
MIXED = {
    "beside": (
        "h = w\n  a = w\n  repeat P shared as t {\n" + CELL + "    a = 0.5 * a + x[t]\n  }\n  return h * a",
        [0, 1],
    ),
    "after": (
        "h = w\n  a = w\n  repeat P shared as t {\n" + CELL + "    a += sigmoid(h) * (h - a)\n  }\n  return h * a",
        [0, 1],
    ),
    "before": (
        "h = w\n  a = w\n  repeat P shared as t {\n    a = sigmoid(x[t]) * a + x[t]\n    h = tanh(a * h)\n"
        "  } keep h as hs, a as all\n  return sum(hs * x, axis = 0) + sum(all[:, :1], axis = 0) * h",
        [1, 0],
    ),
    "between": (
        "a = w\n  h = w\n  b = zeros([3, 2])\n  repeat P shared as t {\n    last = a\n    a = 0.75 * a + x[t]\n    h = tanh(h * last + a)\n"
        "    b = sigmoid(h)[:, None] * b + u[t] * (h * a)[:, None]\n    y = sum(b, axis = 1) + h * last\n  } keep y as ys\n"
        "  return sum(ys, axis = 0)",
        [1, 0, 1],
    ),
    "two that read each other": (
        "h = w\n  c = w\n  a = w\n  repeat P shared as t {\n    c = sigmoid(h + x[t]) * c + tanh(h)\n    h = tanh(c)\n"
        "    a = c * a + h\n  } keep a as all\n  return sum(all, axis = 0) + h",
        [0, 1],
    ),
    "read by products": (
        "h = w\n  s = zeros([3, 2])\n  repeat P shared as t {\n"
        + CELL
        + "    s = exp(x[t, 0]) * s + h[:, None] * u[t]\n"
        "    y = s @ u[t]\n  } keep y as ys\n  return sum(ys, axis = 0) * h",
        [0, 1],
    ),
    "a largest exponent": (
        "num = zeros([3])\n  den = zeros([3])\n  top = zeros([3]) - 1e38\n  repeat P shared as t {\n    most = maximum(top, x[t] + 1)\n"
        "    now = exp(x[t] + 1 - most)\n    y = (exp(top - most) * num + now * x[t]) / (exp(top - most) * den + now)\n"
        "    next = maximum(top - exp(w), x[t])\n    old = exp(top - exp(w) - next)\n    num = old * num + exp(x[t] - next) * x[t]\n"
        "    den = old * den + exp(x[t] - next)\n    top = next\n  } keep y as ys\n  return sum(ys * x, axis = 0)",
        [0, 1],
    ),
    "whole numbers": (
        "n = 0\n  a = w\n  repeat P shared as t {\n    n = n * 2 % 7 + 1\n    a = a / (1 + n) + x[t]\n  }\n  return a * n",
        [0, 1],
    ),
    "drawn": (
        "h = w\n  a = w\n  repeat P shared as t {\n    e ~ normal([3])\n    h = tanh(h + e * w)\n    a = 0.5 * a + h * e * x[t]\n  }\n  return h * a",
        [0, 1],
    ),
    "each example": (
        "h = w\n  a = w\n  repeat P shared as t {\n    (h, a) = leak(h, a, x[t])\n  }\n  return a",
        [0, 1],
    ),
}
TWICE = "layer leak(h: [], a: [], x: []) -> ([], []) { return (tanh(h + x), sigmoid(h) * a + x) }\n"
# Loops that stay whole, each for a reason of its own.
WHOLE = {
    "each reads the other": "h = w\n  a = w\n  repeat P shared as t {\n    h = tanh(h + a)\n    a = 0.5 * a + h * x[t]\n  }\n  return h + a",
    "the memory of one turn": "h = w\n  a = w\n  repeat P shared as t {\n    h = tanh(h + t)\n    a = 0.5 * a + h\n  }\n  return h * a + x[0]",
    "a draw that an affine state alone reads": "h = w\n  a = w\n  repeat P shared as t {\n    e ~ normal([3])\n    h = tanh(h + x[t])\n"
    "    a = 0.5 * a + e\n  }\n  return h * a",
}


def layers_of(body: str) -> str:
    if "(h, a) = leak" in body:
        return TWICE
    return MAPPED if "leak" in body else ""


def prepared(body: str) -> Graph:
    """The graph of a body of `FILE`."""
    program = check_text(Path("spec.mai"), layers_of(body) + FILE.format(body="  " + body)).meaning()
    return forms.prepare(program.exports["f"])


graph_of = cache(prepared)  # Many tests read it, and none changes it.


def recurrence_of(graph: Graph, *, products: bool = False) -> Recurrence | None:
    (loop,) = [node for node in graph.nodes if node.op is Loop]
    return find_recurrence(graph, loop, 16, products=products)


def parts_of(graph: Graph) -> list[int]:
    (loop,) = [node for node in graph.nodes if node.op is Loop]
    parts = part_loop(graph, loop, 16)
    return [] if parts is None else [int(blocks is not None) for _, blocks in parts.loops]


def feed_of(turns: int, batch: int = 2) -> dict[str, Array]:
    rng = np.random.default_rng(turns)
    return {n: rng.standard_normal((batch, *s)) for n, s in (("x", (turns, 3)), ("u", (turns, 2)), ("w", (3,)))}


def gradients(graph: Graph, feed: dict[str, Array]) -> tuple[Array, list[Array]]:
    """The result of the graph in torch and float64, and what comes back to its inputs."""
    inputs = [torch.from_numpy(feed[v.name]).requires_grad_() for v in graph.inputs]
    settings = [torch.tensor(s.default) for s in graph.settings.values()]
    (result,) = lower(graph, Weights({})).double()(*inputs, *settings)
    (result * torch.linspace(0.5, 1.5, result.numel()).view(result.shape)).sum().backward()
    back = [torch.zeros_like(g) if g.grad is None else g.grad for g in inputs]
    return result.detach().numpy(), [g.numpy() for g in back]


@pytest.mark.parametrize("kind", AFFINE)
def test_what_enters_its_own_update_affinely_is_a_recurrence(kind: str) -> None:
    assert recurrence_of(graph_of(AFFINE[kind])) is not None


@pytest.mark.parametrize("kind", AFFINE)
def test_sums_of_outer_products_that_one_product_reads_are_never_made(kind: str) -> None:
    blocks = recurrence_of(graph_of(AFFINE[kind]), products=True)
    assert blocks is not None
    assert [u.reading is not None for u in blocks.updates] == [kind in ("read by products", "heads", "row")] * len(
        blocks.updates
    )


@pytest.mark.parametrize("decay", ["x[t][:, None]", "u[t]"])
def test_products_whose_rows_decay_apart_are_made(decay: str) -> None:
    body = f"h = zeros([3, 2])\n  repeat P shared as t {{\n    h = {decay} * h + x[t][:, None] * u[t]\n    y = h @ u[t]\n  }} keep y as ys\n"
    blocks = recurrence_of(graph_of(body + "  return cumsum(ys, axis = 0)[P - 1] * w"), products=True)
    assert blocks is not None
    assert [u.reading for u in blocks.updates] == [None]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_loops_are_none(kind: str) -> None:
    assert recurrence_of(graph_of(OTHERS[kind])) is None


@pytest.mark.parametrize("kind", MIXED)
def test_affine_states_are_recurrences_beside_others(kind: str) -> None:
    graph = graph_of(MIXED[kind][0])
    assert recurrence_of(graph) is None
    assert parts_of(graph) == MIXED[kind][1]


def test_what_parts_keep_stands_in_one_order() -> None:
    """However values lie in memory: else the files of one text would differ from run to run."""
    kept = set()
    for _ in range(8):
        graph = prepared(MIXED["a largest exponent"][0])
        (loop,) = [node for node in graph.nodes if node.op is Loop]
        parts = part_loop(graph, loop, 16)
        assert parts is not None
        kept.add(tuple(v.name for node, _ in parts.loops for v in node.regions[0].outputs))
    assert len(kept) == 1


@pytest.mark.parametrize("kind", WHOLE)
def test_some_loops_stay_whole(kind: str) -> None:
    assert parts_of(graph_of(WHOLE[kind])) == []


BODIES = {**AFFINE, **{f"mixed, {kind}": body for kind, (body, _) in MIXED.items()}}


@pytest.mark.parametrize("turns", [1, 5, 16, 37])
@pytest.mark.parametrize("kind", BODIES)
def test_blocks_of_turns_compute_what_the_loop_does(monkeypatch: pytest.MonkeyPatch, kind: str, turns: int) -> None:
    """Several blocks of as many turns, each where the one before was in memory, and one of fewer."""
    monkeypatch.setattr(recurrence, "MOST_TURNS", 8)
    monkeypatch.setattr(recurrence, "READ_BLOCK", 20)
    graph, feed = graph_of(BODIES[kind]), feed_of(turns)
    (wanted,) = evaluate(graph, feed, {}, {})
    result, back = gradients(graph, feed)
    np.testing.assert_allclose(result, wanted, rtol=1e-6, atol=1e-6)
    for pass_name in ("find_recurrence", "part_loop"):
        monkeypatch.setattr(interpreter, pass_name, lambda *_, **__: None)
    plain, wanted_back = gradients(graph, feed)
    np.testing.assert_allclose(result, plain, rtol=1e-11, atol=1e-11)
    for ours, theirs in zip(back, wanted_back, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["kept", "heads"])
def test_a_batch_may_be_empty(kind: str) -> None:
    result, back = gradients(graph_of(AFFINE[kind]), feed_of(17, batch=0))
    assert result.shape == (0, 3)
    assert [len(g) for g in back] == [0] * len(back)


@pytest.mark.parametrize("kind", ["kept", "read by products"])
def test_torch_takes_no_derivative_of_the_way_back(kind: str) -> None:
    """It gave one that lacked a part, without a word."""
    graph, feed = graph_of(AFFINE[kind]), feed_of(3)
    inputs = [torch.from_numpy(feed[v.name]).float().requires_grad_() for v in graph.inputs]
    (result,) = lower(graph, Weights({}))(*inputs)
    with pytest.raises(RuntimeError, match="derivative of this derivative"):
        torch.autograd.grad(result.square().sum(), inputs[0], create_graph=True)


@pytest.mark.parametrize("kind", BODIES)
def test_files_compute_blocks_and_the_turns_that_are_left(kind: str) -> None:
    plain = graph_of(BODIES[kind])
    for graph in (plain, forms.optimise(plain)):
        check_file(graph)


def check_file(graph: Graph) -> None:
    """A file of the graph has no loop for one turn, and two or more for more turns; it computes what numpy does."""
    raw = ir.serde.serialize_model(build(graph, {}, CompileOptions()))
    session = ort.InferenceSession(raw.SerializeToString(), providers=["CPUExecutionProvider"])
    (choice,) = [node for node in raw.graph.node if node.op_type == "If"]
    branches = {a.name: [n.op_type for n in a.g.node] for a in choice.attribute}
    assert "Loop" not in branches["then_branch"]
    assert branches["else_branch"].count("Loop") >= 2
    for turns in (1, 15, 16, 37, 48):
        feed = {name: array.astype(np.float32) for name, array in feed_of(turns).items()}
        (wanted,) = evaluate(graph, feed, {}, {})
        read = {i.name for i in session.get_inputs()}
        (result,) = session.run(None, {name: array for name, array in feed.items() if name in read})
        np.testing.assert_allclose(result, wanted, rtol=2e-5, atol=2e-5)


EXTREME = """export f(a: [P], x: [P, 3], u: [P, 2]) -> [P, 3] {{
  h = {first}
  repeat P shared as t {{
    h = exp(-a[t]) * h + {new}
    y = {read}
  }} keep y as ys
  return ys
}}
"""
EXTREMES = {
    "by number": EXTREME.format(first="zeros([3])", new="x[t]", read="h * u[t, 0]"),
    "by products": EXTREME.format(first="zeros([3, 2])", new="x[t][:, None] * u[t]", read="h @ u[t]"),
}


@pytest.mark.parametrize("decays", [(1e-6, 1e-4), (1e-3, 3), (5, 60), (1e-6, 1e3)])
@pytest.mark.parametrize("kind", EXTREMES)
def test_no_decay_is_too_small_or_too_large(program: Maker, kind: str, decays: tuple[float, float]) -> None:
    """Float32 against the plain loop of numpy, and against the blocks themselves in float64 for what comes back."""
    graph = forms.prepare(program(EXTREMES[kind]).exports["f"])
    rng = np.random.default_rng(5)
    feed = {"a": np.exp(rng.uniform(*np.log(decays), (2, 500))), "x": rng.standard_normal((2, 500, 3))}
    feed = {n: v.astype(np.float32) for n, v in {**feed, "u": rng.standard_normal((2, 500, 2))}.items()}
    (wanted,) = evaluate(graph, feed, {}, {})
    results = {}
    for dtype in (torch.float32, torch.float64):
        inputs = [torch.from_numpy(feed[v.name]).to(dtype).requires_grad_() for v in graph.inputs]
        (result,) = lower(graph, Weights({})).to(dtype)(*inputs)
        result.square().sum().backward()
        results[dtype] = [result.detach().numpy(), *(g.grad.numpy() for g in inputs if g.grad is not None)]
    np.testing.assert_allclose(results[torch.float32][0], wanted, atol=1e-5 * np.abs(wanted).max(), rtol=0)
    for ours, exact in zip(results[torch.float32], results[torch.float64], strict=True):
        np.testing.assert_allclose(ours, exact, atol=1e-5 * np.abs(exact).max(), rtol=0)


DERIVED = "export f(x: [P, 3], w: [3]) -> [3] {\n  h = w\n  repeat P shared as t { h = sigmoid(x[t] * w) * h + x[t] } keep h as hs\n  return %s\n}\n"


@pytest.mark.parametrize(
    "derivative", ["grad(sum(hs * x), w)", "jvp(h, w, tanh(w))", "grad(sum(grad(sum(h^2), w)), w)"]
)
def test_derivatives_go_through_recurrences(program: Maker, derivative: str) -> None:
    graph = forms.prepare(program(DERIVED % derivative).exports["f"])
    raw = ir.serde.serialize_model(build(forms.optimise(graph), {}, CompileOptions()))
    session = ort.InferenceSession(raw.SerializeToString(), providers=["CPUExecutionProvider"])
    for turns in (1, 20):
        feed = {name: feed_of(turns)[name].astype(np.float32) for name in ("x", "w")}
        (wanted,) = evaluate(graph, feed, {}, {})
        (ours,) = session.run(None, feed)
        inputs = [torch.from_numpy(feed[v.name]) for v in graph.inputs]
        np.testing.assert_allclose(ours, wanted, rtol=2e-4, atol=2e-4)
        np.testing.assert_allclose(lower(graph, Weights({}))(*inputs)[0].numpy(), wanted, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["steps", "turns", "unknown"])
def test_a_setting_may_be_called_as_a_size_of_blocks(name: str, program: Maker) -> None:
    """A recurrence in a loop whose turns a setting counts: the sizes of its blocks have names that no spec has."""
    text = f"""
export f(x: [], {name}: int = 3) -> [2] {{
  u = 0.1
  total = 0
  repeat {name} shared {{
    y = x
    repeat 2 shared {{ y += y * u / {name} }}
    total = y
    u -= grad(y, u)
  }}
  return [u, total]
}}
"""
    graph = forms.prepare(program(text).exports["f"])
    inputs = {"x": np.asarray([1.0, 2.0], np.float32)}
    (wanted,) = evaluate(graph, inputs, {name: 4}, {})
    (result,) = run(lower(graph, Weights({})), graph, inputs, {name: 4})
    np.testing.assert_allclose(result, wanted, rtol=1e-5)
