"""`check` in a layer: what has to hold of the numbers that it is called with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.program import Program
from mai.spec.diagnostics import Diagnostic

LAYER = """layer heads_of(x: [d], n) -> [n] {{
  {}
  return linear(x, n)
}}
export f(x: [8], p: [] = 0.5) -> [...] {{ return {} }}
"""


def diagnostics_of(tmp_path: Path, text: str) -> list[Diagnostic]:
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    return check(path).diagnostics


@pytest.mark.parametrize("condition", ["check d % n == 0", "check n > 1 and n < 5", "check not (n == 3)", "check true"])
def test_a_call_for_which_it_holds_is_taken(tmp_path: Path, condition: str) -> None:
    assert not diagnostics_of(tmp_path, LAYER.format(condition, "heads_of(x, 4)"))


def test_a_call_for_which_it_does_not_hold_is_refused_with_the_numbers(tmp_path: Path) -> None:
    (refused,) = diagnostics_of(tmp_path, LAYER.format("check d % n == 0", "heads_of(x, 3)"))
    assert refused.slug == "check-failed"
    assert refused.message == "`d % n == 0` has to hold, and d is 8 and n is 3"
    assert [label.span.text for label in refused.where] == ["heads_of(x, 3)"]


def test_large_numbers_are_told_to_the_last_digit(tmp_path: Path) -> None:
    (refused,) = diagnostics_of(tmp_path, LAYER.format("check n % 8 == 0", "heads_of(x, 1048577)"))
    assert refused.message == "`n % 8 == 0` has to hold, and n is 1048577"


@pytest.mark.parametrize("condition", ["check sum(x) > 0", "check x"])
def test_what_only_a_call_of_the_file_knows_is_refused(tmp_path: Path, condition: str) -> None:
    (refused, *_) = diagnostics_of(tmp_path, LAYER.format(condition, "heads_of(x, 4)"))
    assert refused.slug == "static-needed"


def test_a_claim_checks_the_model_and_its_layers_their_numbers(tmp_path: Path) -> None:
    claim = "claim small { check norm(heads_of(ones([8]), 3)) < 100 }\n"
    text = LAYER.format("check d % n == 0", "heads_of(x, 4)") + claim
    assert [d.slug for d in diagnostics_of(tmp_path, text)] == ["check-failed"]
    assert not diagnostics_of(tmp_path, text.replace(", 3)", ", 2)"))


@pytest.mark.parametrize(
    ("call", "right"),
    [
        ("rms_norm(x, 8)", "rms_norm(x)"),
        ("dropout(x, 5)", "dropout(x)"),
        ("quantile(x, 50)", None),
        ("group_norm(x[:, None, None], 2, 8)", "group_norm(x[:, None, None], 8)"),
    ],
)
def test_a_standard_layer_refuses_a_size_in_the_place_of_a_small_number(
    tmp_path: Path, call: str, right: str | None
) -> None:
    (refused,) = diagnostics_of(
        tmp_path, LAYER.format("check true", call) + "export g(x: [8]) -> [2] { return heads_of(x, 2) }\n"
    )
    assert refused.slug == "check-failed"
    assert refused.span is not None
    assert refused.span.text == call
    assert right is None or f"`{right}`" in str(refused.help)


@pytest.mark.parametrize(
    "setting",
    [
        "2, kv_heads = -1",
        "2, head_width = -4",
        "2, mask = x[:, 0] > 0, window = -1",
        "2, rotary = rope(factor = 0)",
        "0",
    ],
)
def test_a_setting_of_attention_that_says_nothing_is_refused(setting: str, tmp_path: Path) -> None:
    text = f"net f(x: [P, 8]) -> [P, 8] {{ return attention(x, {setting}) }}\nexport g(x: [P, 8]) -> [P, 8] {{ return f(x) }}\n"
    assert [d.slug for d in diagnostics_of(tmp_path, text)] == ["check-failed"]


@pytest.mark.parametrize(("scale", "factor"), [("nothing", 2**-0.5), ("0", 0), ("-2", -2), ("w", -0.7)])
def test_the_scale_of_attention_is_any_number(scale: str, factor: float, program: Callable[[str], Program]) -> None:
    text = (
        "layer same(x: [d], n, bias) -> [d] { return x }\n"
        f"export f(x: [3, 2], w: []) -> [3, 2] {{ return attention(x, 1, projection = same, scale = {scale}) }}\n"
    )
    x, w = np.array([[[1.0, 0.5], [-0.3, 2.0], [0.0, -1.0]]]), np.array([-0.7])
    (result,) = evaluate(program(text).exports["f"], {"x": x, "w": w}, None, {})
    weights = np.exp(factor * x @ x.transpose(0, 2, 1))
    np.testing.assert_allclose(result, weights / weights.sum(-1, keepdims=True) @ x)
