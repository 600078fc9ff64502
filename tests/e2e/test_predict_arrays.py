"""`mai predict` of numpy's arrays: the answers of a call with the same numbers, or a refusal that names the array."""

from __future__ import annotations

import json
from csv import DictReader
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from mai.compiler.predicting.predict import predict
from mai.runtime import load
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Facts, Port
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.cases.small_files import build, manifest, output, real

N = 7
X = np.linspace(-1, 1, 2 * N).reshape(N, 2).astype(np.float16)
TOWNS = np.array(["Ulm", "Bonn", "Ulm", "Bonn", "Bonn", "Ulm", "Ulm"])


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """x, 2 * town and [is] of a row: its sums tell rows, words and truths apart."""
    town = Port(
        name="town", kind="input", dtype="int64", shape=[], batch=True, classes=2, field="town", minimum=0, maximum=1
    )
    inputs = [real("x", 2), town, real("fits")]
    facts = {"x": Facts(low=[-1, -1], high=[1, 1], middle=[0, 0])}
    described = manifest(inputs, [], [output("f")]).model_copy(
        update={"facts": facts, "labels": {"town": ["Bonn", "Ulm"]}}
    )
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["town"], ["place"], to=1),
        helper.make_node("Add", ["sum", "place"], ["both"]),
        helper.make_node("Add", ["both", "fits"], ["f"]),
    ]
    onnx.save(build(described, nodes, {"axes": np.array([1])}), tmp_path / "f.onnx")
    return load(tmp_path / "f.onnx", providers="cpu", threads=1)


def saved(path: Path, **changed: Any) -> Path:
    arrays = {
        "x": X,
        "town": TOWNS,
        "fits": np.arange(N) > 3,
        "id": np.arange(N, dtype=np.uint8),
        "z": np.ones((N, 3), complex),
    }
    np.savez(path, **{name: array for name, array in (arrays | changed).items() if array is not None})
    return path


def test_arrays_are_rows(model: Model, tmp_path: Path) -> None:
    """In blocks; what has one value for each example stands beside the results, and an array of other things is not looked at."""
    done = predict(model, saved(tmp_path / "a.npz"), tmp_path / "p.csv", {}, batch=3)
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = [*DictReader(file)]
    assert (done.rows, done.columns, [*rows[0]]) == (N, ("f",), ["row", "town", "fits", "id", "f"])
    expected = X.astype(float).sum(1) + (TOWNS == "Ulm") + (np.arange(N) > 3)
    assert [float(row["f"]) for row in rows] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [(row["row"], row["town"]) for row in rows] == [(str(k + 1), TOWNS[k]) for k in range(N)]
    far = predict(model, saved(tmp_path / "far.npz", x=X * [1, 9]), tmp_path / "p.parquet", {}, keep=["id"])
    assert far.notes == ("`x1`: 5 rows are far outside of what training had, -1 to 1: -7.61572 for one",)
    predict(
        model, saved(tmp_path / "gap.npz", id=np.array([np.nan, *range(1, N)])), tmp_path / "p.jsonl", {}, keep=["id"]
    )
    kept = [
        json.loads(row, parse_constant=pytest.fail)["id"] for row in (tmp_path / "p.jsonl").read_text().splitlines()
    ]
    assert kept == [None, *range(1, N)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": None}, "has no array for `x`; it has town, fits, id, z"),
        ({"x": X[:3]}, "one common number of examples"),
        ({"x": X.astype(complex)}, "`x` is not an array of numbers: it holds complex ones"),
        ({"x": X[:, :1]}, r"`x` is \[batch, 2\], this is \[7, 1\]"),
        ({"town": np.full(N, "Rome")}, "Rome"),
        ({"town": np.full(N, 2)}, "`town` is from 0 to 1, this holds 2"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], message: str, model: Model, tmp_path: Path) -> None:
    with pytest.raises((MaiError, ModelError), match=message):
        predict(model, saved(tmp_path / "a.npz", **changed), tmp_path / "p.csv", {})


def test_a_plain_array_is_the_one_input(model: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", X)
    with pytest.raises(MaiError, match="has no array for `town`, `fits`; it is one array"):
        predict(model, tmp_path / "numbers.npy", tmp_path / "p.csv", {})
    described = manifest([real("x", 2)], [], [output("f", 2)])
    onnx.save(build(described, [helper.make_node("Identity", ["x"], ["f"])]), tmp_path / "g.onnx")
    predict(
        load(tmp_path / "g.onnx", providers="cpu"), tmp_path / "numbers.npy", tmp_path / "p.csv", {}, keep=[], batch=2
    )
    assert np.loadtxt(tmp_path / "p.csv", delimiter=",", skiprows=1) == pytest.approx(X.astype(float))
