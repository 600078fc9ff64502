"""A file is measured by what is written in it; what is only compared with may be larger than one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.file_size import form_bytes, sizes_in_words
from mai.compiler.onnx.comparing.opened import model_bytes, opened
from mai.compiler.onnx.export import export, model_of
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights

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
    spec = program(WIDE)
    model = model_of(spec, prepare_export(spec, "f", options), Trained(load_weights(spec, None)[0]), options)
    size = len(serialised(model))
    assert size <= model_bytes(model) < 1.2 * size
    assert size == pytest.approx(part * 4 * 2 * 256 * 512, rel=0.1)


def test_folded_constants_count(program: Maker) -> None:
    spec = program(WIDE)
    assert model_bytes(build(prepare_export(spec, "folded").optimised, {})) > 4 * 400 * 400


def test_what_is_more_than_one_file_is_opened_all_the_same(program: Maker) -> None:
    """The weights of the loop's body, too, come from a folder that is gone by then."""
    spec = program(WIDE)
    weights, _ = load_weights(spec, None)
    results = []
    for most in (2**31, 0):
        session = opened(build(prepare_export(spec, "f").optimised, weights), most)
        results.append(session.run(None, {"x": np.ones((3, 256), np.float32)})[0])
    np.testing.assert_allclose(*results, rtol=2e-6)  # A session of large weights does not arrange them for speed.


def test_what_one_file_cannot_hold_has_a_file_of_data_beside(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mai.compiler.onnx.export.LARGEST", 400_000)
    spec = program(WIDE)
    trained = Trained(load_weights(spec, None)[0])
    written = export(spec, "f", trained, tmp_path, CompileOptions())
    data = tmp_path / f"{written.path.name}.data"
    assert written.path.stat().st_size < 20_000 < 4 * 2 * 256 * 512 <= data.stat().st_size
    assert written.size == written.path.stat().st_size + data.stat().st_size
    few = export(spec, "f", trained, tmp_path, CompileOptions(quantize="int4"))
    assert few.size < 400_000 and few.path.exists() and not data.exists(), "what is beside an older file goes with it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "linear(x, 32000)",
            "4.10 GB as it is (in two files), 2.05 GB by --precision fp16, 1.15 GB by --quantize int8",
        ),
        ("x |> linear(32000) |> linear(32000)", "1.28 GB by --quantize int4"),
        ("linear(x, 8)", None),
    ],
)
def test_sizes_are_told_in_each_form(text: str, said: str | None, program: Maker) -> None:
    spec = program(f"export f(x: [32000]) -> [{8 if said is None else 32000}] {{ return {text} }}\n")
    words = sizes_in_words(spec.exports.values())
    assert words is None if said is None else said in (words or "")


def test_a_form_takes_its_bits_of_what_suits_it() -> None:
    assert form_bytes([(64, 64), (64,)], "--quantize int8") == 64 * 64 * 9 // 8 + 256
    assert form_bytes([(10, 10)], "--quantize int4") == 400
