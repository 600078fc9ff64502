"""One record of options, and a text that is prepared once for its two files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.commands.compile_command import compile_
from mai.compiler.compile_options import CompileOptions, Drawing, OptionError, Trained
from mai.compiler.compiling import compile_all
from mai.compiler.onnx.export import export
from mai.compiler.passes.pipeline import watching
from mai.compiler.program import Program
from mai.runtime import ModelError, load
from mai.runtime.commands.info_command import info
from mai.runtime.model.loader import check_draws
from mai.runtime.model.manifest import Manifest
from tests.support.command import invoke

TEXT = """
const vocab = 7
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 4)
  h += attention(h, 2, causal = true)
  return linear(h, vocab)
}
export generate(prompt: tokens[P], count: int = 3) -> tokens[P + count] {
  x = prompt
  extend x by count { append argmax(logits(x)[-1]) }
  return x
}
"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 20}, "--opset 20: 21, 22, 23"),
        ({"cache": "rows"}, "--cache rows: auto, concat, two-level, none"),
        ({"quantize": "int2"}, "--quantize int2: int8, int4"),
        ({"precision": "fp8"}, "--precision fp8: float32, fp16, bf16"),
        ({"settings": "none"}, "--settings none: optional, required"),
        ({"draws": "slow"}, "--draws slow: portable, fast"),
        ({"quantize": "int8", "precision": "fp16"}, "one of them"),
        ({"unroll": True, "cache": "two-level"}, "--unroll of none"),
        ({"cuda": True, "draws": "fast"}, "without --draws fast"),
        ({"cpu": True, "quantize": "int4"}, "without --cuda, --precision and --quantize"),
        ({"portable": True}, "--portable is opset 21"),
        ({"portable": True, "opset": 21, "settings": "required", "cuda": True}, "without options that say otherwise"),
        ({"drafts": 3, "unroll": True}, "without --unroll"),
        ({"drafts": 3, "cache": "none"}, "without --unroll, --cache and --no-cache"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        CompileOptions(**options)


@pytest.mark.parametrize(
    ("options", "runs"), [(CompileOptions(), 1), (CompileOptions(step=False), 1), (CompileOptions(drafts=2), 2)]
)
def test_a_text_is_prepared_once_for_both_files(
    options: CompileOptions, runs: int, program: Callable[[str], Program], tmp_path: Path
) -> None:
    """But where the whole text reads drafts: its step file reads one token a turn."""
    names: list[str] = []
    with watching(lambda each, seconds, graph: names.append(each.name)):
        compile_all(program(TEXT), ["generate"], None, tmp_path, options)
    assert names.count("differentiate") == names.count("hoist") == runs
    assert (tmp_path / "spec.generate.step.onnx").exists() == options.step


@pytest.mark.parametrize(
    ("draws", "bits", "said"), [("portable", 32, "the same on every engine"), ("fast", 64, "not OpenVINO")]
)
def test_a_file_says_how_many_bits_its_draws_need(
    draws: Drawing,
    bits: int,
    said: str,
    program: Callable[[str], Program],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "export f() -> [2] {\n  x ~ normal([2])\n  return x\n}\n"
    path = export(program(text), "f", Trained({}), tmp_path, CompileOptions(draws=draws, verify=False)).path
    assert load(path, providers="cpu").manifest.draw_bits == bits
    info([path])
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("draws", "bits", "refused"), [(True, 64, True), (True, 32, False), (False, 64, False)])
def test_draws_of_64_bits_are_refused_where_whole_numbers_have_32(draws: bool, bits: int, refused: bool) -> None:
    manifest = Manifest(
        name="a", export="f", inputs=[], settings=[], outputs=[], spec_sha256="", opset=23, draws=draws, draw_bits=bits
    )
    check_draws("a.f.onnx", ["CPUExecutionProvider"], manifest)
    with pytest.raises(ModelError, match="computes them in 32") if refused else nullcontext():
        check_draws("a.f.onnx", ["OpenVINOExecutionProvider", "CPUExecutionProvider"], manifest)


def test_who_needs_required_settings_is_told_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All hosts but ONNX Runtime's C and Python interfaces; not where there are no settings, or they are required."""
    spec = tmp_path / "spec.mai"
    spec.write_text("export f() -> [2] {\n  x ~ normal([2])\n  return x\n}\nexport g(x: [2]) -> [2] { return x }\n")
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"export": ["f"]}, True), ({"export": ["g"]}, False), ({"export": ["f"], "settings": "required"}, False),
    ]  # fmt: skip
    for options, is_noted in cases:
        compile_(spec, out=tmp_path, **options)
        captured = capsys.readouterr()
        assert captured.out.startswith("wrote ")
        assert captured.err.strip().endswith("compiled with --settings required") == is_noted


@pytest.mark.parametrize(("option", "value"), [("--opset", "23"), ("--settings", "optional")])
def test_what_is_said_beside_portable_is_not_overruled(option: str, value: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.mai"
    spec.write_text("export g(x: [2]) -> [2] { return x }\n")
    done = invoke("compile", spec, "--out", tmp_path, "--portable", option, value)
    assert done.exit_code != 0
    assert "without options that say otherwise" in " ".join(f"{done.output} {done.exception}".split())
