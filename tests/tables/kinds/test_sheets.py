"""Spreadsheets as tables: which sheet and which rows are read, and what stands in their cells."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from mai.compiler.data.batches import load
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import TableFile, open_table, read_blocks
from mai.compiler.describing.describe import describe
from mai.compiler.describing.tables import TableSummary
from mai.compiler.ir.types import DType, Type
from mai.compiler.predicting import sheets
from mai.compiler.predicting.results import table_file
from mai.spec.diagnostics import MaiError

OFFICE = "http://schemas.openxmlformats.org"
SHEET, PARTS = f"{OFFICE}/spreadsheetml/2006/main", f"{OFFICE}/package/2006/relationships"
LINKS = f"{OFFICE}/officeDocument/2006/relationships"
DATE = 14  # The number of the format of a date.
HEAD = ["id", "town", "price", "day", "sold"]
TABLE = [["Prices of 2024"], [], HEAD, [1, "Ulm", 2.5, ("day", 45365), True], [], [2, None, "k.A.", ("day", 45366.25), False], [3, "Bonn", ("formula", 7.0), None, ("error", "#N/A")]]  # fmt: skip


def cell(value: object) -> str:
    """A cell of a sheet; a pair says what a value is besides what it looks like."""
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{int(value)}</v></c>'
        case str():
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        case "day", number:
            return f'<c s="1"><v>{number}</v></c>'
        case "formula", number:
            return f"<c><f>1+1</f><v>{number}</v></c>"
        case "error", said:
            return f'<c t="e"><v>{said}</v></c>'
    return f"<c><v>{value}</v></c>"


def write(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]], merged: str = "", hidden: str = "") -> Path:
    """A spreadsheet, as small as one is; `merged` cells are those of its last sheet."""
    with zipfile.ZipFile(path, "w") as file:
        names = "".join(
            f'<sheet name="{name}" sheetId="{k}" r:id="r{k}" state="{"hidden" if name == hidden else "visible"}"/>'
            for k, name in enumerate(sheets, 1)
        )
        file.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{SHEET}" xmlns:r="{LINKS}"><sheets>{names}</sheets></workbook>'
        )
        styles = (
            f'<styleSheet xmlns="{SHEET}"><cellXfs><xf numFmtId="0"/><xf numFmtId="{DATE}"/></cellXfs></styleSheet>'
        )
        file.writestr("xl/styles.xml", styles)
        book = f'<Relationship Id="r" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/>'
        file.writestr("_rels/.rels", f'<Relationships xmlns="{PARTS}">{book}</Relationships>')
        links = ""
        for k, rows in enumerate(sheets.values(), 1):
            body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
            cells = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged and k == len(sheets) else ""
            file.writestr(
                f"xl/s{k}.xml", f'<worksheet xmlns="{SHEET}"><sheetData>{body}</sheetData>{cells}</worksheet>'
            )
            links += f'<Relationship Id="r{k}" Type="{LINKS}/worksheet" Target="s{k}.xml"/>'
        file.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PARTS}">{links}</Relationships>')
    return path


def cells_of(table: TableFile) -> dict[str, list[str]]:
    names = [*table.columns.values()]
    return {name: [cell for block in read_blocks(table, names) for cell in block[name].to_pylist()] for name in names}


def test_cells_are_read_as_they_are_shown(tmp_path: Path) -> None:
    """Dates as dates, of formulas what they gave, errors as nothing, without a title and empty rows."""
    table = open_table(write(tmp_path / "a.xlsx", {"One": TABLE}), Stated())
    assert cells_of(table) == {
        "id": ["1", "2", "3"],
        "town": ["Ulm", "", "Bonn"],
        "price": ["2.5", "k.A.", "7"],
        "day": ["2024-03-14", "2024-03-15 06:00:00", ""],
        "sold": ["TRUE", "FALSE", ""],
    }
    assert table.notes == ("without a line above the names of its columns: `Prices of 2024`",)


@pytest.mark.parametrize(("text", "number"), [("1.231,70 €", "1231,7"), ("1,231.70 €", "1231.7"), ("k.A.", "1231.7")])
def test_numbers_in_cells_have_the_sign_of_those_in_texts(text: str, number: str, tmp_path: Path) -> None:
    """A number in a cell has no decimal sign, and agrees with whatever texts have."""
    table = open_table(write(tmp_path / "a.xlsx", {"One": [["x"], [1231.7], [text], [3]]}), Stated())
    assert cells_of(table) == {"x": [number, text, "3"]}
    assert table.dialect.decimal == number[-2]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ([["g", "x", None, "y"], [None, "in", 2023, None]], ["g", "x in", "x 2023", "y"]),
        ([["Title"], ["g", "x", None, None], ["g", "a", "b", "c"]], ["g", "x a", "x b", "x c"]),
        ([["g", "x", None, "y"]], ["g", "x", "y"]),
    ],
)
def test_names_of_groups_stand_before_those_of_columns(
    names: list[list[object]], columns: list[str], tmp_path: Path
) -> None:
    rows = [["a", 1.5, 2, 3], ["b", 4, 5, 6], ["c", 7, 8, 9]]
    table = open_table(write(tmp_path / "a.xlsx", {"One": [*names, *rows]}), Stated())
    assert [*table.columns.values()] == columns
    assert cells_of(table)[columns[0]] == [*"abc"] and cells_of(table)[columns[1]] == ["1.5", "4", "7"]


def test_a_value_that_is_merged_down_is_that_of_each_row(tmp_path: Path) -> None:
    rows = [["g", "x", "y"], ["a", 1, 2], [None, 3, 4], [None, 5, 6], ["b", 7, 8]]
    assert cells_of(open_table(write(tmp_path / "a.xlsx", {"One": rows}, "A2:A4"), Stated()))["g"] == [*"aaab"]
    assert cells_of(open_table(write(tmp_path / "b.xlsx", {"One": rows}), Stated()))["g"] == ["a", "", "", "b"]


@pytest.mark.parametrize("merged", ["A1:A4", "A3:A4", "E1:E4", "B1:B2"])
def test_merged_cells_around_a_table_are_none_of_it(merged: str, tmp_path: Path) -> None:
    rows = [[], [None, "x", "y"], [None, 1, 2], [None, 3, 4]]
    table = open_table(write(tmp_path / "a.xlsx", {"One": rows}, merged), Stated())
    assert cells_of(table) == {"x": ["1", "3"], "y": ["2", "4"]}


def test_the_sheet_is_the_first_that_is_a_table_or_the_one_that_is_named(tmp_path: Path) -> None:
    sheets = {"Old": [["z"], [9]], "Intro": [["How to read this"]], "2023": [["x"], [1]], "2024": [["x"], [2]]}
    path = write(tmp_path / "a.xlsx", sheets, hidden="Old")
    summary = describe([path])
    assert isinstance(summary, TableSummary) and summary.columns[0].words == ("1",)
    assert "its sheet `2023` is read, of Intro, 2023, 2024" in summary.notes[0]
    assert cells_of(open_table(path, Stated(sheet="2024"))) == {"x": ["2"]}
    named = Table(path="a.xlsx", sheet="Old")
    assert named.columns(tmp_path).keys() == {"z"}  # As `mai check` looks.
    other = named.taking(write(tmp_path / "b.xlsx", {"Sheet1": [["z"], [4]]}))  # Rows of today in a file of their own.
    assert isinstance(other, Table) and other.sheet is None


@pytest.mark.parametrize(
    ("sheets", "stated", "message"),
    [
        ({"One": TABLE, "Two": TABLE}, "Three", "has no sheet `Three`; it has One, Two"),
        ({"One": [["only a title"]]}, None, "needs a line of column names and at least one row"),
        ({"One": []}, "One", "sheet `One` of .* needs a line of column names"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(
    sheets: Mapping[str, Sequence[Sequence[object]]], stated: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MaiError, match=message):
        open_table(write(tmp_path / "a.xlsx", sheets), Stated(sheet=stated))


def test_without_a_reader_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MaiError) as caught:
        open_table(write(tmp_path / "a.xlsx", {"One": TABLE}), Stated())
    assert "mai-lang[sheets]" in str(caught.value.diagnostics[0].help)


@pytest.mark.parametrize(
    ("setting", "said"),
    [("sheet", "of spreadsheets"), ("separator", "of tables in text"), ("encoding", "of tables in text")],
)
def test_settings_that_say_nothing_of_a_file_are_refused(setting: str, said: str, tmp_path: Path) -> None:
    sheet = write(tmp_path / "a.xlsx", {"One": [["x"], *[[k] for k in range(9)]]})
    (tmp_path / "a.csv").write_text("x\n" + "1\n" * 9)
    other, own = ("a.csv", sheet.name) if setting == "sheet" else (sheet.name, "a.csv")
    value = {"sheet": "One", "separator": ";", "encoding": "latin-1"}[setting]
    wrong, both = Table.of({"path": other, setting: value}), Table.of({"path": (other, own), setting: value})
    both.check_files(tmp_path)
    for look in (wrong.check_files, lambda base: load(wrong, {"x": Type(DType.REAL)}, 0, base)):
        with pytest.raises(MaiError, match=f"`{setting}` is {said}, and .*{other} is none"):
            look(tmp_path)


def test_answers_are_written_as_a_sheet(tmp_path: Path) -> None:
    """What stands in its cells is what was in the columns: numbers, dates, texts as they are; what a sheet has no form for is a text."""
    day, time = date(2024, 2, 29), datetime(2024, 2, 29, 6, 30)
    columns = {
        "a <&>": pa.array([0.1, None, float("nan")]),
        "f": pa.array([0.1, 2.5, float("inf")], pa.float32()),
        "n": [1, 2**53 + 1, -5],
        "s": ["x", "<&>\n\x01y", "=1+1"],
        "d": [day, None, date(1900, 1, 1)],
        "t": [time, datetime(1999, 1, 1), None],
        "b": [True, False, None],
        "l": [[1], None, []],
    }
    with table_file(tmp_path / "w.xlsx") as write_rows:
        write_rows(pa.table(columns))
        write_rows(pa.table(columns).slice(0, 1))
    with zipfile.ZipFile(tmp_path / "w.xlsx") as book:  # Without it openpyxl and pandas warn.
        assert b'<cellStyle name="Normal"' in book.read("xl/styles.xml")
    assert cells_of(open_table(tmp_path / "w.xlsx", Stated(decimal="."))) == {
        "a <&>": ["0.1", "", "", "0.1"],
        "f": ["0.1", "2.5", "inf", "0.1"],
        "n": ["1", "9007199254740993", "-5", "1"],
        "s": ["x", "<&>\ny", "=1+1", "x"],
        "d": ["2024-02-29", "", "1900-01-01", "2024-02-29"],
        "t": [str(time), "1999-01-01", "", str(time)],
        "b": ["TRUE", "FALSE", "", "TRUE"],
        "l": ["[1]", "", "[]", "[1]"],
    }


def test_a_sheet_has_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 3)
    with pytest.raises(MaiError, match="a sheet has 3 rows"), table_file(tmp_path / "w.xlsx") as write_rows:
        write_rows(pa.table({"a": [1, 2, 3]}))
    assert not [*tmp_path.iterdir()]
