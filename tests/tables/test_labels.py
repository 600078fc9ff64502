"""Labels that data have as words: their numbers in training, and their names in the compiled file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import csv, feather, parquet
from safetensors.torch import save_file

from mai.compiler.check import check
from mai.compiler.compiling import CompileOptions, compile_all
from mai.compiler.data.batches import load as load_data
from mai.compiler.data.label_names import names_in, names_of, number_labels
from mai.compiler.data.rows import Words
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.table import Table
from mai.compiler.data.whole_files import read_whole
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.untrained import told_by_data
from mai.runtime import Model, ModelError, load
from mai.runtime.commands.running import Wanted, run_file
from mai.runtime.inputs.labels import labels_to_numbers, truths_in_letters
from mai.spec.diagnostics import MaiError

SPEC = """
data x: [2], y: class[3] from csv("animals.csv")
net logits(x: [2]) -> [3] { return linear(x, 3) }
train(steps = 200, batch = 32, optimizer = adam(lr = 0.1)) { minimize cross_entropy(logits(x), y) }
export classify(x: [2]) -> [3] { return softmax(logits(x)) }
export best(x: [2]) -> int { return argmax(logits(x)) }
export chance(x: [2], y: class[3]) -> [] { return softmax(logits(x))[y] }
"""
NAMES = ["dog", "cat", "eel"]
TEXTS = ("cat", "[cat, eel]", '["cat", "eel"]', "2", "0..2")
CENTRES = np.array([[0, 0], [3, 0], [0, 3]], float)


@pytest.fixture
def run(program: Callable[[str], Program], tmp_path: Path) -> Path:
    """The folder of a run on points around three centres, each with the name of its animal."""
    rng, chosen = np.random.default_rng(0), np.arange(90) % 3
    rows = [
        f"{a:.3f},{b:.3f},{NAMES[i]}"
        for i, (a, b) in zip(chosen, CENTRES[chosen] + rng.normal(0, 0.2, (90, 2)), strict=True)
    ]
    spec = program(SPEC)
    (Path(spec.source.path).parent / "animals.csv").write_text("\n".join(["x0,x1,y", *rows]))
    result = train(spec, tmp_path / "run", Options(quiet=True, device="cpu"))
    compile_all(spec, list(spec.exports), result.weights, tmp_path / "run", CompileOptions())
    return tmp_path / "run"


def rows(run: Path, keep: Callable[[str], bool], *more: str) -> Path:
    """Some of the rows of the run's table, in another file."""
    head, *lines = (run.parent / "animals.csv").read_text().splitlines()
    path = run / "some.csv"
    path.write_text("\n".join([head, *filter(keep, lines), *more]))
    return path


def opened(run: Path, export: str) -> Model:
    return load(run / f"spec.{export}.onnx", providers="cpu")


