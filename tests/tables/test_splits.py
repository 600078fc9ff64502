"""Splits of tables: what each holds out, beside plain loops; files of their own; and the files of `--data` in the place of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from mai.compiler.data import rows
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.series import Series
from mai.compiler.data.sources.table import Table
from mai.compiler.data.splitting import splits
from mai.compiler.data.splitting.splits import GroupSplit, Split, StratifiedSplit, TimeSplit
from mai.compiler.data.tables import store
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

N = 300
FIELDS = {"x": Type(DType.REAL), "y": Type(DType.INT, classes=3)}
DRAW = np.random.default_rng(0)
DAYS = DRAW.integers(0, 60, N)
PEOPLE = DRAW.integers(0, 40, N)
LABELS = DRAW.choice(["ant", "bee", "cat"], N, p=[0.7, 0.2, 0.1])


def write(path: Path, separator: str = ",") -> None:
    dates = np.datetime64("2024-01-01") + DAYS
    lines = [separator.join(map(str, row)) for row in zip(range(N), LABELS, dates, PEOPLE, strict=True)]
    path.write_text("\n".join([separator.join(("x", "y", "day", "who")), *lines]) + "\n")


def read(folder: Path, override: tuple[Path, ...] = (), fields: dict[str, Type] = FIELDS, **settings: Any) -> Dataset:
    return load(Table.of({"path": "a.csv", **settings}), fields, 0, folder, override)


def parts_of(data: Dataset) -> list[list[int]]:
    """The rows that are trained on, held out, and for tests."""
    assert data.count is not None
    trained = data.batch(0, data.count)
    return [sorted(map(int, part["x"][:])) for part in (trained, data.validation, data.test) if part is not None]


SPLITS: list[Split] = [
    TimeSplit(column="day", share=0.2, test=0.1),
    GroupSplit(column="who", share=0.2, test=0.1),
    StratifiedSplit(column="y", share=0.2, test=0.1),
]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
@pytest.mark.parametrize("in_memory", [True, False])
def test_rows_are_told_apart(split: Split, in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.csv")
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    if not in_memory:
        monkeypatch.setattr(store, "IN_MEMORY", 100)
        monkeypatch.setattr(rows, "BLOCK", 500)
        monkeypatch.setattr(splits, "BLOCK", 7)
    parts = parts_of(read(tmp_path, split=split))
    assert sorted(n for part in parts for n in part) == list(range(N)) and len(parts) == 3
    assert abs(len(parts[1]) - 60) <= 20 and abs(len(parts[2]) - 30) <= 20
    if isinstance(split, TimeSplit):
        assert max(DAYS[parts[0]]) < min(DAYS[parts[1]]) <= max(DAYS[parts[1]]) < min(DAYS[parts[2]])
    if isinstance(split, GroupSplit):
        groups = [set(PEOPLE[part]) for part in parts]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    if isinstance(split, StratifiedSplit):
        for label in set(LABELS):
            counts = [int((LABELS[part] == label).sum()) for part in parts]
            whole = sum(counts)
            assert counts[1:] == [round(0.2 * whole), round(0.1 * whole)]


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
def test_a_split_does_not_see_the_seed_of_a_run(split: Split, tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    source = Table.of({"path": "a.csv", "split": split})
    assert parts_of(load(source, FIELDS, 1, tmp_path)) == parts_of(load(source, FIELDS, 2, tmp_path))


def test_files_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    for name, numbers in (("later.csv", range(1000, 1010)), ("last.csv", range(2000, 2005))):
        (tmp_path / name).write_text("y,x\n" + "".join(f"bee,{n}\n" for n in numbers))
    both = parts_of(read(tmp_path, validation="later.csv", test="last.csv"))
    assert both == [list(range(N)), list(range(1000, 1010)), list(range(2000, 2005))]
    one = parts_of(read(tmp_path, test="last.csv", split=TimeSplit(column="day", share=0.2)))
    assert one[2] == list(range(2000, 2005)) and len(one[0]) + len(one[1]) == N
    with pytest.raises(MaiError, match="is trained on"):
        read(tmp_path, validation="a.csv")


SEMICOLONS: dict[str, Any] = {"separator": ";", "decimal": ",", "encoding": "latin-1"}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("x;y\n1,5;é\n2,5;ö\n", "latin-1"),
        ("x,y\n1.5,é\n2.5,ö\n", "utf-8"),
        ("x;y\n1,5;é\n2,5;ö\n", "utf-8-sig"),
        ("x\ty\n1.5\té\n2.5\tö\n", "utf-16"),
    ],
)
def test_what_is_said_of_a_file_holds_for_others_that_are_alike(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(text.encode(encoding))
    data = read(tmp_path, (tmp_path / "b.csv",), **SEMICOLONS)
    assert data.labels == {"y": ("é", "ö")}
    assert sorted(data.batch(0, 2)["x"].tolist()) == [1.5, 2.5]


def test_another_kind_of_file_is_read_as_that(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", x=np.arange(30.0), y=np.arange(30) % 3)
    (tmp_path / "parts").mkdir()
    parquet.write_table(pa.table({"x": np.arange(30.0), "y": np.arange(30) % 3}), tmp_path / "parts" / "0.parquet")
    for name in ("b.npz", "parts"):
        parts = parts_of(read(tmp_path, (tmp_path / name,), split=StratifiedSplit(column="y", share=0.2), **SEMICOLONS))
        assert sorted(n for part in parts for n in part) == list(range(30)) and len(parts[1]) == 6


def test_windows_and_texts_stay_such(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("x,text\n" + "".join(f"{n},abc\n" for n in range(50)))
    series = Series.of({"path": "a.csv", "window": 4, "horizon": 0})
    windows = load(series, {"x": Type(DType.REAL, shape=(4,))}, 0, tmp_path, (tmp_path / "b.csv",))
    assert windows.batch(0, 2)["x"].shape == (2, 4)
    texts = Examples.of({"path": "a.csv"})
    tokens = load(texts, {"text": Type(DType.INT, classes=256, shape=(5,))}, 0, tmp_path, (tmp_path / "b.csv",))
    assert tokens.batch(0, 1)["text"].tolist() == [[97, 98, 99, 0, 0]]


def test_a_run_beside_several_files_of_data_leaves_them(tmp_path: Path) -> None:
    """Twice into the folder that its files lie in."""
    for name in ("a.csv", "b.csv", "v.csv"):
        write(tmp_path / name)
    (tmp_path / "s.mai").write_text(
        'data x: [] from table(["a.csv", "b.csv"], validation = "v.csv")\n'
        "net f(x: []) -> [] { return linear([x], 1)[0] }\n"
        "train(steps = 2) { minimize f(x)^2 }\nexport g(x: []) -> [] { return f(x) }\n"
    )
    for _ in range(2):
        done = invoke("train", tmp_path / "s.mai", "--out", tmp_path, "--quiet", "--device", "cpu")
        assert done.exit_code == 0, done.output
    assert all((tmp_path / name).exists() for name in ("a.csv", "b.csv", "v.csv"))
