"""Branches with the same weights, made one batch: the same results in numpy, torch and ONNX, with half the products."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.text import to_text
from mai.compiler.onnx.comparing.trial import difference, run_trial, session, trial
from mai.compiler.onnx.layout.chunks import chunk_of
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights, first_value
from mai.compiler.torch.run import run

Maker = Callable[..., Program]
pairing = importlib.import_module("mai.compiler.passes.branches.pair")  # The package has the function by this name.
NET = """
net velocity(x: [3], s: [], y: class[5]) -> [3] {
  h = silu(linear(concat(x, fourier(s, 8)), 16)) + embed(y, 16)
  repeat 2 { h += silu(linear(h, 16)) }
  return linear(h, 3)
}
"""
GUIDED = """
export f(x: [3], y: class[4], guidance: real = 2.0, steps: int = 4) -> [3] {
  integrate s in 0..1 using euler(steps) {
    free = velocity(x, s, 4)
    dx/ds = free + guidance * (velocity(x, s, y) - free)
  }
  return x
}
"""


def values(program: Program) -> dict[str, Any]:
    """First values, with something in the place of zeros."""
    drawn = {n: first_value(w, i).astype(np.float64) for i, (n, w) in enumerate(program.weights.items())}
    noise = np.random.default_rng(0)
    return {n: w + 0.1 * noise.standard_normal(w.shape) for n, w in drawn.items()}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Branches become one whether or not it pays."""
    monkeypatch.setattr(pairing, "MOST_USES", float("inf"))


