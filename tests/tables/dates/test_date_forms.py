"""Dates in tables: forms that are read, times with offsets in UTC with a word, and forms of which nobody can say what is the month."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import helper
from pyarrow import parquet

from mai.compiler.data.batches import load
from mai.compiler.data.facts import facts_in, saved
from mai.compiler.data.sources.series import Series
from mai.compiler.data.sources.table import Table
from mai.compiler.data.splitting.splits import TimeSplit
from mai.compiler.data.tables import store
from mai.compiler.data.whole_files import read_whole
from mai.compiler.describing.describe import describe
from mai.compiler.describing.lines import data_line, lines
from mai.compiler.ir.types import DType, Type
from mai.compiler.predicting.predict import predict
from mai.runtime import load as open_file
from mai.runtime.model.manifest import Facts
from mai.spec.diagnostics import MaiError
from tests.support.cases.small_files import build, manifest, output, real

FIELDS = {"when": Type(DType.REAL)}
ZONED = ["2024-04-06T22:00:00+02:00", "2024-04-07T01:30:00+02:00", "2024-04-07T00:00:00Z"]
IN_UTC = ["2024-04-06T20:00", "2024-04-06T23:30", "2024-04-07T00:00"]


def days(moments: list[str]) -> list[float]:
    return (np.array(moments, "datetime64[m]").astype(float) / 1440).tolist()


def as_csv(path: Path, values: list[str]) -> None:
    path.write_text("when\n" + "".join(f"{value}\n" for value in values))


def as_jsonl(path: Path, values: list[str]) -> None:
    path.write_text("".join(json.dumps({"when": value}) + "\n" for value in values))


def as_parquet(path: Path, values: list[str]) -> None:
    parquet.write_table(pa.table({"when": pa.array(values).cast(pa.timestamp("us", "UTC"))}), path)


@pytest.mark.parametrize(("name", "write"), [("t.csv", as_csv), ("t.jsonl", as_jsonl), ("t.parquet", as_parquet)])
def test_times_with_offsets_are_in_utc_and_it_is_said(
    name: str, write: Callable[[Path, list[str]], None], tmp_path: Path
) -> None:
    write(tmp_path / name, ZONED)
    data = load(Table(path=name), FIELDS, 0, tmp_path)
    assert sorted(data.batch(0, 3)["when"].tolist()) == pytest.approx(days(IN_UTC), abs=1e-2)
    assert "column `when`: times with an offset, as `+02:00`, are read in UTC, and so are their hours" in data.notes
    assert "2024-04-06 20:00:00 to 2024-04-07 in UTC" in "\n".join(lines(describe([tmp_path / name])))


def test_times_with_and_without_offsets_are_not_one_column(tmp_path: Path) -> None:
    as_csv(tmp_path / "a.csv", ZONED)
    as_csv(tmp_path / "b.csv", ["2024-04-06T22:00:00"])
    with pytest.raises(MaiError, match="has times without and with an offset"):
        load(Table(path=("a.csv", "b.csv")), FIELDS, 0, tmp_path)
    (tmp_path / "v.csv").write_text("t0,t1\n2024-04-06T22:00:00Z,2024-04-06 22:00:00\n")
    with pytest.raises(MaiError, match="offset from UTC, in column `t0`, and without one, in `t1`"):
        load(Table(path="v.csv"), {"t": Type(DType.REAL, shape=(2,))}, 0, tmp_path)


@pytest.mark.parametrize(
    "write", [["23.04.2021", "3.4.2021 14:30"], ["2021-04-23", "2021-4-3 14:30"], ["2021/04/23", "2021-04-03T14:30"]]
)
def test_forms_of_dates_that_are_read(write: list[str], tmp_path: Path) -> None:
    as_csv(tmp_path / "t.csv", write)
    data = load(Table(path="t.csv"), FIELDS, 0, tmp_path)
    expected = pytest.approx(days(["2021-04-03T14:30", "2021-04-23T00:00"]), abs=1e-2)
    assert sorted(data.batch(0, 2)["when"].tolist()) == expected
    assert data_line(describe([tmp_path / "t.csv"])).startswith("data when: []")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("2024-04-06", "2024-04-06T22:00:00Z", "in row 2, which is written in another way than `2024-04-06`"),
        ("2024-04-06", "7", "in row 2, which is written in another way"),
        ("2024-04-06", "03/01/2024", "in row 2, which has no place in time"),
    ],
)
def test_times_that_order_rows_are_all_written_in_one_way(first: str, second: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"day,a\n{first},1\n{second},2\n")
    with pytest.raises(MaiError, match="holds") as caught:
        load(Table(path="t.csv", split=TimeSplit(column="day")), {"a": Type(DType.REAL)}, 0, tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert reason in diagnostic.message and "write dates as 2024-03-14" in str(diagnostic.help)


def test_dates_with_and_without_an_offset_are_refused(tmp_path: Path) -> None:
    """As numbers, too: what place the ones without are of, nobody can know."""
    as_csv(tmp_path / "t.csv", ["2024-04-06T22:00:00+02:00", "2024-04-06T21:00:00"])
    with pytest.raises(MaiError, match=r"`when` holds `2024-04-06T21:00:00` in row 2, which is written in another way"):
        load(Table(path="t.csv"), FIELDS, 0, tmp_path)


@pytest.mark.parametrize(("name", "write"), [("t.csv", as_csv), ("t.jsonl", as_jsonl)])
@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2024-03-14", "15.03.2024"], "day"),
        (["2024-03-14", "2024-03-15 09:30"], "time"),
        (["2024-03-14T00:00Z", "2024-03-15T02:00+02:00"], "utc"),
        (["19000", "19001.5"], None),
    ],
)
def test_it_is_known_which_fields_are_dates_and_how_they_are_written(
    name: str, write: Callable[[Path, list[str]], None], values: list[str], form: str | None, tmp_path: Path
) -> None:
    write(tmp_path / name, values)
    facts = load(Table(path=name), FIELDS, 0, tmp_path).facts["when"]
    assert facts.dates == (None if form is None else [form])
    assert facts_in(saved({"when": facts}, None))["when"] == facts


def test_dates_among_the_columns_of_a_vector_and_in_windows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,when,b\n" + "".join(f"{k},2024-03-{k + 10},{k}\n" for k in range(9)))
    rest = load(Table(path="t.csv", rest="x"), {"x": Type(DType.REAL, shape=(3,))}, 0, tmp_path).facts["x"]
    assert (rest.columns, rest.dates) == (["a", "when", "b"], [None, "day", None])
    windows = {"when": Type(DType.REAL, shape=(2,)), "next_when": Type(DType.REAL, shape=(1,))}
    facts = load(Series(path="t.csv", window=2, horizon=1), windows, 0, tmp_path).facts
    assert (facts["when"].dates, facts["next_when"].dates) == (["day", "day"], ["day"])


def test_a_table_that_was_kept_is_dates_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 1)
    as_csv(tmp_path / "t.csv", ["2024-03-14", "2024-03-15"])
    first, second = (load(Table(path="t.csv"), FIELDS, 0, tmp_path).facts for _ in range(2))
    assert second == first and second["when"].dates == ["day"]


@pytest.mark.parametrize("form", ["03/{:02d}/2024", "{:02d}-03-2024", "{} Mars 2024", "{:02d}.03.24"])
def test_a_form_that_is_not_read_is_told_with_one_that_is(form: str, tmp_path: Path) -> None:
    as_csv(tmp_path / "t.csv", [form.format(day) for day in range(1, 13)])
    line = data_line(describe([tmp_path / "t.csv"]))
    assert "is read as words: " in line and "write dates as 2024-03-14" in line
    with pytest.raises(MaiError, match="holds words") as caught:
        load(Table(path="t.csv"), FIELDS, 0, tmp_path)
    assert "write dates as 2024-03-14" in str(caught.value.diagnostics[0].help)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["2024-04-06", "2024-05-01"], ["20240502"], "`test`: `when` is a date, 2024-04-06 to 2024-05-01 in `path`; numbers are"),
        (["20240502"], ["2024-04-06", "2024-05-01"], "`path`: `when` is a date, 2024-04-06 to 2024-05-01 in `test`; numbers are"),
    ],
)  # fmt: skip
def test_files_with_dates_and_with_dates_in_digits_are_not_of_one_field(
    train: list[str], test: list[str], message: str, tmp_path: Path
) -> None:
    as_csv(tmp_path / "a.csv", train)
    as_csv(tmp_path / "b.csv", test)
    with pytest.raises(MaiError) as refused:
        load(Table(path="a.csv", test="b.csv"), FIELDS, 0, tmp_path)
    assert refused.value.diagnostics[0].message.startswith(message)
    assert "20240502 looks like a date in digits alone" in refused.value.diagnostics[0].message
    as_csv(tmp_path / "b.csv", ["19800", "19850"])
    as_csv(tmp_path / "a.csv", ["2024-04-06", "2024-05-01"])
    assert load(Table(path="a.csv", test="b.csv"), FIELDS, 0, tmp_path).count == 2
    with pytest.raises(MaiError, match=r"mixes dates and numbers: `2024-04-06 00:00:00.*a.csv, row 1, `19800"):
        load(Table(path=("a.csv", "b.csv")), FIELDS, 0, tmp_path)


FACTS = Facts(low=[18000], high=[19844], middle=[19000], dates=["day"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["20240501"], "row 1: `when` is a date, 2019-04-14 to 2024-05-01 in the data; numbers are days since 1970-01-01, and 2024050"),
        (["19800", "45413"], "row 2: `when` is a date, 2019-04-14 to 2024-05-01 in the data; numbers are days since 1970-01-01, and 45413"),
        (["06/25/2022"], "`when` holds words (`06/25/2022`): it looks like a date, and is in no form that dates are read in"),
        (["2024-05-01", "soon"], "`when` holds words (`soon`) among dates"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_days_are_no_dates_of_a_file(values: list[str], message: str, tmp_path: Path) -> None:
    described = manifest([real("when")], [], [output("f")]).model_copy(update={"facts": {"when": FACTS}})
    onnx.save(build(described, [helper.make_node("Identity", ["when"], ["f"])]), tmp_path / "f.onnx")
    as_csv(tmp_path / "t.csv", values)
    file = open_file(tmp_path / "f.onnx", providers="cpu", threads=1)
    with pytest.raises(MaiError) as refused:
        predict(file, tmp_path / "t.csv", tmp_path / "out.csv", {})
    assert message in refused.value.diagnostics[0].message
    with pytest.raises(MaiError) as refused:
        read_whole(Table(path="t.csv"), FIELDS, tmp_path, [tmp_path / "t.csv"], {}, (), facts={"when": FACTS})
    assert message.partition(": `when` is")[2] in refused.value.diagnostics[0].message
    as_csv(tmp_path / "t.csv", ["2094-04-30", "2024-05-01"])  # Its days are what a spreadsheet has for 2024-04-28.
    predict(file, tmp_path / "t.csv", tmp_path / "out.csv", {})
    assert (tmp_path / "out.csv").read_text().split() == ["when,f", "2094-04-30,45410", "2024-05-01,19844"]
