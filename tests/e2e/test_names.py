"""A spec may use any name that the language leaves free: those of torch's modules, of Python and of mai's own code, too."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.runtime import load
from tests.support.command import invoke

pytestmark = pytest.mark.slow

NAMES = (
    "eval", "forward", "type", "to", "training", "train", "self", "weights", "parameters", "state_dict", "float", "register_buffer",
    "initialise", "code", "graph", "meta", "recompile", "numpy", "half", "dump_patches", "T_destination", "Tensor", "nn",
)  # fmt: skip
SPEC = """data x: [2] from moons()
net {0}(x: [2]) -> [2] {{
  param {0}: [2] = ones
  return linear(x, 2) * {0}
}}
layer {0}_of(x: [2]) -> [2] {{ return linear(x, 2) }}
train(steps = 2, batch = 8) {{
  param {0}_own: [2] = zeros
  minimize sum(({0}(x) - x + {0}_of(x) + linear(x, 2) + {0}_own)^2)
  record {0}.{0} every 1
}}
export give({0}_in: [2]) -> [2] {{ return {0}({0}_in) }}
"""
INPUT = "export give({0}: [2]) -> [2] {{\n  {0}_2 = 2 * {0}\n  return {0} + {0}_2\n}}\n"


def run(*arguments: str) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def emitted(file: str) -> types.ModuleType:
    """The readable PyTorch of a spec, imported."""
    module = types.ModuleType("emitted")
    sys.modules["emitted"] = module  # Where the file's own annotations look names up.
    exec(run("show", file, "--emit", "torch"), module.__dict__)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_net_and_its_param_by_any_name(name: str) -> None:
    """Trained, recorded, compiled, and as readable PyTorch with the trained weights."""
    Path("spec.mai").write_text(SPEC.format(name))
    run("train", "spec.mai", "--out", "run", "--quiet")
    x = np.array([[1.0, 2.0], [-0.5, 3.0]], np.float32)
    computed = load("run/spec.give.onnx")(**{f"{name}_in": x})
    model = emitted("spec.mai").Give()
    missing = model.load_state_dict(load_file("run/weights.safetensors"), strict=False)
    assert not missing.missing_keys
    with torch.no_grad():
        assert np.allclose(model(torch.from_numpy(x)).numpy(), computed, atol=1e-6)
    assert f"{name}.{name}" in np.load("run/records.npz").files


@pytest.mark.parametrize("name", NAMES)
def test_an_input_by_any_name(name: str) -> None:
    Path("spec.mai").write_text(INPUT.format(name))
    run("compile", "spec.mai", "--out", "files")
    x = np.array([[1.0, 2.0]], np.float32)
    assert np.allclose(load("files/spec.give.onnx")(**{name: x}), 3 * x)
    with torch.no_grad():
        assert np.allclose(emitted("spec.mai").Give()(torch.from_numpy(x)).numpy(), 3 * x)
