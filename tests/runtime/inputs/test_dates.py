"""Dates in the place of numbers, for a file whose data had them there: every form becomes the same days, or is refused in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper

from mai.runtime import ModelError, load
from mai.runtime.commands.running import read_value
from mai.runtime.inputs.counted_dates import TrainedDates
from mai.runtime.inputs.dates import date_in_words, dates_to_numbers
from mai.runtime.model.manifest import DateForm, Facts
from mai.runtime.model.model import Model
from mai.runtime.serving.openapi import request_schema
from mai.runtime.show.description import interface
from tests.support.cases.small_files import Write, build, manifest, output, real

DAY = 19844.0  # 2024-05-01
NINE = DAY + 0.375
TWO_HOURS = timezone(timedelta(hours=2))


def days(form: DateForm | None, gaps: bool = False) -> onnx.ModelProto:
    """f(when) = when."""
    facts = Facts(low=[10957], high=[DAY], middle=[15000], dates=[form])
    described = manifest([real("when", gaps=gaps)], [], [output("f")]).model_copy(update={"facts": {"when": facts}})
    return build(described, [helper.make_node("Identity", ["when"], ["f"])])


@pytest.fixture
def opened(write: Write) -> Callable[..., Model]:
    return lambda form, gaps=False: load(write(days(form, gaps), "days.f.onnx"), providers="cpu", threads=1)


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-01", "2024/05/01", "1.5.2024", "2024-5-1", " 2024-05-01 ", date(2024, 5, 1),
        datetime(2024, 5, 1), np.datetime64("2024-05-01"), pd.Timestamp("2024-05-01"), DAY, 19844, ["2024-05-01"],
        [date(2024, 5, 1)], np.array(["2024-05-01"], "datetime64[ns]"), pd.Series(["2024-05-01"]),
        pd.to_datetime(pd.Series(["2024-05-01"])),
        np.array([DAY]), (DAY,), np.array([np.datetime64("2024-05-01")], object),
    ],
)  # fmt: skip
def test_a_date_in_any_form_is_its_days(opened: Callable[..., Model], value: object) -> None:
    assert opened("day")(when=value).tolist() == [DAY]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("time", "2024-05-01 09:00"), ("time", "01.05.2024 09:00:00"), ("time", datetime(2024, 5, 1, 9)),
        ("utc", "2024-05-01T11:00+02:00"), ("utc", "2024-05-01 09:00Z"), ("utc", np.datetime64("2024-05-01T09:00")),
        ("utc", datetime(2024, 5, 1, 11, tzinfo=TWO_HOURS)), ("utc", pd.Timestamp("2024-05-01T09:00", tz="UTC")),
        ("utc", [datetime(2024, 5, 1, 9, tzinfo=UTC)]),
    ],
)  # fmt: skip
def test_times_are_parts_of_days(opened: Callable[..., Model], form: DateForm, value: object) -> None:
    assert opened(form)(when=value).tolist() == [NINE]


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        ("day", "2024-02-30", "`when` is a date, this is `2024-02-30`"),
        ("day", "05/01/2024", "`when` is a date, this is `05/01/2024`"),
        ("day", True, "`when` is a date, this is `True`"),
        ("time", [False, False], "`when` is a date with its time, this is `False`"),
        ("day", ["2024-05-01", "soon"], "this is `soon`"),
        ("day", [None, "2024-05-01"], "`when` is missing (None), and this file has nothing for that"),
        *(
            ("time", value, "times here have no offset from UTC, as in the data, and this has one")
            for value in ("2024-05-01T09:00+02:00", "2024-05-01T00:00Z", datetime(2024, 5, 1, tzinfo=UTC))
        ),
        (
            "day",
            pd.Series(pd.to_datetime(["2024-05-01"]).tz_localize("UTC")),
            "times here have no offset from UTC, as in the data, and this has one",
        ),
        (
            "utc",
            date(2024, 5, 1),
            "times here have an offset from UTC, as in the data, and this has none: `2024-05-01`",
        ),
        ("utc", "2024-05-01 09:00", "times here have an offset from UTC, as in the data, and this has none"),
        (None, "2024-05-01", "`when` is float32, this is a text"),
    ],
)
def test_what_is_no_date_is_refused(
    opened: Callable[..., Model], form: DateForm | None, value: object, message: str
) -> None:
    with pytest.raises(ModelError) as refused:
        opened(form)(when=value)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("form", "value", "looks", "help"),
    [
        ("day", 20240501, "20240501 looks like a date in digits alone", "2024-05-01"),
        ("day", [DAY, 20240501], "20240501 looks like a date in digits alone", "2024-05-01"),
        (
            "day",
            ["2024-05-01", 45413],
            "45413 looks like days since 1899-12-30, as a spreadsheet counts them",
            "2024-05-01",
        ),
        ("day", 2024, "2024 looks like a year", "2024-01-01"),
        ("time", 202405010930, "202405010930 looks like a date in digits alone", "2024-05-01 09:30"),
        ("time", np.float64(45413.375), "45413.375 looks like days since 1899-12-30", "2024-05-01 09:00"),
        ("utc", np.array([1714555800]), "1714555800 looks like seconds since 1970", "2024-05-01 09:30Z"),
        ("utc", 1714555800123, "1714555800123 looks like milliseconds since 1970", "2024-05-01 09:30Z"),
        ("day", 1714555800123456789, "looks like nanoseconds since 1970", "2024-05-01"),
        ("day", np.float32(20240501), "20240500 looks like a date in digits alone", "2024-03-14, or 14.03.2024"),
        ("day", [np.nan, 5e9], "5000000000 is far from these", "2024-03-14, or 14.03.2024"),
    ],
)
def test_numbers_that_are_no_days_are_refused(
    opened: Callable[..., Model], form: DateForm, value: object, looks: str, help: str
) -> None:
    with pytest.raises(ModelError) as refused:
        opened(form, gaps=True)(when=value)
    assert "2000-01-01 to 2024-05-01 in the data; numbers are days since 1970-01-01, and " in refused.value.message
    assert looks in refused.value.message and refused.value.help == f"write it as {help}"


@pytest.mark.parametrize("form", [None, "day"])
@pytest.mark.parametrize("value", [math.inf, [DAY, -math.inf], np.array([np.inf], np.float32)])
def test_a_field_of_the_data_is_not_infinite(
    opened: Callable[..., Model], form: DateForm | None, value: object
) -> None:
    with pytest.raises(ModelError, match=r"`when` is a finite number, as in the data, this holds -?inf"):
        opened(form)(when=value)


@pytest.mark.parametrize("value", [np.nan, [DAY, np.nan], ["2024-05-01", np.nan], np.array(["NaT"], "M8[D]")])
def test_a_field_that_nothing_stands_for_is_not_missing(opened: Callable[..., Model], value: object) -> None:
    with pytest.raises(ModelError, match=r"`when` is missing \(NaN\), and this file has nothing for that"):
        opened("day")(when=value)


def test_days_in_a_likely_range_and_dates_of_any_time_are_taken(opened: Callable[..., Model]) -> None:
    model = opened("day")
    far = "2094-05-02"  # Its days are what a spreadsheet has for 2024-04-30.
    for value in (far, [date(2094, 5, 2)], read_value(model, model.inputs["when"], far, None)):
        assert model(when=value).tolist() == [45412]
    for days_ in (0, 8000, DAY + 3000, 32000):
        assert model(when=days_).tolist() == [days_]


def test_a_date_far_from_those_of_the_data_is_told(opened: Callable[..., Model]) -> None:
    model, trained = opened("day"), TrainedDates("day", 10957, DAY)
    ways: list[Callable[[], Any]] = [
        lambda: model(when="9999-12-31"),
        lambda: model(when=["2024-05-01", date(9999, 12, 31)]),
        lambda: model(when=np.array(["2024-05-01", "9999-12-31"], "M8[D]")),
        lambda: model(when=pd.Series([datetime(2024, 5, 1), datetime(9999, 12, 31)], dtype="datetime64[s]")),
        lambda: dates_to_numbers(model.inputs["when"], trained, "[9999-12-31, 2024-05-01]"),
    ]
    for ask in ways:
        with pytest.warns(
            UserWarning, match=r"^`when`: far from the dates of the data, 2000-01-01 to 2024-05-01: `9999-12-31`$"
        ) as warned:
            ask()
        assert [each.filename for each in warned] == [__file__]  # The line that called, and none of mai's.


def test_what_is_missing_is_nan(opened: Callable[..., Model]) -> None:
    for value in (
        ["2024-05-01", np.nan],
        [DAY, None],
        ["2024-05-01", None],
        [pd.Timestamp("2024-05-01"), pd.NaT],
        pd.Series(["2024-05-01", pd.NA], dtype="string"),
        np.array(["2024-05-01", "NaT"], "M8[D]"),
    ):
        np.testing.assert_array_equal(opened("day", gaps=True)(when=value), [DAY, np.nan])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("2024-05-01", [DAY]), ("2024-05-01, 2.5.2024", [DAY, DAY + 1]), ("[2024-05-01, 2024-05-02]", [DAY, DAY + 1]),
        ('["2024-05-01"]', [DAY]), ("19844", [DAY]), ("2024-05-01..2024-05-03", [DAY, DAY + 1, DAY + 2]), ("01.05.2024..01.05.2024", [DAY]), ("@when.csv", [DAY, DAY + 1]), ("@other.csv:sold", [DAY]),
        ("@bare.csv", [DAY]), ("@when.npy", [DAY]), ("[ [2024-05-01], [19845]]", [[DAY], [DAY + 1]]),
    ],
)  # fmt: skip
def test_words_of_the_command_line(
    opened: Callable[..., Model], word: str, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("when.csv").write_text("when,x\n2024-05-01,1\n02.05.2024,2\n")
    Path("other.csv").write_text("sold\n2024-05-01\n")
    Path("bare.csv").write_text("2024-05-01\n")
    np.save("when.npy", np.array(["2024-05-01"], "datetime64[D]"))
    model = opened("day")
    value: Any = np.asarray(read_value(model, model.inputs["when"], word, None))
    assert (value.astype("M8[D]").astype(float) if value.dtype.kind == "M" else value).tolist() == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [("2024-05-02..2024-05-01", "is no range of days"), ("2024-05-01..soon", "this is `soon`"), ("", "this is ``"),
     ("20240501", "looks like a date in digits alone"), ("[2024-05-01, 20240501]", "looks like a date in digits alone"),
     ("0001-01-01..9999-12-31", "is no range of days")],
)  # fmt: skip
def test_words_that_are_no_dates_are_refused(opened: Callable[..., Model], word: str, message: str) -> None:
    model = opened("day")
    with pytest.raises(ModelError) as refused:
        read_value(model, model.inputs["when"], word, None)
    assert message in refused.value.message


def test_it_is_said_what_an_input_is(opened: Callable[..., Model]) -> None:
    of = {form: opened(form).manifest for form in ("day", "time", "utc", None)}
    said = {form: {name: words for _, name, words in interface(each)}["when"] for form, each in of.items()}
    assert said["day"] == "float32 [batch], a date, 2000-01-01 to 2024-05-01 in the data"
    assert said["time"].endswith("a date with its time, 2000-01-01 00:00 to 2024-05-01 00:00 in the data")
    assert said["utc"].endswith("a time in UTC, 2000-01-01 00:00Z to 2024-05-01 00:00Z in the data")
    assert said[None] == "float32 [batch]"
    schemas = {form: request_schema(each)["properties"]["when"]["anyOf"][0] for form, each in of.items()}
    assert schemas["day"]["anyOf"] == [{"type": "string", "format": "date"}, {"type": "number"}]
    assert schemas["utc"]["anyOf"][0]["format"] == "date-time" and schemas[None] == {"type": "number"}


@pytest.mark.parametrize(
    ("number", "form", "words"),
    [(DAY, "day", "2024-05-01"), (NINE, "day", "2024-05-01 09:00"), (NINE, "utc", "2024-05-01 09:00Z"),
     (-719162, "day", "0001-01-01"), (-719161.5, "day", "0001-01-01 12:00"), (1e12, "day", "1e+12"), (np.nan, "day", "nan"), (np.inf, "utc", "inf"),
     *((float(np.float32(DAY + k / 288)), "time", f"2024-05-01 {k // 12:02d}:{k % 12 * 5:02d}") for k in range(0, 288, 35))],
)  # fmt: skip
def test_days_in_words(number: float, form: DateForm, words: str) -> None:
    assert date_in_words(number, form) == words
