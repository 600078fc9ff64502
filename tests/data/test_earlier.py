"""Data that an earlier export draws: a function of seed and step, its results by field, and what is wrong with a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.export import Export
from mai.compiler.data.sources.moons import Moons
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
EARLIER = """
export pairs() -> ([2], [2]) {
  x ~ normal([2])
  return split(concat(x, 2 * x), 2)
}
export label() -> int {
  k ~ integers(0, 3)
  return k
}
export doubled(x: [2]) -> [2] { return 2 * x }
export fixed() -> [2] { return [1.0, 2.0] }
export broken() -> [2] {
  x ~ normal([2])
  return log(x)
}
export stuck() -> [] {
  x ~ normal([])
  integrate s in 0..1 using dopri5(max_steps = 1, rtol = 1e-5) { dx/ds = cos(20 * s) }
  return x
}
"""
LATER = """
data x0: [2], x: [2] from export("spec.pairs.onnx")
net f(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 30, batch = 16) { minimize sum((x - f(x0))^2) }
"""
PAIR = {"x0": Type(DType.REAL, shape=(2,)), "x": Type(DType.REAL, shape=(2,))}
POINT = {"x": Type(DType.REAL, shape=(2,))}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the earlier spec's exports."""
    place = tmp_path_factory.mktemp("earlier")
    spec = place / "spec.mai"
    spec.write_text(EARLIER, encoding="utf-8")
    earlier = check(spec).program
    assert earlier is not None
    for name in earlier.exports:
        export(earlier, name, Trained({}), place)
    return place


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    """These files in a folder that a test may change."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    return tmp_path


def drawn(folder: Path, name: str, fields: Mapping[str, Type], seed: int = 0, count: int | None = None) -> Dataset:
    return load(Export(path=f"spec.{name}.onnx", count=count), fields, seed, folder)


def test_a_batch_is_a_function_of_seed_and_step(folder: Path) -> None:
    data, again, other = (drawn(folder, "pairs", PAIR, seed) for seed in (0, 0, 1))
    assert data.count is None
    rows = data.batch(3, 64)
    np.testing.assert_allclose(rows["x"], 2 * rows["x0"], rtol=1e-6)
    later = data.batch(4, 64)["x"]
    np.testing.assert_array_equal(again.batch(4, 64)["x"], later)
    assert not np.isin(later, rows["x"]).any()
    assert not np.isin(other.batch(4, 64)["x"], later).any()


def test_results_are_taken_by_kind(folder: Path) -> None:
    rows = drawn(folder, "label", {"y": Type(DType.INT, classes=3)}).batch(0, 50)
    assert set(rows["y"].tolist()) == {0, 1, 2}
    with pytest.raises(MaiError, match="the data has no `x`"):
        drawn(folder, "label", POINT)


def test_a_count_is_drawn_once_and_gone_through_in_epochs(folder: Path) -> None:
    data = drawn(folder, "pairs", PAIR, count=5000)
    assert data.count == 4500
    assert data.validation is not None
    epoch = np.concatenate([data.batch(step, 500)["x"] for step in range(9)])
    assert len(np.unique(np.concatenate([epoch, data.validation["x"]]), axis=0)) == 5000
    np.testing.assert_array_equal(drawn(folder, "pairs", PAIR, count=5000).batch(12, 9)["x"], data.batch(12, 9)["x"])


def test_a_file_takes_the_place_of_the_source(folder: Path) -> None:
    data = load(Export(path="nowhere.onnx", count=40), PAIR, 0, Path(), [folder / "spec.pairs.onnx"])
    assert data.count == 36
    assert load(Moons(), POINT, 0, Path(), [folder / "spec.pairs.onnx"]).count is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "slug", "message"),
    [
        ("missing", "data-missing", "train the spec that it is an export of first"),
        ("doubled", "data-bad", "needs x: data come from an export without inputs"),
        ("fixed", "data-bad", "draws nothing"),
        ("broken", "data-bad", "`x` holds values that are not finite"),
        ("stuck", "data-bad", "did not arrive"),
        ("text", "data-bad", "is no ONNX file"),
        ("empty", "data-bad", "is empty"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, name: str, slug: str, message: str) -> None:
    (folder / "spec.text.onnx").write_text("no model")
    (folder / "spec.empty.onnx").write_text("")
    with pytest.raises(MaiError) as caught:
        drawn(folder, name, POINT)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == slug
    assert message in diagnostic.message


def test_results_that_do_not_fit_are_told(folder: Path) -> None:
    with pytest.raises(MaiError, match=r"`x` is \[3\] in the spec and \[2\] in the data"):
        drawn(folder, "pairs", {"x": Type(DType.REAL, shape=(3,))})
    with pytest.raises(MaiError, match="the data has no `z`"):
        drawn(folder, "pairs", {**PAIR, "z": Type(DType.REAL, shape=(2,))})


def test_a_run_goes_on_bit_for_bit(folder: Path, program: Maker) -> None:
    spec = program(LATER)
    quiet = {"quiet": True, "device": "cpu"}
    train(spec, folder / "whole", Options(**quiet))  # type: ignore[arg-type]
    train(spec, folder / "parts", Options(steps=11, **quiet))  # type: ignore[arg-type]
    train(spec, folder / "parts", Options(resume=True, **quiet))  # type: ignore[arg-type]
    whole, parts = (load_file(folder / name / "weights.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
