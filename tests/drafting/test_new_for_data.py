"""`mai new --data`: the spec for a table is sound, takes what can be learnt from, and says what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, parquet

from mai.compiler.check import check
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.label_names import in_order
from mai.compiler.data.tables.header import name_columns
from mai.compiler.describing.describe import describe
from mai.compiler.describing.lines import data_line
from mai.compiler.drafting.answers import files_read_by
from mai.compiler.drafting.draft import Wish, draft
from mai.compiler.program import Training
from mai.runtime.errors import ModelError
from mai.runtime.inputs.labels import labels_to_numbers
from mai.runtime.model.manifest import Port
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

Row = Callable[[int], str]
TABLES: dict[str, tuple[str, Row, str, int]] = {
    "constant": ("a,k,y", lambda i: f"{i * 7 % 13}.5,5,{'ab'[i % 2]}", "# Left out: k: it is always 5.", 2),
    "corners of pictures": ("x0,x1,x2,y", lambda i: f"0,{i % 7},{i % 5}.5,{'ab'[i % 2]}", "x: [3] from table", 2),
    "empty": ("a,e,y", lambda i: f"{i * 7 % 13}.5,,{'ab'[i % 2]}", "# Left out: e: it is empty.", 2),
    "numbering": ("id,a,y", lambda i: f"{i + 1},{i * 7 % 13}.5,{'ab'[i % 2]}", "id: it numbers the rows", 2),
    "names": ("name,a,y", lambda i: f"n{i},{i * 7 % 13}.5,{i * 1.5}", "all of its words differ", 2),
    "target missing": ("a,y", lambda i: f"{i * 7 % 13}.5,{['a', 'b', '', 'c'][i % 4]}", "needs = y", 2),
    "number missing": ("a,y", lambda i: f"{i * 7 % 13}.5,{'' if i % 4 == 0 else i * 1.5}", "needs = y", 2),
    "unicode": ("größe,名前,σ²,y", lambda i: f"{i * 1.5},{i % 3}.2,{i % 7}.1,{'äö'[i % 2]}", "[größe, 名前, σ]", 4),
    "words of the language": (
        "else,fill,missing,concat,f,z,guess,numbers,seed,y",
        lambda i: ",".join([*(f"{i * k % 11}.5" for k in range(1, 10)), "xy"[i % 2]]),
        "f_([else_, fill, missing, concat, f, z, guess, numbers, seed_])",
        10,
    ),
    "words called as functions": (
        "concat,linear,mlp,y", lambda i: f"{'uv'[i % 2]},{'pqr'[i % 3]},{'st'[i % 5 % 2]},{i * 1.5}", "one_hot(linear_, 4)", 4,
    ),
    "labels from 1": ("a,y", lambda i: f"{i * 1.5},{i % 3 + 1}", "words = y", 2),
    "labels and words": ("a,y", lambda i: f"{i * 1.5},{['1', '2', 'x'][i % 3]}", "words = y", 2),
    "money": ("a,y", lambda i: f'"${i + 1},234.50",{i % 2}', "class[2], a: []", 2),
    "dates": ("date,a,y", lambda i: f"{'' if i % 5 == 0 else f'2024-01-{i % 28 + 1:02d}'},{i % 3},{i * 1.5}", "day_of_date, weekday_of_date])", 3),
    "target in a vector": ("x0,x1,x2", lambda i: f"{i * 1.5},{i % 3},{i * 2.5}", "f([x0, x2])", 3),
    "words in a vector": ("g0,g1,x0,x1,y", lambda i: f"{'ab'[i % 2]},{'cd'[i % 2]},{i * 2.5},{i % 3},{i // 2 % 2}", "x: [2], g0: class[3]", 4),
    "many words": ("c,a,y", lambda i: f"c{i % 25},{i % 7},{i * 1.5}", "embed(c, 8)", 3),
    "bools": ("a,b,y", lambda i: f"{i % 7}.5,{i % 2 == 0},{i % 3 == 0}", "b: class[3]", 3),
    "not finite": ("a,b,y", lambda i: f"{i % 7}.5,{'inf' if i == 3 else i * 2.5},{i % 2}", "values that are not finite", 2),
    "first not finite": ("a,b,y", lambda i: f"{i % 7}.5,{'-inf' if i == 3 else i * 2.5},{i % 2}", "the first in row 4: write a number there", 2),
    "ends of lines": ("a,k,y", lambda i: f'{i % 7}.5,"one\nof two",{i % 2}', r"# Left out: k: it is always one\nof two.", 2),
    "ends of lines in labels": ("a,y", lambda i: f'{i % 7}.5,"{"uv"[i % 2]}\nw"', r"are `u\nw`.", 2),
    "dates as a target": ("a,y", lambda i: f"{i % 7}.5,2024-01-{i % 28 + 1:02d}", "60 rows, 2024-01-01 to 2024-01-28, as days since 1970-01-01.", 2),
    "few values": ("a,k,y", lambda i: f"{i % 7}.5,{i if i < 3 else ''},{i % 2}", "# Left out: k: it has a value in 3 of 60 rows alone", 2),
    "two rows": ("a,y", lambda i: f"{i},{i + 3}.5" if i < 2 else "", "2 rows", 2),
    "texts": ("t,a,y", lambda i: f"{'what was said of it ' * 3}{i},{i % 7},{i % 2}", "f([a], read(t, t_mask))", 4),
    "two texts": ("id,s,t,y", lambda i: f"{i},a red cat sees {i} dogs,the {i} dogs saw a cat,{'ab'[i % 2]}", "concat(s, t, abs(s - t), s * t)", 5),
    "texts alone": ("id,read,y", lambda i: f"{i},{'what was said of it ' * 3}{i},{'ab'[i % 2]}", "f(read_(read, read_mask))", 3),
    "texts that lack": ("t,y", lambda i: f"{'' if i % 9 == 4 else f'what was said of all of it in the {i}th year'},{i * 1.5}", "needs = [y, t]", 3),
    "heavy tail": ("log,exp,y", lambda i: f"{i},{i * 7 % 11},{1.25**i}", "# Left out: log: its name is that of a function", 2),
    "rare label": ("a,y", lambda i: f"{i % 7}.5,{int(i in (9, 40))}", "# 2 rows are `1`: accuracy says little of them.", 2),
    "labels in capitals": ("a,w,y", lambda i: f"{i % 7},{['yes', 'Yes', 'YES'][i % 3]},{i % 2}", "are three labels", 3),
    "words that lack": ("a,w,y", lambda i: f"{i % 7},{['u', 'N/A', 'NaN', 'none', 'inf'][i % 5]},{i % 2}", "w: class[4]", 3),
    "few rows a word": ("a,w,y", lambda i: f"{i % 7},w{i % 20},{i % 2}", "# w has 20 words, each in 3 rows", 3),
    "code for missing": ("a,b,y", lambda i: f"{i % 11 - 2},{-999 if i % 20 == 7 else i % 40},{i % 2}", "# Look at b: -999, in 5 % of its rows, looks", 3),
    "code below counts": ("a,b,y", lambda i: f"{i // 2 % 2 * 2 - 1},{-1 if i % 3 else i * 7},{i % 2}", "# Look at b: -1, in 67 % of its rows, looks", 3),
    "one number": ("a,y", lambda i: f"{i % 7}.25,{i * 1.5}", "steps = 4000, batch = 32, optimizer = adamw(lr = 0.003, weight_decay = 0.01)", 2),
    "a number and words": ("a,w,y", lambda i: f"{i % 7}.25,{'uvw'[i % 3]},{i * 1.5}", "steps = 1200, batch = 32, optimizer = adamw(lr = 0.001", 3),
    "alike": ("a.b,a b,y", lambda i: f"{i % 7},{i * 2.5},{i % 2}", "[a_b, a_b_2]", 3),
}  # fmt: skip


def written(folder: Path, head: str, row: Row) -> Path:
    path = folder / "t.csv"
    path.write_text(head + "\n" + "".join(row(i) + "\n" for i in range(60) if row(i)), encoding="utf-8")
    return path


def learnt(text: str, folder: Path) -> tuple[Training, Dataset]:
    """The training of a spec in a folder, which is sound, and the data that it reads there."""
    (folder / "m.mai").write_text(text)
    checked = check(folder / "m.mai")
    assert checked.program is not None and not checked.diagnostics, checked.diagnostics
    training = checked.program.trainings[0]
    return training, load(training.data, training.fields, 0, folder)


@pytest.mark.parametrize("name", TABLES)
def test_the_spec_of_a_table_is_sound_and_reads_it(name: str, tmp_path: Path) -> None:
    head, row, said, fields = TABLES[name]
    target = "x1" if name == "target in a vector" else "y"
    text = draft(written(tmp_path, head, row), tmp_path, Wish(target))
    assert said in text and len(text.splitlines()) <= 40
    assert "# Look at a:" not in text
    training, _ = learnt(text, tmp_path)
    assert len(training.fields) == fields


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [("a,y", lambda i: f"{i},1", "always 1"), ("y,k", lambda i: f"{i * 1.5},1", "no column that `y` could be predicted"),
     ("a,x", lambda i: f"{i},{i}", "has no column `y`"), ("a,y", lambda i: f"{i},w{i}", "all of its words differ"),
     ("a,mean,y", lambda i: f"{i},,", "it is empty")],
)  # fmt: skip
def test_what_cannot_be_learnt_is_refused(head: str, row: Row, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaiError, match=message):
        draft(written(tmp_path, head, row), tmp_path, Wish("y"))


def test_a_newcomer_goes_from_a_table_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are what the table says, 3, 7 and 10; rows without a label, and words that nobody knows, do no harm."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    label, gap = rng.integers(0, 3, 300), rng.integers(0, 9, 300)
    rows = [
        f"{k - 1 + 0.1 * e:.3f},{'uvw'[k] if g else ''},{[3, 7, 10][k] if g < 8 else ''}"
        for k, e, g in zip(label, rng.normal(size=300), gap, strict=True)
    ]
    Path("t.csv").write_text("\n".join(["a,c,y", *rows]))
    for words in (
        "new --data t.csv --target Y",
        "train t.mai --steps 300 --quiet --out run",
        "predict run/t.predict.onnx t.csv out.csv",
    ):
        done = invoke(*words.split())
        assert done.exit_code == 0, done.output
    out = csv.read_csv("out.csv")
    truth = np.array(label)
    guess = np.array([[3, 7, 10].index(each) for each in out["y_predicted"].to_pylist()])
    assert (guess == truth).mean() > 0.95
    assert [name for name in out.column_names if name.startswith("probability")] == [
        "probability.3",
        "probability.7",
        "probability.10",
    ]
    assert pa.types.is_floating(out["probability.3"].type)


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]}, "good day\0\n"),
        ({"prompt": "hello", "completion": "good day"}, "good day\0"),
    ],
)  # fmt: skip
def test_of_conversations_and_prompts_the_answers_are_learnt(
    row: dict[str, object], answer: str, tmp_path: Path
) -> None:
    rows = [{**row, "completion": f"good day{'!' * place}"} if "completion" in row else row for place in range(9)]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    text = draft(tmp_path / "t.jsonl", tmp_path, Wish())
    for name, contents in files_read_by(text).items():
        (tmp_path / name).write_text(contents)
    training, data = learnt(text, tmp_path)
    (mask,) = {*training.fields} - {"text"}
    batch = data.batch(0, 1)
    said = bytes(batch["text"][0].astype(int)[batch[mask][0] == 1].tolist()).decode()
    assert said.replace("!", "") == answer


def test_the_logarithm_of_a_heavy_tail_is_learnt(tmp_path: Path) -> None:
    text = draft(written(tmp_path, "a,exp,y", lambda i: f"{i},{i * 7 % 11},{1.25**i}"), tmp_path, Wish("y"))
    assert "return exp(center + spread * y[0])" in text
    assert "let spread = std(across(log(y)), axis = 0)" in text
    assert "minimize ((log(guess) - log(y)) / spread)^2" in text
    assert "log" not in draft(written(tmp_path, "a,y", lambda i: f"{i},{1.25**i - 2}"), tmp_path, Wish("y"))
    text = draft(written(tmp_path, "a,log1p,y", lambda i: f"{i},{i * 7 % 11},{1.25**i - 1}"), tmp_path, Wish("y"))
    assert "return expm1(center + spread * y[0])" in text and "Left out: log1p" in text
    assert "minimize ((log1p(guess) - log1p(y)) / spread)^2" in text
    # Small numbers of which many are 0 have no tail.
    assert "log" not in draft(written(tmp_path, "a,y", lambda i: f"{i},{i % 13 // 9 / 2}"), tmp_path, Wish("y"))


def test_arrays_are_told_to_be_no_table(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(9))
    with pytest.raises(MaiError, match="what the arrays of") as caught:
        draft(tmp_path / "a.npz", tmp_path, Wish())
    assert "--target ARRAY" in str(caught.value.diagnostics[0].help)


COUNTED = np.arange(60)
ARRAYS = {
    "u": np.random.default_rng(0).integers(0, 255, (60, 2, 3)).astype(np.uint8),
    "x": (COUNTED % 7 / 2).astype(np.float16),
    "town": np.array(["Ulm", "Bonn", "Köln"])[COUNTED % 3],
    "fits": COUNTED % 5 > 2,
    "z": np.ones(60, complex),
    "id": COUNTED,
    "more": np.zeros((3, 2)),
    "y": COUNTED % 11 * 1.5,
    "grade": COUNTED % 4 + 3,
    "kind": np.array(["no", "yes"])[COUNTED % 2],
}


@pytest.mark.parametrize(
    ("target", "changed", "parts"),
    [
        ("y", {}, ("town: class[4]", "missing = keep", "u: [2, 3]", 'rearrange(u, "a b -> (a b)")')),
        ("kind", {}, ("kind: class[2]", "minimize cross_entropy(z, kind)", "# Left out: z: it is no array of numbers", "# Left out: id: it numbers")),
        ("y", {"town": COUNTED.astype(str)}, ("# Left out: town: its words are numbers",)),
        ("grade", {}, ("grade: []", "minimize ((guess - grade) / spread)^2", "# Left out: more: it has 3 examples")),
        ("y", {"x": np.where(COUNTED == 5, np.nan, COUNTED % 7)}, ("missing(numbers)", "missing = keep")),
    ],
)  # fmt: skip
def test_one_array_from_the_others(
    target: str, changed: dict[str, np.ndarray], parts: tuple[str, ...], tmp_path: Path
) -> None:
    """As columns of a table; what has several axes keeps its shape in the data and in the file."""
    np.savez(tmp_path / "a.npz", **{**ARRAYS, **changed})
    text, count = sound(tmp_path, "a.npz", Wish(target))
    assert [part for part in parts if part not in text] == [] and count is not None and count > 35


@pytest.mark.parametrize(
    ("wish", "changed", "message"),
    [
        (Wish("z"), {}, "`z` cannot be predicted: it is no array of numbers"),
        (Wish("w"), {}, "has no array `w`"),
        (Wish("grade", as_numbers=False), {}, "the labels of `grade` are not 0, 1"),
        (Wish("y"), {"y": np.where(COUNTED == 5, np.nan, COUNTED)}, "1 of 60 rows lack `y`"),
    ],
)
def test_what_cannot_be_learnt_of_arrays_is_refused(
    wish: Wish, changed: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", **{**ARRAYS, **changed})
    with pytest.raises(MaiError, match=message):
        draft(tmp_path / "a.npz", tmp_path, wish)


def test_names_that_are_numbers_are_in_their_order_and_named_by_them() -> None:
    assert in_order({"10", "3", "7"}) == ["3", "7", "10"] and in_order({"b", "10"}) == ["10", "b"]
    port = Port(name="q", kind="input", dtype="int64", shape=[], classes=3, minimum=0, maximum=2)
    assert labels_to_numbers(port, ["3", "7", "10"], "10, 3") == "2, 0"
    with pytest.raises(ModelError, match="no label `1`"):
        labels_to_numbers(port, ["3", "7", "10"], "1")


def test_columns_get_names_that_a_spec_may_have() -> None:
    written = ["else", "a b", "a.b", "a_b", "x²y", "1st", "seed"]
    assert [*name_columns(Path("t"), written)] == ["else_", "a_b_2", "a_b_3", "a_b", "x_y", "_1st", "seed_"]


def sound(folder: Path, data: str, wish: Wish | None = None) -> tuple[str, int | None]:
    """The text of a spec for data, which is sound, and how many examples it reads."""
    text = draft(folder / data, folder, wish or Wish())
    _, data = learnt(text, folder)
    return text, data.count


def images(folder: Path, names: tuple[str, ...], size: tuple[int, int], mode: str = "RGB") -> None:
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{number}.png")


def test_folders_of_images_are_classes(tmp_path: Path) -> None:
    images(tmp_path / "pets", ("cat", "dog"), (100, 60))
    Image.new("L", (50, 50)).save(tmp_path / "pets" / "cat" / "other.png")
    text, count = sound(tmp_path, "pets")
    assert "x: [3, 38, 64], y: class[2]" in text and "size = [38, 64]" in text and "98 % are 100 x 60" in text
    assert count == 43


def test_columns_beside_images_are_told(tmp_path: Path) -> None:
    """`mai data` has a field for each; of several that may be labels, `mai new` says which are left."""
    images(tmp_path, ("faces",), (8, 8))
    rows = "".join(f"faces/{i}.png,{'abc'[i % 3]},{'pq'[i % 2]},{i / 4}\n" for i in range(30))
    (tmp_path / "faces.csv").write_text("file,kind,x,age\n" + rows)
    line = data_line(describe([tmp_path / "faces.csv"]))
    fields = "data image: [3, 8, 8], kind: class[3], x: class[2], age: []"
    assert " ".join(line.split()) == f'{fields} from images("{tmp_path}/faces.csv")'
    assert "# Left out: kind, x, age: `mai new --data faces.csv --target kind`" in sound(tmp_path, "faces.csv")[0]
    assert "# Left out: x, age: `mai" in draft(tmp_path / "faces.csv", tmp_path, Wish("kind"))
    (tmp_path / "faces" / "said.csv").write_text("file,kind\n0.png,a\n")
    assert "# left out: said.csv: `mai data" in data_line(describe([tmp_path / "faces"]))
    (tmp_path / "faces.csv").write_text("x,kind\nfaces/0.png,a\nfaces/gone.png,b\n")
    line = data_line(describe([tmp_path / "faces.csv"]))
    assert line.startswith("# no table of images: ") and "row 2: there is no file" in line


def test_images_two_folders_deep_are_told(tmp_path: Path) -> None:
    images(tmp_path / "pets" / "train", ("cat", "dog"), (4, 4))
    images(tmp_path / "pets" / "test", ("cat", "dog"), (4, 4))
    with pytest.raises(MaiError, match="two folders deep, in test, train") as caught:
        describe([tmp_path / "pets"])
    assert f'test = "{tmp_path}/pets/test"' in (caught.value.diagnostics[0].help or "")


def test_images_without_folders_are_drawn(tmp_path: Path) -> None:
    images(tmp_path, ("faces",), (30, 30), "L")
    text, count = sound(tmp_path, "faces")
    assert "x: [1, 32, 32]" in text and "integrate s in 0..1" in text and count == 27


def test_bytes_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    rows = {"sum": [b"\0\1"] * 40, "a": [float(k) for k in range(40)], "y": ["u", "v"] * 20}
    parquet.write_table(pa.table(rows), tmp_path / "t.parquet")
    assert "# Left out: sum: its values are bytes" in draft(tmp_path / "t.parquet", tmp_path, Wish("y"))


def test_rows_of_one_time_are_told_apart_or_refused(tmp_path: Path) -> None:
    days = [f"2024-{1 + k // 28:02d}-{1 + k % 28:02d}" for k in range(120)]
    (tmp_path / "t.csv").write_text(
        "day,shop,v\n" + "".join(f"{d},{s},{k}.5\n" for k, d in enumerate(days) for s in (7, 9))
    )
    assert "time = day, group = shop" in draft(tmp_path / "t.csv", tmp_path, Wish("v", horizon=3))
    (tmp_path / "t.csv").write_text("day,v\n" + "".join(f"{d},{k}.5\n" for k, d in enumerate(days) for _ in range(2)))
    with pytest.raises(MaiError, match="rows 1 and 2 have the same `day`"):
        draft(tmp_path / "t.csv", tmp_path, Wish("v", horizon=3))


def test_a_text_goes_on(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Once upon a time. " * 200)
    text, _ = sound(tmp_path, "t.txt")
    assert "append next" in text
    (tmp_path / "t.txt").write_text("short")
    with pytest.raises(MaiError, match="too few to learn"):
        draft(tmp_path / "t.txt", tmp_path, Wish())


def test_rows_in_the_order_of_time_are_forecast(tmp_path: Path) -> None:
    rows = [f"2024/{1 + i // 28:02d}/{1 + i % 28:02d},{shop},{i},{i % 7}" for i in range(300) for shop in "ab"]
    (tmp_path / "t.csv").write_text("day,shop,Sales?,rain\n" + "\n".join(rows))
    text, _ = sound(tmp_path, "t.csv", Wish("sales?", horizon=6))
    assert "# Left out: rain: the forecast is made from the past of Sales alone." in text
    assert "window = 24, horizon = 6, time = day, group = shop" in text
    with pytest.raises(MaiError, match="too short"):
        draft(tmp_path / "t.csv", tmp_path, Wish("sales", horizon=100))


def test_a_series_with_gaps_is_learnt_from_its_whole_windows(tmp_path: Path) -> None:
    rows = "".join(f"{day},{'' if day == 50 else day % 7}\n" for day in range(400))
    (tmp_path / "t.csv").write_text("day,sales\n" + rows)
    text, _ = sound(tmp_path, "t.csv", Wish("sales", horizon=6))
    assert "missing = drop" in text
    assert "# 1 row lacks sales: 30 of 371 windows go over one and are left out." in text  # Of 24 + 6 rows each.


def test_a_series_with_many_gaps_is_learnt_from_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap of the past counts as what was there last, one of the future changes no figure; some windows are held out."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("day,sales\n" + "".join(f"{k},{'' if k % 20 == 0 else k}\n" for k in range(400)))
    text = draft(Path("t.csv"), Path(), Wish("sales", horizon=6))
    assert "# 20 rows lack sales: 371 of 371 windows go over one, and are kept." in text
    Path("t.mai").write_text(text)
    done = invoke(*"train t.mai --steps 2 --quiet --out run".split())
    assert done.exit_code == 0, done.output
    days, windows = np.where(np.arange(400) % 20, np.arange(400), np.nan), np.arange(336, 371)
    last = np.array([np.nanmax(days[start : start + 24]) for start in windows])
    right = np.nanmean(np.abs(days[windows[:, None] + np.arange(24, 30)] - last[:, None]), axis=1).mean()
    figures = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert figures["held-out error_of_no_change"] == pytest.approx(right, rel=1e-5)