def unpaired(graph: Graph) -> Graph:
    """What `optimise` makes without this pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "MOST_USES", -1)
        return forms.optimise(graph)


def compared(program: Program, export: str = "f", batch: int = 3) -> tuple[Graph, Graph]:
    """The graph of an export without and with the pass, after a look that all backends compute the same with it."""
    plain = forms.prepare(program.exports[export])
    apart, paired = unpaired(plain), forms.optimise(plain)
    paired_soundly(plain)
    tried, weights = trial(plain, batch), values(program)
    wanted = evaluate(plain, tried.inputs, tried.settings, weights)
    results = evaluate(paired, tried.inputs, tried.settings, weights)
    assert max(difference(a, b) for a, b in zip(results, wanted, strict=True)) < 1e-9
    single = {n: w.astype(np.float32) for n, w in weights.items()}
    for result in (in_torch(paired, single, tried), in_onnx(paired, single, tried), in_onnx(apart, single, tried)):
        assert max(difference(a, b) for a, b in zip(result, wanted, strict=True)) < 1e-5
    return apart, paired


def paired_soundly(graph: Graph) -> Graph:
    """The graph after this pass, in which everything is made before it is read, in sight of where it is."""
    graph_in_pairs = pairing.pair(graph)
    look(graph_in_pairs, {*graph_in_pairs.inputs, *(s.value for s in graph_in_pairs.settings.values())})
    return forms.prune(graph_in_pairs)


def look(region: Region, seen: set[Value]) -> None:
    for node in region.nodes:
        assert seen.issuperset(node.inputs), node
        for body in node.regions:
            look(body, {*seen, *body.inputs})
        seen.update(node.outputs)
    assert seen.issuperset(region.outputs)


def in_torch(graph: Graph, weights: dict[str, Any], tried: Any) -> list[Any]:
    parameters = Weights(graph.weights)
    parameters.load_state_dict({n: torch.from_numpy(weights[n]) for n in graph.weights})
    return run(lower(graph, parameters.eval()), graph, tried.inputs, tried.settings)


def in_onnx(graph: Graph, weights: dict[str, Any], tried: Any) -> list[Any]:
    return run_trial(session(serialised(build(graph, weights, chunk=chunk_of(graph)))), graph, tried)


def total(graph: Graph, name: str) -> int:
    return sum(node.op.name == name for node in graph.walk())


def body(graph: Graph) -> Region:
    (loop,) = [n for n in graph.walk() if n.op.name == "loop"]
    return loop.regions[0]


def inside(graph: Graph, name: str) -> list[Node]:
    return [n for n in body(graph).nodes if n.op.name == name]


def leads(node: Node) -> str:
    return " ".join(f"{a.name} {a.size}" for a in node.output.type.lead)


# --------------------------------------------------------------------- guidance


def test_guidance_evaluates_its_net_once_on_twice_the_batch(program: Maker) -> None:
    apart, paired = compared(program(NET + GUIDED))
    products = inside(paired, "affine")
    assert len(inside(apart, "affine")) == 7
    assert [leads(n) for n in products] == ["batch batch", *["branches 2 * batch"] * 3]
    assert len(inside(paired, "pick")) == 2


def test_what_the_branches_share_is_computed_once(program: Maker) -> None:
    """Before the label comes in, there is nothing to pair; what depends on the time alone has left the loop."""
    apart, paired = compared(program(NET + GUIDED))
    assert [leads(n) for n in inside(paired, "silu")] == ["batch batch", *["branches 2 * batch"] * 2]
    for name in ("sin", "cos"):
        assert not inside(paired, name)
    tables = [n for n in body(paired).nodes if n.op.name == "take"]
    assert len(tables) == len([n for n in body(apart).nodes if n.op.name == "take"])


def test_stages_of_a_solver_are_paired_each(program: Maker) -> None:
    apart, paired = compared(program(NET + GUIDED.replace("euler(", "rk4(")))
    assert len(inside(apart, "affine")) == 4 * 7
    assert len(inside(paired, "affine")) == 4 * 4


def test_two_guidances_are_three_branches(program: Maker) -> None:
    text = NET + (
        "export f(x: [3], y: class[4], z: class[4], steps: int = 4) -> [3] {\n  integrate s in 0..1 using heun(steps) {\n"
        "    free = velocity(x, s, 4)\n    dx/ds = free + 2 * (velocity(x, s, y) - free) - 3 * (velocity(x, s, z) - free)\n"
        "  }\n  return x\n}\n"
    )
    apart, paired = compared(program(text))
    assert len(inside(apart, "affine")) == 2 * 10
    assert Counter(map(leads, inside(paired, "affine"))) == {"batch batch": 2, "branches 3 * batch": 6}


def test_a_branch_with_more_to_do_waits_for_nothing_that_never_comes(program: Maker) -> None:
    """One branch goes through the net, and further: what has no counterpart is computed by itself."""
    text = NET + (
        "export f(x: [3], y: class[4], steps: int = 4) -> [3] {\n  integrate s in 0..1 using euler(steps) {\n"
        "    a = velocity(x, s, 4)\n    b = velocity(sin(x), s, y)\n    dx/ds = tanh(a) - b * softmax(a) + velocity(b, s, 1)\n"
        "  }\n  return x\n}\n"
    )
    _, paired = compared(program(text))
    sizes = Counter(map(leads, inside(paired, "affine")))
    assert sizes == {"branches 2 * batch": 4, "batch batch": 4}, "the third call needs the second's result"


def test_two_states_that_one_net_moves_are_two_branches(program: Maker) -> None:
    text = NET + (
        "export f(x: [3], z: [3], y: class[4], steps: int = 4) -> [3] {\n  integrate s in 0..1 using heun(steps) {\n"
        "    dx/ds = velocity(x, s, y)\n    dz/ds = velocity(z, s, 2) - x\n  }\n  return x + z\n}\n"
    )
    apart, paired = compared(program(text))
    assert len(inside(apart, "affine")) == 2 * len(inside(paired, "affine"))


def test_calls_one_after_the_other_stay_two(program: Maker) -> None:
    text = NET + "export f(x: [3], y: class[5]) -> [3] { return velocity(velocity(x, 0.5, y), 0.2, y) }\n"
    apart, paired = compared(program(text))
    assert Counter(n.op.name for n in apart.walk()) == Counter(n.op.name for n in paired.walk())


@pytest.mark.usefixtures("always")
def test_two_of_three_branches_go_on_as_two(program: Maker) -> None:
    text = (
        "net g(x: [4]) -> [4] { return linear(x, 4) }\n"
        "export f(x: [4], y: [4], z: [4]) -> [4] { return tanh(g(x)) - tanh(g(y)) + g(z) }\n"
    )
    _, paired = compared(program(text))
    stacked = {name: [leads(n) for n in paired.nodes if n.op.name == name] for name in ("affine", "tanh")}
    assert stacked == {"affine": ["branches 3 * batch"], "tanh": ["branches 2 * batch"]}


@pytest.mark.usefixtures("always")
def test_branches_may_have_their_own_times_and_tokens(program: Maker) -> None:
    """Inputs with other lead axes: a time for each branch, tokens, and a row that is one for all examples."""
    text = (
        "net g(h: [P, 4], c: [4]) -> [P, 4] {\n  param begin: [1, 4] ~ normal(0, 1)\n"
        "  h = concat(begin, layer_norm(h) * (1 + linear(c, 4)), axis = 0)\n"
        "  h = attention(h, heads = 2) + shift(linear(h, 4), 1)\n  return h[1:]\n}\n"
        "export f(x: [P, 4], c: [4], n: int = 3) -> [P, 4] {\n  repeat n as i {\n"
        "    x = x + g(x, i * ones([4])) - g(x, c) / 2 + g(x, c + x[0])\n  }\n  return x\n}\n"
    )
    apart, paired = compared(program(text))
    assert len(inside(apart, "attention")) == 3
    assert [leads(n) for n in inside(paired, "attention")] == ["branches 3 * batch"]


def test_loops_inside_a_net_stay_apart(program: Maker) -> None:
    """And what stands around them is paired."""
    text = (
        "net g(h: [4]) -> [4] {\n  h = linear(h, 4)\n  repeat 3 shared { h = tanh(linear(h, 4)) }\n  return linear(h, 4)\n}\n"
        "export f(x: [4], z: [4]) -> [4] { return g(x) - g(z) }\n"
    )
    apart, paired = compared(program(text))
    assert (total(apart, "affine"), total(paired, "affine")) == (6, 4)


def test_draws_keep_their_values(program: Maker) -> None:
    text = (
        "net noisy(x: [4]) -> [4] {\n  z ~ normal([4])\n  return linear(x + z, 4)\n}\n"
        "export f(x: [4], n: int = 3) -> [4] {\n  repeat n { x = x + noisy(x) - noisy(2 * x) }\n  return x\n}\n"
    )
    _, paired = compared(program(text))
    assert len(inside(paired, "affine")) == 1
    assert all(leads(n) == "batch batch" for n in inside(paired, "random_normal"))


def test_a_text_with_a_contrast_reads_its_weights_once_a_token(program: Maker) -> None:
    """The keys and values of each branch stay its own."""
    text = (
        "const vocab = 7\nnet g(t: tokens[P], y: class[4]) -> [P, 7] {\n  h = embed(t, 8) + embed(y, 8)\n"
        "  h += attention(layer_norm(h), heads = 2, causal = true)\n  h += mlp(h, 16)\n  return linear(h, 7)\n}\n"
        "export f(t: tokens[P], y: class[3], count: int = 3) -> tokens[P + count] {\n"
        "  extend t by count { append argmax(2 * g(t, y)[-1] - g(t, 3)[-1]) }\n  return t\n}\n"
    )
    spec = program(text)
    grown = forms.prepare(spec.exports["f"], cache="concat")
    apart, paired = unpaired(grown), forms.optimise(grown)
    assert len(inside(apart, "affine")) == 2 * len(inside(paired, "affine"))
    assert len(inside(apart, "cached_attention")) == len(inside(paired, "cached_attention")) == 2
    tried, weights = trial(grown, 3), {n: w.astype(np.float32) for n, w in values(spec).items()}
    wanted = evaluate(forms.prepare(spec.exports["f"]), tried.inputs, tried.settings, weights)
    for result in (in_onnx(paired, weights, tried), in_torch(paired, weights, tried)):
        np.testing.assert_array_equal(result[0], wanted[0])


# --------------------------------------------------------------- where it pays


@pytest.mark.parametrize("name", ["dit", "digits_unet"])
def test_many_rows_an_example_stay_apart(name: str, example: Maker) -> None:
    plain = forms.prepare(example(name).exports["sample"])
    assert to_text(forms.optimise(plain)) == to_text(unpaired(plain))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("name", "sets", "operators", "alone"),
    [
        ("dit", {"d": "24", "depth": "2", "heads": "2"}, ("Gemm", "MatMul"), 3),
        ("digits_unet", {"c": "8"}, ("Conv",), 6),
    ],
)
def test_whole_nets_have_half_the_products(
    name: str, sets: dict[str, str], operators: tuple[str, ...], alone: int, example: Maker
) -> None:
    """But for those `alone`: before the label comes in, and the labelled branch's own modulation in each layer. Heun's method has two stages."""
    spec = example(name, **sets)
    apart, paired = (in_loop(spec, g) for g in compared(spec, "sample", batch=2))
    products = [n for n in paired if n.op_type in operators]
    assert len([n for n in apart if n.op_type in operators]) - alone == 2 * (len(products) - alone)
    assert outer(products) == outer(n for n in apart if n.op_type in operators), "no weight has left the body"
    for operator in ("Attention", "Softmax", "InstanceNormalization", "Gelu", "Transpose", "Resize"):
        counts = [sum(n.op_type == operator for n in nodes) for nodes in (apart, paired)]
        assert counts[0] // 2 <= counts[1] <= counts[0]


def outer(products: Iterable[ir.Node]) -> set[str | None]:
    """The weights that do not belong to the body that they are used in."""
    return {n.inputs[1].name for n in products if n.inputs[1] and n.inputs[1].graph is not n.graph}


def in_loop(program: Program, graph: Graph) -> list[ir.Node]:
    weights = {n: w.astype(np.float32) for n, w in values(program).items()}
    bodies = [n.attributes["body"].as_graph() for n in build(graph, weights).graph.all_nodes() if n.op_type == "Loop"]
    (turns,) = [[*body] for body in bodies if all(n.op_type != "Loop" for n in body)]  # Others are of blocks of turns.
    return turns


def test_a_chunk_counts_all_branches(program: Maker) -> None:
    apart, paired = compared(program(NET.replace("16", "1024") + GUIDED))
    assert (chunk_of(apart), chunk_of(paired)) == (256, 128)


# -------------------------------------------------------------- random programs

BINARY, UNARY = ["+", "-", "*"], ["tanh", "sin", "cumsum", "softmax", "g", "k"]
LEAVES = ["x", "y", "i * range(4)", "e", "0.5", "w"]


def combined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, st.sampled_from(BINARY), children).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    return pair | st.tuples(st.sampled_from(UNARY), children).map(lambda t: f"{t[0]}(0 * w + {t[1]})")


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), combined, max_leaves=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=EXPRESSIONS, second=EXPRESSIONS, net=st.sampled_from(["tanh(linear(h, 4))", "h * linear(layer_norm(h), 4)"])
)
def test_random_programs_of_two_nets_keep_their_results(first: str, second: str, net: str, program: Maker) -> None:
    """Nets called side by side and one in the other, on states, on times, and on rows that are one for all examples."""
    text = (
        f"net g(h: [4]) -> [4] {{ return {net} + sum(h) / 4 }}\n"
        "net k(h: [4]) -> [4] {\n  p = [h, tanh(2 * h)]\n  p += attention(p, heads = 1)\n  return p[0] - g(p[1])\n}\n"
        "export f(x: [4], y: [4], label: class[3], n: int = 3) -> [4] {\n  param w: [4] ~ normal(0, 1)\n  e = embed(label, 4)\n  repeat n as i {\n"
        f"    a = {first}\n    b = {second}\n    x = tanh(x + g(0 * w + a) - g(0 * w + b))\n    y = tanh(y - k(0 * w + b))\n"
        "  }\n  return x + y\n}\n"
    )
    spec = program(text)
    plain = forms.prepare(spec.exports["f"])
    tried, weights = trial(plain, 3), values(spec)
    wanted = evaluate(plain, tried.inputs, tried.settings, weights)
    assert total(paired_soundly(plain), "affine") <= total(plain, "affine")
    results = evaluate(forms.optimise(plain), tried.inputs, tried.settings, weights)
    np.testing.assert_allclose(results[0], wanted[0], atol=1e-9)
