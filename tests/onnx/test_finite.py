"""What is not finite: numbers that no file can hold are told where they are written, weights and results before a file is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.comparing.trial import difference
from mai.compiler.onnx.export import export
from mai.compiler.passes.analyses.known_values import KnownValues
from mai.compiler.passes.analyses.tensor_sizes import enormous
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
SPEC = "export g(x: [2]) -> [2] { return %s }\n"
ONE_LAYER = "net f(x: [2]) -> [2] { return linear(x, 2) }\nexport g(x: [2]) -> [2] { return f(x) }\n"


def compiled(spec: Program, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # What numpy would say on the terminal.
        return export(spec, "g", Trained(load_weights(spec, None)[0]), folder).path


@pytest.mark.parametrize(
    ("expression", "place", "slug"),
    [
        ("x * 1e39", "1e39", "number-too-large"),
        ("where(x > 0, x, -1e39)", "-1e39", "number-too-large"),
        ("x * [1.5, 1e39]", "[1.5, 1e39]", "number-too-large"),
        ("clip(x, 0, 1e39)", "1e39", "number-too-large"),
        ("x * ([1e30, 2e30] * 1e12)", "([1e30, 2e30] * 1e12)", "number-too-large"),
        ("x * exp([1000, 2])", "exp([1000, 2])", "number-too-large"),
        ("x + log([2, -1])", "log([2, -1])", "bad-number"),
        ("x + (1e20 * range(2))^2", "(1e20 * range(2))^2", "number-too-large"),
        ("x + range(2) * 3^20 * 3^20", "range(2) * 3^20 * 3^20", "number-too-large"),
        ("x * 0 + [1, 2^63]", "[1, 2^63]", "number-too-large"),
        ("x + sum(zeros([100000, 100000, 100000]))", "zeros([100000, 100000, 100000])", "dimension-too-large"),
    ],
)
def test_numbers_that_a_file_cannot_hold_are_told_where_they_are_written(
    expression: str, place: str, slug: str, tmp_path: Path
) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(SPEC % expression, encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.span is not None
    assert (diagnostic.slug, diagnostic.span.text.strip("()")) == (slug, place.strip("()"))


@pytest.mark.parametrize("numbers", ["range(2) * 9223372036854775807", "-range(2) * 4611686018427387904 * 2"])
def test_the_last_whole_numbers_are_allowed(numbers: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(SPEC % f"x + {numbers}", encoding="utf-8")
    assert not check(path).diagnostics


def test_a_tensor_of_the_most_bytes_is_allowed(program: Maker) -> None:
    graph = program(SPEC % "x + 1").exports["g"]
    assert [d.slug for d in enormous(graph, 8)] == [] and [d.slug for d in enormous(graph, 7)] == [
        "dimension-too-large"
    ]


@pytest.mark.parametrize(
    ("setting", "ends"),
    [("n: int = 2^63", "9223372036854775807"), ("n: int = -2^63 - 1", "2^63 - 1"), ("n: real = 1e39", "3.403e+38")],
)
def test_defaults_of_settings_are_numbers_that_a_file_can_hold(setting: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export g(x: [2], {setting}) -> [2] {{ return x * n }}\n", encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "number-too-large" and ends in diagnostic.message


@pytest.mark.parametrize(
    ("expression", "x", "expected"),
    [
        ("x * 3e38", [1.0, -1.0], [3e38, -3e38]),
        ("x + log([0, 1])", [1.0, 2.0], [-np.inf, 2.0]),
        ("softmax(x + log([0, 1]))", [1.0, 2.0], [0.0, 1.0]),
        ("where([1, 0] > 0, x, log([2, -1]) * 0)", [1.0, 2.0], None),
        ("x + sigmoid([2000, -2000])", [1.0, 2.0], [2.0, 2.0]),
        ("log(x)", [1.0, 0.0], [0.0, -np.inf]),
        ("x / sum(sqrt(x))", [1.0, 1.0], [0.5, 0.5]),
    ],
)
def test_infinities_that_are_meant_stay(
    expression: str, x: list[float], expected: list[float] | None, program: Maker, tmp_path: Path
) -> None:
    if expected is None:
        with pytest.raises(AssertionError, match="bad-number"):
            program(SPEC % expression)
        return
    result = load(compiled(program(SPEC % expression), tmp_path), providers="cpu")(x=np.array([x], np.float32))
    np.testing.assert_allclose(result["g"][0] if isinstance(result, dict) else result[0], expected, rtol=1e-6)


ARRIVED = (
    "export g(x: [2]) -> [2] {{\n  y = x\n  integrate s in 0..1 using dopri5() {{ dy/ds = -y }}\n  return {}\n}}\n"
)


@pytest.mark.parametrize("text", [SPEC % "x * (1e30 * exp(100 + 0 * sum(x)))", ARRIVED.format("y + log(-1 - x^2)")])
def test_a_result_that_is_never_finite_is_told(text: str, program: Maker, tmp_path: Path) -> None:
    spec = program(text)
    with pytest.raises(MaiError) as caught:
        compiled(spec, tmp_path)
    assert caught.value.diagnostics[0].slug == "not-finite"
    assert not list(tmp_path.glob("*.onnx"))


PRICE = """layer cdf(x: []) -> [] { return 0.5 * (1 + erf(x / sqrt(2))) }
layer call(S: [], K: [], v: [], T: []) -> [] {
  d = (log(S / K) + v^2 / 2 * T) / (v * sqrt(T))
  return S * cdf(d) - K * cdf(d - v * sqrt(T))
}
export g(S: [], K: [], v: [], T: []) -> [] {
  c = call(S, K, v, T)
  w = 0.3
  repeat 20 until abs(call(S, K, w, T) - c) < 1e-4 {
    p = call(S, K, w, T)
    w = w - (p - c) / grad(p, w)
  }
  return w
}
"""


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        (SPEC % "sqrt(x - 9)", {"x": [25.0, 13.0]}, [4.0, 2.0]),
        (SPEC % "log_prob(poisson(3), x)", {"x": [0.0, 2.0]}, [-3.0, 2 * np.log(3) - 3 - np.log(2)]),
        (PRICE, {"S": 100.0, "K": 110.0, "v": 0.2, "T": 1.0}, 0.2),
    ],
    ids=["degrees", "counts", "prices"],
)
def test_inputs_that_few_draws_fit(
    text: str, inputs: dict[str, float], expected: float, program: Maker, tmp_path: Path
) -> None:
    """Degrees above 9, numbers of events, and a volatility that Newton's method finds for few options (Black and Scholes 1973)."""
    model = load(compiled(program(text), tmp_path), providers="cpu")
    result = model(**{name: np.array([x], np.float32) for name, x in inputs.items()})
    np.testing.assert_allclose(result[0], expected, rtol=1e-3)


