"""A file is measured by what is written in it; what is only compared with may be larger than one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.file_size import form_bytes
from mai.compiler.onnx.comparing.opened import model_bytes, opened
from mai.compiler.onnx.export import export, model_of
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.warnings import warnings
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
WIDE = """net v(x: [256]) -> [256] { return linear(silu(linear(x, 512)), 256) }
export f(x: [256], steps: int = 2) -> [256] {
  integrate s in 0..1 using euler(steps) { dx/ds = v(x) }
  return x
}
export folded(x: [400]) -> [400] { return x @ exp(zeros([400, 400])) }
"""


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (CompileOptions(), 1.0),
        (CompileOptions(precision="fp16"), 0.5),
        (CompileOptions(quantize="int8"), 0.25),
        (CompileOptions(quantize="int4"), 5 / 32),
    ],
)
def test_a_file_is_measured_in_the_bits_of_its_weights(options: CompileOptions, part: float, program: Maker) -> None:
    made = program(WIDE)
    model = model_of(made, prepare_export(made, "f", options), Trained(load_weights(made, None)[0]), options)
    size = len(serialised(model))
    assert size <= model_bytes(model) < 1.2 * size
    assert size == pytest.approx(part * 4 * 2 * 256 * 512, rel=0.1)


def test_folded_constants_count(program: Maker) -> None:
    made = program(WIDE)
    assert model_bytes(build(prepare_export(made, "folded").optimised, {})) > 4 * 400 * 400


def test_what_is_more_than_one_file_is_opened_all_the_same(program: Maker) -> None:
    """The weights of the loop's body, too, come from a folder that is gone by then."""
    made = program(WIDE)
    weights, _ = load_weights(made, None)
    results = []
    for most in (2**31, 0):
        session = opened(build(prepare_export(made, "f").optimised, weights), most)
        results.append(session.run(None, {"x": np.ones((3, 256), np.float32)})[0])
    np.testing.assert_array_equal(*results)


def test_a_file_that_is_too_large_is_refused_and_in_fewer_bits_written(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mai.compiler.onnx.export.LARGEST", 400_000)
    monkeypatch.setattr("mai.compiler.onnx.comparing.opened.LARGEST", 400_000)
    made = program(WIDE)
    trained = Trained(load_weights(made, None)[0])
    with pytest.raises(MaiError) as refused:
        export(made, "f", trained, tmp_path, CompileOptions())
    (told,) = refused.value.diagnostics
    assert told.slug == "too-many-parameters" and "`f` would be 0.00 GB" in told.message
    assert not list(tmp_path.glob("*.onnx"))
    written = export(made, "f", trained, tmp_path, CompileOptions(quantize="int4"))
    assert written.size < 400_000 and written.path.exists()


@pytest.mark.parametrize(
    ("body", "said", "help"),
    [
        ("linear(x, 32000)", "4.10 GB", "`--precision fp16` (2.05 GB) or `--quantize int8` (1.15 GB) or `--quantize int4` (0.64 GB)"),
        ("repeat 20 { h = linear(h, 32000) }\n  return h", "81.92 GB", "no form of them fits: let it have fewer parameters"),
        ("repeat 2 { h = linear(h, 32000) }\n  return h", "8.19 GB", "compile it with `--quantize int4` (1.28 GB)"),
    ],
)  # fmt: skip
def test_what_cannot_be_one_file_is_told_before_it_is_compiled(body: str, said: str, help: str, program: Maker) -> None:
    text = body if "repeat" in body else f"return {body}"
    made = program(
        f"net g(x: [32000]) -> [32000] {{\n  h = x\n  {text}\n}}\nexport f(x: [32000]) -> [32000] {{ return g(x) }}\n"
    )
    found: list[Any] = [d for d in warnings(made) if d.slug == "over-one-file"]
    assert [said in d.message and help in d.help for d in found] == [True]


def test_a_form_takes_its_bits_of_what_suits_it() -> None:
    assert form_bytes([(64, 64), (64,)], "--quantize int8") == 64 * 64 * 9 // 8 + 256
    assert form_bytes([(10, 10)], "--quantize int4") == 400