def test_the_data_are_read_for_weights_from_elsewhere_and_for_first_values(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec, own = program(SPEC), tmp_path / "own.safetensors"
    (tmp_path / "animals.csv").write_text("\n".join(["x0,x1,y", *(f"{i},1,{NAMES[i % 3]}" for i in range(30))]))
    save_file({"a": torch.zeros(1)}, own)
    assert names_in(told_by_data(spec, own, 0)) == {"y": ("cat", "dog", "eel")}
    assert names_in(told_by_data(spec, None, 0)) == {"y": ("cat", "dog", "eel")}


def test_names_are_numbers_in_alphabetical_order_and_stay_names(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = opened(run, "classify")
    assert model.manifest.labels == {"y": ["cat", "dog", "eel"]}
    np.testing.assert_array_equal(model(x=CENTRES).argmax(-1), [1, 0, 2])
    run_file(run / "spec.classify.onnx", ["x=[3, 0]"], {"batch": None, "seed": None, "steps": None}, Wanted())
    assert "  cat ██████" in capsys.readouterr().out
    run_file(run / "spec.best.onnx", ["x=[[0, 3], [3, 0]]"], {"batch": None, "seed": None, "steps": None}, Wanted())
    assert "\n  eel, cat\n" in capsys.readouterr().out


def test_a_label_is_given_by_its_name(run: Path) -> None:
    chance = opened(run, "chance")
    both = chance(x=CENTRES[:2], y=["dog", "cat"])
    np.testing.assert_array_equal(both, chance(x=CENTRES[:2], y=[1, 0]))
    assert (both > 0.9).all()
    port, names = chance.inputs["y"], chance.manifest.labels["y"]
    assert [labels_to_numbers(port, names, text) for text in TEXTS] == ["0", "0, 2", "0, 2", "2", "0..2"]
    np.testing.assert_array_equal(both, chance(x=CENTRES[:2], y=np.array(["dog", "cat"])))
    with pytest.raises(ModelError, match="`y` mixes names and numbers: `cat` and `1`"):
        chance(x=CENTRES[:2], y=["cat", 1])
    for wrong in (lambda: chance(x=CENTRES[:1], y="cta"), lambda: labels_to_numbers(port, names, "cta")):
        with pytest.raises(ModelError, match=r"`y` has no label `cta` \(did you mean `cat`\?\)"):
            wrong()
    with pytest.raises(ModelError, match="there are cat, dog, eel"):
        chance(x=CENTRES[:1], y="unicorn")


@pytest.mark.parametrize("how", [{"resume": True}, {"resume": False, "weights": Path("run")}])
def test_a_run_keeps_the_numbers_of_its_labels(how: dict[str, Any], run: Path, tmp_path: Path) -> None:
    """Without its first label, the data would be numbered anew: the accuracy would be that of other labels."""
    spec = check(tmp_path / "spec.mai").program
    assert spec is not None
    how_with_path = how | ({"weights": tmp_path / how["weights"]} if "weights" in how else {})
    without = rows(run, lambda row: "cat" not in row)
    options = Options(quiet=True, device="cpu", data=(without,), steps=201 if how["resume"] else 1, **how_with_path)
    result = train(spec, run, options)
    assert result.figures["loss"] < 0.5
    assert names_of(result.weights) == {"y": ("cat", "dog", "eel")}
    fox = rows(run, lambda row: True, "0,0,fox")
    with pytest.raises(MaiError) as caught:
        train(spec, run, replace(options, data=(fox,)))
    message = "`y` has the label `fox`, which this run does not know: it has cat, dog, eel"
    assert caught.value.diagnostics[0].message == message


def test_labels_of_any_order_keep_it() -> None:
    fields = {"y": Type(DType.INT, classes=3)}
    (numbered,), names = number_labels(
        [{"y": Words.of(np.array(["a", "c", "a", "b"]))}], fields, {"y": ("c", "a", "b")}
    )
    assert numbered["y"].tolist() == [1, 0, 1, 2] and names == {"y": ("c", "a", "b")}


def test_the_table_of_training_is_an_input(run: Path, tmp_path: Path) -> None:
    table = next(tmp_path.rglob("animals.csv"))
    for export, words in (("best", [f"x=@{table}"]), ("chance", [f"x=@{table}", f"y=@{table}"])):
        wanted = Wanted(out=tmp_path / f"{export}.npy")
        run_file(run / f"spec.{export}.onnx", words, {"batch": None, "seed": None, "steps": None}, wanted)
    assert np.load(tmp_path / "best.npy").tolist() == [sorted(NAMES).index(NAMES[i % 3]) for i in range(90)]
    assert (np.load(tmp_path / "chance.npy") > 0.9).all()


def test_folders_name_the_images_in_them(tmp_path: Path) -> None:
    for name, grey in (("zebra", 255), ("ant", 0)):
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("L", (2, 2), grey).save(tmp_path / name / f"{i}.png")
    fields = {"image": Type(DType.REAL, shape=(1, 2, 2)), "kind": Type(DType.INT, classes=2)}
    dataset = load_data(Images(path="."), fields, 0, tmp_path)
    assert dataset.labels == {"kind": ("ant", "zebra")}
    batch = dataset.batch(0, 4)
    np.testing.assert_array_equal(batch["image"].mean((1, 2, 3)) > 0, batch["kind"] == 1)
    with pytest.raises(MaiError, match="data-bad"):
        load_data(Images(path="."), {**fields, "kind": Type(DType.INT, classes=1)}, 0, tmp_path)
    with pytest.raises(MaiError, match="data-bad") as caught:
        load_data(Images(path="ant"), fields, 0, tmp_path)
    assert caught.value.diagnostics[0].message == "the data has no `kind`; it has x"
    with pytest.raises(MaiError, match=r"2 labels \(ant, zebra\), the spec has class\[1\]"):
        Images(path=".").check_columns(tmp_path, {**fields, "kind": Type(DType.INT, classes=1)})
    (tmp_path / ".hidden").mkdir()
    load_data(Images(path="."), fields, 0, tmp_path)
    (tmp_path / "bee").mkdir()
    with pytest.raises(MaiError, match="data-missing"):
        load_data(Images(path="."), fields, 0, tmp_path)


@pytest.mark.parametrize(
    ("words", "classes", "said"),
    [("abc", 2, "3 labels (a, b, c)"), ("abab", 2, ""), ("12x3", 2, ""), ("ab-?", 2, ""), ("abz", 2, "")],
)
def test_a_check_counts_words(tmp_path: Path, words: str, classes: int, said: str) -> None:
    """In the first rows, which is no look at all: what is missing, stands among numbers, or in a row that is left out, is no label too many."""
    (tmp_path / "t.csv").write_text("x,n\n" + "".join(f"{word},{'' if word == 'z' else 1}\n" for word in words))
    fields = {"x": Type(DType.INT, classes=classes)}
    if not said:
        Table.of({"path": "t.csv", "missing": "drop"}).check_columns(tmp_path, fields)
        return
    with pytest.raises(MaiError) as caught:
        Table.of({"path": "t.csv", "missing": "drop"}).check_columns(tmp_path, fields)
    assert said in caught.value.diagnostics[0].message


def _as_csv(path: Path, rows: pa.Table) -> None:
    csv.write_csv(rows, path)


def _as_jsonl(path: Path, rows: pa.Table) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))


