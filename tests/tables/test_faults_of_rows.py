"""Rows that are no examples, or no unseen ones: a line of totals, and copies of what is trained on. Both are told, and read."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check, misfits
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.series import Series
from mai.compiler.data.sources.table import Table
from mai.compiler.data.splitting.copies import notes_of_copies
from mai.compiler.describing.describe import describe
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.draft import Wish, draft
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError

REAL, LABEL = Type(DType.REAL), Type(DType.INT, classes=2)


def read(folder: Path, fields: dict[str, Type], **settings: object) -> Dataset:
    return load(Table.of({"path": "t.csv", **settings}), fields, 0, folder)


def write(folder: Path, name: str, rows: list[tuple[object, ...]], head: str = "a,b,y") -> None:
    (folder / name).write_text(head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


def totals_of(folder: Path) -> list[str]:
    """What training, and a description, say of totals."""
    said = [note for note in read(folder, {"a": REAL, "b": REAL}).notes if "sum of all others" in note]
    summary = describe([folder / "t.csv"])
    assert isinstance(summary, TableSummary) and [*summary.notes] == said
    return said


def test_a_line_of_totals_is_told(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [(i * 1.25, 7.5 - i, "uv"[i % 2]) for i in range(8)]
    write(tmp_path, "t.csv", [(-a, b, y) for a, b, y in [*rows, (sum(i * 1.25 for i in range(8)), 11, "Total")]])
    assert len(totals_of(tmp_path)) == 1
    write(tmp_path, "t.csv", [*rows, (sum(i * 1.25 for i in range(8)), 11, "Total")])
    assert totals_of(tmp_path) == [
        "t.csv: the last row is the sum of all others in `a`: a line of totals is no example"
    ]
    assert "# Take it out: the last row is the sum of all others in `a`" in draft(
        tmp_path / "t.csv", tmp_path, Wish("b")
    )


@pytest.mark.parametrize(
    "numbers",
    [[0, 1, 0, 0, 0, 0, 0, 1], [1, 2, 3, 6], [0, 0, 0, 0, 0, 0, 0], [5, 5, 5, 5, 5, 5, 5], [-2, 1, -1, 3, 2, 4, 1, -8]],
)
def test_other_last_rows_are_none(numbers: list[int], tmp_path: Path) -> None:
    write(tmp_path, "t.csv", [(number, i % 3 + 0.5, "w") for i, number in enumerate(numbers)])
    assert totals_of(tmp_path) == []


def copies(folder: Path, **settings: object) -> list[str]:
    return [note for note in read(folder, {"a": REAL, "y": LABEL}, **settings).notes if "all fields alike" in note]


def test_copies_of_what_is_trained_on_are_counted(tmp_path: Path) -> None:
    """Only those whose fields are all alike; a column that no field takes tells nothing apart."""
    numbers = np.random.default_rng(0).normal(size=40).round(4)
    rows: list[tuple[object, ...]] = [(number, i, i % 2) for i, number in enumerate(numbers)]
    write(tmp_path, "t.csv", rows)
    write(tmp_path, "test.csv", [(a, b + 100, y) for a, b, y in rows[:7]] + [(9.5, 1, 0), (rows[8][0], 8, 1)])  # type: ignore[operator]
    (note,) = copies(tmp_path, test="test.csv")
    assert note.startswith("7 of 9 examples for tests are also among those that are trained on")
    assert copies(tmp_path) == []
    write(tmp_path, "test.csv", [(i + 0.5, i, 0) for i in range(200)] + rows[:1])
    assert copies(tmp_path, test="test.csv") == [], "one of two hundred changes nothing"


def test_few_values_that_repeat_are_alike_by_nature(tmp_path: Path) -> None:
    write(tmp_path, "t.csv", [(i % 3, i, i % 2) for i in range(200)])
    assert copies(tmp_path) == []


def test_copies_are_looked_for_in_little_memory() -> None:
    """An example takes some numbers of 64 bits, and no object of Python's; fields whose bytes fill no whole number are told apart, too."""
    count = 100_000
    rng = np.random.default_rng(0)
    trained = {"x": rng.normal(size=(count, 3)).astype(np.float32), "y": rng.integers(0, 9, count).astype(np.int8)}
    copied = {name: rows[: count // 2].copy() for name, rows in trained.items()}
    copied["x"][: count // 4, 2] += 1
    copied["y"][count // 4 : count // 4 + 1000] += 1
    tracemalloc.start()
    notes = [*notes_of_copies(trained, copied, None)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [note.split()[0] for note in notes] == ["24,000"]
    assert most < 5 * 8 * count


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        (Table.of({"path": "t.csv"}), "1,u\n,v"),
        (Table.of({"path": "t.csv"}), "1,u\noops,v"),
        (Table.of({"path": "t.csv"}), "1 kg,u\n2,v"),
        (Table.of({"path": "t.csv"}), "1,u\n2,"),
        (Table.of({"path": "t.csv", "words": "y"}), "n/a,1\n2,2"),
        (Table.of({"path": "t.csv", "needs": "y"}), ",u\n2,v"),
        (Series.of({"path": "t.csv", "window": 2}), "1,u\n2,v\n,u\n4,v\n5,v"),
        (Examples.of({"path": "t.csv"}), "1,u\n-,v"),
    ],
)
def test_a_check_says_of_first_rows_what_reading_says(source: Table, rows: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"a,y\n{rows}\n")
    fields = {"a": Type(DType.REAL, (2,)) if isinstance(source, Series) else REAL, "y": LABEL}
    with pytest.raises(MaiError) as checked:
        source.check_cells(tmp_path, fields)
    with pytest.raises(MaiError) as training:
        load(source, fields, 0, tmp_path)
    assert checked.value.diagnostics == training.value.diagnostics


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"missing": "drop"}, "1,u,2\n,v,3\n2,v,4"),
        ({"missing": "keep"}, "1,u,2\n,v,3"),
        ({}, "1,u,\n2,v,oops"),
        ({}, "$1,u,1\n$2,v,1"),
        ({}, "2024-03-01,u,1\n2024-03-02,v,1"),
    ],
    ids=["left out", "kept", "of no field", "money", "dates"],
)
def test_a_check_finds_nothing_in_rows_that_are_read(settings: dict[str, object], rows: str, tmp_path: Path) -> None:
    write(tmp_path, "t.csv", [(rows,)], head="a,y,z")
    source, fields = Table.of({"path": "t.csv", **settings}), {"a": REAL, "y": LABEL}
    source.check_cells(tmp_path, fields)
    assert load(source, fields, 0, tmp_path)


