"""Windows of series: what they hold, what is held out, gaps, groups; and that nothing later is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.rows import limits
from mai.compiler.data.sources.series import Series
from mai.compiler.data.splitting.splits import GroupSplit, RandomSplit, TimeSplit
from mai.compiler.data.tables import store
from mai.compiler.data.windows.windows import Windows
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError
from mai.spec.settings import SettingsError

W, H, N = 5, 2, 60
FIELDS = {"x": Type(DType.REAL, shape=(W,)), "next_x": Type(DType.REAL, shape=(H,)), "shop": Type(DType.INT, classes=2)}
ONE = {name: FIELDS[name] for name in ("x", "next_x")}


def table(path: Path, rows: int = N, shops: int = 1) -> Path:
    """Rows t, x = t (plus 1000 for the second shop), shops in turn, in an order of no time."""
    lines = [f"{t},{t + 1000 * k},{'ab'[k]}" for t in range(rows) for k in range(shops)]
    np.random.default_rng(0).shuffle(lines)
    path.write_text("day,x,shop\n" + "".join(line + "\n" for line in lines))
    return path


def read(folder: Path, fields: dict[str, Type] = ONE, **settings: object) -> Dataset:
    source = Series.of({"path": "t.csv", "window": W, "horizon": H, **settings})
    return load(source, fields, 0, folder)


def trained(data: Dataset) -> dict[str, np.ndarray]:
    assert data.count is not None
    return data.batch(0, data.count)


def firsts(rows: object) -> list[int]:
    return sorted(np.asarray(rows)[:, 0].astype(int).tolist())


def test_windows_are_past_and_future_in_the_order_of_time(tmp_path: Path) -> None:
    """Trained on what ends before the last tenth begins; held out is what has its whole future there."""
    table(tmp_path / "t.csv")
    data = read(tmp_path, time="day")
    rows = trained(data)
    np.testing.assert_array_equal(rows["x"], rows["x"][:, :1] + np.arange(W))
    np.testing.assert_array_equal(rows["next_x"], rows["x"][:, :1] + W + np.arange(H))
    cut = N * 9 // 10
    assert firsts(rows["x"]) == list(range(cut - W - H + 1))
    assert data.validation is not None
    assert firsts(data.validation["x"][:]) == list(range(cut - W, N - W - H + 1))
    for split in (RandomSplit(share=0), TimeSplit(column="day", share=0)):
        everything = read(tmp_path, time="day", split=split)
        assert everything.validation is None
        assert firsts(trained(everything)["x"]) == list(range(N - W - H + 1))


def test_strides_and_rows_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n" + "".join(f"{t}\n" for t in range(N)))
    data = read(tmp_path, stride=3)
    assert data.validation is not None
    assert firsts(trained(data)["x"]) == list(range(0, 54 - W - H + 1, 3))
    assert [n % 3 for n in firsts(data.validation["x"][:])] == [0]


def test_a_group_is_a_series_and_its_label_one_value(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", shops=2)
    data = read(tmp_path, FIELDS, time="day", group="shop")
    rows = trained(data)
    assert data.labels == {"shop": ("a", "b")}
    np.testing.assert_array_equal(rows["shop"], rows["x"][:, 0] >= 1000)
    np.testing.assert_array_equal(rows["next_x"][:, 0], rows["x"][:, 0] + W)
    assert rows["next_x"].max() < 1000 + 54 and rows["next_x"][rows["shop"] == 0].max() < 54


def test_groups_and_latest_rows_are_held_out(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", shops=2)
    by_group = read(tmp_path, FIELDS, group="shop", time="day", split=GroupSplit(column="shop", share=0.5))
    assert by_group.validation is not None
    shops = {int(s) for s in trained(by_group)["shop"]}
    assert len(shops) == 1 and {int(s) for s in by_group.validation["shop"][:]} == {0, 1} - shops
    by_time = read(tmp_path, FIELDS, group="shop", time="day", split=TimeSplit(column="day", share=0.2, test=0.2))
    assert by_time.validation is not None and by_time.test is not None
    ends = [part["next_x"][:] % 1000 for part in (trained(by_time), by_time.validation, by_time.test)]
    assert ends[0].max() < 36 <= ends[1].min() <= ends[1].max() < 48 <= ends[2].min()


def test_another_file_is_held_out_whole(tmp_path: Path) -> None:
    table(tmp_path / "t.csv")
    table(tmp_path / "v.csv", 30)
    data = read(tmp_path, time="day", validation="v.csv")
    assert data.validation is not None
    assert firsts(trained(data)["x"]) == list(range(N - W - H + 1))
    assert firsts(data.validation["x"][:]) == list(range(30 - W - H + 1))


def test_windows_with_gaps(tmp_path: Path) -> None:
    lines = table(tmp_path / "t.csv").read_text().replace("\n30,30,a", "\n30,,a")
    (tmp_path / "t.csv").write_text(lines)
    with pytest.raises(MaiError, match="x"):
        read(tmp_path, time="day")
    dropped = read(tmp_path, time="day", missing="drop")
    assert not set(range(30 - W - H + 1, 31)) & set(firsts(trained(dropped)["x"]))
    assert "7 windows lack a value" in dropped.notes[-1]
    late = "day,x\n" + "".join(f"{t},{'' if t > 45 and t % 4 == 0 else t}\n" for t in range(N))
    (tmp_path / "late.csv").write_text(late)  # No window lacks nothing where the last tenth of the rows is.
    data = read(tmp_path, time="day", missing="drop", path="late.csv")
    assert data.validation is not None and firsts(data.validation["x"][:]) == [37, 38, 39, 40, 41]
    assert firsts(trained(data)["x"])[-1] == 37 - H
    kept = trained(read(tmp_path, time="day", missing="keep"))
    assert np.isnan(kept["x"]).sum() == W and np.isnan(kept["next_x"]).sum() == H


def test_vectors_no_horizon_and_one_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("v0,v1,y\n" + "".join(f"{t},{-t},{2 * t}\n" for t in range(N)))
    fields = {"v": Type(DType.REAL, shape=(W, 2)), "y": Type(DType.REAL)}
    rows = trained(read(tmp_path, fields, horizon=0))
    np.testing.assert_array_equal(rows["v"][..., 1], -rows["v"][..., 0])
    np.testing.assert_array_equal(rows["y"], 2 * rows["v"][:, -1, 0])


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("day,x\n1,1\n1,2\n2,3\n", {"time": "day"}, "rows 1 and 2 have the same `day`"),
        ("day,x\n1,1\n2,2\n", {}, "no series is as long as a window and its horizon, 7"),
        ("day,y\n1,1\n", {}, "the data has no `x`"),
        ("day,x\n" + "1,1\n" * 20, {"time": "when"}, "no `when`"),
    ],
)  # fmt: skip
def test_what_is_no_series_is_refused(text: str, settings: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(MaiError) as caught:
        read(tmp_path, **settings)
    assert message in caught.value.diagnostics[0].message


def test_splits_that_would_leak_are_refused() -> None:
    for split, time in ((RandomSplit(), None), (TimeSplit(column="day"), None), (GroupSplit(column="shop"), "day")):
        with pytest.raises(SettingsError, match=f"{split.name}"):
            Series.of({"path": "t.csv", "window": W, "split": split, "time": time})
    with pytest.raises(SettingsError):
        Series.of({"path": "t.csv", "window": 0})


def test_sizes_of_fields_are_those_of_the_windows(tmp_path: Path) -> None:
    source = Series.of({"path": "t.csv", "window": W, "horizon": H})
    with pytest.raises(MaiError, match=f"`next_x` has {W} rows, the horizon of the series is {H}"):
        source.check_fields({"next_x": Type(DType.REAL, shape=(W,))})
    table(tmp_path / "t.csv")
    with pytest.raises(MaiError, match=rf"`x` is \[{W + 1}\] in the spec and \[{W}\] in the data"):
        read(tmp_path, {"x": Type(DType.REAL, shape=(W + 1,))})


def test_few_rows_are_all_trained_on(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", W + H + 1)
    data = read(tmp_path, time="day")
    assert data.validation is None and firsts(trained(data)["x"]) == [0, 1]
    assert data.why is not None and data.why.cause.startswith("the 2 windows of 7 rows are too few")
    with pytest.raises(MaiError, match="shorter than a horizon"):
        read(tmp_path, time="day", split=TimeSplit(column="day", share=0.1))


def test_a_long_step_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("day,x\n" + "".join(f"{t if t < 30 else t + 9},{t}\n" for t in range(N)))
    note = "1 of 59 steps of `day` are longer than the usual 1, the longest 10: windows go over them"
    assert read(tmp_path, time="day").notes[-1] == note
    moments = (np.datetime64("2024-01-01T00:00") + 20 * np.array([*range(40), 400])).tolist()
    (tmp_path / "t.csv").write_text("day,x\n" + "".join(f"{moment},1.5\n" for moment in moments))
    assert "longer than the usual 20 minutes, the longest 5.01 days:" in read(tmp_path, time="day").notes[-1]
    (tmp_path / "t.csv").write_text("day,x\n" + "".join(f"{1980 + t + t // 39 * 3}-01-01,1.5\n" for t in range(40)))
    assert "longer than the usual 365 days, the longest 1,461 days:" in read(tmp_path, time="day").notes[-1]


def test_an_hour_that_is_there_twice_is_that_of_clocks_put_back(tmp_path: Path) -> None:
    hours = ["2022-10-30 01:00", "2022-10-30 02:00", "2022-10-30 02:00", "2022-10-30 03:00"]
    (tmp_path / "t.csv").write_text("day,x\n" + "".join(f"{hour},1.5\n" for hour in hours))
    with pytest.raises(MaiError) as caught:
        read(tmp_path, time="day")
    assert "rows 2 and 3 have the same `day`" in str(caught.value)
    assert "clocks were put back" in (caught.value.diagnostics[0].help or "")


def test_a_window_keeps_its_rows() -> None:
    with pytest.raises(SettingsError, match="takes no `needs`"):
        Series.of({"path": "t.csv", "window": 3, "needs": "x"})


@pytest.mark.parametrize("in_order", [True, False])
def test_windows_of_a_large_table_are_read_from_its_file(
    in_order: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as from memory; their limits are known of rows, each of which is looked at once."""
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    path = table(tmp_path / "t.csv", shops=2)
    if in_order:
        head, *lines = path.read_text().splitlines()
        lines.sort(key=lambda line: (line[-1], int(line.split(",")[0])))
        path.write_text("\n".join([head, *lines]) + "\n")
    small = read(tmp_path, FIELDS, time="day", group="shop")
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    large = read(tmp_path, FIELDS, time="day", group="shop")
    assert small.validation is not None and large.validation is not None
    for name in FIELDS:
        np.testing.assert_array_equal(large.validation[name][:], small.validation[name][:])
        for step in range(5):
            np.testing.assert_array_equal(large.batch(step, 7)[name], small.batch(step, 7)[name])
    looked_at: list[int] = []
    rows = np.arange(100.0)
    monkeypatch.setattr("mai.compiler.data.rows.blocks", lambda all_: [(looked_at.append(len(all_)), all_[:])[1]])
    assert limits(Windows(rows, np.arange(10, 60), 30)) == (10, 88) and looked_at == [100]


def test_seconds_are_told_apart(tmp_path: Path) -> None:
    moments = np.datetime64("2024-05-01T00:00:00") + np.arange(N)
    order = np.random.default_rng(3).permutation(N)
    (tmp_path / "t.csv").write_text("day,x\n" + "".join(f"{moments[n]},{n}\n" for n in order))
    rows = trained(read(tmp_path, time="day"))
    np.testing.assert_array_equal(rows["x"], rows["x"][:, :1] + np.arange(W))