NOISE = """export g(x: []) -> [] {
  y = x
  integrate t in 0..9 using euler_maruyama(90) {
    noise dB: []
    dy = -y * dt + sqrt(y) * dB
  }
  return y
}
"""


@pytest.mark.parametrize(
    ("text", "place", "instead"),
    [
        (NOISE, "sqrt(y)", "`sqrt(maximum(y, 0))`"),
        ("export g(x: [3]) -> [] { return sum(log(x - 999)) }", "log(x - 999)", "`log(maximum(x - 999, 1e-6))`"),
        ("export g(x: [3]) -> [] { return sum(x / (x - x)) }", "x / (x - x)", "divided by 0"),
    ],
)
def test_where_it_is_not_finite_and_what_to_write(
    text: str, place: str, instead: str, program: Maker, tmp_path: Path
) -> None:
    checked = program(text)
    with pytest.raises(MaiError) as caught:
        compiled(checked, tmp_path)
    main, note = caught.value.diagnostics
    assert main.help is not None and instead in main.help
    assert note.severity == "note" and note.span is not None and note.span.text == place
    if "maximum" in instead:
        compiled(program(text.replace(place, instead.strip("`"))), tmp_path)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_told(number: float, program: Maker, tmp_path: Path) -> None:
    spec = program(ONE_LAYER)
    tensors = {n: torch.from_numpy(a.copy()) for n, a in load_weights(spec, None)[0].items()}
    tensors["f.linear_1.bias"][1] = number
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(MaiError) as caught:
        load_weights(spec, tmp_path / "weights.safetensors")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "not-finite" and "`f.linear_1.bias`" in diagnostic.message


@pytest.mark.parametrize(
    ("result", "expected", "apart"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0, 2.0], [1.0, np.inf], np.inf),
        ([1.0, -np.inf], [1.0, np.inf], np.inf),
        ([-np.inf, 2.0], [-np.inf, 4.0], 0.5),
    ],
)
def test_only_like_infinities_are_equal(result: list[float], expected: list[float], apart: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert difference(np.array(result, np.float32), np.array(expected, np.float32)) == apart


def test_what_would_be_large_is_not_computed_beforehand(program: Maker) -> None:
    graph = program(SPEC % "x + sum(zeros([1000, 1000]))").exports["g"]
    constants = KnownValues(graph, {}, limit=1000)
    learnt = {node.op.name for node in graph.nodes if constants.learn(node)}
    assert "expand" not in learnt and "constant" in learnt
