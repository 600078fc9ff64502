"""What is too large is compared in part: two turns of its layers beside torch, and the whole by itself."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx import let_go
from mai.compiler.onnx.comparing import gate, shallow
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

DEEP = """const vocab = 17
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 64)
  repeat 5 {
    h += attention(rms_norm(h), 2, causal = true, rotary = true)
    h += linear(silu(linear(rms_norm(h), 128)), 64)
  }
  return linear(h, vocab)
}
export generate(prompt: tokens[P], count: int = 4) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(logits(x)[-1], temperature = 0)
    append next
  }
  return x
}
"""


@pytest.mark.parametrize(
    "options", [CompileOptions(), CompileOptions(quantize="int4"), CompileOptions(precision="fp16")]
)
def test_the_file_is_the_same_and_it_is_told(
    options: CompileOptions, program: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = program(DEEP)
    trained = Trained(load_weights(checked, None)[0])
    whole = export(checked, "generate", trained, tmp_path / "whole", options)
    monkeypatch.setattr(shallow, "WHOLE", 10_000)
    part = export(checked, "generate", trained, tmp_path, options)
    step = export_step(checked, "generate", trained, tmp_path, options)
    assert step is not None and not any("compared with torch" in note for note in whole.notes)
    assert all(any("2 turns of its layers" in note for note in each.notes) for each in (part, step))
    prompt = np.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(*(load(each.path, providers="cpu")(prompt=prompt) for each in (part, whole)))
    load(part.path, providers="cpu").verify()
    assert len(list(tmp_path.glob("*.onnx"))) == 2 and not list(tmp_path.glob(".*")), "what was compared is gone"


def test_what_has_no_layers_is_compared_as_a_whole(
    program: Callable[[str], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = program("export f(x: [8]) -> [8] { return linear(x, 8) }\n" + DEEP)
    monkeypatch.setattr(shallow, "WHOLE", 0)
    assert shallow.shallow(checked, "f") is None
    few = shallow.shallow(checked, "generate")
    assert few is not None and len(few.exports["generate"].weights) < 5 * len(checked.exports["generate"].weights)


def test_torch_is_gone_when_a_file_is_compared(
    program: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peak of one phase is not added to the next one's; and a file is opened once, for its least sizes and to be compared."""
    checked, references, opened, ran = program(DEEP), list[weakref.ref[Any]](), [], []
    make, open_session, run = gate.torch_reference, gate.session, gate.run_trial

    def torch_reference(*arguments: Any) -> Any:
        reference = make(*arguments)
        references.append(weakref.ref(reference))
        return reference

    def session(file: Path) -> Any:
        opened.append(file)
        return open_session(file)

    def run_trial(*arguments: Any) -> Any:
        ran.append([reference() is None for reference in references])
        return run(*arguments)

    monkeypatch.setattr(let_go, "WORTH", 0)
    monkeypatch.setattr(gate, "torch_reference", torch_reference)
    monkeypatch.setattr(gate, "session", session)
    monkeypatch.setattr(gate, "run_trial", run_trial)
    export(checked, "generate", Trained(load_weights(checked, None)[0]), tmp_path)
    assert ran and all(gone == [True] for gone in ran) and len(opened) == 1
