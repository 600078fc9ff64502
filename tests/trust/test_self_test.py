"""The self-test in a file: content where the file is computed right, and told by output and amount where it is not."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.model.checksum import checksum
from mai.runtime.model.manifest import MANIFEST_KEY
from mai.runtime.self_test.compare import abridge, difference
from mai.runtime.self_test.draw import draw, random_bits
from mai.runtime.self_test.record import Recipe
from tests.support.command import invoke
from tests.support.hosts import TEXT

Make = Callable[[str], Program]
PAIR = """net f(x: [P, 4]) -> [P, 300] { return linear(x, 300) }
export pair(x: [P, 4], y: class[7], scale: real = 1.0) -> ([P, 300], [7], [2]) {
  e ~ normal([2])
  return (scale * f(x), log(1.0 * one_hot(y, 7)), e)
}
"""
TWO = """net f(x: [4]) -> [4] { return linear(x, 4) }
export straight(x: [4]) -> [4] { return f(x) }
export adaptive(x: [4]) -> [4] {
  integrate s in 0..1 using dopri5(rtol = 1e-5, atol = 1e-5) { dx/ds = f(x) }
  return x
}
"""


def compiled(program: Program, name: str, folder: Path, **options: Any) -> Path:
    return export(program, name, Trained(load_weights(program, None)[0]), folder, CompileOptions(**options)).path


def changed(path: Path, change: Callable[[onnx.ModelProto], None], name: str = "other.onnx") -> Path:
    """A copy of a file that a program has changed which knows its checksum."""
    model = onnx.load(path)
    change(model)
    (entry,) = [e for e in model.metadata_props if e.key == MANIFEST_KEY]
    entry.value = json.dumps(json.loads(entry.value) | {"checksum": checksum(model.SerializeToString())})
    other = path.with_name(name)
    other.write_bytes(model.SerializeToString())
    return other


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy with another manifest."""

    def edit(model: onnx.ModelProto) -> None:
        (entry,) = [e for e in model.metadata_props if e.key == MANIFEST_KEY]
        manifest = json.loads(entry.value)
        change(manifest)
        entry.value = json.dumps(manifest)

    return changed(path, edit)


def scale_weights(factor: float) -> Callable[[onnx.ModelProto], None]:
    def scale(model: onnx.ModelProto) -> None:
        largest = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        numbers = numpy_helper.to_array(largest) * np.float32(factor)
        largest.CopyFrom(numpy_helper.from_array(numbers, largest.name))

    return scale


def test_draws_are_what_the_rule_says() -> None:
    """The rule is part of the file format: a host that follows the guide draws these numbers."""
    usual, even = Recipe(), Recipe(seed=1, reals=(1.0, 2.0))
    assert random_bits(3, 4098).tolist() == [2833944080, 2606482850, 1717103090]
    np.testing.assert_array_equal(
        draw("float32", [2, 2], None, 0, usual),
        np.float32([[0.46955710649490356, 0.11328723281621933], [0.9951410889625549, -0.7515604496002197]]),
    )
    np.testing.assert_array_equal(
        draw("float32", [3], None, 0, even), np.float32([1.0971126556396484, 1.561875581741333, 1.6085766553878784])
    )
    assert draw("int64", [2, 4], 7, 1, usual).tolist() == [[6, 3, 1, 1], [3, 4, 6, 3]]
    assert draw("bool", [5], None, 2, usual).tolist() == [True, True, True, False, False]
    many = draw("float32", [100_000], None, 0, usual).astype(float)
    np.testing.assert_allclose([many.mean(), many.std()], [0, 1], atol=0.01)


@pytest.mark.parametrize("size", [5, 1000])
@pytest.mark.parametrize("kind", ["f", "i", "b"])
def test_what_is_kept_sees_every_place(size: int, kind: str) -> None:
    """A number that is off by the largest one is seen wherever it stands."""
    reals = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    array = {"f": reals, "i": (reals * 100).astype(np.int64), "b": reals > 0}[kind]
    kept = abridge(array, 16)
    assert len(kept.values) == min(size, 16)
    assert difference(array, kept) < 1e-6
    for place in range(size):
        other = array.copy()
        other[place] = ~other[place] if kind == "b" else other[place] + {"f": np.abs(reals).max(), "i": 1}[kind]
        assert difference(other, kept) > (0.02 if kind == "f" else 0.0)


def test_numbers_that_are_not_finite_are_kept() -> None:
    array = np.array([1.0, np.inf, -np.inf, np.nan], np.float32)
    kept = abridge(array, 4)
    assert kept.values == [1.0, "inf", "-inf", "nan"]
    assert difference(array, kept) == 0.0
    for other in (np.nan_to_num(array), array[[0, 2, 1, 3]], array[:3], array[None]):
        assert difference(other, kept) == np.inf
    hidden = np.ones(1000, np.float32)
    kept = abridge(hidden, 4)
    hidden[next(k for k in range(1000) if k not in (kept.places or []))] = np.nan
    assert difference(hidden, kept) == np.inf


def test_a_file_that_is_computed_right_is_content(program: Make, tmp_path: Path) -> None:
    """Several outputs, labels, draws, infinite numbers, free sizes; and adaptive steps. Equal compiles write equal bytes."""
    file, again = (compiled(program(PAIR), "pair", tmp_path / k) for k in "ab")
    assert file.read_bytes() == again.read_bytes()
    verification = load(file, providers="cpu").verify()
    assert len({d.output for d in verification.differences}) == 3 and verification.content
    test = load(file, providers="cpu").manifest.self_test
    assert test is not None
    assert [run.recipe.sizes for run in test.runs] == [{"batch": 1, "P": 5}, {"batch": 3, "P": 4}]
    assert len(test.model_dump_json()) < 4000
    adaptive = load(compiled(program(TWO), "adaptive", tmp_path), providers="cpu")
    assert adaptive.verify().content
    assert adaptive.manifest.self_test is not None and adaptive.manifest.self_test.tolerance == 1e-2


