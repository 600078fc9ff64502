"""The same draws by OpenVINO, which computes int64 as int32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from tests.support.hosts import TEXT

pytestmark = pytest.mark.slow
openvino = pytest.importorskip("openvino", reason="needs openvino: the extra `dev` installs it")
PORTABLE_FILE = CompileOptions(portable=True, opset=21, settings="required", verify=False)
SEEDS = (0, 5, 2**31 - 1)
DRAWS = """export draws() -> ([5], class[4], [3], [2], [6]) {
  u ~ uniform([5], 0, 1)
  c ~ categorical(u[:4])
  n ~ integers([3], -5, 100000)
  b ~ bernoulli([2], 0.3)
  z ~ normal([6])
  return (u, c, 1.0 * n, where(b, 1.0, 0.0), z)
}
export well(steps: int = 20) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using euler_maruyama(steps) { dx = (x - x^3) * ds + 0.5 * dW }
  return x
}
"""


@pytest.fixture
def differences(tmp_path: Path) -> Callable[[Program, str, dict[str, Any]], list[float]]:
    """How far each result of an export by OpenVINO is from ONNX Runtime's."""

    def compare(program: Program, name: str, values: dict[str, Any]) -> list[float]:
        options = CompileOptions(verify=False, settings="required")  # Optional ones it takes for constants.
        path = export(program, name, Trained(load_weights(program, None)[0]), tmp_path, options).path
        model = load(path, providers="cpu")
        core = openvino.Core()
        exact = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(path), "CPU", exact)
        worst = np.zeros(len(model.outputs))
        for seed in SEEDS:
            feeds = {n: np.asarray(x) for n, x in {**values, "seed": seed}.items()}
            wanted = model(**feeds)
            results: list[Array] = [np.asarray(x) for x in compiled(feeds).values()]
            expected = list(wanted.values()) if isinstance(wanted, dict) else [wanted]
            worst = np.maximum(
                worst, [np.abs(a.astype(float) - b).max() for a, b in zip(results, expected, strict=True)]
            )
        return [float(w) for w in worst]

    return compare


def test_uniform_draws_labels_and_whole_numbers_are_equal(differences: Any, program: Any) -> None:
    *exact, normal = differences(program(DRAWS), "draws", {"batch": 7})
    assert exact == [0, 0, 0, 0]
    assert normal < 1e-5


def test_draws_of_a_loop_are_those_of_its_turns(differences: Any, program: Any) -> None:
    (worst,) = differences(program(DRAWS), "well", {"batch": 7, "steps": 20})
    assert worst < 1e-5


def test_a_text_is_the_same(differences: Any, program: Any) -> None:
    prompt = np.array([[79, 110, 99], [65, 32, 65]])
    assert differences(program(TEXT), "generate", {"prompt": prompt, "count": 12, "temperature": np.float32(1)}) == [0]


NOISY = """const width = 16
net slope(x: [4, 8, 8], s: []) -> [4, 8, 8] { return conv(group_norm(x, 2), 4, size = 3) * s }
export sample(steps: int = 3) -> [4, 8, 8] {
  x ~ normal([4, 8, 8])
  integrate s in 0..1 using euler(steps) { dx/ds = slope(x, s) }
  return x
}
"""


def test_a_portable_file_is_read_whose_large_batches_would_be_in_parts(program: Any, tmp_path: Path) -> None:
    """A loop of convolutions, which without `--portable` stands in a `Scan` that OpenVINO does not read."""
    checked = program(NOISY)
    trained = Trained(load_weights(checked, None)[0])
    operators = []
    for options in (CompileOptions(settings="required", verify=False), PORTABLE_FILE):
        exported = export(checked, "sample", trained, tmp_path, options)
        operators.append({node.op_type for node in onnx.load(exported.path).graph.node})
    assert ["Scan" in own for own in operators] == [True, False]
    assert "loops" in exported.notes[0]
    feeds = {"batch": np.asarray(5), "seed": np.asarray(3), "steps": np.asarray(4)}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(exported.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    wanted = load(exported.path, providers="cpu")(**feeds)
    np.testing.assert_allclose(next(iter(compiled(feeds).values())), wanted, atol=1e-5 * np.abs(wanted).max())
