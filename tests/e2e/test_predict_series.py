"""`mai predict` of a forecast: the last window of each series, or all, with the times of what follows."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.data.sources.series import Series
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_table
from mai.compiler.data.windows.latest import read_asked
from mai.compiler.ir.types import DType, Type
from mai.runtime import load
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.evaluations import trained

SPEC = """const W = 4
const H = 2
data sales: [W], shop: class[2], next_sales: [H]
  from series("shops.csv", window = W, horizon = H, stride = 3, time = month, group = shop)
net f(sales: [W], shop: class[2]) -> [H] { return linear(concat(sales, one_hot(shop, 2)), H) }
train(steps = 5) { minimize mean((f(sales, shop) - next_sales)^2) }
export forecast(past: [W], shop: class[2]) -> ([H], []) {
  y = f(past, shop)
  return (y, mean(y))
}
"""
IMPORTING = """import "nets.mai"
data sales: [4], next_sales: [2] from series("d.csv", window = 4, horizon = 2, time = day)
train(steps = 2) { minimize mean((f(sales) - next_sales)^2) }
export forecast(past: [4]) -> [2] { return f(past) }
"""
COUNTS = {"north": 12, "south": 9}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast")
    rows = [
        f"{2020 + k // 12}-{k % 12 + 1:02d}-15,{shop},{k + (100 if shop == 'south' else 0)}"
        for k in range(max(COUNTS.values()))
        for shop, count in COUNTS.items()
        if k < count
    ]
    (folder / "shops.csv").write_text("month,shop,sales\n" + "\n".join(rows[::-1]) + "\n")
    return trained(folder, SPEC)


def predicted(run: Path, table: Path, *words: str) -> list[dict[str, str]]:
    done = invoke("predict", run / "s.forecast.onnx", table, run.parent / "out.csv", *words)
    assert done.exit_code == 0, done.output
    with (run.parent / "out.csv").open() as file:
        return [*csv.DictReader(file)]


def test_the_last_window_of_each_series(run: Path) -> None:
    """As the file says of windows that are cut by hand; the months go on, and what is of a whole window is repeated."""
    rows = predicted(run, run.parent / "shops.csv")
    model = load(run / "s.forecast.onnx", providers="cpu")
    expected = []
    for label, (shop, count) in enumerate(COUNTS.items()):
        past = np.arange(count - 4, count, dtype=np.float32) + 100 * label
        said = model(past=past[None], shop=np.array([label]))
        for step in range(2):
            month = count + step
            date = f"{2020 + month // 12}-{month % 12 + 1:02d}-15"
            expected.append(
                (
                    shop,
                    date,
                    str(step + 1),
                    f"2020-{count:02d}-15",
                    *(float(np.ravel(said[name])[k]) for name, k in zip(said, (step, 0), strict=True)),
                )
            )
    assert [(r["shop"], r["month"], r["step"], r["from"]) for r in rows] == [each[:4] for each in expected]
    numbers = [
        [float(value) for name, value in row.items() if name not in ("shop", "month", "step", "from")] for row in rows
    ]
    np.testing.assert_allclose(numbers, [each[4:] for each in expected], rtol=1e-5)


def test_all_windows(run: Path) -> None:
    """At the stride of the spec; those with rows behind them have the times of these."""
    rows = predicted(run, run.parent / "shops.csv", "--all")
    starts = {shop: [*range(0, count - 3, 3)] for shop, count in COUNTS.items()}
    froms = [f"2020-{start + 4:02d}-15" for each in starts.values() for start in each for _ in range(2)]
    assert [row["from"] for row in rows] == froms


def test_times_in_utc_say_so(run: Path, tmp_path: Path) -> None:
    rows = "".join(f"2021-04-06T{hour:02d}:00:00+02:00,north,{hour}\n" for hour in range(5, 10))
    (tmp_path / "t.csv").write_text("month,shop,sales\n" + rows)
    done = predicted(run, tmp_path / "t.csv")
    assert [row["month"] for row in done] == ["2021-04-06 08:00:00Z", "2021-04-06 09:00:00Z"]
    assert {row["from"] for row in done} == {"2021-04-06 07:00:00Z"}


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (("sales", "sold"), (), "no `sales`"),
        (("2020-12-15,north,11", "2020-12-15,north,"), (), "column `sales` is empty"),
        (("", ""), ("--keep", "shop"), "a forecast has rows of its own"),
        (("north", "west"), (), "has the label `west`"),
    ],
)
def test_what_does_not_fit(
    run: Path, tmp_path: Path, change: tuple[str, str], words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "t.csv").write_text((run.parent / "shops.csv").read_text().replace(*change))
    done = invoke("predict", run / "s.forecast.onnx", tmp_path / "t.csv", tmp_path / "out.csv", *words)
    assert done.exit_code == 1 and said in done.output and not (tmp_path / "out.csv").exists()


def test_short_series_are_told(run: Path, tmp_path: Path) -> None:
    lines = (run.parent / "shops.csv").read_text().splitlines()
    few = [line for line in lines if "north" in line or line < "2020-03"]
    (tmp_path / "t.csv").write_text("\n".join([lines[0], *few]) + "\n")
    done = invoke("predict", run / "s.forecast.onnx", tmp_path / "t.csv", tmp_path / "out.csv")
    assert done.exit_code == 0 and "1 of 2 series are shorter than 4 rows" in done.output


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2021-01-31", "2021-02-28", "2021-03-31"], ["2021-04-30", "2021-05-31"]),
        (["2023-11-29", "2023-12-29", "2024-01-29"], ["2024-02-29", "2024-03-29"]),
        (["2022-12-29", "2023-01-29", "2023-02-28", "2023-03-29"], ["2023-04-29", "2023-05-29"]),
        (["2023-10-30", "2023-11-30", "2023-12-30"], ["2024-01-30", "2024-02-29"]),
        (["2023-01-30", "2023-02-28"], ["2023-03-30", "2023-04-30"]),
        (["2023-06-30", "2023-09-30"], ["2023-12-31", "2024-03-31"]),
        (["2019-06-01", "2020-06-01", "2021-06-01"], ["2022-06-01", "2023-06-01"]),
        (["2021-01-01 06:00", "2021-01-01 12:00", "2021-01-01 18:00"], ["2021-01-02 00:00", "2021-01-02 06:00"]),
        (["2021-01-01", "2021-01-08", "2021-01-15"], ["2021-01-22", "2021-01-29"]),
        ([f"2021-03-{day:02d}" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)], ["2021-03-15", "2021-03-16"]),
        (["3", "5", "7"], ["9", "11"]),
    ],
)
def test_how_a_series_goes_on(tmp_path: Path, dates: list[str], expected: list[str]) -> None:
    (tmp_path / "t.csv").write_text("t,x\n" + "".join(f"{date},{k}\n" for k, date in enumerate(dates)))
    series = Series(path="t.csv", window=2, horizon=2, time="t")
    asked = read_asked(series, open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (2,))}, {})
    if asked.following.dtype.kind == "M":
        following = [each.astype(datetime.datetime) for each in asked.following[0]]
        assert following == [datetime.datetime.fromisoformat(each) for each in expected]
    else:
        assert asked.following[0].tolist() == [float(each) for each in expected]


def test_each_series_keeps_its_day(tmp_path: Path) -> None:
    """One at the ends of months, one on the 30th, which February has not, and at noon."""
    ends, days = (
        ["2023-12-31", "2024-01-31", "2024-02-29"],
        ["2023-12-30 12:00", "2024-01-30 12:00", "2024-02-29 12:00"],
    )
    rows = [f"{date},{shop},1" for shop, dates in (("a", ends), ("b", days)) for date in dates]
    (tmp_path / "t.csv").write_text("t,shop,x\n" + "\n".join(rows) + "\n")
    series = Series(path="t.csv", window=2, horizon=2, time="t", group="shop")
    asked = read_asked(series, open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (2,))}, {})
    assert np.datetime_as_string(asked.following, unit="m").tolist() == [
        ["2024-03-31T00:00", "2024-04-30T00:00"],
        ["2024-03-30T12:00", "2024-04-30T12:00"],
    ]


@pytest.mark.parametrize(
    ("gaps", "said", "help"),
    [
        ([8], "row 9 lacks `x` in the last 4 rows", "`--all` forecasts from the 5 windows that lack nothing"),
        ([6, 9], "row 7 lacks `x`, and 1 more is missing in", "`--all` forecasts from the 3 windows"),
        ([1, 5, 9], "row 10 lacks `x` in the last 4 rows", "fill in the values"),
    ],
)
def test_a_gap_in_the_last_window(tmp_path: Path, gaps: list[int], said: str, help: str) -> None:
    """The row and the column are named, and what can be forecast."""
    lines = "".join(f"{k},{'' if k in gaps else k}\n" for k in range(10))
    (tmp_path / "t.csv").write_text("t,x\n" + lines)
    series = Series(path="t.csv", window=4, horizon=2, time="t", missing="drop")
    table, fields = open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (4,))}
    with pytest.raises(MaiError) as caught:
        read_asked(series, table, fields, {})
    (diagnostic,) = caught.value.diagnostics
    assert said in diagnostic.message and help in str(diagnostic.help)
    if "--all" in help:
        assert f" {len(read_asked(series, table, fields, {}, every=True).last)} windows" in help


def test_gaps_at_the_end_of_some_series(tmp_path: Path) -> None:
    """The others are forecast."""
    rows = [f"{k},{shop},{'' if (k, shop) == (8, 'b') else k}\n" for shop in "abc" for k in range(9)]
    (tmp_path / "t.csv").write_text("t,shop,x\n" + "".join(rows))
    series = Series(path="t.csv", window=4, time="t", group="shop", missing="drop")
    asked = read_asked(series, open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (4,))}, {})
    assert asked.groups is not None and asked.groups.tolist() == [0, 2]
    where = "row 18 lacks `x` in the last 4 rows of `b`"
    assert asked.notes == (f"1 of 3 series have no forecast: {where}",)
    asked = read_asked(
        series.but(missing="keep"), open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (4,))}, {}
    )
    assert asked.notes[0].startswith(f"1 of 3 series lack values that they are forecast from: {where}; the forecast is")


@pytest.mark.parametrize(("after", "said"), [(3, False), (4, False), (5, True), (8, True)])
def test_long_steps_are_told_of_windows_that_go_over_them(after: int, said: bool, tmp_path: Path) -> None:
    """And of which series: here the last windows are rows 6 to 9 of each, and all but one are a day apart."""
    days = [np.datetime64("2024-01-01") + k + 9 * (k > after) for k in range(10)]
    rows = [f"{day},south,1\n" for day in days] + [f"2024-01-{k + 1:02d},north,1\n" for k in range(10)]
    (tmp_path / "t.csv").write_text("t,shop,x\n" + "".join(rows))
    series = Series(path="t.csv", window=5, horizon=2, time="t", group="shop")
    asked = read_asked(series, open_table(tmp_path / "t.csv", Stated()), {"x": Type(DType.REAL, (5,))}, {})
    note = "1 of 18 steps of `t` are longer than the usual 1 day, the longest of `south` 10 days: "
    assert asked.notes == ((note + "forecasts are made from windows that go over them",) if said else ())


def test_a_net_of_another_file(tmp_path: Path) -> None:
    """What an export takes is linked with the fields through nets that are imported, which are found where the spec stood."""
    (tmp_path / "nets.mai").write_text("net f(sales: [4]) -> [2] { return linear(sales, 2) }\n")
    (tmp_path / "d.csv").write_text("day,sales\n" + "".join(f"2024-01-{k + 1:02d},{k}\n" for k in range(20)))
    run = trained(tmp_path, IMPORTING)
    assert [row["day"] for row in predicted(run, tmp_path / "d.csv")] == ["2024-01-21", "2024-01-22"]