def test_a_run_with_numbers_that_are_not_finite_is_left_out(program: Make, tmp_path: Path) -> None:
    """Of x = 0.47, and of 0.47, 0.11 and 1.00, the first run alone; where none is finite throughout, both."""
    root = "export f(x: []) -> [] { return sqrt(x - 0.3) }\nexport g(x: []) -> [] { return sqrt(x - 0.7) }\n"
    for name, batches in (("f", [1]), ("g", [1, 3])):
        model = load(compiled(program(root), name, tmp_path), providers="cpu")
        assert model.manifest.self_test is not None and model.verify().content
        assert [run.recipe.sizes["batch"] for run in model.manifest.self_test.runs] == batches


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"quantize": "int8"}, {"precision": "fp16"}, {"settings": "required"}])
def test_texts_and_their_step_files_are_content(program: Make, tmp_path: Path, options: dict[str, Any]) -> None:
    spec = program(TEXT)
    trained = Trained(load_weights(spec, None)[0], tokenizer="bytes")
    step = export_step(spec, "generate", trained, tmp_path, CompileOptions(**options))
    assert step is not None
    for path in (export(spec, "generate", trained, tmp_path, CompileOptions(**options)).path, step.path):
        verification = load(path, providers="cpu").verify()
        assert verification.differences[0].output in ("generate", "next")


def test_other_weights_are_told(program: Make, tmp_path: Path) -> None:
    file = compiled(program(PAIR), "pair", tmp_path)
    other = changed(file, scale_weights(1.5))
    model = load(other, providers="cpu")
    with pytest.raises(ModelError) as caught:
        model.verify()
    assert caught.value.slug == "self-test-failed"
    assert "other.onnx does not compute what it did" in caught.value.message
    assert [d.output for d in model.run_self_test().differences if not d.content] == ["pair_0", "pair_0"]
    assert model.verify(tolerance=0.6).content


def test_a_file_of_before_is_told_to_have_no_test(program: Make, tmp_path: Path) -> None:
    file = rewritten(compiled(program(TWO), "straight", tmp_path), lambda manifest: manifest.pop("self_test"))
    with pytest.raises(ModelError, match="has no self-test") as caught:
        load(file, providers="cpu").verify()
    assert caught.value.slug == "self-test-missing"
    assert "none: an earlier mai wrote this" in invoke("info", str(file)).output


def test_a_file_that_a_program_has_quantized_is_measured(program: Make, tmp_path: Path) -> None:
    """Its weights are not those of its checksum, which `verify` says and goes on."""
    from onnxruntime.quantization import quantize_dynamic

    file, other = compiled(program(TWO), "straight", tmp_path), tmp_path / "few.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_dynamic(file, other)
    with pytest.raises(ModelError, match="another program has changed it"):
        load(other, providers="cpu")
    amounts = [d.amount for d in load(other, providers="cpu", check_weights=False).run_self_test().differences]
    assert 1e-4 < max(amounts) < 0.1
    completed = invoke("verify", str(other))
    assert completed.exit_code == 1 and "`straight` differs by" in completed.output
    assert "another program has changed the weights" in completed.output
    assert invoke("verify", str(other), "--tolerance", "0.1").exit_code == 0


def test_the_command_tells_of_each_file(program: Make, tmp_path: Path) -> None:
    file = compiled(program(TWO), "straight", tmp_path)
    other = changed(file, scale_weights(2.0))
    text = invoke("verify", str(file), str(other), str(tmp_path / "none.onnx"))
    assert text.exit_code == 1
    good, note, bad, none = text.output.splitlines()
    assert note.startswith(f"note: another program has written {other} anew")
    assert "as when it was written: 2 runs of 1 output on cpu" in good
    assert "error[self-test-failed]: other.onnx" in bad and "error[model-not-found]" in none
    answer = json.loads(invoke("verify", str(file), str(other), "--format", "json").stdout)
    assert [record["ok"] for record in answer] == [True, False]
    assert answer[1]["error"]["slug"] == "self-test-failed"
    assert [(d["run"], d["output"], d["ok"]) for d in answer[1]["differences"]] == [
        (0, "straight", False),
        (1, "straight", False),
    ]
    refused = invoke("verify", str(file), "--provider", "abacus")
    assert refused.exit_code == 1 and "there is no provider 'abacus' here" in refused.output


HOSTILE: list[Callable[[dict[str, Any]], Any]] = [
    lambda run: run["outputs"].update(other=run["outputs"]["straight"]),
    lambda run: run["outputs"]["straight"].update(places=[10**6] * 4),
    lambda run: run["outputs"]["straight"].update(values=[1.0]),
    lambda run: run["recipe"]["sizes"].update(batch=2**31 - 1),
    lambda run: run["recipe"].update(sizes={}),
    lambda run: run["recipe"]["settings"].update(steps=3),
    lambda run: run.update(outputs={}),
    lambda run: run["recipe"]["sizes"].update(batch=-1),
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_test_that_does_not_fit_its_file_is_told(
    program: Make, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    other = rewritten(
        compiled(program(TWO), "straight", tmp_path), lambda manifest: change(manifest["self_test"]["runs"][0])
    )
    with pytest.raises(ModelError) as caught:
        load(other, providers="cpu").verify()
    assert caught.value.slug == "model-truncated"
