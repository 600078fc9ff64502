"""Dates in numbers, `03/04/2024`: which is first, the day or the month, is said by a spec, and told where the dates tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper

from mai.compiler.data.batches import load
from mai.compiler.data.sources.series import Series
from mai.compiler.data.sources.table import Table
from mai.compiler.data.whole_files import read_whole
from mai.compiler.describing.describe import describe
from mai.compiler.describing.lines import data_line, lines
from mai.compiler.describing.tables import summarise_tables
from mai.compiler.drafting.series import draft_series
from mai.compiler.drafting.table_fields import choose_fields
from mai.compiler.drafting.tables import draft_table
from mai.compiler.ir.types import DType, Type
from mai.compiler.predicting.predict import predict
from mai.runtime import load as open_file
from mai.runtime.model.manifest import DateOrder, Facts
from mai.spec.diagnostics import MaiError
from tests.support.cases.small_files import build, manifest, output, real

FIELDS = {"when": Type(DType.REAL)}
MOMENTS = pd.to_datetime(["2023-01-05 00:07", "2024-02-29 12:30", "1999-12-31 13:00", "2024-09-04 01:05"])
WORDS = [
    "`05/13/2024` in row 2 has the month first",
    "`13/05/2024` in row 1 has the day first and `05/13/2024` in row 2 has the month first",
]


def as_csv(path: Path, values: list[str]) -> Path:
    path.write_text("when\n" + "".join(f'"{value}"\n' for value in values))
    return path


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("%d/%m/%Y", "day_first"), ("%m/%d/%Y", "month_first"), ("%d-%m-%Y %H:%M", "day_first"), ("%m-%d-%y", "month_first"),
        ("%d/%m/%y", "day_first"), ("%d.%m.%y", "day_first"), ("%m/%d/%Y %I:%M:%S %p", "month_first"), ("%m/%d/%y %H:%M:%S", "month_first"),
        ("%d-%b-%y", None), ("%d %B %Y", None), ("%B %d, %Y", None), ("%d-%b-%Y %I:%M %p", "month_first"), ("%Y-%m-%d %I:%M %p", None),
        ("%d.%m.%Y", "month_first"),
    ],
)  # fmt: skip
def test_dates_are_those_of_pandas(form: str, order: DateOrder | None, tmp_path: Path) -> None:
    """In training, in a compiled file's table and in its call, and in reading a table for evaluation."""
    texts = [*MOMENTS.strftime(form)]
    expected = pd.to_datetime(texts, format=form).to_numpy().astype("datetime64[s]").astype(float) / 86400
    path = as_csv(tmp_path / "t.csv", texts)
    source = Table(path="t.csv", dates=order)
    data = load(source, FIELDS, 0, tmp_path)
    np.testing.assert_allclose(np.sort(data.batch(0, 4)["when"]), np.sort(expected), atol=2e-3)
    assert any("years of two digits are 1969 to 2068" in note for note in data.notes) == ("%y" in form)
    facts = {"when": data.facts["when"]}
    whole = read_whole(source, FIELDS, tmp_path, [path], {}, (), facts=facts)
    np.testing.assert_allclose(whole.rows["when"][:], expected, atol=2e-3)
    described = manifest([real("when")], [], [output("f")]).model_copy(update={"facts": facts})
    onnx.save(build(described, [helper.make_node("Identity", ["when"], ["f"])]), tmp_path / "f.onnx")
    model = open_file(tmp_path / "f.onnx", providers="cpu", threads=1)
    np.testing.assert_allclose(model(when=texts), expected, atol=2e-3)
    predict(model, path, tmp_path / "p.csv", {})
    np.testing.assert_allclose(pd.read_csv(tmp_path / "p.csv")["f"], expected, atol=2e-3)


