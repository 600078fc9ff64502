"""Arrays of numpy's files: archives and plain arrays, whole and damaged; those of a large one stay in the file until a batch asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check, misfits
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.files import array_files
from mai.compiler.data.files.array_headers import shapes_of
from mai.compiler.data.row_source import Wanted
from mai.compiler.data.rows import Chosen, FileRows, Words, change, join, limits, rows_of
from mai.compiler.data.sources.arrays import Arrays
from mai.compiler.data.sources.npz import Npz
from mai.compiler.data.splitting.splits import GroupSplit, StratifiedSplit, TimeSplit
from mai.compiler.describing.parts import save_parts
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError
from tests.support.cases.refused_data import refused

X, Y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 3
FIELDS = {"x": Type(DType.REAL, shape=(2,)), "y": Type(DType.INT, classes=3)}
ONE = {"x": Type(DType.REAL, shape=(2,))}


def same(a: Dataset, b: Dataset) -> bool:
    """Whether the batches and the held-out examples of two are equal, their types too."""
    pairs = [(a.batch(step, 7), b.batch(step, 7)) for step in range(12)]
    assert a.validation is not None and b.validation is not None
    pairs.append(({n: r[:] for n, r in a.validation.items()}, {n: r[:] for n, r in b.validation.items()}))
    return all(np.array_equal(p[n], q[n]) and p[n].dtype == q[n].dtype for p, q in pairs for n in p)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", x=X, y=Y, when=Y * 1.5, unused=X)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    return tmp_path


@pytest.mark.parametrize("limit", [1 << 27, 0])
@pytest.mark.parametrize(
    ("x", "y"), [(X, Y), (X.astype(">f4"), Y.astype("u1")), (X.astype("f2"), Y.astype(bool)), ((9 * X).astype("i1"), Y)]
)
def test_plain_arrays_are_as_an_archive(
    x: np.ndarray, y: np.ndarray, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_files, "IN_MEMORY", limit)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    plain, archive = (load(Arrays(path=p), FIELDS, 3, tmp_path) for p in (("x.npy", "y.npy"), "a.npz"))
    assert same(plain, archive) and same(archive, load(Npz(path="a.npz"), FIELDS, 3, tmp_path))
    order = np.argsort(archive.batch(0, 45)["x"][:, 0])
    held_out = archive.validation
    assert held_out is not None
    both = np.concatenate([archive.batch(0, 45)["x"][order], held_out["x"][:]])
    assert sorted(both[:, 0].tolist()) == sorted(x.astype(np.float32)[:, 0].tolist())


def test_parts_are_joined_in_the_order_of_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in range(3):
        np.save(folder / f"x-{part}.npy", X[part * 20 : part * 20 + 20])
    for limit in (1 << 27, 0):
        monkeypatch.setattr(array_files, "IN_MEMORY", limit)
        parts = load(Arrays(path=("x-*.npy", "y.npy")), FIELDS, 0, folder)
        assert same(parts, load(Arrays(path="a.npz"), FIELDS, 0, folder))


def test_one_array_is_the_one_field(folder: Path) -> None:
    np.save(folder / "features.npy", X)
    assert load(Arrays(path="features.npy"), ONE, 0, folder).count == 45
    assert "the data has no `x`; it has features, y" in refused(Arrays(path=("features.npy", "y.npy")), folder, FIELDS)


def test_small_numbers_stay_small_until_a_batch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((40, 2), 200, np.uint8))
    data = load(Arrays(path="x.npy"), ONE, 0, tmp_path)
    assert data.validation is not None
    assert data.batch(0, 4)["x"].dtype == np.float32 and data.batch(0, 4)["x"][0, 0] == 200
    assert data.validation["x"].rows.rows.dtype == np.uint8  # type: ignore[attr-defined]


def test_splits_look_at_an_array(folder: Path) -> None:
    data = load(Arrays(path="a.npz", split=TimeSplit(column="when", share=0.3)), FIELDS, 0, folder)
    assert data.validation is not None and data.count == 34
    assert set(data.validation["y"][:].tolist()) == {2} and set(data.batch(0, 34)["y"].tolist()) == {0, 1}
    message = "the split looks at `who`, which needs to be an array of one number an example"
    assert message in refused(Arrays(path="a.npz", split=GroupSplit(column="who")), folder, FIELDS)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def by_columns(path: Path) -> None:
    np.save(path, np.asfortranarray(X))


@pytest.mark.parametrize("form", ["U3", "S3"])
def test_words_are_labels_and_what_no_field_names_is_not_looked_at(form: str, tmp_path: Path) -> None:
    words, others = np.array(["dog", "cat"] * 25, form), {"weights": np.ones(3), "said": np.array(["a"] * 50)}
    np.savez(tmp_path / "a.npz", x=X.astype(">f8"), y=words, **others, objects=np.array([{}, None]))
    fields = {"x": FIELDS["x"], "y": Type(DType.INT, classes=2)}
    data = load(Arrays(path="a.npz"), fields, 0, tmp_path)
    assert data.labels == {"y": ("cat", "dog")} and data.count == 45
    np.savez(tmp_path / "b.npz", x=X, y=np.ones(49), **others)
    assert "one common number of examples; there are 50 of `x`, 49 of `y`" in refused(
        Arrays(path="b.npz"), tmp_path, fields
    )
    assert "`y` has 2 labels (cat, dog), the spec has class[1]" in refused(
        Arrays(path="a.npz"), tmp_path, {**fields, "y": Type(DType.INT, classes=1)}
    )
    for wrong, message in (
        (np.array([{}] * 50), "`y` holds objects of Python"),
        (X[:, 0] + 1j, "`y` is not an array of numbers: it holds complex ones"),
    ):
        np.savez(tmp_path / "b.npz", x=X, y=wrong)
        assert message in refused(Arrays(path="b.npz"), tmp_path, fields)
    np.save(tmp_path / "y.npy", words)
    np.save(tmp_path / "x.npy", X)
    apart = load(Arrays(path=("x.npy", "y.npy"), split=StratifiedSplit(column="y")), fields, 0, tmp_path)
    assert apart.labels == data.labels


DAMAGED: list[tuple[Callable[[Path], object], str]] = [
    (cut, "x.npy has been cut: its header says 800 bytes, 791 are there"),
    (lambda p: p.write_bytes(b"no array"), "x.npy is not a numpy .npy file: "),
    (lambda p: p.write_bytes(b""), "x.npy is not a numpy .npy file: "),
    (lambda p: np.save(p, np.array([{"a": 1}] * 50)), "x.npy is not an array of numbers: it holds object"),
    (lambda p: np.save(p, np.array(["a"] * 50)), "`x` holds words (`a`), the spec has real numbers"),
    (lambda p: np.save(p, np.array([b"\xff"] * 50)), "the words of `x` are bytes that are not UTF-8"),
    (lambda p: np.save(p, X[:49]), "there are 49 of `x`, 50 of `y`"),
    (lambda p: np.save(p, np.float32(1)), "`x` is one number, and an array has a row for each example"),
    (lambda p: np.save(p, np.where(X > 2, np.nan, X)), "`x` holds values that are not finite (NaN or infinite)"),
    (by_columns, "x.npy lies column by column, so that its rows cannot be read one by one"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGED, ids=[message[:40] for _, message in DAMAGED])
def test_damaged_arrays_are_told(
    damage: Callable[[Path], object], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_files, "IN_MEMORY", 0)
    damage(folder / "x.npy")
    assert message in refused(Arrays(path=("x.npy", "y.npy")), folder, FIELDS)


def test_a_small_array_may_lie_column_by_column(folder: Path) -> None:
    by_columns(folder / "x.npy")
    assert same(load(Arrays(path=("x.npy", "y.npy")), FIELDS, 0, folder), load(Arrays(path="a.npz"), FIELDS, 0, folder))


def test_a_file_that_becomes_shorter_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "IN_MEMORY", 0)
    data = load(Arrays(path="x.npy"), ONE, 0, folder)
    cut(folder / "x.npy")
    with pytest.raises(MaiError, match=r"x\.npy has become shorter"):
        data.batch(0, 45)


def test_check_knows_the_shapes(folder: Path) -> None:
    (folder / "s.mai").write_text(
        'data x: [3], y: class[3] from arrays(["x.npy", "y.npy"])\ntrain(steps = 1) { minimize sum(linear(x, 1)^2) }\n'
    )
    program = check(folder / "s.mai").program
    assert program is not None
    assert [d.message for d in misfits(program)] == ["`x` is [3] in the spec and [2] in the data"]


def test_examples_have_the_rows_of_their_arrays(folder: Path) -> None:
    """`mai data SPEC --out` writes the part of each, and what training reads at a place is that row."""
    fields = "data x: [2], y: class[3] from arrays"
    (folder / "s.mai").write_text(f'{fields}("a.npz")\ntrain(steps = 1) {{ minimize sum(linear(x, 1)^2) }}\n')
    program = check(folder / "s.mai").program
    assert program is not None
    save_parts(program, folder / "parts.csv")
    rows = [line.split(",") for line in (folder / "parts.csv").read_text().split()[1:]]
    data = load(Arrays(path="a.npz"), FIELDS, 0, folder)
    assert data.validation is not None and len(rows) == 50
    assert np.array_equal(data.validation["x"], X[data.places["held_out"].rows].astype("f4"))
    assert [int(row) - 1 for row, part in rows if part == "held-out"] == sorted(data.places["held_out"].rows)


def test_headers_say_what_numpy_says(tmp_path: Path) -> None:
    """In each version of the format, by rows and by columns; what is cut or of something else says nothing."""
    arrays = {"x": np.zeros((3, 2, 5)), "y": np.zeros(3, int), "by_columns": np.asfortranarray(np.zeros((3, 4), "<f4"))}
    np.savez(tmp_path / "all.npz", **arrays, yes=np.zeros((2, 1), bool))
    assert shapes_of([tmp_path / "all.npz"]) == {
        "x": ((2, 5), False), "y": ((), True), "by_columns": ((4,), False), "yes": ((1,), True)
    }  # fmt: skip
    for version in ((1, 0), (2, 0), (3, 0)):
        with (tmp_path / "z.npy").open("wb") as file:
            np.lib.format.write_array(file, np.zeros((2, 7), "u1"), version=version)
        assert shapes_of([tmp_path / "z.npy"]) == {"z": ((7,), True)}
    (tmp_path / "cut.npy").write_bytes((tmp_path / "z.npy").read_bytes()[:40])
    (tmp_path / "other.npy").write_bytes(b"\x93NUMPY\x01\x00\x05\x00(1, 2")
    assert shapes_of([tmp_path / "cut.npy"]) is None and shapes_of([tmp_path / "other.npy"]) is None


@pytest.mark.parametrize("block", [1 << 24, 100])
def test_rows_of_a_file_are_those_of_the_array(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of them are read in blocks."""
    monkeypatch.setattr("mai.compiler.data.rows.BLOCK", block)
    array = np.arange(600, dtype="<i2").reshape(100, 2, 3)
    (tmp_path / "rows").write_bytes(b"head" + array.tobytes())
    rows = FileRows(tmp_path / "rows", array.dtype, array.shape, 4)
    numbers = np.random.default_rng(0).integers(0, 100, 40)
    for key in (
        slice(None),
        slice(3, 77),
        slice(2, 50, 7),
        slice(90, 500),
        slice(5, 5),
        numbers,
        numbers.astype(np.uint32),
    ):
        np.testing.assert_array_equal(rows[key], array[key])
        np.testing.assert_array_equal(join([rows, rows])[key] if not isinstance(key, slice) else array[key], array[key])  # type: ignore[index]
    np.testing.assert_array_equal(Chosen(rows, numbers)[3:9], array[numbers[3:9]])
    halves = change(rows, lambda a: a / 2)
    assert limits(rows) == (0, 599) and limits(halves) == (0, 299.5) and halves.shape == (100, 2, 3)
    both = join([Words.of(np.array(["b", "a"])), Words.of(np.array(["c", "a"]))])
    assert isinstance(both, Words) and [both.names[i] for i in both.numbers[:]] == ["b", "a", "c", "a"]


