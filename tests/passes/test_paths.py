"""The axis of a kept path is followed from `keep` into the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.passes.loops.paths import path_axes
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

KEPT = "integrate s in 0..1 using rk4(steps) { dx/ds = -x } keep x as xs"
RETURNS = {
    "xs": ("[steps + 1, 3]", 0),
    "2 * xs + 1": ("[steps + 1, 3]", 0),
    "xs'": ("[3, steps + 1]", 1),
    "xs[:, 0]": ("[steps + 1]", 0),
    "xs[1:]": ("[steps, 3]", 0),
    "concat(xs, xs)": ("[steps + 1, 6]", 0),
    "xs[-1]": ("[3]", None),
    "mean(xs, axis = 0)": ("[3]", None),
    "x": ("[3]", None),
}


def axes_of(text: str, tmp_path: Path) -> list[int | None]:
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    checked = check(path)
    assert checked.program is not None, checked.diagnostics
    return path_axes(checked.program.exports["f"])


@pytest.mark.parametrize("returned", RETURNS)
def test_where_a_path_goes(returned: str, tmp_path: Path) -> None:
    shape, axis = RETURNS[returned]
    spec = f"export f(x: [3], steps: int = 4) -> {shape} {{\n  {KEPT}\n  return {returned}\n}}\n"
    assert axes_of(spec, tmp_path) == [axis]


def test_a_path_through_a_net_that_is_mapped(tmp_path: Path) -> None:
    net = f"net go(x: [3]) -> [5, 3] {{\n  {KEPT.replace('steps', '4')}\n  return xs\n}}\n"
    assert axes_of(net + "export f(x: [3]) -> [5, 3] { return go(x) }\n", tmp_path) == [0]
    assert axes_of(net + "export f(X: [P, 3]) -> [P, 5, 3] { return go(X) }\n", tmp_path) == [1]


@pytest.mark.parametrize("unroll", [False, True])
def test_the_manifest_says_so(unroll: bool, tmp_path: Path) -> None:
    spec = f"export f(x: [3], steps: int = 4) -> [steps + 1, 3] {{\n  {KEPT}\n  return xs\n}}\n"
    (tmp_path / "spec.mai").write_text(spec, encoding="utf-8")
    program = check(tmp_path / "spec.mai").program
    assert program is not None
    exported = export(program, "f", Trained(load_weights(program, None)[0]), tmp_path, CompileOptions(unroll=unroll))
    assert load(exported.path, providers="cpu").outputs["f"].path == 0
