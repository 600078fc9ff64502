"""First values that the file says: tensors of its numbers."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.show import emit_text
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

Maker = Callable[[str], Program]
SPEC = """
let half = 0.5 * ones([4])
net f(x: [3]) -> [3] {
  param A: [3, 4] = log(1 + range(4)) * ones([3, 1])
  param b: [3] = [0.5, -1, 2]
  state c: [4] = half
  state d = linspace(0, 1, 3)
  return A @ c + b * x + d
}
net slow = average(f, 0.9)
net g[2](x: [3]) -> [3] {
  param w: [3] = cumsum(ones([3]))
  return w * x
}
layer h(x: [3]) -> [3] {
  repeat 2 as i {
    param w: [3] = 2^i * [1, 2, 3]
    x = w * x
  }
  return x
}
export out(x: [3], k: class[2]) -> [3] { return f(x) + slow(x) + g[k](x) + h(x) }
"""


def test_a_tensor_of_the_files_numbers(program: Maker, tmp_path: Path) -> None:
    """Of params and states, of families, second sets and turns; the file computes with them, and so does the readable torch."""
    spec = program(SPEC)
    weights, _ = load_weights(spec, None, 0)
    expected = {
        "f.A": np.log(1 + np.arange(4)) * np.ones((3, 1)), "f.b": [0.5, -1, 2], "f.c": [0.5] * 4, "f.d": [0, 0.5, 1],
        "g.0.w": [1, 2, 3], "g.1.w": [1, 2, 3], "out.h_1.repeat_1.0.w": [1, 2, 3], "out.h_1.repeat_1.1.w": [2, 4, 6],
    }  # fmt: skip
    expected |= {name.replace("f.", "slow."): value for name, value in expected.items() if name.startswith("f.")}
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(weights[name], value, rtol=1e-6, err_msg=name)
    model = load(export(spec, "out", Trained(weights), tmp_path).path, providers="cpu")
    x = np.array([1.0, -2.0, 0.5])
    result = model(x=x[None].astype(np.float32), k=[1])
    of_f = expected["f.A"] @ np.full(4, 0.5) + np.array([0.5, -1, 2]) * x + [0, 0.5, 1]
    np.testing.assert_allclose(result, [2 * of_f + [1, 2, 3] * x + [2, 8, 18] * x], rtol=1e-5)
    module = types.ModuleType("emitted")
    exec(emit_text(spec, tmp_path / "spec.mai", "torch", None), module.__dict__)
    state = {name: tensor.numpy() for name, tensor in module.Out().state_dict().items()}
    assert state.keys() == expected.keys() and all(np.allclose(state[name], v) for name, v in expected.items())


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        ("param w: [2] = x", "first-value"),
        ("param w: [2] = 2 * v", "first-value"),
        ("param w: [3] = ones([2])", "shape-mismatch"),
        ("param w: [2] ~ log(ones([2]))", "bad-init"),
        ("state w: [2] ~ ones([2])", "bad-init"),
    ],
)
def test_what_is_no_first_value(line: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    text = f"export f(x: [2]) -> [2] {{\n  param v: [2] ~ normal(0, 1)\n  {line}\n  return w * x + v\n}}\n"
    path.write_text(text.replace("= x\n", "= x[[0, 1]]\n"), encoding="utf-8")
    assert [d.slug for d in check(path).diagnostics] == [slug]


def test_a_state_that_begins_with_a_draw(program: Maker) -> None:
    spec = program("export f(x: [2]) -> [2] {\n  state q: [2] ~ uniform(3, 4)\n  return q * x\n}\n")
    (q,) = load_weights(spec, None, 0)[0].values()
    assert ((q > 3) & (q < 4)).all() and not next(iter(spec.weights.values())).trained


def test_an_export_reads_parameters_of_a_net_that_only_training_calls(program: Maker, tmp_path: Path) -> None:
    """The exports keep the order of the file, and each waits only where it must, also for what a net reads that it calls."""
    spec = program("""net book(x: [2]) -> [3] {
  param C: [3, 2] ~ normal(0, 1)
  return sum((x - C)^2, axis = -1)
}
net f(x: [2]) -> [2] { return linear(x, 2) }
net nearest(x: [2]) -> [2] { return x @ book.C' @ book.C }
export centres(k: class[3]) -> [2] { return book.C[k] }
export near(x: [2]) -> [2] { return nearest(x) }
export moved(x: [2]) -> [2] { return f(x) + f.linear_1.bias }
data x: [2] from moons()
train(steps = 1) { minimize sum(book(x)) + sum(f(x)^2) }
""")
    assert [*spec.exports] == ["centres", "near", "moved"]
    weights, _ = load_weights(spec, None)
    model = load(export(spec, "centres", Trained(weights), tmp_path).path, providers="cpu")
    np.testing.assert_array_equal(model(k=np.array([2, 0])), weights["book.C"][[2, 0]])
