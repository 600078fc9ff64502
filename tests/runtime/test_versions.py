"""Compiled files give the same on the lowest ONNX Runtime that is declared and on the newest; below it, `load` refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError
from mai.runtime.model.session import LOWEST, check_version
from tests.support.hosts import TEXT

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("MAI_RUNTIMES", ROOT / ".venv"))
TINY = {"d": "16", "depth": "2", "heads": "2"}
EXAMPLES: dict[str, dict[str, str]] = {
    "char_gpt": TINY, "llama": TINY | {"kv_heads": "1", "hidden": "32", "vocab": "256"}, "moons_flow": {},
    "neural_ode": {}, "sinkformer": {}, "normalizing_flow": {}, "cnn": {}, "attention_flow": {}, "vit": {},
}  # fmt: skip
FORMS: list[dict[str, Any]] = [
    {}, {"quantize": "int8"}, {"quantize": "int4"}, {"precision": "fp16"}, {"cache": "two-level"}, {"cache": "none"},
    {"drafts": 3}, {"settings": "required"},
]  # fmt: skip
WIDE = """net velocity(x: [2], s: []) -> [2] {
  h = silu(linear(concat(x, fourier(s, 32)), 128))
  return linear(silu(linear(h, 128)), 2)
}
export flow(steps: int = 2) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
"""


def compiled(program: Program, folder: Path, options: CompileOptions) -> list[Path]:
    """Every export, and its step file."""
    trained, paths = Trained(load_weights(program, None)[0], tokenizer="bytes"), []
    for name in program.exports:
        paths.append(export(program, name, trained, folder, options).path)
        step = export_step(program, name, trained, folder, options) if options.writes_step else None
        paths += [step.path] if step else []
    return paths


@pytest.mark.slow
def test_the_lowest_and_the_newest_give_the_same(program: Callable[[str], Program], tmp_path: Path) -> None:
    """By the self-test in each file; the environments have what runs files and nothing else."""
    pythons = {name: ENVIRONMENTS / name / "bin" / "python" for name in ("lowest", "newest")}
    if not all(python.exists() for python in pythons.values()):
        pytest.skip("needs the environments that `make test` makes")
    files = []
    for name, sets in EXAMPLES.items():
        example = check(ROOT / "examples" / f"{name}.mai", sets).program
        assert example is not None
        files += compiled(example, tmp_path, CompileOptions())
    for place, form in enumerate(FORMS):
        files += compiled(program(TEXT), tmp_path / str(place), CompileOptions(**form))
    for place, form in enumerate(FORMS[:4]):
        files += compiled(program(WIDE), tmp_path / str(place), CompileOptions(**form, opset=21))
    assert len(files) > 30
    for name, python in pythons.items():
        version = subprocess.run(
            [python, "-c", "import onnxruntime; print(onnxruntime.__version__)"], capture_output=True, text=True
        ).stdout
        command = [python, "-m", "mai.runtime.cli", "verify", *map(str, files), "--format", "json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        record = json.loads(done.stdout)
        assert len(record) == len(files)
        assert [(t["file"], t["error"]) for t in record if not t["ok"]] == [], (name, version)


def test_what_is_declared_is_what_is_refused_below() -> None:
    declared = re.findall(r'"onnxruntime(?:-gpu)?>=([\d.]+);', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {tuple(map(int, version.split(".")))[:2] for version in declared} == {LOWEST}
    module = (ROOT / "runtime" / "web" / "mai.mjs").read_text(encoding="utf-8")
    assert f"const LEAST = [{LOWEST[0]}, {LOWEST[1]}];" in module


@pytest.mark.parametrize("version", ["1.23.2", "1.9.0", "0.5", "1.23.0.dev20250101"])
def test_below_the_lowest_nothing_is_opened(version: str) -> None:
    with pytest.raises(ModelError, match=re.escape(f"this is ONNX Runtime {version}")) as caught:
        check_version(version)
    assert caught.value.slug == "runtime-too-old"


@pytest.mark.parametrize("version", ["1.24.1", "1.31.1", "2.0.0", "1.24.0.dev20250101", "1.100"])
def test_from_the_lowest_on_files_are_opened(version: str) -> None:
    check_version(version)
