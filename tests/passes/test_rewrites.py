"""What each pass does, on specs that are small enough to count the operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Node, Region
from mai.compiler.ir.rewrite import free_values
from mai.compiler.onnx.comparing.trial import difference, trial
from mai.compiler.passes import forms
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value

Maker = Callable[[str], Program]


def values(program: Program) -> dict[str, Any]:
    return {n: first_value(w, i).astype(np.float64) for i, (n, w) in enumerate(program.weights.items())}


def prepared_and_optimised(program: Program) -> tuple[Graph, Graph]:
    """The export `f` prepared and optimised, after a look that both compute the same."""
    plain = forms.prepare(program.exports["f"])
    quick = forms.optimise(plain)
    tried, weights = trial(plain, 3), values(program)
    wanted, result = (evaluate(g, tried.inputs, tried.settings, weights) for g in (plain, quick))
    assert max(difference(a, b) for a, b in zip(result, wanted, strict=True)) < 1e-9
    return plain, quick


def count(region: Region) -> Counter[str]:
    """How often each operation stands in a region itself, not in the loops inside."""
    return Counter(node.op.name for node in region.nodes)


def total(graph: Graph, name: str) -> int:
    """How often an operation stands in a graph, loops included, each once."""
    return sum(node.op.name == name for node in graph.walk())


def loop(graph: Graph) -> Node:
    (node,) = [n for n in graph.walk() if n.op.name == "loop"]
    return node


# ------------------------------------------------------------------ unroll


def test_a_net_has_the_same_weights_at_every_turn_around_its_call(program: Maker) -> None:
    text = (
        "net g(x: [4]) -> [4] {\n  repeat 2 { x = linear(x, 4) }\n  return x\n}\n"
        "export f(x: [4]) -> [4] {\n  repeat 3 { x = linear(g(x), 4) }\n  return x\n}\n"
    )
    spec = program(text)
    plain, _ = prepared_and_optimised(spec)
    assert len(plain.weights) == 2 * (2 + 3)
    x = np.random.default_rng(0).standard_normal((3, 4))
    weights, wanted = values(spec), x
    inner, outer = (
        sorted(n for n in weights if n.startswith(start) and n.endswith("weight")) for start in ("g.", "f.")
    )
    for last in outer:
        for name in (*inner, last):
            wanted = wanted @ weights[name].T + weights[name.removesuffix("weight") + "bias"]
    np.testing.assert_allclose(evaluate(plain, {"x": x}, {}, weights)[0], wanted)


ALIKE = [
    ("x = linear(x, 4)", 2),
    ("x = linear(x, 4) * l", 9),
    (
        "x = linear(x, 4)\n repeat 2 shared { x = x / 2 }",
        2,
    ),  # The loop inside is handed the number, and does not read it.
    ("x = linear(x, 4)\n repeat 2 shared { x = x / (1 + l) }", 9),
]


@pytest.mark.parametrize(("line", "turns"), ALIKE)
def test_to_ask_what_can_be_done_two_turns_are_enough_if_they_are_alike(program: Maker, line: str, turns: int) -> None:
    text = f"export f(x: [4]) -> [4] {{\n  repeat 9 as l {{ {line} }}\n  return x\n}}\n"
    graph = program(text).exports["f"]
    assert count(unroll(graph))["affine"] == 9
    assert count(unroll(graph, at_most=2))["affine"] == turns


# -------------------------------------------------------------------- prune


def test_a_state_that_feeds_only_itself_goes(program: Maker) -> None:
    text = (
        "export f(x: [4], steps: int = 3) -> [4] {\n  l = 0\n"
        "  integrate s in 0..1 using rk4(steps) {\n    dx/ds = sin(s) * x\n    dl/ds = l + sum(x * x)\n  }\n  return x\n}\n"
    )
    plain, _ = prepared_and_optimised(program(text))
    assert len(loop(plain).outputs) == 1
    assert count(loop(plain).regions[0])["sum"] == 0


def test_a_state_that_another_reads_stays(program: Maker) -> None:
    text = (
        "export f(x: [4], n: int = 3) -> [4] {\n  a = x\n  b = 2 * x\n  c = x\n"
        "  repeat n {\n    t = a\n    a = b\n    b = t\n    c = c + b\n  }\n  return a\n}\n"
    )
    plain, _ = prepared_and_optimised(program(text))
    assert len(loop(plain).outputs) == 2


# -------------------------------------------------------------------- share


def test_the_same_is_computed_once_inside_a_loop_too(program: Maker) -> None:
    text = (
        "export f(x: [4], n: int = 3) -> [4] {\n  y = sin(x) + 0 * x\n"
        "  repeat n { y = y + sin(x) }\n  return y + sin(x)\n}\n"
    )
    plain, _ = prepared_and_optimised(program(text))
    assert sum(n.op.name == "sin" for n in plain.walk()) == 1


def test_the_order_of_what_commutes_makes_no_difference(program: Maker) -> None:
    text = "export f(x: [4], y: [4]) -> [4] { return sin(x + y) * cos(y + x) - sin(x * y) / cos(y * x) - (x - y) * exp(y - x) }\n"
    assert count(prepared_and_optimised(program(text))[1]) == Counter(
        {"add": 1, "multiply": 3, "sin": 2, "cos": 2, "subtract": 4, "exp": 1, "divide": 1}
    )


def test_two_draws_are_two(program: Maker) -> None:
    text = "export f(x: [4]) -> [4] {\n  a ~ normal([4])\n  b ~ normal([4])\n  return x + a - b\n}\n"
    _, quick = prepared_and_optimised(program(text))
    assert count(quick)["random_normal"] == 2


@pytest.mark.parametrize(
    "turns",
    [
        "repeat 3 { h += tanh(linear(h, 4)) }",
        "repeat 3 shared { h += tanh(linear(h, 4)) }",
        "integrate t in 0..1 using euler(3) { dh/dt = tanh(linear(h, 4) + t) }",
        "repeat 2 shared {\n    repeat 3 shared { h += tanh(linear(h, 4)) }\n    h = sin(h)\n  }",
    ],
)
def test_calls_of_a_net_on_the_same_input_are_one(turns: str, program: Maker) -> None:
    """Whether its weights stand in a row or in a loop, and wherever the calls stand."""
    net = f"net g(x: [4]) -> [4] {{\n  h = x\n  {turns}\n  return h\n}}\n"
    once = prepared_and_optimised(program(net + "export f(x: [4]) -> [4] { return g(x) * 3 }\n"))
    guided = "export f(x: [4], c: real = 2.0) -> [4] {\n  y = g(x)\n  return y + c * (g(x) - y / 2)\n}\n"
    twice = prepared_and_optimised(program(net + guided))
    inside = "export f(x: [4], n: int = 3) -> [4] {\n  y = g(x)\n  repeat n { y = cos(y) + g(x) }\n  return y\n}\n"
    again = prepared_and_optimised(program(net + inside))
    for name in ("affine", "tanh", "sin"):
        assert total(once[0], name) == total(twice[0], name), "torch, too, computes it once"
        assert total(once[1], name) == total(twice[1], name) == total(again[1], name)


def test_loops_that_differ_in_a_number_or_a_draw_are_two(program: Maker) -> None:
    text = (
        "net g(x: [4], c) -> [4] {\n  repeat 3 shared { x = tanh(c * linear(x, 4)) }\n  return x\n}\n"
        "export f(x: [4]) -> [4] { return g(x, 1) + g(x, 2) }\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert total(quick, "loop") == 2
    text = (
        "export f(x: [4], n: int = 3) -> [4] {\n  a = x\n  b = x\n"
        "  repeat n {\n    z ~ normal([4])\n    a = a + z\n  }\n"
        "  repeat n {\n    z ~ normal([4])\n    b = b + z\n  }\n  return a - b\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert total(quick, "random_normal") == 2


# -------------------------------------------------------------------- fold


def test_constants_are_computed_now(program: Maker) -> None:
    text = "let table = cumsum(sqrt(range(5)))\nexport f(x: [5]) -> [5] { return 1 * x + 0 + table / 1 }\n"
    _, quick = prepared_and_optimised(program(text))
    assert count(quick) == {"constant": 1, "add": 1}


# -------------------------------------------------------------------- split


def test_the_parts_of_a_concatenation_go_where_they_belong(program: Maker) -> None:
    text = (
        "export f(x: [4], y: [3], steps: int = 3) -> [4] {\n  integrate s in 0..1 using euler(steps) {\n"
        "    dx/ds = linear(tanh(linear(concat(x, sin(s * range(5)), y), 8)), 4)\n  }\n  return x\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    body = loop(quick).regions[0]
    assert count(body)["concat"] == 0
    assert count(body)["affine"] == 2, "W_y y has left the loop, so has W_s sin(s k)"
    assert count(quick)["affine"] == 2
    tables = [
        n for n in quick.nodes if n.op.name == "affine" and not any(a.name == "batch" for a in n.output.type.lead)
    ]
    assert [str(n.output.type) for n in tables] == ["turn f32[8]"]


# -------------------------------------------------------------------- hoist


def test_scalars_of_the_time_stay_where_they_are(program: Maker) -> None:
    text = "export f(x: [4], n: int = 3) -> [4] {\n  repeat n as i { x = x * sin(i / 3) }\n  return x\n}\n"
    _, quick = prepared_and_optimised(program(text))
    body = loop(quick).regions[0]
    assert count(body)["sin"] == 1
    assert "take" not in count(body)


def test_large_tables_are_not_made(program: Maker) -> None:
    text = (
        "export f(x: [400], n: int = 3) -> [400] {\n"
        "  repeat n as i { x = x + sum(sin(i * range(400))[:, None] * range(400)[None], axis = 0) }\n  return x\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    body = loop(quick).regions[0]
    assert count(body)["sin"] == 0
    assert not any(n.output.type.physical[-2:] == (400, 400) for n in quick.nodes)
    assert any(str(n.output.type) == "f32[400, 400]" for n in body.nodes)


def test_draws_of_a_turn_stay_inside(program: Maker) -> None:
    text = (
        "export f(x: [4], n: int = 3) -> [4] {\n  repeat n {\n    z ~ normal([4])\n    x = x + z\n  }\n  return x\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert count(loop(quick).regions[0])["random_normal"] == 1


def test_a_loop_in_a_loop_gives_its_tables_to_the_outer_one(program: Maker) -> None:
    text = (
        "export f(x: [2], steps: int = 3) -> [2] {\n  repeat 2 shared as l {\n"
        "    integrate s in 0..1 using heun(steps) { dx/ds = sin(s * l * ones([2])) * x + cos(l * ones([2])) + exp(s * ones([2])) }\n"
        "  }\n  return x\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    (outer,) = [n for n in quick.nodes if n.op.name == "loop"]
    middle = outer.regions[0]
    (inner,) = [n for n in middle.nodes if n.op.name == "loop"]
    assert not {"sin", "cos", "exp"} & set(count(inner.regions[0]))
    assert count(middle)["sin"] == 2, "of both times: all steps at once"
    assert count(quick)["cos"] == 1
    assert count(quick)["exp"] == 2


# --------------------------------------------------------------------- fuse


def test_a_bias_is_taken_into_the_product(program: Maker) -> None:
    text = (
        "export f(x: [4]) -> [5] {\n  param W: [5, 4] ~ normal(0, 1)\n  param b: [5] ~ normal(0, 1)\n"
        "  return b + affine(x, W)\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert count(quick) == {"weightof": 2, "affine": 1}


@pytest.mark.parametrize("more", ["h * (h + b)", "relu(h) - (b + h)"])
def test_a_product_with_another_use_is_not_computed_twice(more: str, program: Maker) -> None:
    text = (
        "export f(x: [4]) -> [5] {\n  param W: [5, 4] ~ normal(0, 1)\n  param b: [5] ~ normal(0, 1)\n"
        f"  h = affine(x, W)\n  return {more}\n}}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert count(quick)["affine"] == 1


def test_fusing_brings_nothing_back_into_a_loop(program: Maker) -> None:
    text = (
        "export f(x: [4], n: int = 3) -> [5] {\n  param W: [5, 4] ~ normal(0, 1)\n  y = zeros([5])\n"
        "  repeat n as i { y = tanh(y + (affine(x, W) + sin(i * ones([5])))) }\n  return y\n}\n"
    )
    _, quick = prepared_and_optimised(program(text))
    assert count(quick)["affine"] == 1
    assert count(loop(quick).regions[0])["affine"] == 0


# ------------------------------------------------------------- the IR itself


def test_a_loop_reads_its_weights_from_outside(example: Callable[..., Program]) -> None:
    quick = forms.optimise(forms.prepare(example("moons_flow").exports["sample"]))
    free = free_values(loop(quick).regions[0])
    assert {v.name for v in free} >= {"weight", "bias", "h"}
    assert set(free_values(quick)) <= {s.value for s in quick.settings.values()}


# ------------------------------------------------------------ random programs

BINARY, UNARY = ["+", "-", "*"], ["tanh", "sin", "cumsum", "sum", "softmax"]
LEAVES = ["x", "y", "s * range(4)", "i * 0.5", "1", "0", "w", "s"]


def combined(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, st.sampled_from(BINARY), children).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    product = children.map(lambda e: f"affine(w * 0 + {e}, M)")
    return pair | product | st.tuples(st.sampled_from(UNARY), children).map(lambda t: f"{t[0]}(w * 0 + {t[1]})")


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), combined, max_leaves=10)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=EXPRESSIONS, second=EXPRESSIONS)
def test_random_loops_compute_the_same_after_every_pass(first: str, second: str, program: Maker) -> None:
    text = (
        "export f(x: [4], y: [4], n: int = 3) -> [4] {\n  param w: [4] ~ normal(0, 1)\n  param M: [4, 4] ~ normal(0, 1)\n"
        f"  repeat n as i {{\n    s = i / 3\n    x = tanh(x + {first})\n    y = y + tanh({second})\n  }}\n  return x\n}}\n"
    )
    prepared_and_optimised(program(text))


# --------------------------------------------------------------- upsampled


@pytest.mark.parametrize(("factor", "size", "padding"), [(2, 3, 1), (3, 3, 0), (2, 5, 2), (2, 4, 3), (4, 2, 0)])
def test_a_convolution_of_an_upsampled_image_looks_at_the_image_itself(
    program: Maker, factor: int, size: int, padding: int
) -> None:
    text = (
        f"export f(x: [3, 5, 4]) -> [2, H, W] {{ return conv(upsample(x, {factor}), 2, {size}, padding = {padding}) }}"
    )
    height, width = (n * factor + 2 * padding - size + 1 for n in (5, 4))
    plain, quick = prepared_and_optimised(program(text.replace("H, W", f"{height}, {width}")))
    assert total(plain, "upsample") == 1
    assert total(quick, "upsample") == 0
    assert total(quick, "conv_transpose") == 1


def test_a_convolution_of_what_goes_evenly_between_pixels_looks_at_the_larger_image(program: Maker) -> None:
    text = "export f(x: [3, 5, 5]) -> [2, 10, 10] { return conv(upsample(x, 2, linear = true), 2, 3, padding = 1) }"
    _, quick = prepared_and_optimised(program(text))
    assert (total(quick, "upsample"), total(quick, "conv_transpose")) == (1, 0)


@pytest.mark.parametrize("setting", ["stride = 2", "padding = 3"])
def test_a_window_that_skips_pixels_or_begins_outside_needs_the_larger_image(program: Maker, setting: str) -> None:
    shape = "[2, 5, 5]" if "stride" in setting else "[2, 14, 14]"
    plain, quick = prepared_and_optimised(
        program(f"export f(x: [3, 5, 5]) -> {shape} {{ return conv(upsample(x, 2), 2, 3, {setting}) }}")
    )
    assert total(plain, "upsample") == total(quick, "upsample") == 1


def test_a_window_of_one_pixel_stays_on_the_larger_image(program: Maker) -> None:
    _, quick = prepared_and_optimised(
        program("export f(x: [3, 5, 5]) -> [2, 10, 10] { return conv(upsample(x, 2), 2, 1) }")
    )
    assert total(quick, "upsample") == 1
    assert total(quick, "conv_transpose") == 0
