"""Families of nets: `net st[L](...)`, called `st[k]` by numbers, turns and labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
FAMILY = """
# One family, called in every way.
const L = 3
net f[L](x: [4]) -> ([4], []) {
  repeat 2 { x += linear(tanh(linear(x, 8)), 4) }
  return (x, sum(x))
}
layer g(x: [4], k) -> [4] {
  (y, s) = f[k](x)
  return y + s / 10
}
export numbers(x: [4]) -> [4] { return g(g(g(x, 2), 1), 0) }
export by_turn(x: [4]) -> [4] {
  repeat L as k {
    (x, s) = f[L - 1 - k](x)
    x += s / 10
  }
  return x
}
export loop(x: [4], turns: int = 3) -> [4] {
  repeat turns as k {
    (x, s) = f[2 - k](x)
    x += s / 10
  }
  return x
}
export label(x: [4], y: class[3]) -> [4] {
  (x, s) = f[y](x)
  return x + s / 10
}
export member(x: [4], k: int = 1) -> [4] {
  (x, s) = f[k](x)
  return x + s / 10
}
export zero(x: [4]) -> [4] { return g(x, 0) }
export one(x: [4]) -> [4] { return g(x, 1) }
export two(x: [4]) -> [4] { return g(x, 2) }
"""
COUPLINGS = """
# Couplings, both ways.
const L = 6
data x: [2] from moons(noise = 0.05)
net st[L](a: [1]) -> [2] { return linear(tanh(linear(a, 16)), 2) }
layer push(x: [2]) -> ([2], []) {
  l = 0
  repeat L as k {
    (a, b) = split(x, 2)
    (s, t) = split(st[k](a), 2)
    x = concat(b * exp(tanh(s)) + t, a)
    l += sum(tanh(s))
  }
  return (x, l)
}
layer pull(z: [2]) -> [2] {
  repeat L as k {
    (b, a) = split(z, 2)
    (s, t) = split(st[L - 1 - k](a), 2)
    z = concat(a, (b - t) * exp(-tanh(s)))
  }
  return z
}
train(steps = 3, batch = 16) {
  (z, l) = push(x)
  minimize sum(z^2) / 2 - l over "st.*"
}
export back(z: [2]) -> [2] {
  (y, l) = push(pull(z))
  return y
}
"""


def result(program: Program, name: str, folder: Path, **inputs: Array | int) -> Array:
    path = export(program, name, Trained(load_weights(program, None)[0]), folder).path
    result = load(path, providers="cpu")(**inputs)
    assert isinstance(result, np.ndarray)
    return result


def test_all_ways_to_say_which_agree(program: Maker, tmp_path: Path) -> None:
    spec = program(FAMILY)
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    numbers = result(spec, "numbers", tmp_path, x=x)
    for name in ("by_turn", "loop"):
        np.testing.assert_allclose(result(spec, name, tmp_path, x=x), numbers, rtol=1e-5, atol=1e-5)
    each = [result(spec, name, tmp_path, x=x) for name in ("zero", "one", "two")]
    assert np.abs(each[0] - each[1]).min() > 1e-3
    y = np.array([0, 1, 2, 2, 1, 0])
    wanted = np.stack(each)[y, np.arange(6)]
    np.testing.assert_allclose(result(spec, "label", tmp_path, x=x, y=y), wanted, rtol=1e-5, atol=1e-5)
    for k in range(3):
        np.testing.assert_allclose(result(spec, "member", tmp_path, x=x, k=k), each[k], rtol=1e-5, atol=1e-5)


def test_each_net_has_parameters_of_its_own(program: Maker) -> None:
    names = list(program(FAMILY).weights)
    assert "f.0.repeat_1.1.linear_1.weight" in names and "f.2.repeat_1.0.linear_2.bias" in names
    assert len(names) == 3 * 2 * 4


def test_couplings_are_undone(program: Maker, tmp_path: Path) -> None:
    z = np.random.default_rng(0).standard_normal((50, 2)).astype(np.float32)
    np.testing.assert_allclose(result(program(COUPLINGS), "back", tmp_path, z=z), z, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        ("f(x)", "family-member"),
        ("f[3](x)", "index-out-of-range"),
        ("f[0.5](x)", "family-member"),
        ("f[0, 1](x)", "family-member"),
        ("h[0](x)", "family-member"),
        ("f[y](x)", "class-range"),
    ],
)
def test_what_is_no_member_is_told(call: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    nets = "net f[3](x: [2]) -> [2] { return linear(x, 2) }\nnet h(x: [2]) -> [2] { return linear(f[1](x), 2) }\n"
    path.write_text(f"# A call.\n{nets}export e(x: [2], y: class[9]) -> [2] {{ return {call} + h(x) + y }}\n")
    assert [d.slug for d in check(path).diagnostics if d.severity == "error"] == [slug]