WITH_GAPS = np.array([[1, 2], [np.nan, 4], [5, 6], [7, np.nan]])


@pytest.mark.parametrize("limit", [1 << 27, 0])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "f4", "f2"])
def test_values_that_are_missing(dtype: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is refused, by check as by training, or its row is left out, or it stays."""
    monkeypatch.setattr(array_files, "IN_MEMORY", limit)
    np.save(tmp_path / "x.npy", WITH_GAPS.astype(dtype))
    np.save(tmp_path / "y.npy", np.arange(4) % 3)
    files = ("x.npy", "y.npy")
    for read in (
        lambda: Arrays(path=files).check_cells(tmp_path, FIELDS),
        lambda: load(Arrays(path=files), FIELDS, 0, tmp_path),
    ):
        with pytest.raises(MaiError, match=r"not finite .* in row 2") as caught:
            read()
        assert "`missing = drop`" in str(caught.value.diagnostics[0].help)
    for missing, rows in (("keep", [0, 1, 2, 3]), ("drop", [0, 2])):
        source = Arrays(path=files, missing=missing)
        source.check_cells(tmp_path, FIELDS)
        read = source.rows(Wanted([tmp_path / each for each in files], [], FIELDS))
        np.testing.assert_array_equal(rows_of(read.arrays["x"])[:], WITH_GAPS[rows])
        assert rows_of(read.arrays["y"])[:].tolist() == [each % 3 for each in rows]
        assert any("2 of 4 rows lack a value" in note for note in read.notes) == (missing == "drop")
    np.save(tmp_path / "z.npy", np.full(4, np.inf))  # No field, and not looked at.
    for missing in ("keep", "drop"):
        load(Arrays(path=(*files, "z.npy"), missing=missing), FIELDS, 0, tmp_path)
    (tmp_path / "x.npy").unlink()
    np.savez(tmp_path / "a.npz", x=np.where(np.isnan(WITH_GAPS), np.inf, WITH_GAPS), y=np.arange(4) % 3)
    with pytest.raises(MaiError, match="infinite values: in row 2"):
        Arrays(path="a.npz", missing="keep").check_cells(tmp_path, FIELDS)
