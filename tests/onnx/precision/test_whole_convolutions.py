"""Convolutions of whole numbers: each kind beside float32, that examples do not see each other, and what stays in float32."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, FewBits, Trained
from mai.compiler.onnx.export import Exported, export
from mai.compiler.onnx.precision.phases import pieces
from mai.compiler.onnx.precision.ranges import Range, figures, from_figures, joined
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from tests.support.command import invoke

Maker = Callable[..., Program]
INT8: FewBits = "int8"
# A layer, the sizes of its image, and its result.
KINDS = {
    "one axis": ("conv1d(x, 24, 3)", "9", "24, 9"),
    "one axis, apart and causal": ('conv1d(x, 16, 3, padding = "causal", dilation = 2)', "11", "16, 11"),
    "a window of one": ("conv(x, 24, 1)", "3, 4", "24, 3, 4"),
    "a stride": ("conv(x, 16, 3, stride = 2)", "7, 8", "16, 4, 4"),
    "other numbers along each axis": (
        "conv(x, 16, [2, 3], stride = [1, 2], padding = [0, 1], dilation = [2, 1])",
        "5, 7",
        "16, 3, 4",
    ),
    "no bias": ("conv(x, 20, 3, bias = false)", "5, 5", "20, 5, 5"),
    "three axes": ("conv3d(x, 16, 3)", "3, 2, 4", "16, 3, 2, 4"),
    "transposed": ("conv_transpose(x, 18, 4, stride = 2)", "3, 5", "18, 6, 10"),
    "transposed, windows side by side": ("conv_transpose(x, 16, 2, stride = 2)", "4, 3", "16, 8, 6"),
    "transposed by three": ("conv_transpose(x, 16, 3, stride = 3, bias = false)", "2, 3", "16, 6, 9"),
    "transposed, pixels that no window reaches": (
        'conv_transpose(x, 16, 2, stride = 3, padding = "valid")',
        "2, 3",
        "16, 6, 9",
    ),
    "transposed, cut unevenly": (
        "conv_transpose(x, 16, 5, stride = 2, padding = [[1, 2], [1, 2]])",
        "3, 4",
        "16, 6, 8",
    ),
    "transposed without a stride": ("conv_transpose(x, 16, [3, 2])", "4, 4", "16, 4, 4"),
    "transposed along one axis": ("conv_transpose1d(x, 16, 5, stride = 3)", "4", "16, 12"),
    "made larger first": ("conv(upsample(x, 2), 16, 3)", "3, 3", "16, 6, 6"),
}


def convolving(program: Maker, kind: str, before: str = "x") -> Program:
    """An export `y` of one layer, of a value computed from x."""
    layer, sizes, result = KINDS[kind]
    letters = ", ".join("DHW"[-sizes.count(",") - 1 :])
    return program(
        f"layer f(x: [k, {letters}]) {{ return {layer} }}\nnet g(x: [16, {sizes}]) -> [{result}] {{ return f({before}) }}\n"
        f"export y(x: [16, {sizes}]) -> [{result}] {{ return g(x) }}\n"
    )


def both(spec: Program, name: str, folder: Path) -> tuple[Exported, Exported]:
    """The file in float32, and in 8 bits."""
    weights, _ = load_weights(spec, None, 0)
    whole = export(spec, name, Trained(weights), folder / "whole")
    return whole, export(spec, name, Trained(weights), folder, CompileOptions(quantize=INT8))


def operators(path: Path) -> Counter[str]:
    return Counter(n.op_type for n in _nodes(onnx.load(path).graph))


def _nodes(graph: Any) -> list[Any]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(n for g in inner for n in _nodes(g))]


def run(file: Exported, **inputs: Any) -> Array:
    result: Array = load(file.path, providers="cpu")(**inputs)
    return result


def distance(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("before", ["x", "tanh(2 * x)"], ids=["of each example", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_near_float32(program: Maker, tmp_path: Path, kind: str, before: str) -> None:
    spec = convolving(program, kind, before)
    whole, few = both(spec, "y", tmp_path)
    counts = operators(few.path)
    assert counts["QLinearConv"] and not counts["Conv"] + counts["ConvTranspose"]
    shape = spec.exports["y"].inputs[0].type.shape
    x = np.random.default_rng(0).normal(0, 1, (8, *shape)).astype(np.float32)
    wanted = run(whole, x=x)
    together = run(few, x=x)
    assert 0 < distance(together, wanted) < 0.04
    for count in (1, 2, 3, 5, 7):
        np.testing.assert_array_equal(run(few, x=x[:count]), together[:count])
    assert distance(run(few, x=100 * x), run(whole, x=100 * x)) < 0.05
    zeros = run(few, x=0 * x)
    assert np.abs(zeros - run(whole, x=0 * x)).max() < 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7, 8])
@pytest.mark.parametrize(("stride", "pads", "lost"), [(1, (0, 0), 0), (2, (1, 1), 1), (3, (0, 2), 2), (4, (0, 0), 0)])
def test_a_transposed_convolution_is_its_pieces(width: int, stride: int, pads: tuple[int, int], lost: int) -> None:
    """In integers, so to the last bit; along one axis, for images of 3 to 5 pixels."""
    generator = np.random.default_rng(width)
    weight = generator.integers(-9, 9, (2, 3, width))
    for pixels in (3, 4, 5):
        size = stride * (pixels - 1) + width - sum(pads) + lost
        x, wanted = generator.integers(-9, 9, (2, pixels)), np.zeros((3, size + sum(pads) + width), int)
        for place in range(pixels):
            wanted[:, stride * place : stride * place + width] += np.einsum("k,kow->ow", x[:, place], weight)
        wanted = wanted[:, pads[0] : pads[0] + size]
        if size < 1:
            continue
        parts, (over,) = pieces(weight, stride, pads, [lost])
        rows = []
        for piece in parts:
            framed = np.pad(x, [(0, 0), (piece.before[0], piece.after[0])])
            views = np.lib.stride_tricks.sliding_window_view(framed, piece.weight.shape[2], axis=1)
            rows.append(np.einsum("kmw,okw->om", views, piece.weight))
        phases = np.concatenate(rows).reshape(stride, 3, -1)
        result = phases.transpose(1, 2, 0).reshape(3, -1)
        np.testing.assert_array_equal(result[:, : result.shape[1] - over], wanted)


LOOP = """
layer block(x: [k, H, W], s: []) -> [k, H, W] {
  h = x |> group_norm(4) |> silu |> conv(k, 3)
  h += linear([s, 1], k)[:, None, None]
  return x + conv(relu(h), k, 3)
}
net velocity(x: [2, SIZES], s: [], y: class[3]) -> [2, SIZES] {
  h = conv(x, 16, 3) + embed(y, 16)[:, None, None]
  a = block(h, s)
  b = block(conv(a, 32, 3, stride = 2), s)
  return conv(concat(conv_transpose(b, 16, 4, stride = 2), a, axis = 0), 2, 3)
}
export sample(y: class[3], guidance: real = 1.5, steps: int = 3) -> [2, SIZES] {
  x ~ normal([2, SIZES])
  integrate s in 0..1 using euler(steps) {
    free = velocity(x, s, 0)
    dx/ds = free + guidance * (velocity(x, s, y) - free)
  }
  return x
}
"""


@pytest.mark.parametrize("unroll", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_sampler(program: Maker, tmp_path: Path, unroll: bool) -> None:
    """In a loop, in chunks of a batch, with several calls of a net side by side: the first stays in float32."""
    spec = program(LOOP.replace("SIZES", "8, 8"))
    weights, _ = load_weights(spec, None, 0)
    whole = export(spec, "sample", Trained(weights), tmp_path / "whole", CompileOptions(unroll=unroll))
    few = export(spec, "sample", Trained(weights), tmp_path, CompileOptions(quantize=INT8, unroll=unroll))
    counts = operators(few.path)
    assert counts["QLinearConv"] and not counts["ConvTranspose"]
    assert few.notes[0].endswith("8 bits make those of few channels, or in groups, no faster")
    assert few.size < (0.9 if unroll else 0.7) * whole.size
    assert {o.domain for o in onnx.load(few.path).opset_import} == {""}
    y = np.arange(20) % 3
    together = run(few, y=y, seed=1)
    assert distance(together, run(whole, y=y, seed=1)) < 0.03
    for count in (2, 3, 7, 16):
        np.testing.assert_array_equal(run(few, y=y[:count], seed=1), together[:count])
    for graph in _graphs(onnx.load(few.path).graph):  # Weights lie in the body that reads them: no others are packed.
        own = {i.name for i in graph.initializer}
        convolutions = [n for n in graph.node if n.op_type == "QLinearConv"]
        assert all(set(n.input[1:]) <= own for n in convolutions)
        assert len({n.input[3] for n in convolutions}) <= 6 + 4  # Six layers, and one in four pieces, each once.


def _graphs(graph: Any) -> list[Any]:
    return [graph, *(g for n in graph.node for a in n.attribute if a.HasField("g") for g in _graphs(a.g))]


def test_a_compiled_file_says_its_ranges(program: Maker, tmp_path: Path) -> None:
    """So that it can be compiled again as it is."""
    spec = convolving(program, "a stride")
    _, few = both(spec, "y", tmp_path)
    kept = load(few.path, providers="cpu").manifest.ranges
    assert len(kept) == 1
    weights, _ = load_weights(spec, None, 0)
    wider = {key: Range(*(2 * number for number in seen)) for key, seen in kept.items()}
    other = export(spec, "y", Trained(weights, ranges=wider), tmp_path / "wider", CompileOptions(quantize=INT8))
    assert load(other.path, providers="cpu").manifest.ranges == figures(wider)
    assert from_figures(figures(wider)) == wider
    assert joined(wider, from_figures(kept)) == wider


def test_what_stays_in_float32(program: Maker, tmp_path: Path) -> None:
    """Groups, few channels, and what takes a derivative; windows that an example makes."""
    spec = program(
        "net f(x: [32, 5, 5]) -> [8, 5, 5] { return conv(conv(conv(x, 32, 3, groups = 2), 32, 3, groups = 32), 8, 1) }\n"
        "net g(x: [16, 5, 5]) -> [] { return sum(tanh(conv(x, 16, 3))) }\n"
        "export a(x: [32, 5, 5]) -> [8, 5, 5] { return f(x) }\n"
        "export b(x: [16, 5, 5]) -> [16, 5, 5] { return grad(g(x), x) }\n"
    )
    for name, why in (("a", "in groups"), ("b", "a derivative is taken")):
        whole, few = both(spec, name, tmp_path)
        assert why in few.notes[0]
        assert not operators(few.path)["QLinearConv"]
        x = np.random.default_rng(0).normal(0, 1, (3, *spec.exports[name].inputs[0].type.shape)).astype(np.float32)
        np.testing.assert_array_equal(run(few, x=x), run(whole, x=x))


TRAINED = """data x: [16, 6, 6] from npz("rows.npz")
net f(x: [16, 6, 6]) -> [16, 6, 6] { return conv(relu(conv(x, 24, 3)), 16, 3) }
train(steps = 1, batch = 4, optimizer = adam(lr = 1e-3)) { minimize mean((f(x) - x)^2) }
export g(x: [16, 6, 6]) -> [16, 6, 6] { return f(x) }
"""


def test_ranges_are_those_of_held_out_data(tmp_path: Path) -> None:
    """A compiled file's are those that data have, and the loss is measured with convolutions of whole numbers."""
    rows = 50 * np.abs(np.random.default_rng(0).normal(0, 1, (64, 16, 6, 6))).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=rows)
    (tmp_path / "spec.mai").write_text(TRAINED)
    said = invoke("compile", str(tmp_path / "spec.mai"), "--out", str(tmp_path), "--quantize", "int8")
    assert said.exit_code == 0, said.output
    assert "the loss on held-out data goes from" in said.output
    kept = from_figures(load(tmp_path / "spec.g.onnx", providers="cpu").manifest.ranges)
    assert len(kept) == 2
    assert max(seen.high for seen in kept.values()) > 100
    assert min(seen.low for seen in kept.values()) >= 0
    model = load(tmp_path / "spec.g.onnx", providers="cpu")
    invoke("compile", str(tmp_path / "spec.mai"), "--out", str(tmp_path / "whole"))
    whole = load(tmp_path / "whole" / "spec.g.onnx", providers="cpu")
    for x in (rows[:9], -rows[:9]):  # What was never below zero on these data may be.
        assert distance(model(x=x), whole(x=x)) < 0.1
