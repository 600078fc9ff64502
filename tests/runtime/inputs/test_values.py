"""Values as they are written on the command line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.runtime import ModelError
from mai.runtime.inputs.labels import truths_as_labels
from mai.runtime.inputs.values import parse_value
from mai.runtime.model.manifest import Port

LABEL = Port(name="y", kind="input", dtype="int64", batch=True, classes=10)
NUMBER = Port(name="x", kind="input", dtype="float32", batch=True)
POINT = Port(name="x", kind="input", dtype="float32", shape=[2], batch=True)
IMAGE = Port(name="x", kind="input", dtype="float32", shape=[1, 2, 2], batch=True)
ROW = Port(name="x", kind="input", dtype="float32", shape=["P"], batch=True)
NAMES = ("cat", "dog", "eel")
SCALE = Port(name="scale", kind="setting", dtype="float32", default=1.0)


@pytest.mark.parametrize(
    ("port", "text", "batch", "expected"),
    [
        (LABEL, "3", None, [3]),
        (LABEL, "3", 4, [3, 3, 3, 3]),
        (LABEL, "0,1,2", 5, [0, 1, 2, 0, 1]),
        (LABEL, "[4, 5]", None, [4, 5]),
        (LABEL, "0..9", None, list(range(10))),
        (LABEL, "7..9", 4, [7, 8, 9, 7]),
        (LABEL, "0..9", 2, [0, 1]),
        (POINT, "[0.5, 1]", None, [[0.5, 1]]),
        (POINT, "0.5,1", 2, [[0.5, 1], [0.5, 1]]),
        (POINT, "[[0, 1], [2, 3]]", 3, [[0, 1], [2, 3], [0, 1]]),
        (SCALE, "1e-3", 64, 0.001),
        (SCALE, "-2", None, -2),
        (SCALE, "True", None, True),
    ],
)
def test_values(port: Port, text: str, batch: int | None, expected: object) -> None:
    assert np.asarray(parse_value(port, text, batch)).tolist() == expected


@pytest.mark.parametrize(
    ("port", "text", "expected"),
    [(NUMBER, "", [math.nan]), (NUMBER, "NA", [math.nan]), (NUMBER, "3, missing", [3, math.nan]), (POINT, "[[1, nan], [2, 3]]", [[1, math.nan], [2, 3]])],
)  # fmt: skip
def test_what_is_missing_is_not_a_number(port: Port, text: str, expected: list[Any]) -> None:
    np.testing.assert_array_equal(parse_value(port, text, None), expected)


@pytest.mark.parametrize(
    ("port", "text", "slug"),
    [
        (LABEL, "", "input-dtype"),
        (LABEL, "three", "input-dtype"),
        (LABEL, "0..", "input-dtype"),
        (LABEL, "9..0", "input-shape"),
        (LABEL, "0..99999999999999999999", "input-range"),
        (LABEL, "[]", "input-shape"),
        (POINT, "[1, [2]]", "input-shape"),
        (POINT, "[1, 2", "input-dtype"),
        (POINT, "[" * 5000, "input-dtype"),
        (POINT, "1" * 5000, "input-dtype"),
        (POINT, "__import__('os')", "input-dtype"),
        (POINT, "@none.npy", "input-missing"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_value(port: Port, text: str, slug: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_value(port, text, 2)
    assert caught.value.slug == slug


def test_arrays_from_files(tmp_path: Path) -> None:
    points = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "a.npz", first=points, second=points + 1)
    np.testing.assert_array_equal(parse_value(POINT, f"@{tmp_path / 'a.npy'}", None), points)
    np.testing.assert_array_equal(parse_value(POINT, f"@{tmp_path / 'a.npz'}", None), points)
    np.testing.assert_array_equal(parse_value(POINT, f"@{tmp_path / 'a.npz'}:second", None), points + 1)
    np.testing.assert_array_equal(parse_value(POINT, f"@{tmp_path / 'a.npy'}", 4), points[[0, 1, 2, 0]])
    with pytest.raises(ModelError, match=r"holds no array `third` for `x` \(it has first, second\)"):
        parse_value(POINT, f"@{tmp_path / 'a.npz'}:third", None)
    np.savez(tmp_path / "b.npz", y=np.array(["dog", "cat"]), x=points)
    np.testing.assert_array_equal(parse_value(POINT, f"@{tmp_path / 'b.npz'}", None), points)
    assert parse_value(LABEL, f"@{tmp_path / 'b.npz'}", None, names=NAMES).tolist() == [1, 0]


@pytest.mark.parametrize("heading", ["", "u,v,w,z\n"])
def test_rows_of_a_csv_fill_the_shape(tmp_path: Path, heading: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(heading + "0,1,2,3\n4,5,6,7\n", encoding="utf-8")
    expected = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(parse_value(IMAGE, f"@{path}", None), expected.reshape(2, 1, 2, 2))
    np.testing.assert_array_equal(parse_value(ROW, f"@{path}", None), expected)
    path.write_text("3\n5\n", encoding="utf-8")
    assert parse_value(LABEL, f"@{path}", None).tolist() == [3, 5]


def test_columns_of_a_csv_are_taken_by_their_names(tmp_path: Path) -> None:
    """The table that training read: the columns of the input's name, in the order of their numbers, words as labels."""
    path = tmp_path / "a.csv"
    path.write_text("y,x1,x0,note\ncat,1,0,\ndog, 3,2,new\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(parse_value(POINT, f"@{path}", None), [[0, 1], [2, 3]])
    assert parse_value(LABEL, f"@{path}", None, names=NAMES).tolist() == [0, 1]
    kind = LABEL.model_copy(update={"name": "kind"})
    assert parse_value(kind, f"@{path}:y", 3, names=NAMES).tolist() == [0, 1, 0]
    path.write_text("y,x1,x0\nNA,?,0\ndog,3,none\n", encoding="utf-8")
    point, label = (port.model_copy(update={"gaps": True}) for port in (POINT, LABEL))
    np.testing.assert_array_equal(parse_value(point, f"@{path}", None), [[0, np.nan], [np.nan, 3]])
    assert parse_value(label, f"@{path}", None, names=NAMES).tolist() == [3, 1]
    path.write_text("dog\ncat\n2\n", encoding="utf-8")
    assert parse_value(LABEL, f"@{path}", None, names=NAMES).tolist() == [1, 0, 2]


BROKEN_TABLES = [
    (POINT, b"", "is empty"),
    (POINT, b"x0;x1\n1;2\n", "has one column, `x0;x1` (the values of a csv file are separated by commas)"),
    (POINT, b"x0,x1\n", "a line of names and no row"),
    (POINT, b"a,b\n1,two\n", "a.csv, column `b`, row 1: `two` is no number"),
    (POINT, b"1,2\n1,two\n", "a.csv, column 2, row 2: `two` is no number"),
    (POINT, b"1,2\n,3\n", "a.csv, column 1, row 2 is empty"),
    (POINT, b"1,2\nNA,3\n", "a.csv, column 1, row 2 is empty (`NA`)"),
    (POINT, b"1,2\n3\n", "row 2 has 1 value, the first line has 2"),
    (POINT, b"x0,x2\n1,2\n", "the columns of `x` need the numbers 0 to 1: there is no `x1`"),
    (POINT, b"u,v,w\n1,2,3\n", "`x` takes 2 numbers an example, a.csv has 3 columns"),
    (POINT, b"\xff\xfe\x00", "is no text in UTF-8 (save it as UTF-8)"),
    (LABEL, b"y\ncat\ncta\n", "a.csv, column `y`, row 2: `y` has no label `cta` (did you mean `cat`?)"),
]


@pytest.mark.parametrize(("port", "content", "message"), BROKEN_TABLES, ids=[message for *_, message in BROKEN_TABLES])
def test_a_broken_csv(
    port: Port, content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        parse_value(port, "@a.csv", None, names=NAMES if port is LABEL else ())
    assert message in str(caught.value)


@pytest.mark.parametrize("names", [[], ["FALSE", "TRUE"]])
def test_a_first_row_of_labels_is_no_heading(tmp_path: Path, names: list[str]) -> None:
    """Also where they are in other letters than the names, or the file has none."""
    (tmp_path / "a.csv").write_text("true\nfalse\nTrue\n")
    answers = LABEL.model_copy(update={"classes": 2})
    assert np.asarray(parse_value(answers, f"@{tmp_path / 'a.csv'}", None, names=names)).tolist() == [1, 0, 1]


def test_words_for_a_file_without_names_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y\ncat\n")
    with pytest.raises(ModelError, match=r"`cat` is no number \(this file has no names of its labels\)"):
        parse_value(LABEL, f"@{tmp_path / 'a.csv'}", None)
    with pytest.raises(ModelError, match="has no column `z`"):
        parse_value(LABEL, f"@{tmp_path / 'a.csv'}:z", None)


def test_a_missing_column_is_told_with_whole_names_and_how_many_more_there_are(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(
        ",".join(f"measurement_{i}" for i in range(40)) + "\n" + ",".join("0" * 40) + "\n"
    )
    with pytest.raises(ModelError, match=r"measurement_6, measurement_7 and 32 more\)$"):
        parse_value(LABEL, f"@{tmp_path / 'wide.csv'}:z", None)


@pytest.mark.parametrize("name", ["0.png", "folder"])
def test_pictures_and_folders_are_no_values(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(ModelError, match=r"read from .npy, .npz and .csv files; pictures are not read"):
        parse_value(POINT, f"@{tmp_path / name}", None)


def test_files_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match="holds no array"):
        parse_value(POINT, f"@{path}", None)


@pytest.mark.parametrize(
    ("classes", "names", "value", "labels"),
    [
        (2, [], [True, False], [1, 0]),
        (2, [], True, 1),
        (2, ["True", "False"], np.array([[True], [False]]), [[0], [1]]),
        (3, ["false", "true"], [True], [1]),
        (2, ["no", "yes"], [True], [True]),
        (3, [], [True], [True]),
        (2, [], [1, 0], [1, 0]),
    ],
)
def test_truths_are_labels_of_what_is_true_or_false(classes: int, names: list[str], value: Any, labels: Any) -> None:
    """Others are left as they are."""
    port = Port(name="ok", kind="input", dtype="int64", batch=True, classes=classes)
    result, expected = np.asarray(truths_as_labels(port, names, value)), np.asarray(labels)
    assert result.tolist() == expected.tolist() and result.dtype == expected.dtype
