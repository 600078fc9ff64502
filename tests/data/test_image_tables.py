"""Images in the columns of tables: bytes, or names of files; the same numbers as those of a folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, feather, parquet

from mai.compiler.check import check
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.images import Images
from mai.compiler.data.splitting.splits import GroupSplit
from mai.compiler.drafting.draft import Wish, draft
from mai.compiler.ir.types import DType, Type
from mai.runtime import load as load_model
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

FIELDS = {"x": Type(DType.REAL, shape=(3, 6, 6)), "y": Type(DType.INT, classes=2)}
COUNT = 12
LABELS = ["ant", "bee"] * (COUNT // 2)


def pixels(place: int) -> np.ndarray:
    return np.random.default_rng(place).integers(0, 256, (6 + place % 3, 7, 3), dtype=np.uint8)


def encoded(place: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(place)).save(file, "PNG")
    return file.getvalue()


def beside(folder: Path) -> list[str]:
    (folder / "all").mkdir()
    for place in range(COUNT):
        (folder / "all" / f"{place}.png").write_bytes(encoded(place))
    return [f"all/{place}.png" for place in range(COUNT)]


def as_names(folder: Path) -> str:
    rows = zip(beside(folder), LABELS, strict=True)
    (folder / "labels.csv").write_text("file,kind\n" + "".join(f"{name},{label}\n" for name, label in rows))
    return "labels.csv"


def as_bytes(folder: Path) -> str:
    table = pa.table({"kind": LABELS, "image": [encoded(place) for place in range(COUNT)]})
    parquet.write_table(table, folder / "t.parquet", row_group_size=5)
    return "t.parquet"


def as_structs(folder: Path) -> str:
    """As `datasets` keeps images: bytes, or a path where there are none."""
    names = beside(folder)
    images = [{"bytes": encoded(i), "path": None} if i % 2 else {"bytes": None, "path": names[i]} for i in range(COUNT)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    feather.write_feather(pa.table({"image": pa.array(images, kind), "kind": LABELS}), str(folder / "t.arrow"))
    return "t.arrow"


def read(base: Path, path: str, fields: dict[str, Type] = FIELDS, **settings: object) -> Dataset:
    return load(Images.of({"path": path, "size": 6, "channels": 3, **settings}), fields, 0, base)


@pytest.mark.parametrize("write", [as_names, as_bytes, as_structs])
@pytest.mark.parametrize("label", ["y", "kind"])
def test_the_numbers_are_those_of_a_folder(write: Callable[[Path], str], label: str, tmp_path: Path) -> None:
    """A field is called as its column, or takes the only one beside the images."""
    for place, name in enumerate(LABELS):
        (tmp_path / "folders" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / name / f"{place:02}.png").write_bytes(encoded(place))
    expected = read(tmp_path, "folders").examples
    data = read(tmp_path, write(tmp_path), {"x": FIELDS["x"], label: FIELDS["y"]})
    assert expected is not None and data.examples is not None
    order = [*range(0, COUNT, 2), *range(1, COUNT, 2)]
    np.testing.assert_array_equal(data.examples.rows["x"][np.array(order)], expected.rows["x"][:])
    np.testing.assert_array_equal(data.examples.rows[label][np.array(order)], expected.rows["y"][:])
    assert data.labels == {label: ("ant", "bee")}


def test_names_start_at_a_folder_beside_the_table(tmp_path: Path) -> None:
    path = tmp_path / as_names(tmp_path)
    path.write_text(path.read_text().replace("all/", ""))
    data, one = read(tmp_path, path.name, folder="all"), read(tmp_path, path.name)
    assert data.examples is not None and one.examples is not None
    np.testing.assert_array_equal(data.examples.rows["x"][:], one.examples.rows["x"][:])
    assert not data.notes and one.notes == ("labels.csv: names of images start in the folder `all`",)
    with pytest.raises(MaiError, match=r"row 1: there is no file"):
        read(tmp_path, path.name, folder="elsewhere")
    text = draft(path, tmp_path, Wish("kind"))
    assert 'folder = "all"' in text and "kind: class[2]" in text and "cross_entropy(z, kind)" in text
    (tmp_path / "m.mai").write_text(text)
    checked = check(tmp_path / "m.mai")
    assert checked.program is not None and not checked.diagnostics


@pytest.mark.parametrize("setting", [{"image": "a"}, {"folder": "b"}, {"missing": "drop"}, {"words": "x"}])
def test_settings_of_tables_are_refused_for_folders(setting: dict[str, str], tmp_path: Path) -> None:
    beside(tmp_path)
    with pytest.raises(MaiError, match="is said of a table of images"):
        read(tmp_path, "all", {"x": FIELDS["x"]}, **setting)


def test_words_are_those_of_a_field(tmp_path: Path) -> None:
    with pytest.raises(MaiError, match="there is no field `knd`"):
        read(tmp_path, as_names(tmp_path), words="knd")


def test_a_table_among_images_is_refused(tmp_path: Path) -> None:
    beside(tmp_path)
    (tmp_path / "all" / "labels.csv").write_text("file,kind\n0.png,ant\n")
    with pytest.raises(MaiError, match=r"labels\.csv is a table among files of images"):
        read(tmp_path, "all/*", {"x": FIELDS["x"]})
    assert read(tmp_path, "all/*.png", {"x": FIELDS["x"]}).examples is not None


def test_images_alone(tmp_path: Path) -> None:
    data = read(tmp_path, as_bytes(tmp_path), {"x": FIELDS["x"]})
    assert data.examples is not None and data.examples.rows["x"].shape == (COUNT, 3, 6, 6)


def test_rows_without_a_label_are_refused_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / as_names(tmp_path)
    path.write_text(path.read_text().replace("2.png,ant", "2.png,"))
    with pytest.raises(MaiError, match="`kind` is empty in row 3"):
        read(tmp_path, path.name)
    left, whole = (
        read(tmp_path, path.name, missing="drop").examples,
        read(tmp_path, path.name, {"x": FIELDS["x"]}).examples,
    )
    assert left is not None and whole is not None
    rows = np.array([row for row in range(COUNT) if row != 2])
    np.testing.assert_array_equal(left.rows["x"][:], whole.rows["x"][rows])


def test_a_split_by_a_column_of_the_table(tmp_path: Path) -> None:
    rows = zip(beside(tmp_path), LABELS, [place // 3 for place in range(COUNT)], strict=True)
    (tmp_path / "t.csv").write_text("file,kind,who\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    source = Images.of({"path": "t.csv", "size": 6, "channels": 3, "split": GroupSplit(column="who", share=0.25)})
    data = load(source, {"x": FIELDS["x"], "kind": FIELDS["y"]}, 0, tmp_path)
    assert data.validation is not None and len(data.validation["x"]) == 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,a,b\nall/0.png,1,2\n", r"has no `y`; beside images it has a, b"),
        ("a,b\n1,2\n", "has no column of images"),
        ("file,more,kind\nall/0.png,all/1.png,ant\n", "several columns of images"),
        ("file,kind\nall/0.png,ant\nall/99.png,bee\n", r"row 2: there is no file .*99.png"),
        ("file,kind\nall/0.png,ant\n,bee\n", "row 2: `file` has no image"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_images_is_refused(table: str, message: str, tmp_path: Path) -> None:
    beside(tmp_path)
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(MaiError, match=message):
        read(tmp_path, "t.csv")


def test_a_column_is_that_of_one_field(tmp_path: Path) -> None:
    fields = {"x": FIELDS["x"], "kind": FIELDS["y"], "y": FIELDS["y"]}
    with pytest.raises(MaiError, match="has no `y`; beside images it has kind"):
        read(tmp_path, as_names(tmp_path), fields)


def test_other_columns_than_those_of_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / as_bytes(tmp_path)
    table = parquet.read_table(path).append_column("size", pa.array(range(COUNT)))
    parquet.write_table(table, path)
    with pytest.raises(MaiError, match="`size` has neither images nor names of files, but int64"):
        read(tmp_path, path.name, {"x": FIELDS["x"]}, image="size")


def test_names_may_be_a_column_of_categories(tmp_path: Path) -> None:
    names = pa.array(beside(tmp_path))
    for name, column in (("plain", names), ("coded", names.dictionary_encode())):
        feather.write_feather(pa.table({"file": column, "kind": LABELS}), str(tmp_path / f"{name}.arrow"))
    plain, coded = (read(tmp_path, f"{name}.arrow").examples for name in ("plain", "coded"))
    assert plain is not None and coded is not None
    np.testing.assert_array_equal(coded.rows["x"][:], plain.rows["x"][:])


@pytest.mark.parametrize(("second", "why"), [(encoded(1)[:60], ""), (b"none", "its format is not known")])
def test_a_damaged_image_is_told_with_its_row(second: bytes, why: str, tmp_path: Path) -> None:
    images = [encoded(0), second]
    parquet.write_table(pa.table({"image": images, "kind": LABELS[:2]}), tmp_path / "t.parquet")
    with pytest.raises(MaiError, match=rf"t.parquet, row 2, is no image that can be read: {why}"):
        read(tmp_path, "t.parquet")


@pytest.mark.parametrize("write", [as_names, as_bytes])
def test_predictions_beside_the_rows_of_a_table(
    write: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = write(tmp_path)
    Path("m.mai").write_text(
        f'data x: [3, 6, 6], y: class[2] from images("{table}", size = 6, channels = 3)\n'
        "net f(x: [3, 6, 6]) -> [2] { return linear(mean(x, axis = [1, 2]), 2) }\n"
        "train(steps = 2) { minimize cross_entropy(f(x), y) }\n"
        "export kind(x: [3, 6, 6]) -> [2] { return softmax(f(x)) }\n"
    )
    for words in ("train m.mai --quiet --out run", f"predict run/m.kind.onnx {table} out.csv --batch 5"):
        done = invoke(*words.split())
        assert done.exit_code == 0, done.output
    out = csv.read_csv("out.csv")
    assert out["kind"].to_pylist() == LABELS
    expected = load_model("run/m.kind.onnx")(x=read(tmp_path, table).examples.rows["x"][:])
    np.testing.assert_allclose(out["kind.bee"].to_numpy(), expected[:, 1], rtol=1e-5)
