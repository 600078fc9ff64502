"""A column of dates as what is learnt: answers are dates in tables and in evaluations, whose errors are in days."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv, parquet

from mai.compiler.evaluating.targets.dated import dated_results
from mai.compiler.program import Program
from mai.runtime import load
from mai.runtime.model.manifest import Facts
from tests.support.command import invoke

SPEC = """data age: [], sold: [] from table("t.csv")

net f(age: []) -> [] {
  param level: [] = 19000
  param slope: [] = 1
  return level + slope * age
}

train(steps = 1, batch = 4, optimizer = sgd(lr = 1e-9)) { minimize (f(age) - sold)^2 }

export when(age: []) -> [] { return f(age) }

export left(age: []) -> [] { return f(age) - 19000 }

export range(age: []) -> [2] { return concat([f(age)], [f(age) + 1]) }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    days = np.datetime64("1970-01-01") + 19000 + np.arange(60)
    rows = "".join(f"{place}.3,{day}\n" for place, day in enumerate(days.astype(str)))
    (folder / "t.csv").write_text(f"age,sold\n{rows}")
    (folder / "s.mai").write_text(SPEC)
    done = invoke("train", folder / "s.mai", "--out", folder / "run", "--quiet")
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.slow
def test_a_table_of_answers_has_dates(run: Path) -> None:
    file = run / "run" / "s.when.onnx"
    for name in ("p.csv", "p.parquet"):
        done = invoke("predict", file, run / "t.csv", run / name)
        assert done.exit_code == 0, done.output
    ages = np.arange(60) + 0.3
    wanted = np.datetime64("1970-01-01") + np.round(load(file)(age=ages)).astype(int)
    for table in (csv.read_csv(run / "p.csv"), parquet.read_table(run / "p.parquet")):
        answers = table.column(table.column_names[-1]).to_numpy().astype("datetime64[D]")
        np.testing.assert_array_equal(answers, wanted)
    assert load(file).manifest.outputs[0].dates == "day"
    assert "2022-01-08\n" in invoke("run", file, "age=0.3").output
    assert "float32 [batch], a date" in invoke("info", file).output
    assert load(run / "run" / "s.range.onnx").manifest.outputs[0].dates is None
    assert load(run / "run" / "s.left.onnx").manifest.outputs[0].dates is None  # Days, and no date.


def test_a_result_is_a_date_where_it_is_the_best_answer(program: Callable[[str], Program]) -> None:
    """Training scales the date; an export that undoes this gives one, and another gives what is left of it."""
    spec = program(
        """data age: [], sold: [] from npz("d.npz")
net f(age: []) -> ([], []) {
  h = linear([age], 2)
  return (h[0], softplus(h[1]))
}
train(steps = 1) {
  (m, s) = f(age)
  minimize ((m - (sold - 19000) / 30) / s)^2 + log(s)
}
export when(age: []) -> ([], []) {
  (m, s) = f(age)
  return (19000 + 30 * m, s)
}
export left(age: []) -> [] {
  (m, s) = f(age)
  return 30 * m
}
"""
    )
    facts = Facts(low=[19000], high=[19060], middle=[19030], dates=["day"])
    assert dated_results(spec, {"sold": facts}) == {"when": {"when_0": "day"}, "left": {}}
    assert dated_results(spec, {"sold": facts.model_copy(update={"dates": None})}) == {}


@pytest.mark.parametrize(
    ("objective", "result", "is_date"),
    [
        ("w * (f(age) - sold)^2", "f(age)", True),
        ("where(w > 0, abs(f(age) - sold) / 365, 0)", "f(age)", True),
        ("(f(age) - sold)^2 + 0.1 * f(age)^2", "f(age)", True),
        ("relu(abs(f(age) - sold) - 2)", "f(age)", True),
        ("(f(age) - log(sold))^2", "exp(f(age))", True),
        ("(f(age) - sold)^2 + (f(age) - w)^2", "f(age) + 1", False),
        ("(f(age) - (sold - w))^2", "f(age)", False),
        ("(f(age) - sold / w)^2", "f(age)", False),
        ("(f(age) - (sold - 7 * floor(sold / 7)))^2", "f(age)", False),
        ("(f(age) - minimum(sold, 100))^2", "f(age)", False),
    ],
)
def test_the_objective_says_what_is_a_date(
    objective: str, result: str, is_date: bool, program: Callable[[str], Program]
) -> None:
    """Also where it weighs, bounds or forgives; numbers that are those of dates for small ones alone, or where another field is 1, are none."""
    spec = program(
        f"""data age: [], sold: [], w: [] from npz("d.npz")
net f(age: []) -> [] {{
  h = linear([age], 1)
  return h[0]
}}
train(steps = 1) {{ minimize {objective} }}
export when(age: []) -> [] {{ return {result} }}
"""
    )
    facts = Facts(low=[19000], high=[19060], middle=[19030], dates=["day"])
    assert dated_results(spec, {"sold": facts}) == {"when": {"when": "day"} if is_date else {}}


@pytest.mark.slow
def test_an_evaluation_is_in_days(run: Path) -> None:
    done = invoke("eval", run / "run" / "s.when.onnx", "--data", run / "t.csv")
    assert done.exit_code == 0, done.output
    assert "`sold` is a date: errors are in days" in done.output and "answer minus truth, in days" in done.output
    done = invoke("eval", run / "run" / "s.when.onnx", "--data", run / "t.csv", "--json")
    assert json.loads(done.output)["worst"][0]["truth"].startswith("2022-0")
