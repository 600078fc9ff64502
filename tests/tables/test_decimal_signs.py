"""Decimal signs of tables: what cells need, a spec says or training found. What is no number with it is refused, and never another number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.check import check
from mai.compiler.data.batches import load
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables.numerals import Decimal, number_of
from mai.compiler.describing.describe import describe
from mai.compiler.describing.lines import data_line
from mai.compiler.describing.specs import what_it_takes
from mai.compiler.describing.tables import TableSummary
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

REAL = Type(DType.REAL)
SPEC = """data a: [], b: [] from table("t.csv")
net f(a: []) -> [] { return linear([a], 1)[0] }
train(steps = 1, batch = 2) { minimize (f(a) - b)^2 }
export same(a: []) -> [] { return a }
"""


def read(folder: Path, **settings: Any) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """The columns of `t.csv`, each sorted, and what is said of them."""
    data = load(Table(path="t.csv", **settings), {"a": REAL, "b": REAL}, 0, folder)
    count = data.count or 0
    return {name: sorted(rows.tolist()) for name, rows in data.batch(0, count).items()}, data.notes


@pytest.mark.parametrize(
    ("cell", "point", "comma"),
    [
        ("22.416,82", None, 22416.82), ("22,416.82", 22416.82, None), ("€ 61.781,57", None, 61781.57), ("1.222.416,82", None, 1222416.82),
        ("4.606", 4.606, 4606), ("4,606", 4606, 4.606), ("0,657", None, 0.657), ("0.657", 0.657, None), ("-7,5", None, -7.5),
        ("1.234.567", None, 1234567), ("1,5e3", None, 1500), ("12", 12, 12), ("12 %", 12, 12), ("1.23.4", None, None), ("5\u00a0€", 5, 5),
        ("53 980 994,71", None, 53980994.71), ("10'281.99", 10281.99, None), ("1 234", 1234, 1234), ("12 34", None, None), ("1 234.567,5", None, None),
        ("1,46,50,396.5", 14650396.5, None), ("₹73,25,198", 7325198, None), ("1,46,50", None, None), ("1.234,5-", None, -1234.5), ("-5-", None, None), ("(5-)", None, None),
    ],
)  # fmt: skip
def test_a_number_with_either_sign(cell: str, point: float | None, comma: float | None) -> None:
    signs: tuple[Decimal, Decimal] = (".", ",")
    assert tuple(number_of(cell, sign) for sign in signs) == (point, comma)


@pytest.mark.parametrize(
    ("text", "settings", "a", "b"),
    [
        ("22.416,82;€ 61.781,57\n1.049.980,63;€ 1,5\n", {}, [22416.82, 1049980.63], [1.5, 61781.57]),
        ("4.606;0,657\n3.378;0,718\n", {}, [3378, 4606], [0.657, 0.718]),
        ("4.606;0.657\n3.378;0.718\n", {}, [3.378, 4.606], [0.657, 0.718]),
        ("4.606;5\n3.378;6\n", {"decimal": ","}, [3378, 4606], [5, 6]),
        ("4,606;5\n3,378;6\n", {"decimal": "."}, [3378, 4606], [5, 6]),
        ("1;2\n" * 40_000 + "4.606;1,5\n", {}, [1] * 40_000 + [4606], [1.5] + [2] * 40_000),
    ],
)  # fmt: skip
def test_all_cells_together_tell_the_sign(
    text: str, settings: dict[str, Any], a: list[float], b: list[float], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a;b\n" + text)
    (tmp_path / "v.csv").write_text("a;b\n1;2\n")
    columns, notes = read(tmp_path, validation="v.csv", **settings)
    assert columns == {"a": pytest.approx(a), "b": pytest.approx(b)} and "no cell tells" not in " ".join(notes)


def test_what_no_cell_tells_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n4.606;1\n3.378;2\n")
    (tmp_path / "u.csv").write_text("a;b\n1,5;1\n")
    assert "`4.606` of `a` is read as 4.606, and no cell tells whether it is 4606" in read(tmp_path)[1][0]
    together = load(Table(path=("t.csv", "u.csv")), {"a": REAL, "b": REAL}, 0, tmp_path)
    assert sorted(together.batch(0, 3)["a"].tolist()) == [1.5, 3378, 4606]  # The other file tells it.
    assert "no cell tells" not in " ".join(together.notes)
    beside = load(Table(path="u.csv", validation="t.csv"), {"a": REAL, "b": REAL}, 0, tmp_path)
    assert beside.validation is not None and beside.validation["a"][:].tolist() == [4606, 3378]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("4.606;1\n0.5;2\n", {"decimal": ","}, "`a` holds `0.5` in row 2, numbers here have a decimal comma"),
        ("4,606;1\n0,5;2\n", {"decimal": "."}, "`a` holds `0,5` in row 2, numbers here have a decimal point"),
        ("1,5;1\n2,5;0.7\n", {}, "`b` holds `0.7` in row 2, numbers here have a decimal comma"),
    ],
)
def test_a_cell_that_does_not_fit_is_refused(text: str, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n" + text)
    with pytest.raises(MaiError, match="holds") as caught:
        read(tmp_path, **settings)
    assert message in caught.value.diagnostics[0].message


def test_a_column_of_another_sign_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n12.30;0,5\n14.15;0,6\n9.45;1,6\n7;1,75\n")
    line = data_line(describe([tmp_path / "t.csv"]))
    assert "left out: a: its numbers, as `12.30`, have another decimal sign" in line and "data b: []" in line


def test_a_spec_is_described_as_it_reads(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n4.606;1\n3.378;2\n")
    (tmp_path / "s.mai").write_text(SPEC.replace('"t.csv"', '"t.csv", decimal = ","'))
    program = check(tmp_path / "s.mai").program
    assert program is not None
    for summary, high in ((what_it_takes(program)[1], 4606), (describe([tmp_path / "t.csv"]), 4.606)):
        column = summary.column("a") if isinstance(summary, TableSummary) else None
        assert column is not None and column.numbers is not None and column.numbers.high == high


@pytest.mark.parametrize(
    ("new", "values", "message"),
    [
        ("a;b\n22.416;1\n150,25;1\n", [22416, 150.25], "note: new.csv: its values are separated by `;`; its numbers have a decimal comma"),
        ("a;b\n22.416;1\n1.500;1\n", [22416, 1500], "numbers such as `22.416` are read without signs of money, shares and thousands"),
        ("a;b\n150,250;1\n", [150.25], "its numbers have a decimal comma"),
        ("a;b\n22.41;1\n", [22.41], "its numbers have a decimal point, those that were trained on a decimal comma"),
    ],
)  # fmt: skip
def test_a_file_reads_as_its_training_did(new: str, values: list[float], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b\n4.606;0,5\n3.378;0,25\n")
    (tmp_path / "s.mai").write_text(SPEC)
    (tmp_path / "new.csv").write_text(new)
    run = tmp_path / "run"
    invoke("train", tmp_path / "s.mai", "--out", run)
    said = invoke("predict", run / "s.same.onnx", tmp_path / "new.csv", tmp_path / "out.jsonl")
    assert message in said.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["same"] for row in rows] == pytest.approx(values)
    assert all(isinstance(row["a"], str) or row["a"] == pytest.approx(row["same"]) for row in rows)