@pytest.mark.parametrize(
    ("values", "order", "reason", "help"),
    [
        (["03/04/2024", "04/03/2024"], None, "nothing tells whether the day or the month is first", "`dates = day_first` or `dates = month_first`"),
        (["24/03/14", "24/03/15"], None, "nothing tells", "`dates = day_first`"),
        (["03/04/2024", "05/13/2024"], None, WORDS[0], "say `dates = month_first` of the table"),
        (["13/05/2024", "05/13/2024"], None, WORDS[1], "correct them"),
        (["13/05/2024", "05/13/2024"], "day_first", "row 2: `when` holds words (`05/13/2024`): it is no date with the day first", "write dates as"),
        (["2024-05-13", "31-Feb-2024"], None, "row 2: `when` holds words (`31-Feb-2024`)", "write dates as"),
        (["05/13/2024", "03.14.24"], "month_first", "row 2: `when` holds words (`03.14.24`)", "write dates as"),
    ],
)  # fmt: skip
def test_dates_that_are_refused(
    values: list[str], order: DateOrder | None, reason: str, help: str, tmp_path: Path
) -> None:
    as_csv(tmp_path / "t.csv", values)
    with pytest.raises(MaiError) as refused:
        load(Table(path="t.csv", dates=order), FIELDS, 0, tmp_path)
    (diagnostic,) = refused.value.diagnostics
    assert reason in diagnostic.message and help in str(diagnostic.help)


def test_what_dates_tell_is_said_and_written(tmp_path: Path) -> None:
    """Where one column tells it, for all; where two columns contradict each other, none."""
    days = [*pd.date_range("2024-01-10", periods=60).strftime("%d/%m/%Y")]
    rows = "".join(f"{day},0{k % 9 + 1}/02/2024,{k * k % 7 + k / 9:.3f}\n" for k, day in enumerate(days))
    path = tmp_path / "t.csv"
    path.write_text(f"day,also,y\n{rows}")
    said = "t.csv: `13/01/2024` in row 4 has the day first; say `dates = day_first` of the table"
    summary = describe([path])
    assert said in "\n".join(lines(summary)) and "dates = day_first" in data_line(summary)
    table = summarise_tables([path])
    assert [column.kind for column in table.columns] == ["date", "date", "number"]
    assert "dates = day_first" in draft_table(choose_fields(table, "y"), "t.csv")
    assert "time = day, dates = day_first" in draft_series(table, "y", 2, None, str(path))
    path.write_text("a,b\n13/01/2024,01/13/2024\n14/01/2024,01/14/2024\n")
    notes = " ".join(summarise_tables([path]).notes)
    assert "no order fits all of its dates: `13/01/2024` in row 1 has the day first" in notes


def test_rows_of_a_series_are_in_the_order_of_such_dates(tmp_path: Path) -> None:
    days = [*pd.date_range("2024-01-10", periods=40).strftime("%d/%m/%Y")]
    rows = sorted(f"{day},{k}\n" for k, day in enumerate(days))
    (tmp_path / "t.csv").write_text("day,y\n" + "".join(rows))
    series = Series(path="t.csv", window=2, time="day", dates="day_first")
    data = load(series, {"y": Type(DType.REAL, (2,))}, 0, tmp_path)
    assert (np.diff(data.batch(0, 20)["y"]) == 1).all()
    with pytest.raises(MaiError, match="has no place in time") as refused:
        load(Series(path="t.csv", window=2, time="day"), {"y": Type(DType.REAL, (2,))}, 0, tmp_path)
    assert "say `dates = day_first` of the table" in str(refused.value.diagnostics[0].help)


def test_files_that_were_compiled_without_an_order_refuse_such_dates(tmp_path: Path) -> None:
    facts = {"when": Facts(low=[18000], high=[19844], middle=[19000], dates=["day"])}
    described = manifest([real("when")], [], [output("f")]).model_copy(update={"facts": facts})
    onnx.save(build(described, [helper.make_node("Identity", ["when"], ["f"])]), tmp_path / "f.onnx")
    model = open_file(tmp_path / "f.onnx", providers="cpu", threads=1)
    with pytest.raises(Exception, match="`when` is a date, this is `13/05/2024`"):
        model(when="13/05/2024")
    assert model(when="13 May 2024") == model(when="2024-05-13")
