"""Files in ONNX Runtime's own format, as its builds for phones read them: made by its converter, opened as the files they were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_part
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from tests.support.command import invoke

SPEC = """net velocity(x: [2], s: []) -> [2] { return linear(tanh(linear(concat(x, fourier(s, 8)), 16)), 2) }
export f(steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, that of some of its steps, and both as the converter writes them."""
    from mai.compiler.check import check_text

    folder = tmp_path_factory.mktemp("ort")
    program = check_text(Path("spec.mai"), SPEC).program
    assert program is not None
    trained = Trained(load_weights(program, None, 0)[0])
    export(program, "f", trained, folder, CompileOptions(portable=True, opset=21, settings="required"))
    export_part(program, "f", trained, folder, CompileOptions(portable=True, opset=21, settings="required"))
    convert_onnx_models_to_ort(folder, optimization_styles=[OptimizationStyle.Fixed])
    return folder


def test_it_is_called_as_the_file_that_it_was_made_of(folder: Path) -> None:
    values: dict[str, Any] = {"batch": 3, "seed": 5, "steps": 6}
    model, whole = load(folder / "spec.f.ort", providers="cpu"), load(folder / "spec.f.onnx", providers="cpu")
    np.testing.assert_allclose(model(**values), whole(**values), rtol=1e-6)
    assert (model.manifest, model.spec) == (whole.manifest, whole.spec)
    *_, last = model.progress(2, **values)  # By `spec.f.step.ort`.
    np.testing.assert_array_equal(last.result, model(**values))
    model.verify()


def test_the_commands_take_it(folder: Path) -> None:
    for words in (("info",), ("verify",), ("run", "--batch", "2")):
        said = invoke(words[0], folder / "spec.f.ort", *words[1:])
        assert said.exit_code == 0, said.output
        assert "another program" not in said.output


@pytest.mark.parametrize("kept", [8, 100, 0.5, 0.99])
def test_one_that_is_cut_short_is_refused(folder: Path, tmp_path: Path, kept: float) -> None:
    raw = (folder / "spec.f.ort").read_bytes()
    cut = tmp_path / "cut.f.ort"
    cut.write_bytes(raw[: int(kept * len(raw)) if kept < 1 else int(kept)])
    with pytest.raises(ModelError, match=r"cut\.f\.ort is damaged, or of another version of onnxruntime") as caught:
        load(cut)
    assert caught.value.slug == "model-truncated"