def _as_feather(path: Path, rows: pa.Table) -> None:
    feather.write_feather(rows, str(path))


def _as_parquet(path: Path, rows: pa.Table) -> None:
    parquet.write_table(rows, path)


@pytest.mark.parametrize(
    ("name", "write"),
    [("t.csv", _as_csv), ("t.jsonl", _as_jsonl), ("t.feather", _as_feather), ("t.parquet", _as_parquet)],
)
def test_a_check_counts_labels_of_each_form(name: str, write: Callable[[Path, pa.Table], None], tmp_path: Path) -> None:
    """Words, of a category too; numbers by the highest; those that `words` names by how many there are."""
    columns = {
        "word": pa.array(["a", "b", "c", None]).dictionary_encode(), "number": pa.array([0, 1, 2, None]),
        "code": pa.array([3, 7, 9, None]), "truth": pa.array([True, False, True, None]), "few": pa.array([[1], [2], [3], [4]]),
    }  # fmt: skip
    write(tmp_path / name, pa.table(columns if name != "t.csv" else {n: c for n, c in columns.items() if n != "few"}))
    for field, classes in {"word": 3, "number": 3, "code": 3, "truth": 2}.items():
        source = Table.of({"path": name, "words": ("code",) if field == "code" else (), "missing": "keep"})
        source.check_columns(tmp_path, {field: Type(DType.INT, classes=classes)})
        with pytest.raises(MaiError) as caught:
            source.check_columns(tmp_path, {field: Type(DType.INT, classes=classes - 1)})
        message = "`word` has 3 labels (a, b, c)" if field == "word" else f"`{field}` has "
        assert message in caught.value.diagnostics[0].message
        assert f"class[{classes - 1}]" in caught.value.diagnostics[0].message


