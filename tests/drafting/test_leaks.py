"""Columns that tell the target alone are left out of drafts or told, and gaps in labels that are numbers are a label of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.describing.leaks import leaks
from tests.support.command import invoke


def write_table(path: Path, columns: dict[str, list[object]]) -> None:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def columns_of(rows: int = 300) -> dict[str, list[object]]:
    rng = np.random.default_rng(0)
    y = rng.random(rows) < 0.4
    price = rng.normal(size=rows) * 50 + 300
    return {
        "id": [*range(rows)],
        "age": (rng.normal(size=rows) + y).round(2).tolist(),
        "alive": ["yes" if each else "no" for each in y],
        "boat": [rng.integers(1, 9) if each and k % 80 else "" for k, each in enumerate(y)],
        "key": [f"k{k}" for k in rng.permutation(rows)],
        "price": price.round(2).tolist(),
        "cents": (price.round(2) * 100).round().tolist(),
        "rank": np.exp(price.round(1) / 100).tolist(),
        "day": [f"2021-{k % 12 + 1:02d}-{k % 28 + 1:02d}" for k in range(rows)],
        "y": y.astype(int).tolist(),
    }


def test_what_tells_a_label(tmp_path: Path) -> None:
    """The label in other words is left out; what nearly tells it is told; numbers of rows, keys and noise are neither."""
    write_table(tmp_path / "t.csv", columns_of())
    leaking = leaks([tmp_path / "t.csv"], ["id", "age", "alive", "boat", "key", "price", "day"], "y", True)
    assert {each.column: each.is_same for each in leaking} == {"alive": True, "boat": False}
    done = invoke("new", tmp_path / "s.mai", "--data", tmp_path / "t.csv", "--target", "y")
    assert done.exit_code == 0 and "Left out: alive: it is the same in other words" in done.output
    assert (
        "Look at boat: it alone tells 9" in done.output
        and "alive:" not in (tmp_path / "s.mai").read_text().split("data")[-1]
    )


def test_what_tells_a_number(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", columns_of())
    leaking = leaks(
        [tmp_path / "t.csv"], ["id", "age", "alive", "boat", "key", "cents", "rank", "day", "y"], "price", False
    )
    assert {each.column: each.is_same for each in leaking} == {"cents": True, "rank": False}


def test_a_spec_is_told_what_it_takes(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", columns_of())
    (tmp_path / "s.mai").write_text(
        'data id: [], alive: class[2], y: class[2] from table("t.csv")\n'
        "net f(id: [], alive: class[2]) -> [2] { return linear(concat([id], one_hot(alive, 2)), 2) }\n"
        "train(steps = 1) { minimize cross_entropy(f(id, alive), y) }\n"
    )
    done = invoke("data", tmp_path / "s.mai")
    assert done.exit_code == 0, done.output
    assert "warning: `id`: it numbers the rows" in done.output
    assert "warning: `alive` tells `y`: it is the same in other words" in done.output


LABELS = """data kind: class[{classes}], y: class[3] from table("t.csv", missing = keep)
net f(kind: class[{classes}]) -> [3] {{ return linear(one_hot(kind, {classes}), 3) }}
train(steps = 200, batch = 64, optimizer = adam(lr = 0.1)) {{ minimize cross_entropy(f(kind), y) }}
export guess(kind: class[{classes}]) -> class[3] {{ return argmax(f(kind)) }}
"""


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    kinds = [k % 3 if k % 5 else "" for k in range(200)]
    write_table(tmp_path / "t.csv", {"kind": kinds, "y": [2 if k == "" else int(k == 1) for k in kinds]})
    return tmp_path


def test_a_label_that_is_a_number_may_lack(gaps: Path) -> None:
    """It is the last label, in training, in what a file is asked and in what it is judged by, as a missing word is."""
    (gaps / "s.mai").write_text(LABELS.format(classes=4))
    done = invoke("train", gaps / "s.mai", "--out", gaps / "run", "--quiet", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert invoke("predict", gaps / "run" / "s.guess.onnx", gaps / "t.csv", gaps / "out.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (gaps / "out.jsonl").read_text().splitlines()]
    assert all(row["guess"] == int(row["y"]) for row in rows)
    (gaps / "whole.csv").write_text("kind,y\n0,0\n1,1\n2,0\n1,1\n")
    judged = json.loads(invoke("eval", gaps / "run", "--data", gaps / "whole.csv", "--json", "--resamples", "5").stdout)
    assert judged["metrics"]["accuracy"]["value"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LABELS.format(classes=3), "write class[4]: the last label is for what is missing"),
        (
            LABELS.format(classes=4).replace("kind: class[4]", "kind: int").replace("one_hot(kind, 4)", "[kind]"),
            "nothing stands for a whole number",
        ),
    ],
)
def test_where_no_label_is_left(gaps: Path, text: str, said: str) -> None:
    (gaps / "s.mai").write_text(text)
    done = invoke("train", gaps / "s.mai", "--out", gaps / "run", "--quiet", "--device", "cpu")
    assert done.exit_code == 1 and said in done.output
