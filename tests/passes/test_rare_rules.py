"""Rules that few specs reach, each by the smallest one that does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.operation import ShapeError
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import real
from mai.compiler.onnx.export import export
from mai.compiler.ops.along import reshaped
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.ops.reductions.norm import LayerNorm, RmsNorm
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.runtime import load
from tests.support.cases.growing_texts import HEAD, TAIL, spec, weights

Maker = Callable[[str], Program]


@pytest.mark.parametrize(("axis", "place"), [(-1, -1), (-2, None), (-3, None)])
def test_an_axis_stays_where_as_much_stands_before_it(axis: int, place: int | None) -> None:
    assert reshaped([real(2, 3, 2)], {"shape": (3, 2, 2)}, 0, axis) == place


@pytest.mark.parametrize(("weight", "said"), [((3, 3, 3), "an image [k, L]"), ((3, 3), "the weight of `conv`")])
def test_a_window_has_the_axes_of_the_image(weight: tuple[int, ...], said: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(said)):
        Conv.shape(real(3, 5, 5), real(*weight), **Conv.attributes)


FRESH = "net f(x: [2]) -> [2] {{\n  y = x\n  repeat 3 {{ y = tanh(linear(y, 2)) }}\n  return {}\n}}\nexport g(x: [2]) -> [2] {{ return f(x) }}\n"


def test_readable_turns_stay_a_loop_but_where_they_are_differentiated(program: Maker) -> None:
    assert forms.readable(program(FRESH.format("y")).exports["g"]).has(Loop)
    assert not forms.readable(program(FRESH.format("grad(sum(y), x)")).exports["g"]).has(Loop)


def test_a_state_of_all_examples_has_a_derivative_for_each(program: Maker, tmp_path: Path) -> None:
    """The loop is of no example, what goes back through it is."""
    text = (
        "export f(v: [2]) -> [2] {\n  start = linspace(0.1, 0.5, 2)\n  x = start\n"
        "  repeat 3 shared { x = tanh(2 * x) }\n  return grad(sum(x * v), start)\n}\n"
    )
    model = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")
    v = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    x, slope = np.linspace(0.1, 0.5, 2), np.ones(2)
    for _ in range(3):
        x = np.tanh(2 * x)
        slope = slope * 2 * (1 - x**2)
    np.testing.assert_allclose(model(v=v), slope * v, rtol=1e-5)


# What a mapped call computes is read for all tokens by the attention, and for the last one by what follows.
MAPPED = (
    HEAD + "layer two(v: [2]) -> ([2], [2]) {\n  u = softmax(3 * v)\n  return (u, 2 * u + cumsum(u))\n}\n"
    "net logits(x: tokens[P]) -> [P, vocab] {\n  h = embed(x, d)\n"
    '  (k, q) = two(rearrange(h, "p (a b c) -> p a b c", a = 2, b = 2))\n'
    '  h += attention(rearrange(k, "p a b c -> p (a b c)"), 2, causal = true)\n'
    '  h += rearrange(q, "p a b c -> p (a b c)")\n'
    "  h += tile(h, [1, 2])[:, d:]\n  return linear(h, vocab)\n}\n" + TAIL
)


def test_the_last_token_alone_through_calls_over_several_axes(program: Maker, tmp_path: Path) -> None:
    spec = program(MAPPED)
    prompt = np.random.default_rng(0).integers(0, 13, (3, 4))
    texts = []
    for cache in ("none", "concat"):
        folder = tmp_path / cache
        folder.mkdir()
        path = export(spec, "generate", Trained(weights(spec)), folder, CompileOptions(cache=cache)).path
        texts.append(load(path, providers="cpu")(prompt=prompt, count=8, seed=3))
    np.testing.assert_array_equal(*texts)


def test_a_loop_of_a_mapped_call_begins_alike_for_every_token(program: Maker) -> None:
    layer = "layer turned(x: [c]) -> [c] {\n  s = zeros([c])\n  repeat 3 shared { s = tanh(x - s) }\n  return s\n}\n"
    text = spec("h += cumsum(turned(h), axis = 0)").replace("net logits", f"{layer}net logits")
    check_growing(program(text))


def test_a_text_lies_along_the_second_axis_of_an_image(program: Maker) -> None:
    image = 'rearrange(h, "p (a b) -> a b p", a = 4)'
    check_growing(
        program(spec(f'h += rearrange(conv({image}, 4, [1, 3], padding = [[0, 0], [2, 0]]), "a b p -> p (a b)")'))
    )


def check_growing(spec: Program) -> None:
    """A text that grows token by token is the one that is computed anew."""
    feed = {"prompt": np.random.default_rng(0).integers(0, 13, (3, 4))}
    graphs = [forms.prepare(spec.exports["generate"], cache=cache) for cache in ("none", "concat")]
    texts = [evaluate(graph, feed, {"count": 8, "seed": 3, "temperature": 1.0}, weights(spec))[0] for graph in graphs]
    np.testing.assert_array_equal(*texts)


def test_an_axis_that_an_einsum_sums_alone_has_equal_derivatives(program: Maker, tmp_path: Path) -> None:
    text = 'export f(a: [2, 3], b: [2, 4]) -> [2, 3] { return grad(sum(einsum("i j, i k -> i k", a, b)^2), a) }\n'
    model = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")
    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=(5, 2, n)).astype(np.float32) for n in (3, 4))
    product = a.sum(-1, keepdims=True) * b
    expected = np.broadcast_to((2 * product * b).sum(-1, keepdims=True), a.shape)
    np.testing.assert_allclose(model(a=a, b=b), expected, rtol=1e-4)


@pytest.mark.parametrize("norm", [RmsNorm, LayerNorm])
def test_a_number_has_no_norm(norm: type[RmsNorm] | type[LayerNorm]) -> None:
    with pytest.raises(ShapeError, match="at least one axis"):
        norm.shape(real(), eps=1e-5)