def test_a_check_counts_labels_of_objects_that_lack_some(tmp_path: Path) -> None:
    """A row that is left out has no label to count, whether its value is null or not there at all."""
    (tmp_path / "t.jsonl").write_text('{"x": 1.5, "y": 0}\n{}\n{"y": 7}\n{"x": 2.5, "y": 1}\n')
    for missing, classes in (("drop", 2), ("keep", 8)):
        source, fields = Table.of({"path": "t.jsonl", "missing": missing}), {"x": Type(DType.REAL)}
        source.check_columns(tmp_path, {**fields, "y": Type(DType.INT, classes=classes)})
        with pytest.raises(MaiError):
            source.check_columns(tmp_path, {**fields, "y": Type(DType.INT, classes=classes - 1)})


def test_words_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n\nred\nblue\n")
    with pytest.raises(MaiError) as caught:
        load_data(Csv(path="a.csv"), {"x": Type(DType.REAL)}, 0, tmp_path)
    where = f"{tmp_path / 'a.csv'}, row 1"
    assert caught.value.diagnostics[0].message == f"{where}: `x` holds words (`red`), the spec has real numbers"


@pytest.mark.parametrize(("here", "there"), [("TRUE FALSE", "True False"), ("false true", "TRUE FALSE")])
def test_truths_are_the_same_in_any_letters(here: str, there: str, tmp_path: Path) -> None:
    """A spreadsheet writes `TRUE`, a program `True`; of other words letters tell labels apart."""
    for name, words in (("a", here), ("b", there)):
        yes, no = sorted(words.split(), key=str.lower, reverse=True)
        (tmp_path / f"{name}.csv").write_text("y,n\n" + f"{yes},1\n{no},0\n" * 6)
    label, real = {"y": Type(DType.INT, classes=2), "n": Type(DType.REAL)}, {"y": Type(DType.REAL)}
    trained = load_data(Table(path="a.csv", validation="b.csv"), label, 0, tmp_path)
    assert trained.labels["y"] == tuple(sorted(here.split(), key=str.lower)) and trained.validation is not None
    assert trained.validation["y"][:].tolist() == trained.validation["n"][:].tolist() == [1, 0] * 6
    again = load_data(Table(path="b.csv"), label, 0, tmp_path, trained_labels=trained.labels)
    assert (again.batch(0, 9)["y"] == again.batch(0, 9)["n"]).all() and not any("never saw" in n for n in again.notes)
    numbers = load_data(Table(path=("a.csv", "b.csv")), {**label, **real}, 0, tmp_path).batch(0, 20)
    assert (numbers["y"] == numbers["n"]).all()
    assert truths_in_letters(["yes", "no"], ["YES", "True"]) == ["YES", "True"]


@pytest.mark.parametrize(("missing", "classes"), [("keep", 3), ("refuse", 2)])
def test_an_evaluation_reads_labels_as_predicting_does(missing: str, classes: int, tmp_path: Path) -> None:
    """Numbers where training had words are those of labels, and words that it never saw are told."""
    fields = {"y": Type(DType.INT, classes=classes), "n": Type(DType.REAL)}
    source, names = Table(path="t.csv", missing=missing), {"y": ("False", "True")}
    parquet.write_table(pa.table({"y": [True, False, True], "n": [1.0, 0.0, 1.0]}), tmp_path / "t.parquet")
    read = read_whole(source, fields, tmp_path, [tmp_path / "t.parquet"], names, ["n"])
    assert read.rows["y"][:].tolist() == [1, 0, 1]
    assert "`y`: numbers are taken as those of labels, 0 as `False`" in read.notes
    (tmp_path / "u.csv").write_text("y,n\nTRUE,1\nperhaps,0\n")
    if missing == "keep":
        read = read_whole(source, fields, tmp_path, [tmp_path / "u.csv"], names, ["n"])
        assert read.rows["y"][:].tolist() == [1, 2] and any("`perhaps`" in note for note in read.notes)
