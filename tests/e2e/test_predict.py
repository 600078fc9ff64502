"""`mai predict`: a compiled file on every row of a table, read and written in any form, or refused with row and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from csv import reader
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import helper
from PIL import Image
from pyarrow import csv, feather, parquet

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.data.batches import load as load_data
from mai.compiler.data.tables.dialect import Dialect, Stated
from mai.compiler.data.tables.files import open_table
from mai.compiler.onnx.export import export
from mai.compiler.predicting.far_numbers import FarNumbers
from mai.compiler.predicting.inputs import TableInputs
from mai.compiler.predicting.predict import Predicted, predict
from mai.compiler.predicting.results import table_file
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from mai.runtime.errors import ModelError
from mai.runtime.inputs.labels import as_labels
from mai.runtime.model.manifest import Facts
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.cases.small_files import build, manifest, output, real
from tests.support.command import invoke

SPEC = """data x: [2], kind: class[3], y: class[2] from table("t.csv", missing = keep)
net logit(x: [2], kind: class[3]) -> [2] { return linear(concat(fill(x), embed(kind, 3)), 2) }
train(steps = 3, batch = 16) { minimize cross_entropy(logit(x, kind), y) }
export label(x: [2], kind: class[3], gain: real = 1) -> (class[2], [2]) {
  z = gain * logit(x, kind)
  return (argmax(z), softmax(z))
}
export plain(x: [2]) -> class[2] { return where(sum(x) > 0, 1, 0) }
export noise(x: [2]) -> [] {
  e ~ normal([])
  return sum(x) + e
}
"""
KINDS = """data kind: class[5], y: [] from table("t.csv")
net f(kind: class[5]) -> [] { return sum(embed(kind, 2)) }
train(steps = 2, batch = 4) { minimize (f(kind) - y)^2 }
export guess(kind: class[5]) -> [] { return f(kind) }
"""
TABLE = "id,x0,x1,kind,y\n" + "".join(
    f"{i:03d},{i / 8},{'' if i % 7 == 0 else i % 5},{('cat', 'dög', '')[i % 3]},{('no', 'yes')[i % 2]}\n"
    for i in range(60)
)


@pytest.fixture
def files(program: Callable[[str], Program], tmp_path: Path) -> Callable[[str], Model]:
    (tmp_path / "t.csv").write_text(TABLE)
    spec = program(SPEC)
    train(spec, tmp_path / "run", Options(quiet=True, device="cpu"))
    from mai.compiler.training.initial_weights import load_weights

    path = tmp_path / "run" / "weights.safetensors"
    from mai.compiler.data.label_names import names_of

    weights, _ = load_weights(spec, path)
    trained = Trained(weights, labels=names_of(path))
    return lambda name: load(export(spec, name, trained, tmp_path).path, providers="cpu")


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
    lines = rows(tmp_path / name)
    assert [str(row["id"]).zfill(3) for row in lines] == [f"{i:03d}" for i in range(60)]
    place = {"cat": 0, "dög": 1}
    for i in (0, 7, 20, 59):
        x = [i / 8, np.nan if i % 7 == 0 else i % 5]
        one = model(x=np.array([x], np.float32), kind=[place.get(("cat", "dög", "")[i % 3], 2)])
        label, probabilities = (np.asarray(v)[0] for v in one.values())
        assert lines[i]["label_0"] == ("no", "yes")[int(label)]
        assert np.allclose([lines[i]["label_1.no"], lines[i]["label_1.yes"]], probabilities, atol=1e-5)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_columns_keep_the_names_that_the_table_has(files: Callable[[str], Model], tmp_path: Path, name: str) -> None:
    """Not those by which a spec calls them, `Row_id`."""
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("id", "Row (id)", 1))
    predict(files("label"), tmp_path / "t.csv", tmp_path / name, {})
    assert [title for title in rows(tmp_path / name)[0] if "id" in title] == ["Row (id)"]


COLUMNS = {  # What a csv file has, and what a file with types has of it.
    "whole": (["1", "-20", ""], [1, -20, None]),
    "real": (["1", "2.5", " 1e-3"], [1.0, 2.5, 0.001]),
    "gap": (["NA", "3", "4"], [None, 3, 4]),
    "code": (["007", "8", "9"], ["007", "8", "9"]),
    "mixed": (["1", "two", "3"], ["1", "two", "3"]),
    "long": (["1", "2", "12345678901234567890"], ["1", "2", "12345678901234567890"]),
    "none": (["", "", ""], ["", "", ""]),
    "signs": (["-", ".", "1"], [None, None, 1]),
    "odd": (["+", "e", "1"], ["+", "e", "1"]),
}


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.feather"])
def test_numbers_of_a_csv_file_are_numbers(files: Callable[[str], Model], tmp_path: Path, name: str) -> None:
    """Where the file that is written has types; in another csv file they stand as they were."""
    cells = zip(*(column for column, _ in COLUMNS.values()), strict=True)
    lines = [",".join(["x0", "x1", *COLUMNS]), *(",".join(["1", "2", *row]) for row in cells)]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    model = files("plain")
    predict(model, tmp_path / "in.csv", tmp_path / name, {}, keep=[*COLUMNS], batch=2)
    out = rows(tmp_path / name)
    assert {column: [row[column] for row in out] for column in COLUMNS} == {n: v for n, (_, v) in COLUMNS.items()}
    assert isinstance(out[0]["whole"], int) and isinstance(out[0]["real"], float)
    predict(model, tmp_path / "in.csv", tmp_path / "out.csv", {})
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [",".join(row[:-1]) for row in reader(file)] == lines


def test_lists_are_kept_in_a_csv_file(files: Callable[[str], Model], tmp_path: Path) -> None:
    table = pa.table({"x": [[1.0, 2.0], [3.0, 4.0]], "more": [["ö"], None]})
    parquet.write_table(table, tmp_path / "in.parquet")
    predict(files("plain"), tmp_path / "in.parquet", tmp_path / "out.csv", {})
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        _, first, second = reader(file)
    assert first[:2] == ["[1.0, 2.0]", '["ö"]'] and second[:2] == ["[3.0, 4.0]", ""]


def test_texts_of_every_kind_are_cells(tmp_path: Path) -> None:
    """As other programs keep them in parquet files; those that need them have quotes, and a column alone has no line without a letter."""
    texts = pa.array(["a,b", 'c"d', "e", None])
    columns = {"large": texts.cast(pa.large_string()), "numbered": texts.dictionary_encode(), "n,m": [1, 2, 3, 4]}
    with table_file(tmp_path / "o.csv") as write:
        write(pa.table(columns))
    lines = ['large,numbered,"n,m"', '"a,b","a,b",1', '"c""d","c""d",2', "e,e,3", ",,4"]
    assert (tmp_path / "o.csv").read_text().splitlines() == lines
    with table_file(tmp_path / "o.csv") as write:
        write(pa.table({"one": texts}))
    assert (tmp_path / "o.csv").read_text().splitlines()[-2:] == ["e", '""']
    with pytest.raises(MaiError, match="data-bad"), table_file(tmp_path / "o.csv") as write:
        write(pa.table({"bytes": [b"\xff"]}))


def test_what_is_no_number_has_words_in_json(tmp_path: Path) -> None:
    """Inside of lists, too; `Infinity` without quotes is no JSON, and NaN is what is missing."""
    plain, lists = [1.0, np.inf, np.nan], [[0.5], [-np.inf, np.nan], []]
    with table_file(tmp_path / "o.jsonl") as write:
        write(pa.table({"a": plain, "b": lists}))
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line["a"] for line in lines] == [1.0, "Infinity", None]
    assert [line["b"] for line in lines] == [[0.5], ["-Infinity", None], []]


def _write_letters(path: Path, letters: str) -> None:
    with table_file(path, Dialect(encoding="cp1252", separator=";")) as write:
        write(pa.table({"a": ["x;y", letters]}))


def test_a_text_comes_back_in_the_form_that_it_came_in(files: Callable[[str], Model], tmp_path: Path) -> None:
    """Separator, decimal commas and letters, and quotes where they are needed alone; a letter that the encoding lacks is refused."""
    rows = 'Größe;x0;x1;Ort\n1;0,5;1,25;Zürich\n2;1,5;-2;"a; ""b"""\n'
    (tmp_path / "de.csv").write_bytes(rows.encode("cp1252"))
    model = files("noise")
    predict(model, tmp_path / "de.csv", tmp_path / "out.csv", {})
    lines = (tmp_path / "out.csv").read_bytes().decode("cp1252").splitlines()
    answers = [row.rpartition(";") for row in lines]
    assert [row for row, _, _ in answers] == rows.splitlines() and answers[0][2] == "noise"
    predict(model, tmp_path / "de.csv", tmp_path / "out.jsonl", {})
    exact = [json.loads(row)["noise"] for row in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [float(text.replace(",", ".")) for _, _, text in answers[1:]] == pytest.approx(exact, rel=1e-6)
    assert all("." not in text for _, _, text in answers[1:])
    with pytest.raises(MaiError, match="data-bad"):
        _write_letters(tmp_path / "o.csv", "\u4e2d")
    assert not (tmp_path / "o.csv").exists()


def test_settings_columns_and_draws(files: Callable[[str], Model], tmp_path: Path) -> None:
    """Only some columns; draws that differ from block to block, and are the same again."""
    predict(files("label"), tmp_path / "t.csv", tmp_path / "out.csv", {"gain": 0.0}, keep=["id"])
    lines = rows(tmp_path / "out.csv")
    assert list(lines[0]) == ["id", "label_0", "label_1.no", "label_1.yes"] and lines[5]["label_1.no"] == 0.5
    (tmp_path / "same.csv").write_text("x0,x1\n" + "1,2\n" * 20)
    for name in ("a.csv", "b.csv"):
        predict(files("noise"), tmp_path / "same.csv", tmp_path / name, {}, batch=5)
    first = [row["noise"] for row in rows(tmp_path / "a.csv")]
    assert len(set(first)) == 20 and first == [row["noise"] for row in rows(tmp_path / "b.csv")]


def test_words_that_training_never_saw(files: Callable[[str], Model], tmp_path: Path) -> None:
    """They have the label for what is not known, as those that are missing, by tables and by calls; a note counts them."""
    (tmp_path / "new.csv").write_text("x0,x1,kind\n1,2,cow\n1,2,\n1,2,cat\n1,2,cow\n1,2,hen\n1,2,do\u0308g\n1,2,dög\n")
    model = files("label")
    done = predict(model, tmp_path / "new.csv", tmp_path / "out.jsonl", {})
    assert done.notes == (
        "`kind`: 3 values that training never saw have the label for what is not known: `cow` 2 times, `hen`",
    )
    first, *others = [[row["label_1.no"], row["label_1.yes"]] for row in rows(tmp_path / "out.jsonl")]
    assert first == others[0] == others[2] == others[3] != others[1]
    assert others[4] == others[5] != first
    with pytest.warns(UserWarning, match="`cow`") as warned:
        assert np.allclose(model(x=[[1, 2]], kind=["cow"])["label_1"], first)
    assert [each.filename for each in warned] == [__file__]  # The line that called, and none of mai's.
    refusing = model.inputs["kind"].model_copy(update={"gaps": False})
    with pytest.raises(ModelError, match="no label `cow`"):
        as_labels(refusing, ["cat", "dog"], "cow")


def test_a_word_without_a_label_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no row may lack a value, no label is for what is not known, though the spec has more labels than the data."""
    monkeypatch.chdir(tmp_path)
    Path("m.mai").write_text(KINDS)
    Path("t.csv").write_text("kind,y\n" + "cat,1\ndog,2\n" * 10)
    assert invoke("train", "m.mai", "--quiet", "--out", "run").exit_code == 0
    Path("new.csv").write_text("kind\ncat\ncow\n")
    done = invoke("predict", "run/m.guess.onnx", "new.csv", "out.csv")
    assert done.exit_code == 1 and "column `kind`, row 2: there is no label `cow`" in done.output
    assert not Path("out.csv").exists()


def test_numbers_in_the_place_of_words(files: Callable[[str], Model], tmp_path: Path) -> None:
    """They are those of the labels, with a note; one that no label has is refused with its row."""
    (tmp_path / "new.csv").write_text("x0,x1,kind\n1,2,1\n1,2,0\n")
    done = predict(files("label"), tmp_path / "new.csv", tmp_path / "out.jsonl", {})
    assert done.notes == ("`kind`: numbers are taken as those of labels, 0 as `cat`",)
    (tmp_path / "new.csv").write_text("x0,x1,kind\n1,2,1\n1,2,5\n")
    with pytest.raises(MaiError, match="column `kind`, row 2: there is no label 5"):
        predict(files("label"), tmp_path / "new.csv", tmp_path / "out.jsonl", {})


def test_a_large_table_is_read_in_blocks(files: Callable[[str], Model], tmp_path: Path) -> None:
    """So that memory does not grow with the table: each has some megabytes of it, and is made when it is asked for."""
    line = "0.25,0.75," + "a" * 1990 + "\n"
    (tmp_path / "large.csv").write_text("x0,x1,note\n" + line * 4000)
    blocks = iter(TableInputs(files("plain"), open_table(tmp_path / "large.csv", Stated())))
    sizes = [block.rows.num_rows for block in blocks]
    assert sum(sizes) == 4000 and len(sizes) > 1 and max(sizes) * len(line) < 1 << 23


@pytest.mark.parametrize(
    ("change", "said"),
    [
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
    assert "bad.csv" in error.value.diagnostics[0].message
    assert "for `x`" not in said or "numbers of `x` are `x0` to `x1`" in str(error.value.diagnostics[0].help)
    assert not list(tmp_path.glob("*out.csv*"))


def test_truth_values_that_training_had_without_names(tmp_path: Path) -> None:
    """A column of them in a parquet file; in a text they are words."""
    parquet.write_table(pa.table({"ok": [True, False] * 20, "y": [1.0, 2.0] * 20}), tmp_path / "t.parquet")
    (tmp_path / "m.mai").write_text("""data ok: class[2], y: real from table("t.parquet")
net f(ok: class[2]) -> real { return embed(ok, 1)[0] }
train(steps = 1) { minimize (f(ok) - y)^2 }
export score(ok: class[2]) -> real { return f(ok) }
""")
    assert invoke("train", tmp_path / "m.mai", "--quiet", "--out", tmp_path / "run").exit_code == 0
    model = load(tmp_path / "run" / "m.score.onnx", providers="cpu")
    (tmp_path / "new.csv").write_text("ok\nTrue\nfalse\n")
    predict(model, tmp_path / "new.csv", tmp_path / "out.csv", {})
    assert [row["score"] for row in rows(tmp_path / "out.csv")] == pytest.approx(model(ok=[True, False]).tolist())
    assert model(ok=[True, False]).tolist() == model(ok=[1, 0]).tolist()


PETS = """data x: [3, 8, 6], y: class[2] from images("pets", size = [8, 6], fit = pad, channels = 3)
net f(x: [3, 8, 6]) -> [2] { return x |> conv(4, 3) |> relu |> avg_pool_global |> linear(2) }
train(steps = 2, batch = 4) { minimize cross_entropy(f(x), y) }
export score(x: [3, 8, 6]) -> [2] { return f(x) }
export both(x: [3, 8, 6], more: []) -> [2] { return more * f(x) }
"""


def test_images_are_read_as_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any size, grey, of 16 bits, transparent: what a file says of them is what it says of the rows of the data."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, shape, dtype in (("cat", (10, 20, 3), "u1"), ("dog", (9, 9), "u2"), ("cat", (12, 5, 4), "u1")):
        Path("pets", name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
        Image.fromarray(pixels).save(Path("pets", name, f"{shape[0]}.png"))
    Path("m.mai").write_text(PETS)
    assert invoke("train", "m.mai", "--quiet", "--out", "run").exit_code == 0
    done = invoke("predict", "run/m.score.onnx", "pets", "out.jsonl", "--batch", "2")
    assert done.exit_code == 0, done.output
    out = rows(Path("out.jsonl"))
    program = check(Path("m.mai")).program
    assert program is not None
    training = program.trainings[0]
    data = load_data(training.data, training.fields, 0, tmp_path)
    assert data.examples is not None
    expected = load(Path("run/m.score.onnx"), providers="cpu")(x=data.examples.values("x"))
    assert [row["file"] for row in out] == ["cat/10.png", "cat/12.png", "dog/9.png"]
    got = np.array([[row["score.cat"], row["score.dog"]] for row in out])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    Path("pets", "empty").mkdir()
    Path("pets", "cat", "11.png").write_text("no image")
    done = invoke("predict", "run/m.score.onnx", "pets", "out.jsonl", "--batch", "2")
    lacking = {"file": "cat/11.png", "score.cat": None, "score.dog": None}
    assert rows(Path("out.jsonl")) == [out[0], lacking, *out[1:]], done.output
    assert "1 of 4 rows has no answer: pets/cat/11.png is no image that can be read" in done.output
    assert "and not one image" in str(invoke("predict", "run/m.both.onnx", "pets", "out.csv").output)


def test_a_file_that_fills_nothing_has_no_answer_to_a_gap(files: Callable[[str], Model], tmp_path: Path) -> None:
    """A number that is missing would be NaN in every result, and a label of NaN would look like an answer."""
    assert [port.gaps for port in files("label").inputs.values()] == [True, True]
    model = files("plain")
    assert model.inputs["x"].gaps is False
    with pytest.raises(MaiError) as caught:
        predict(model, tmp_path / "t.csv", tmp_path / "out.csv", {})
    (diagnostic,) = caught.value.diagnostics
    assert "row 1" in diagnostic.message and "x1" in diagnostic.message and "fill(x)" in str(diagnostic.help)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (
            "20,0\n1e9,1.9\n580,-0.9\n-300,5\n-5,0\n700,1\n",
            (
                "`area0`: 3 rows are far outside of what training had, 20 to 300: 1e+09 for one",
                "`area1`: 1 row is far outside of what training had, 0 to 1: 5 for one",
            ),
        ),
        ("0.8,0.1\n,0\n", (
            "`area0`: 1 row lacks a value, and none that were trained on did: what the file makes of it was not learnt",
            "`area0`: all numbers are far smaller than those that training had, 80 in the middle: 0.8 at most",
        )),
        ("3,0.001\n" * 20, ()),
        ("20,0.02\n" * 21, ("`area1`: all numbers are far smaller than those that training had, 0.5 in the middle: 0.02 at most",)),
        ("20,0\n" * 21, ()),
    ],
)  # fmt: skip
def test_rows_far_from_what_training_had_are_noted(rows: str, notes: tuple[str, ...], tmp_path: Path) -> None:
    facts = Facts(low=[20, 0], high=[300, 1], middle=[80, 0.5])
    described = manifest([real("area", 2, gaps=True)], [], [output("f", 2)]).model_copy(
        update={"facts": {"area": facts}}
    )
    onnx.save(build(described, [helper.make_node("Identity", ["area"], ["f"])]), tmp_path / "f.onnx")
    (tmp_path / "t.csv").write_text(f"area0,area1\n{rows}")
    model = load(tmp_path / "f.onnx", providers="cpu", threads=1)
    assert predict(model, tmp_path / "t.csv", tmp_path / "p.csv", {}).notes == notes


def test_dates_far_from_those_of_training_are_noted(tmp_path: Path) -> None:
    facts = Facts(low=[10957], high=[19844], middle=[15000], dates=["day"])
    described = manifest([real("x")], [], [output("f")]).model_copy(update={"facts": {"x": facts}})
    onnx.save(build(described, [helper.make_node("Identity", ["x"], ["f"])]), tmp_path / "f.onnx")
    (tmp_path / "t.csv").write_text("x\n2024-01-01\n31.12.9999\n2024-01-02\n31.12.9999\n")
    notes = predict(load(tmp_path / "f.onnx", providers="cpu"), tmp_path / "t.csv", tmp_path / "p.csv", {}).notes
    assert notes[-1] == "`x`: far from the dates of the data, 2000-01-01 to 2024-05-01: `9999-12-31` 2 times"


def test_a_column_in_which_all_rows_are_far_is_noted_once() -> None:
    far = FarNumbers(Facts(low=[1990], high=[2019], middle=[2002]), ["year"])
    far.add([np.array([24, 25])])
    assert [*far.notes()] == ["`year`: 2 rows are far outside of what training had, 1990 to 2019: 24 for one"]


def test_a_gap_is_noted_where_training_had_none() -> None:
    """Of columns, and of arrays; not where some of training lacked a value, too."""
    for gaps in (False, True):
        far = FarNumbers(Facts(low=[0], high=[9], middle=[5], gaps=gaps), ["x"])
        far.add([np.array([[1, np.nan, np.nan], [1, 2, 3], [np.nan, 2, 3]])])
        said = "`x`: 2 rows lack a value, and none that were trained on did: what the file makes of it was not learnt"
        assert [*far.notes()] == ([] if gaps else [said])


def test_what_training_called_absent_is_missing_in_new_rows(tmp_path: Path) -> None:
    """The columns that are kept stay as they are written."""
    facts = Facts(low=[1], high=[9], middle=[5], absent=["-999"])
    described = manifest([real("area", gaps=True)], [], [output("f")]).model_copy(update={"facts": {"area": facts}})
    is_there = [helper.make_node("Equal", ["area", "area"], ["e"]), helper.make_node("Cast", ["e"], ["f"], to=1)]
    onnx.save(build(described, is_there), tmp_path / "f.onnx")
    (tmp_path / "t.csv").write_text("area\n2\n-999\n-999.0\n99\n")
    predict(load(tmp_path / "f.onnx", providers="cpu", threads=1), tmp_path / "t.csv", tmp_path / "p.csv", {})
    assert (tmp_path / "p.csv").read_text().split() == ["area,f", "2,1", "-999,0", "-999.0,0", "99,1"]


def test_answers_to_a_sheet_are_a_text_in_its_way(tmp_path: Path) -> None:
    """Where its texts have a decimal comma, as `1,5 €`, all numbers of a csv file have one."""
    with table_file(tmp_path / "t.xlsx") as write:
        write(pa.table({"area": [0.5, 2.0], "price": ["1.231,5 €", "3 €"]}))
    described = manifest([real("area")], [], [output("f")])
    onnx.save(build(described, [helper.make_node("Identity", ["area"], ["f"])]), tmp_path / "f.onnx")
    model = load(tmp_path / "f.onnx", providers="cpu", threads=1)
    predict(model, tmp_path / "t.xlsx", tmp_path / "p.csv", {})
    assert (tmp_path / "p.csv").read_text().splitlines() == ["area;price;f", "0,5;1.231,5 €;0,5", "2;3 €;2"]


def test_the_file_of_a_run_is_asked(tmp_path: Path) -> None:
    for name, op in (("f", "Identity"), ("g", "Neg")):
        file = build(manifest([real("x")], [], [output(name)]), [helper.make_node(op, ["x"], [name])])
        onnx.save(file, tmp_path / f"m.{name}.onnx")
    (tmp_path / "t.csv").write_text("x\n2\n")
    words = ("predict", tmp_path, tmp_path / "t.csv", tmp_path / "p.csv")
    assert f"`f` and `g` of {tmp_path} can be asked (one at a time: --export f)" in str(invoke(*words).exception)
    assert invoke(*words, "--export", "g").exit_code == 0 and (tmp_path / "p.csv").read_text().split() == [
        "x,g",
        "2,-2",
    ]
