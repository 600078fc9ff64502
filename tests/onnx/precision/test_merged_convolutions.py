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
# A layer of images [16, 6, 6], and operators that its file must not have.
NETS = {
    "a normalisation": (
        "conv(x, 24, 3) |> batch_norm |> relu |> conv(k, 3, bias = false) |> batch_norm",
        {"BatchNormalization"},
    ),
    "a normalisation of a transposed one": (
        "conv_transpose(x, 24, 4, stride = 2) |> batch_norm |> relu |> conv(k, 3, stride = 2)",
        {"BatchNormalization", "DepthToSpace"},
    ),
    "two normalisations of an uneven frame": (
        "conv(sigmoid(x), k, 3, padding = [[0, 2], [2, 0]]) |> batch_norm |> batch_norm",
        {"BatchNormalization"},
    ),
    "a normalisation of one channel": (
        "x + (conv(relu(x), 1, 5) |> batch_norm)",
        {"BatchNormalization", "Conv"},
    ),
    "a normalisation of a larger image": (
        "batch_norm(conv(upsample(x, 2), k, 5, padding = [[1, 3], [4, 0]])) |> conv(k, 3, stride = 2)",
        {"BatchNormalization", "Resize"},
    ),
    "the bias of a shortcut": (
        "conv(relu(group_norm(x, 4)), k, 3) + conv(x, k, 1)",
        {"Conv"},
    ),
    "the bias of a shortcut before a layer norm": (
        "layer_norm(conv(relu(group_norm(x, 4)), k, 3) + conv(x, k, 1))",
        {"Conv"},
    ),
    "few that come out": ("conv(tanh(conv(x, 32, 3)), 3, 3) |> conv_transpose(k, 1)", {"Conv"}),
}
# A layer of images [16, 6, 6] in whose file a normalisation stays.
KEPT = {
    "of what is read elsewhere": "h = conv(x, k, 3)\n  return batch_norm(h) + relu(h)",
    "of groups": "return conv(relu(batch_norm(conv(x, 32, 3, groups = 2))), k, 3)",
}


def drawn(spec: Program) -> dict[str, Array]:
    """Weights, biases and what a normalisation keeps, none of them zeros or ones; every second of its gains is below zero."""
    random = np.random.default_rng(3)
    weights, _ = load_weights(spec, None, 0)
    for name, array in weights.items():
        if array.ndim == 1:
            weights[name] = array + random.uniform(0.1, 0.6, array.shape).astype(np.float32)
            if name.endswith("weight"):
                weights[name][::2] *= -1
    return weights


def operators(path: Path) -> Counter[str]:
    return Counter(n.op_type for n in onnx.load(path).graph.node)


def compiled(program: Maker, body: str, folder: Path) -> tuple[Path, Path]:
    """The files of a layer with this body, in float32 and in 8 bits."""
    spec = program(
        f"layer f(x: [k, H, W]) {{\n  {body}\n}}\nnet g(x: [16, 6, 6]) -> [16, 6, 6] {{ return f(x) }}\n"
        "export y(x: [16, 6, 6]) -> [16, 6, 6] { return g(x) }\n"
    )
    weights = drawn(spec)
    whole = export(spec, "y", Trained(weights), folder / "whole").path
    return whole, export(spec, "y", Trained(weights), folder, CompileOptions(quantize="int8")).path


def check_near(whole: Path, few: Path) -> None:
    """The results of 8 bits are near those of float32, and no example changes another's."""
    x = np.random.default_rng(0).normal(0, 1, (7, 16, 6, 6)).astype(np.float32)
    real, rounded = (load(path, providers="cpu") for path in (whole, few))
    for scale in (1, 30):
        wanted, got = (model(x=scale * x) for model in (real, rounded))
        assert 0 < np.linalg.norm(got - wanted) < 0.05 * np.linalg.norm(wanted)
    for count in (1, 2, 5):
        np.testing.assert_array_equal(rounded(x=30 * x[:count]), got[:count])


@pytest.mark.parametrize("kind", NETS)
def test_what_becomes_part_of_a_convolution(program: Maker, tmp_path: Path, kind: str) -> None:
    code, gone = NETS[kind]
    whole, few = compiled(program, f"return {code}", tmp_path)
    assert operators(few)["QLinearConv"]
    assert not gone & set(operators(few))
    check_near(whole, few)


@pytest.mark.parametrize("kind", KEPT)
def test_what_stays_beside_a_convolution(program: Maker, tmp_path: Path, kind: str) -> None:
    whole, few = compiled(program, KEPT[kind], tmp_path)
    assert operators(few)["QLinearConv"] and operators(few)["BatchNormalization"]
    check_near(whole, few)


def test_a_shortcut_adds_no_bias_of_its_own(program: Maker, tmp_path: Path) -> None:
    """Where every one of its readers takes it; one that is read otherwise keeps its bias."""
    for other, adds in (("", 1), (" + conv(relu(s), k, 3)", 4)):
        body = f"s = conv(x, k, 1)\n  return conv(relu(group_norm(x, 4)), k, 3) + s{other}"
        whole, few = compiled(program, body, tmp_path)
        assert operators(few)["Add"] == adds
        check_near(whole, few)


def test_relu_before_codes_is_left_out(program: Maker, tmp_path: Path) -> None:
    """Where something else reads what it makes, it stays."""
    for other, count in (("", 0), (" + h[:k]", 1)):
        whole, few = compiled(program, f"h = relu(conv(x, 24, 3))\n  return conv(h, k, 3){other}", tmp_path)
        assert operators(few)["QLinearConv"] == 2 and operators(few)["Relu"] == count
        check_near(whole, few)


def test_an_image_that_is_put_together_has_the_extremes_of_its_parts(program: Maker, tmp_path: Path) -> None:
    """Of pixels that an image has several times over, too; and one number of examples serves all scales."""
    body = (
        "a = conv(x, k, 3)\n  u = upsample(conv(a, k, 3, stride = 2), 2)\n"
        "  return conv(concat(u, a, axis = 0), k, 3) + conv(concat(a, u, axis = 0), k, 3)"
    )
    whole, few = compiled(program, body, tmp_path)
    assert operators(few)["QLinearConv"] == 4
    assert operators(few)["ReduceMax"] == operators(few)["ReduceMin"] == 3
    assert operators(few)["Shape"] == 1
    check_near(whole, few)