def test_a_check_looks_at_all_files(tmp_path: Path) -> None:
    """Rows of the first may all be left out; what is wrong may be in the second."""
    write(tmp_path, "t.csv", [("", "$3"), ("", 2)], head="a,b")
    write(tmp_path, "u.csv", [(1, 2), (3, 4)], head="a,b")
    source = Table.of({"path": ("t.csv", "u.csv"), "missing": "drop"})
    source.check_cells(tmp_path, {"a": REAL, "b": REAL})
    assert load(source, {"a": REAL, "b": REAL}, 0, tmp_path).count == 2
    write(tmp_path, "u.csv", [(1, 2), ("oops", 4)], head="a,b")
    with pytest.raises(MaiError, match="oops"):
        source.check_cells(tmp_path, {"a": REAL, "b": REAL})


def test_the_first_row_of_json_may_lack_a_column(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": 2, "b": 3}\n{"b": 4, "a": null}\n')
    source = Table.of({"path": "t.jsonl", "missing": "keep"})
    assert [*(source.columns(tmp_path) or ())] == ["a", "b"]
    assert load(source, {"a": REAL, "b": REAL}, 0, tmp_path).count == 3


def test_the_check_of_a_spec_looks_at_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\noops,3\n")
    (tmp_path / "t.mai").write_text(
        'data a: [], y: [] from table("t.csv")\nnet f(a: []) -> [1] { return linear([a], 1) }\ntrain(steps = 1) { minimize (f(a)[0] - y)^2 }\n'
    )
    program = check(tmp_path / "t.mai").program
    assert program is not None
    (said,) = misfits(program)
    assert (said.slug, said.severity) == ("data-bad", "error") and "mixes words and numbers" in said.message
