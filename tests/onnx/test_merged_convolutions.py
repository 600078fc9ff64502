"""What becomes part of a convolution of whole numbers: normalisations, biases, `relu`, the order of pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[..., Program]
# A net of images [16, 6, 6], and operators that its file must not have.
NETS = {
    "a normalisation": (
        "conv(x, 24, 3) |> batch_norm |> relu |> conv(k, 3, bias = false) |> batch_norm",
        {"BatchNormalization"},
    ),
    "a normalisation of a transposed one": (
        "conv_transpose(x, 24, 4, stride = 2) |> batch_norm |> relu |> conv(k, 3, stride = 2)",
        {"BatchNormalization", "DepthToSpace"},
    ),
    "the bias of a shortcut": (
        "conv(relu(group_norm(x, 4)), k, 3) + conv(x, k, 1)",
        {"Conv"},
    ),
    "few that come out": ("conv(tanh(conv(x, 32, 3)), 3, 3) |> conv_transpose(k, 1)", {"Conv"}),
}


def drawn(made: Program) -> dict[str, Array]:
    """Weights, biases and what a normalisation keeps, none of them zeros or ones."""
    random = np.random.default_rng(3)
    weights, _ = load_weights(made, None, 0)
    return {
        name: (array + random.uniform(0.1, 0.6, array.shape).astype(np.float32) if array.ndim == 1 else array)
        for name, array in weights.items()
    }


def operators(path: Path) -> Counter[str]:
    return Counter(n.op_type for n in onnx.load(path).graph.node)


@pytest.mark.parametrize("kind", NETS)
def test_what_becomes_part_of_a_convolution(program: Maker, tmp_path: Path, kind: str) -> None:
    code, gone = NETS[kind]
    made = program(
        f"layer f(x: [k, H, W]) {{ return {code} }}\nnet g(x: [16, 6, 6]) -> [16, 6, 6] {{ return f(x) }}\n"
        "export y(x: [16, 6, 6]) -> [16, 6, 6] { return g(x) }\n"
    )
    weights = drawn(made)
    whole = export(made, "y", Trained(weights), tmp_path / "whole").path
    few = export(made, "y", Trained(weights), tmp_path, CompileOptions(quantize="int8")).path
    assert operators(few)["QLinearConv"]
    assert not gone & set(operators(few))
    x = np.random.default_rng(0).normal(0, 1, (7, 16, 6, 6)).astype(np.float32)
    for scale in (1, 30):
        wanted, got = (load(path, providers="cpu")(x=scale * x) for path in (whole, few))
        assert 0 < np.linalg.norm(got - wanted) < 0.05 * np.linalg.norm(wanted)
    for count in (1, 2, 5):
        np.testing.assert_array_equal(load(few, providers="cpu")(x=30 * x[:count]), got[:count])


def test_a_shortcut_adds_no_bias_of_its_own(program: Maker, tmp_path: Path) -> None:
    """Where every one of its readers takes it; one that is read otherwise keeps its bias."""
    for other, adds in (("", 1), (" + conv(relu(s), k, 3)", 4)):
        made = program(
            "layer f(x: [k, H, W]) {\n  s = conv(x, k, 1)\n"
            f"  return conv(relu(group_norm(x, 4)), k, 3) + s{other}\n}}\n"
            "net g(x: [16, 9, 9]) -> [16, 9, 9] { return f(x) }\n"
            "export y(x: [16, 9, 9]) -> [16, 9, 9] { return g(x) }\n"
        )
        few = export(made, "y", Trained(drawn(made)), tmp_path, CompileOptions(quantize="int8")).path
        assert operators(few)["Add"] == adds


def test_relu_before_codes_is_left_out(program: Maker, tmp_path: Path) -> None:
    made = program(
        "net g(x: [16, 6, 6]) -> [16, 6, 6] { return conv(relu(conv(x, 24, 3)), 16, 3) }\n"
        "export y(x: [16, 6, 6]) -> [16, 6, 6] { return g(x) }\n"
    )
    few = export(made, "y", Trained(drawn(made)), tmp_path, CompileOptions(quantize="int8")).path
    assert operators(few)["QLinearConv"] == 2 and not operators(few)["Relu"]
