"""Every pass keeps what a graph computes; hoisting leaves the body what depends on the examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.text import to_text
from mai.compiler.onnx.comparing.trial import difference, trial
from mai.compiler.passes import forms
from mai.compiler.passes.analyses.choices import spared
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value

Maker = Callable[..., Program]
NAMES = [
    "attention_flow",
    "cnn",
    "diffusion",
    "digits_unet",
    "dit",
    "mlp",
    "moons_flow",
    "resnet",
    "sinkformer",
    "two_layer",
    "vit",
]
SMALL = {"digits_unet": {"c": "8"}, "diffusion": {"T": "7"}, "resnet": {"L": "5"}, "dit": {"d": "24", "depth": "2"}}


def values(program: Program) -> dict[str, Any]:
    return {name: first_value(w, 1).astype(np.float64) for name, w in program.weights.items()}


def prepared(program: Program) -> list[Graph]:
    return [forms.prepare(g) for g in program.exports.values()]


@pytest.mark.parametrize("name", NAMES)
def test_passes_keep_the_result(name: str, example: Maker) -> None:
    program = example(name, **SMALL.get(name, {}))
    weights = values(program)
    for graph in prepared(program):
        tried = trial(graph, 3)
        wanted = evaluate(graph, tried.inputs, tried.settings, weights)
        for stage in (forms.fold, forms.prune, forms.optimise):
            results = evaluate(stage(graph), tried.inputs, tried.settings, weights)
            assert max(difference(a, b) for a, b in zip(results, wanted, strict=True)) < 1e-9, stage.__name__


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moons_flow", "diffusion"])
def test_frozen_settings_keep_their_defaults(name: str, example: Maker) -> None:
    program = example(name, **SMALL.get(name, {}))
    weights = values(program)
    for graph in prepared(program):
        tried, frozen = trial(graph, 3), forms.freeze(graph)
        assert set(frozen.sizes) <= {"batch"}
        defaults = {n: tried.settings[n] if n in frozen.settings else s.default for n, s in graph.settings.items()}
        wanted = evaluate(graph, tried.inputs, defaults, weights)
        kept = {n: v for n, v in tried.settings.items() if n in frozen.settings}
        results = evaluate(forms.optimise(frozen), tried.inputs, kept, weights)
        assert max(difference(a, b) for a, b in zip(results, wanted, strict=True)) < 1e-9


def loops(graph: Graph) -> list[Any]:
    return [n for n in graph.walk() if n.op.name == "loop"]


def test_what_depends_on_the_time_alone_leaves_the_loop(example: Maker) -> None:
    graph = forms.optimise(forms.prepare(example("moons_flow").exports["sample"]))
    (loop,) = loops(graph)
    inside = [n for n in loop.regions[0].nodes if not n.output.type.lead and n.output.type.rank]
    assert {n.op.name for n in inside} == {"take"}
    assert len(inside) == 3
    assert any(n.op.name == "affine" and str(n.output.type).startswith("turn") for n in graph.nodes)


def test_what_depends_on_nothing_is_computed_once(example: Maker) -> None:
    graph = forms.optimise(forms.prepare(example("digits_unet", c="8").exports["sample"]))
    (loop,) = loops(graph)
    tables = [n for n in loop.regions[0].nodes if n.op.name == "take"]
    assert tables
    assert not any(n.op.name in ("sin", "cos") for n in loop.regions[0].nodes)


def test_diffusion_is_a_loop_with_draws_inside(example: Maker) -> None:
    graph = forms.optimise(forms.prepare(example("diffusion").exports["sample"]))
    (loop,) = loops(graph)
    assert sum(n.op.name == "random_normal" for n in loop.regions[0].nodes) == 1
    assert not any(n.op.name in ("cumprod", "cos") for n in loop.regions[0].nodes)


def test_shared_repeats_stay_loops_and_fresh_ones_are_written_out(program: Maker) -> None:
    text = "export f(x: [4]) -> [4] {\n  repeat 3 { x = linear(x, 4) }\n  repeat 3 shared { x = linear(x, 4) }\n  return x\n}\n"
    spec = program(text)
    assert len(spec.weights) == 8
    graph = forms.prepare(spec.exports["f"])
    assert len(loops(graph)) == 1
    assert sum(n.op.name == "affine" for n in graph.walk()) == 4


def test_repeat_with_a_count_from_a_setting(program: Maker) -> None:
    spec = program("export f(x: [2], n: int = 3) -> [2] {\n  repeat n as i { x = 2 * x + i }\n  return x\n}\n")
    graph = forms.prepare(spec.exports["f"])
    for count in (0, 1, 5):
        (y,) = evaluate(graph, {"x": np.ones((1, 2))}, {"n": count}, {})
        x = 1.0
        for i in range(count):
            x = 2 * x + i
        assert y.tolist() == [[x, x]]
        (z,) = evaluate(forms.optimise(graph), {"x": np.ones((1, 2))}, {"n": count}, {})
        assert z.tolist() == y.tolist()


def test_text_is_stable(example: Maker) -> None:
    first, second = (to_text(example("moons_flow").exports["path"]) for _ in range(2))
    assert first == second
    assert "integrate" in first
    assert "# moons_flow.mai:" in first


def test_a_net_is_mapped_over_further_axes(program: Maker) -> None:
    text = (
        "net f(x: [3], s: []) -> [2] { return linear(concat(x, [s]), 2) }\n"
        "export one(x: [3]) -> [2] { return f(x, 0.5) }\nexport many(x: [5, 3]) -> [5, 2] { return f(x, 0.5) }\n"
        "export grid(x: [4, 5, 3], s: [4, 5]) -> [4, 5, 2] { return f(x, s) }\n"
    )
    spec = program(text)
    weights = values(spec)
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    one = lambda a: evaluate(spec.exports["one"], {"x": a}, {}, weights)[0]  # noqa: E731
    (many,) = evaluate(spec.exports["many"], {"x": x[:, 0]}, {}, weights)
    np.testing.assert_allclose(many, np.stack([one(x[:, 0, i]) for i in range(5)], 1))
    (grid,) = evaluate(spec.exports["grid"], {"x": x, "s": np.full((2, 4, 5), 0.5)}, {}, weights)
    np.testing.assert_allclose(grid[:, 0], many)


def test_what_branches_of_choices_alone_read_is_spared_by_these_branches(program: Maker) -> None:
    """The outermost branch first; what is read elsewhere, too, is spared by none, nor is what an example chooses for itself."""
    text = """net first(x: [3]) -> [3] { return linear(tanh(x), 3) }
net second(x: [3]) -> [3] { return linear(x, 3) }
net third(x: [3]) -> [3] { return linear(x, 3) }
net fourth(x: [3]) -> [3] { return linear(x, 3) }
export f(x: [3], k: int = 1) -> [3] {
  inner = where(k > 5, second(x), x)
  return where(k > 0, first(x), inner) + third(x) + where(x > 0, fourth(x), x)
}
"""
    (graph,) = prepared(program(text))
    products = [places for node, places in spared(graph.nodes, graph.outputs).items() if node.op.name == "affine"]
    outer, inner = sorted(products, key=len)
    assert [place for _, place in outer] == [1] and [place for _, place in inner] == [2, 1]
    assert inner[0][0] is outer[0][0]
