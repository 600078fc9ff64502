"""Training data: what each source gives, what belongs to a step, and what wrong files are told."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.points import Points
from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.sources.checkerboard import Checkerboard
from mai.compiler.data.sources.circles import Circles
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.digits import Digits
from mai.compiler.data.sources.function import FunctionSource
from mai.compiler.data.sources.gaussians import Gaussians
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.moons import Moons
from mai.compiler.data.sources.npz import Npz
from mai.compiler.data.sources.s_curve import SCurve
from mai.compiler.data.sources.spirals import Spirals
from mai.compiler.data.sources.text import Text
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError
from tests.support.cases.refused_data import refused

POINT = {"x": Type(DType.REAL, shape=(2,))}
LABELLED = {**POINT, "y": Type(DType.INT, classes=10)}
LABELLED_DIGITS = {"x": Type(DType.REAL, shape=(1, 8, 8)), "y": Type(DType.INT, classes=10)}


def dataset(
    source: Source, fields: Mapping[str, Type] = POINT, seed: int = 0, base: Path = Path(), *override: Path
) -> Dataset:
    return load(source, fields, seed, base, override)


@pytest.mark.parametrize("source", [s() for s in SOURCES.values() if issubclass(s, Points)], ids=lambda s: s.name)
def test_points_are_fresh_every_step_and_a_function_of_seed_and_step(source: Points) -> None:
    data, again, other = dataset(source), dataset(source), dataset(source, seed=1)
    assert data.count is None
    assert data.batch(3, 64)["x"].shape == (64, 2)
    assert data.batch(3, 64)["x"].dtype == np.float32
    later = data.batch(4, 64)["x"]
    np.testing.assert_array_equal(again.batch(4, 64)["x"], later)
    assert not np.array_equal(data.batch(3, 64)["x"], later)
    assert not np.array_equal(other.batch(4, 64)["x"], later)


def test_points_lie_where_their_source_says() -> None:
    ring = dataset(Gaussians(modes=4, radius=3.0, noise=0.0), LABELLED).batch(0, 500)
    angle = np.pi / 2 * ring["y"]
    np.testing.assert_allclose(ring["x"], 3 * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)
    board = dataset(Checkerboard()).batch(0, 2000)["x"]
    assert np.abs(board).max() <= 2
    assert not (np.floor(board).sum(1) % 2).any()
    assert {tuple(square) for square in np.floor(board).tolist()} == {
        (column, row) for column in range(-2, 2) for row in range(-2, 2) if (column + row) % 2 == 0
    }
    arms = dataset(Spirals(classes=3, noise=0.0), LABELLED).batch(0, 500)
    radius = np.linalg.norm(arms["x"], axis=1)
    turned = np.arctan2(arms["x"][:, 1], arms["x"][:, 0]) - 3 * np.pi * radius - 2 * np.pi * arms["y"] / 3
    np.testing.assert_allclose(np.cos(turned), 1, atol=1e-4)
    circles = dataset(Circles(inner=0.25, noise=0.0), LABELLED).batch(0, 500)
    np.testing.assert_allclose(np.linalg.norm(circles["x"], axis=1), 1 - 0.75 * circles["y"], atol=1e-5)
    assert 200 < circles["y"].sum() < 300 and np.abs(circles["x"].mean(0)).max() < 0.1
    bends = dataset(SCurve(noise=0.0)).batch(0, 500)["x"]
    centre = np.where(bends[:, 1] < 0, -1, 1)
    np.testing.assert_allclose(np.hypot(bends[:, 0], bends[:, 1] - centre), 1, atol=1e-5)
    assert bends.min(0) == pytest.approx([-1, -2], abs=0.01) and bends.max(0) == pytest.approx([1, 2], abs=0.01)


def test_a_cloud_is_one_example() -> None:
    fields = {"x": Type(DType.REAL, shape=(7, 2))}
    assert dataset(Moons(cloud=7), fields).batch(0, 5)["x"].shape == (5, 7, 2)


def test_an_epoch_visits_every_example_once_in_a_new_order() -> None:
    data = dataset(Checkerboard(count=100))
    assert data.count == 90
    assert data.validation is not None
    assert data.validation["x"].shape == (10, 2)
    first, second = (np.concatenate([data.batch(e * 9 + i, 10)["x"] for i in range(9)]) for e in (0, 1))
    assert len(np.unique(first, axis=0)) == 90
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.unique(first, axis=0), np.unique(second, axis=0))
    kept_apart = {tuple(row) for row in data.validation["x"].tolist()}
    assert kept_apart.isdisjoint(tuple(row) for row in first.tolist())


def test_a_step_gets_its_batch_without_those_before_it() -> None:
    data, fresh = dataset(Digits(), LABELLED_DIGITS), dataset(Digits(), LABELLED_DIGITS)
    for step in range(60):
        data.batch(step, 50)
    np.testing.assert_array_equal(data.batch(61, 50)["x"], fresh.batch(61, 50)["x"])
    np.testing.assert_array_equal(data.batch(2, 50)["y"], fresh.batch(2, 50)["y"])


def test_digits_have_one_split_for_everyone() -> None:
    parts = {split: dataset(Digits(split=split), LABELLED_DIGITS) for split in ("train", "test")}
    train, test = parts["train"], parts["test"]
    assert (train.count, test.count) == (1437, 360)
    assert test.validation is None
    assert train.validation is not None
    rows = test.batch(0, 360)
    assert rows["x"].min() == -1
    assert rows["x"].max() == 1
    assert {x.tobytes() for x in train.validation["x"]} == {x.tobytes() for x in rows["x"]}
    assert np.bincount(rows["y"]).min() >= 34
    other = dataset(Digits(), LABELLED_DIGITS, seed=5).validation
    assert other is not None
    np.testing.assert_array_equal(train.validation["x"], other["x"])


def test_a_function_is_its_formula() -> None:
    source = FunctionSource(formula="sin(3 * x0) - x1^2 / 2", low=-1, high=2, count=200)
    rows = dataset(source, {**POINT, "y": Type(DType.REAL)}).batch(0, 180)
    x = rows["x"]
    assert -1 <= x.min() < -0.8
    assert 1.8 < x.max() <= 2
    np.testing.assert_allclose(rows["y"], np.sin(3 * x[:, 0]) - x[:, 1] ** 2 / 2, atol=1e-5)


def test_files_are_read_by_field_name(tmp_path: Path) -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 3
    np.savez(tmp_path / "a.npz", y=y, x=x, unused=x)
    lines = [f"{label},{b},{a}" for (a, b), label in zip(x, y, strict=True)]
    (tmp_path / "a.csv").write_text("y, x1, x0\n" + "\n".join(lines) + "\n\n", encoding="utf-8-sig")
    for source in (Npz(path="a.npz"), Csv(path="a.csv")):
        rows = dataset(source, LABELLED, 0, tmp_path).batch(0, 10)
        order = np.argsort(rows["x"][:, 0])
        np.testing.assert_array_equal(rows["x"][order], x)
        np.testing.assert_array_equal(rows["y"][order], y)


def test_data_takes_the_place_of_the_source(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=x)
    rows = dataset(Moons(), POINT, 0, Path(), tmp_path / "mine.npz").batch(0, 10)["x"]
    assert {r.tobytes() for r in rows} == {r.tobytes() for r in x}


def test_images_are_pixels_by_folder(tmp_path: Path) -> None:
    for label, grey in (("a", 0), ("b", 255)):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(np.full((4, 6), grey, np.uint8)).save(tmp_path / label / f"{i}.png")
    fields = {"x": Type(DType.REAL, shape=(1, 4, 6)), "y": Type(DType.INT, classes=2)}
    rows = dataset(Images(path="."), fields, 0, tmp_path).batch(0, 6)
    assert rows["x"].shape == (6, 1, 4, 6)
    np.testing.assert_array_equal(rows["x"][:, 0, 0, 0], 2 * rows["y"] - 1)


def test_text_gives_windows_and_holds_its_end_out(tmp_path: Path) -> None:
    raw = bytes(range(200)) * 2
    (tmp_path / "a.txt").write_bytes(raw)
    data = dataset(Text(path="a.txt"), {"t": Type(DType.INT, shape=(8,), classes=256)}, 0, tmp_path)
    rows = data.batch(0, 500)["t"]
    assert rows.shape == (500, 8)
    assert all(bytes(row.tolist()) in raw[:360] for row in rows)
    assert data.validation is not None
    np.testing.assert_array_equal(data.validation["t"].reshape(-1), np.frombuffer(raw[360:], np.uint8))


def _npz(**arrays: object) -> Callable[[Path], object]:
    return lambda path: np.savez(path, **arrays)  # type: ignore[arg-type]


def _cut(path: Path) -> None:
    np.savez(path, x=np.zeros((50, 2)))
    path.write_bytes(path.read_bytes()[:200])


def _array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((3, 2)))


def _flipped(path: Path) -> None:
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(500, 2)))
    raw = bytearray(path.read_bytes())
    raw[300:340] = b"\xff" * 40
    path.write_bytes(bytes(raw))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "is not a numpy .npz file"),
        (_cut, "is not a numpy .npz file"),
        (_array, "is not a numpy .npz file"),
        (_flipped, "is not a numpy .npz file"),
        (_zip, "`hello.txt` is not an array of numbers"),
        (_npz(x=np.array([["a", "b"]])), "`x` holds words (`a`), the spec has real numbers"),
        (_npz(x=np.ones((3, 2)) + 1j), "`x` is not an array of numbers"),
        (_npz(x=np.array([[1, None]], object)), "is not a numpy .npz file of plain arrays"),
        (_npz(x=np.zeros((0, 2))), "a.npz have no examples"),
        (_npz(x=np.float32(1)), "`x` is one number, and an array has a row for each example"),
        (_npz(x=np.full((3, 2), 1e39)), "`x` holds numbers of more than 3.4e38, the largest of 32 bits: in row 1"),
        (_npz(), "there are no arrays in "),
    ],
)
def test_bad_archives_are_told(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    make(tmp_path / "a.npz")
    assert message in refused(Npz(path="a.npz"), tmp_path, POINT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x0,x2\n1,2\n3,4\n", "there is no `x1`"),
        ("x0,x0\n1,2\n", "two columns of one name: x0 (columns 1, 2)"),
        ("x0,x1\n\n\n", "at least one row"),
        ("", "at least one row"),
        ("x0,x1\n1,two\n", "column `x1`, a part of a vector, holds words: `two`"),
        ("x0,x1\n1,2\n1,two\n", "column `x1` mixes words and numbers: `two` in row 2, `2` in row 1"),
        ("x0,x1,y\n1,2,3\n1,2,cat\n", "column `y` mixes words and numbers: `cat` in row 2, `3` in row 1"),
        ("x0,x1,y\n" + "1,2,cat\n" * 100 + "1,2,\n", "column `y` is empty in row 101"),
        (",,\n1,2,0\n", "needs a line of column names"),
        ("1,1,0\n1,2,0\n", "holds numbers: 1, 1, 0"),
        ("x0,x1,y\n" + "".join(f"1,2,{c}\n" for c in "abcdefghijk"), "`y` has 11 labels (a, b, c, d, e, ...)"),
        ("x0,x1\n1,2\n3, \n", "column `x1` is empty in row 2"),
        ("x0,x1\n1,2,3\n", "row 1 has 3 values, the header has 2"),
        ("x0,x1\n1,2\n1\n", "row 2 has 1 value, the header has 2"),
        ("x0,x1,y\n1,2,inf\n", "`y` holds fractions"),
        ("x0,x1,y\n1,2,1.5\n", "`y` holds fractions"),
        ("x0,x1,y\n1,2,-1\n", "`y` has labels -1 to -1"),
        ("x0,x1,y\n1,inf,1\n", "`x1` holds values that are not finite: inf in row 1"),
    ],
)
def test_bad_tables_are_told(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert message in refused(Csv(path="a.csv"), tmp_path, LABELLED if "y" in text else POINT)


def test_nan_among_words_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x0,x1,y\n1,2,cat\n1,2,NaN\n")
    assert "column `y` is empty in row 2" in refused(Csv(path="a.csv"), tmp_path, LABELLED)


def test_truths_are_read_as_such(tmp_path: Path) -> None:
    fields = {"on": Type(DType.BOOL, shape=(2,))}
    (tmp_path / "a.csv").write_text("on0,on1\n1,0\n0,0\n")
    rows = dataset(Csv(path="a.csv"), fields, 0, tmp_path).batch(0, 1)["on"]
    assert rows.dtype == np.bool_ and rows.shape == (1, 2)
    (tmp_path / "a.csv").write_text("on0,on1\n1,2\n")
    assert "holds 2, `bool` takes 0 and 1" in refused(Csv(path="a.csv"), tmp_path, fields)
    (tmp_path / "a.csv").write_text("on0,on1\n1,\n")
    assert "`on` lacks values" in refused(Csv(path="a.csv", missing="keep"), tmp_path, fields)
    (tmp_path / "b.csv").write_text("on\ntrue\n")
    assert "holds words (`true`), `bool` takes 0 and 1" in refused(
        Csv(path="b.csv"), tmp_path, {"on": Type(DType.BOOL)}
    )


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("x1,x2\n1,2\n", "name the columns `x0` to `x1`"),
        ("x\n1\n", "a vector has the columns `x0` to `x1`"),
        ("x0,x1,y\n1,2,1\n1,2,10\n", "labels begin with 0"),
        ("x0,x1,y\n1,2,0\n1,2,11\n", "`class[12]` has labels 0 to 11"),
        ("x0,x1\n1,2\n", "name a column `y`"),
        ("0.5,1\n1,2\n", "the first line names the columns, as in `x0,x1,y`"),
    ],
)
def test_tables_are_helped_to_names_and_labels(text: str, help: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(MaiError) as caught:
        load(Csv(path="a.csv"), LABELLED if "y" in text + help else POINT, 0, tmp_path)
    assert help in str(caught.value.diagnostics[0].help)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("log(x0)", "is not finite everywhere"),
        ("1" + "0" * 400, "is too large"),
        ("x0.real", "has no place in a formula"),
        ("x0 if x1 else 0", "has no place in a formula"),
        ("open(x0)", "`open` in a formula"),
        ("x0 +", "is not a formula"),
        ("x9999999999", "too many variables"),
        ("sin(x0, x1)", "has no place in a formula"),
    ],
)
def test_bad_formulas_are_told(formula: str, message: str, tmp_path: Path) -> None:
    assert message in refused(FunctionSource(formula=formula), tmp_path, POINT)


def test_broken_images_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a picture")
    assert "no image that can be read" in refused(Images(path="."), tmp_path, POINT)
    assert "is no folder of images" in refused(Images(path="a.png"), tmp_path, POINT)
    (tmp_path / "a.png").unlink()
    assert "there are no images" in refused(Images(path="."), tmp_path, POINT)
    for size in (2, 3):
        Image.new("L", (size, size)).save(tmp_path / f"{size}.png")
    assert "differ in size" in refused(Images(path="."), tmp_path, POINT)


def test_texts_that_do_not_fit_are_told(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("abc")
    (tmp_path / "empty.txt").write_text("")
    window = {"t": Type(DType.INT, shape=(8,), classes=64)}
    assert "is empty" in refused(Text(path="empty.txt"), tmp_path, window)
    assert "holds token 99" in refused(Text(path="short.txt"), tmp_path, window)
    wide = {"t": Type(DType.INT, shape=(8,), classes=256)}
    assert "fewer than two windows" in refused(Text(path="short.txt"), tmp_path, wide)
    assert "text gives rows of tokens" in refused(Text(path="short.txt"), tmp_path, POINT)
