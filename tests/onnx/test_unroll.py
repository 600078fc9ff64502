"""`--unroll`: a growing text without a loop is the text that the loop writes, and what keeps a loop does not say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import Exported, export
from mai.compiler.onnx.lowering import loops
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import Model, load
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
TEXT = """
const vocab = 16
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 8)
  repeat 2 { h += attention(h, 2, causal = true) }
  return linear(h, vocab)
}
export g(p: tokens[P], count: int = 4) -> tokens[P + count] {
  x = p
  extend x by count%s {
    next ~ categorical(logits(x)[-1])
    append next
  }
  return x
}
"""


def written(spec: Program, folder: Path, options: CompileOptions) -> Exported:
    return export(spec, spec.exports["g"].name, Trained(load_weights(spec, None)[0]), folder, options)


def opened(spec: Program, folder: Path, options: CompileOptions) -> Model:
    return load(written(spec, folder, options).path, providers="cpu")


@pytest.mark.parametrize("cache", ["auto", "none"])
def test_an_unrolled_text_is_that_of_the_loop(cache: str, program: Maker, tmp_path: Path) -> None:
    spec = program(TEXT % "")
    flat = opened(spec, tmp_path / "flat", CompileOptions(unroll=True, cache=cache))  # type: ignore[arg-type]
    looped = opened(spec, tmp_path / "loop", CompileOptions(cache="none"))
    operators = {node.op_type for node in onnx.load(tmp_path / "flat" / "spec.g.onnx").graph.node}
    assert not operators & {"Loop", "Scan"} and flat.manifest.unrolled
    for prompt in ([[3]], [[1, 2, 3], [7, 8, 9]], [[5, 4, 3, 2, 1, 0, 1]] * 3):
        for seed in range(3):
            p = np.array(prompt)
            np.testing.assert_array_equal(np.asarray(flat(p=p, seed=seed)), np.asarray(looped(p=p, seed=seed)))


@pytest.mark.parametrize("n", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 5))])
def test_the_rotations_of_a_matrix_of_known_size_are_unrolled(n: int, program: Maker, tmp_path: Path) -> None:
    spec = program(f"export g(x: [{n}, {n}]) -> ([{n}], [{n}, {n}]) {{\n  (v, w) = eigh(x)\n  return (v, w)\n}}\n")
    flat = written(spec, tmp_path, CompileOptions(unroll=True))
    operators = [node.op_type for node in onnx.load(flat.path).graph.node]
    assert "Loop" not in operators and not flat.notes
    rounds = n - 1 + n % 2
    assert operators.count("Not") == 12 * rounds  # One in each: all sweeps are in the file, so that they are few.
    x = np.random.default_rng(0).standard_normal((3, n, n)).astype(np.float32)
    x += x.mT
    values = np.asarray(load(flat.path, providers="cpu")(x=x)["v"])
    np.testing.assert_allclose(values, np.linalg.eigvalsh(x.astype(np.float64)), atol=1e-5)


def test_a_file_that_keeps_a_loop_does_not_say_that_it_is_unrolled(program: Maker, tmp_path: Path) -> None:
    spec = program(TEXT % " until 7")
    exported = written(spec, tmp_path, CompileOptions(unroll=True))
    assert not load(exported.path, providers="cpu").manifest.unrolled
    assert any("a loop is left" in note for note in exported.notes)


def test_turns_of_settings_and_numbers_are_unrolled(program: Maker, tmp_path: Path) -> None:
    spec = program("export g(x: [2], n: int = 3) -> [2] {\n  repeat n { x = x / 2 }\n  return x\n}\n")
    flat = opened(spec, tmp_path, CompileOptions(unroll=True))
    assert flat.manifest.unrolled
    np.testing.assert_array_equal(np.asarray(flat(x=[[8.0, 16.0]])), [[1.0, 2.0]])


def test_more_operators_than_a_file_can_have_are_told(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "MOST_OPERATIONS", 1000)
    spec = program("export g(x: [2]) -> [2] {\n  repeat 600 { x = sin(x) + x }\n  return x\n}\n")
    with pytest.raises(MaiError) as caught:
        written(spec, tmp_path, CompileOptions(unroll=True))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "too-deep" and "1,000 operators" in diagnostic.message and diagnostic.span is not None
    assert not list(tmp_path.glob("*.onnx"))
