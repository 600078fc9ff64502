"""`average(f, keep)` and `copy(f)`: second sets of parameters, in training, checkpoints and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.check import check
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options

Maker = Callable[[str], Program]
TEACHER = """
# A student, its average and what it was at first. `body` is called by f: it has a second set, too.
data x: [2] from moons()
net body(x: [2]) -> [4] {
  state m: [4] = zeros
  h = tanh(linear(x, 4))
  if training { m = 0.5 * m + 0.5 * mean(across(h), axis = 0) }
  return h - m
}
net f(x: [2]) -> [2] {
  h = body(x)
  repeat 2 { h += linear(h, 4) }
  return linear(h, 2)
}
net slow = average(f, 0.9)
net first = copy(f)
train(steps = 6, batch = 8, optimizer = sgd(lr = 0.1)) {
  minimize sum((f(x) - x)^2) + sum((f(x) - slow(x))^2) / 10 + sum((f(x) - first(x))^2) / 10
}
export g(x: [2]) -> [2] { return slow(x) - first(x) }
"""
FAMILY = """
# The average of a family.
data x: [2] from moons()
net f[3](x: [2]) -> [2] { return linear(x, 2) }
net slow = average(f, 0.5)
train(steps = 2, batch = 8, optimizer = sgd(lr = 0.1)) {
  repeat 3 as k { x = f[k](x) + stop_gradient(slow[2 - k](x)) }
  minimize sum(x^2) over "f.*"
}
export g(x: [2], k: int = 1) -> [2] { return slow[k](x) }
"""
State = dict[str, torch.Tensor]


def trained(program: Program, out: Path, steps: int, **options: object) -> State:
    result = train(program, out, Options(device="cpu", quiet=True, steps=steps, **options))  # type: ignore[arg-type]
    return load_file(result.weights or "")


def of(state: State, prefix: str) -> State:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def at_first(program: Program) -> State:
    return {n: torch.from_numpy(a) for n, a in load_weights(program, None)[0].items()}


def test_an_average_follows_and_a_copy_stays(program: Maker, tmp_path: Path) -> None:
    spec = program(TEACHER)
    before, slow = at_first(spec), {}
    for net in ("f", "body"):
        slow[net] = of(before, f"{net}.")
        prefix = "slow." if net == "f" else "slow.body."
        for name, tensor in slow[net].items():
            torch.testing.assert_close(before[prefix + name], tensor, rtol=0, atol=0)
    for step in range(1, 4):
        after = trained(spec, tmp_path / str(step), step)
        for net in ("f", "body"):
            now = of(after, f"{net}.")
            assert any(not torch.equal(now[n], before[f"{net}.{n}"]) for n in now)
            slow[net] = {n: 0.9 * t + 0.1 * now[n] for n, t in slow[net].items()}
            prefix = "" if net == "f" else "body."
            for name, tensor in slow[net].items():
                torch.testing.assert_close(after[f"slow.{prefix}{name}"], tensor)
                assert torch.equal(after[f"first.{prefix}{name}"], before[f"{net}.{name}"])


def test_a_run_that_goes_on_is_the_same(program: Maker, tmp_path: Path) -> None:
    spec = program(TEACHER)
    whole = trained(spec, tmp_path / "whole", 6)
    trained(spec, tmp_path / "parts", 3)
    parts = trained(spec, tmp_path / "parts", 6, resume=True)
    assert whole.keys() == parts.keys() and all(torch.equal(whole[n], parts[n]) for n in whole)


def test_what_a_file_lacks_begins_as_what_it_follows(program: Maker, tmp_path: Path) -> None:
    spec = program(TEACHER)
    state = trained(spec, tmp_path / "run", 3)
    arrays, _ = load_weights(spec, tmp_path / "run" / "weights.safetensors")
    np.testing.assert_array_equal(arrays["slow.linear_1.weight"], state["slow.linear_1.weight"])
    alone = {n: t for n, t in state.items() if n.startswith(("f.", "body."))}
    save_file(alone, tmp_path / "alone.safetensors")
    arrays, _ = load_weights(spec, tmp_path / "alone.safetensors")
    for name in ("slow.repeat_1.1.linear_1.bias", "first.repeat_1.1.linear_1.bias"):
        np.testing.assert_array_equal(arrays[name], state["f.repeat_1.1.linear_1.bias"])


def test_a_spec_with_rules_need_not_name_them(program: Maker, tmp_path: Path) -> None:
    text = """
# Preference training begins with a policy and what it was.
net f(x: [2]) -> [2] { return linear(x, 2) }
net first = copy(f)
weights from "old.safetensors" { "f.linear_1.{k}" = "old.{k}" }
export g(x: [2]) -> [2] { return f(x) - first(x) }
"""
    save_file({"old.weight": torch.ones(2, 2), "old.bias": torch.arange(2.0)}, tmp_path / "old.safetensors")
    arrays, _ = load_weights(program(text.replace("{k}", "*")), None)
    np.testing.assert_array_equal(arrays["first.linear_1.bias"], [0, 1])


def test_the_average_of_a_family_is_one(program: Maker, tmp_path: Path) -> None:
    spec = program(FAMILY)
    before = at_first(spec)
    after = trained(spec, tmp_path, 1)
    for k in range(3):
        for name, tensor in of(after, f"slow.{k}.").items():
            torch.testing.assert_close(tensor, (before[f"f.{k}.{name}"] + after[f"f.{k}.{name}"]) / 2)


@pytest.mark.parametrize(
    "wrong",
    [
        "average(f)",
        "average(h, 0.9)",
        "average(f, 1)",
        "average(f, decay = 0.9)",
        "copy(f, 0.9)",
        "copy(slow)",
        "f",
        "average(g, 0.9)",
    ],
)
def test_what_has_no_second_set_is_told(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    nets = "net f(x: [2]) -> [2] { return linear(x, 2) }\nlayer h(x: [2]) -> [2] { return linear(x, 2) }\n"
    twins = f"net slow = average(f, 0.9)\nnet other = {wrong}\n"
    path.write_text(f"# A.\n{nets}{twins}export g(x: [2]) -> [2] {{ return other(x) + slow(h(x)) }}\n")
    assert "second-set" in [d.slug for d in check(path).diagnostics]


@pytest.mark.parametrize(
    ("before", "after"),
    [('over "f.*"', "over slow"), ('"f.*"', '"slow.*"'), ("lr = 0.1)", 'lr = 0.1), freeze = ["slow.*"]')],
)
def test_no_objective_moves_them(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(FAMILY.replace(before, after))
    (diagnostic,) = [d for d in check(path).diagnostics if d.severity == "error"]
    assert diagnostic.slug == "not-a-net" and "follows" in diagnostic.message
