"""`mai predict`: a compiled file on every row of a table, read and written in any form, or refused with row and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.predicting.predict import Predicted, predict
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError

SPEC = """data x: [2], kind: class[3], y: class[2] from table("t.csv", missing = keep)
net logit(x: [2], kind: class[3]) -> [2] { return linear(concat(fill(x), embed(kind, 3)), 2) }
train(steps = 3, batch = 16) { minimize cross_entropy(logit(x, kind), y) }
export label(x: [2], kind: class[3], gain: real = 1) -> (class[2], [2]) {
  z = gain * logit(x, kind)
  return (argmax(z), softmax(z))
}
export noise(x: [2]) -> [] {
  e ~ normal([])
  return sum(x) + e
}
"""
TABLE = "id,x0,x1,kind,y\n" + "".join(
    f"{i:03d},{i / 8},{'' if i % 7 == 0 else i % 5},{('cat', 'dog', '')[i % 3]},{('no', 'yes')[i % 2]}\n"
    for i in range(60)
)


@pytest.fixture
def files(program: Callable[[str], Program], tmp_path: Path) -> Callable[[str], Model]:
    (tmp_path / "t.csv").write_text(TABLE)
    made = program(SPEC)
    train(made, tmp_path / "run", Options(quiet=True, device="cpu"))
    from mai.compiler.training.initial_weights import load_weights

    path = tmp_path / "run" / "weights.safetensors"
    from mai.compiler.data.label_names import names_of

    weights, _ = load_weights(made, path)
    trained = Trained(weights, labels=names_of(path))
    return lambda name: load(export(made, name, trained, tmp_path).path, providers="cpu")


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    read = {".parquet": parquet.read_table, ".feather": feather.read_table}.get(path.suffix)
    table: pa.Table = (
        read(path)
        if read
        else csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t" if ".tsv" in path.name else ","))
    )
    return table.to_pylist()


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.csv.gz", "out.parquet", "out.feather", "out.jsonl"])
def test_every_form(files: Callable[[str], Model], tmp_path: Path, name: str) -> None:
    """The rows as they were, and beside them what the file gives for each alone, whatever the size of a block."""
    model = files("label")
    done = predict(model, tmp_path / "t.csv", tmp_path / name, {}, batch=7)
    assert isinstance(done, Predicted) and done.rows == 60
    found = rows(tmp_path / name)
    assert [str(row["id"]).zfill(3) for row in found] == [f"{i:03d}" for i in range(60)]
    place = {"cat": 0, "dog": 1}
    for i in (0, 7, 20, 59):
        x = [i / 8, np.nan if i % 7 == 0 else i % 5]
        one = model(x=np.array([x], np.float32), kind=[place.get(("cat", "dog", "")[i % 3], 2)])
        label, probabilities = (np.asarray(v)[0] for v in one.values())
        assert found[i]["label_0"] == ("no", "yes")[int(label)]
        assert np.allclose([found[i]["label_1.no"], found[i]["label_1.yes"]], probabilities, atol=1e-5)


def test_settings_columns_and_draws(files: Callable[[str], Model], tmp_path: Path) -> None:
    """Only some columns; draws that differ from block to block, and are the same again."""
    predict(files("label"), tmp_path / "t.csv", tmp_path / "out.csv", {"gain": 0.0}, keep=["id"])
    found = rows(tmp_path / "out.csv")
    assert list(found[0]) == ["id", "label_0", "label_1.no", "label_1.yes"] and found[5]["label_1.no"] == 0.5
    (tmp_path / "same.csv").write_text("x0,x1\n" + "1,2\n" * 20)
    for name in ("a.csv", "b.csv"):
        predict(files("noise"), tmp_path / "same.csv", tmp_path / name, {}, batch=5)
    first = [row["noise"] for row in rows(tmp_path / "a.csv")]
    assert len(set(first)) == 20 and first == [row["noise"] for row in rows(tmp_path / "b.csv")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("cat", "cow"), "column `kind`, row 1: there is no label `cow`"),
        (("id,x0", "id,z"), "has no column for `x`"),
        (("1.0,3", "one,3"), "column `x0` mixes words and numbers: `one` in row 9"),
        (("000,0.0", "000,0.0,9"), "row 1 has 6 values, the header has 5"),
    ],
)
def test_what_does_not_fit(files: Callable[[str], Model], tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """Nothing is left behind."""
    (tmp_path / "bad.csv").write_text(TABLE.replace(*change, 1))
    with pytest.raises(MaiError) as error:
        predict(files("label"), tmp_path / "bad.csv", tmp_path / "out.csv", {})
    assert said in error.value.diagnostics[0].message
    assert not list(tmp_path.glob("*out.csv*"))
