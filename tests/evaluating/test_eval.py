"""`mai eval`: what is compared with what, every form of file, and refusals with a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from mai.compiler.evaluating.examples import data_of, kept_apart
from mai.compiler.evaluating.targets.links import fields_of_inputs
from mai.compiler.evaluating.targets.tags import tags_of
from mai.compiler.evaluating.targets.target import find_target
from mai.compiler.program import Program
from mai.compiler.training.run.record import digest_of_data
from mai.runtime.arrays import Array
from mai.runtime.run_folders.record import RunRecord
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.evaluations import evaluated, trained

TABLE = """data age: [], kind: class[4], y: class[3] from table("t.csv", missing = keep)
net logits(age: [], kind: class[4]) -> [3] { return linear(concat([normalise(fill(age))], embed(kind, 3)), 3) }
train(steps = 30, batch = 32, optimizer = adam(lr = 0.1)) { minimize cross_entropy(logits(age, kind), y) }
export predict(years: [], kind: class[4]) -> (class[3], [3]) {
  z = logits(years, kind)
  return (argmax(z), softmax(z))
}
"""
KINDS, ANSWERS = ("cat", "dog", "emu", ""), ("no", "yes", "perhaps")


def table(rows: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    kinds, ages = rng.integers(0, 4, rows), rng.normal(40, 10, rows)
    answers = np.where(rng.random(rows) < 0.2, rng.integers(0, 3, rows), kinds % 3)
    lines = [
        f"{'' if i % 9 == 0 else round(a, 1)},{KINDS[k]},{ANSWERS[y]}"
        for i, (a, k, y) in enumerate(zip(ages, kinds, answers, strict=True))
    ]
    return "age,kind,y\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run beside its spec and its tables."""
    folder = tmp_path_factory.mktemp("eval")
    (folder / "t.csv").write_text(table(200, 0))
    (folder / "test.csv").write_text(table(100, 1))
    return trained(folder, TABLE, "t")


def test_a_table_of_words(run: Path, tmp_path: Path) -> None:
    """Against what `mai predict` writes for the same rows, of which a plain loop counts."""
    report = evaluated(run, "--data", run.parent / "test.csv")
    assert report["target"] == "y" and report["inputs"] == {"years": "age", "kind": "kind"}
    (tmp_path / "in.csv").write_text((run.parent / "test.csv").read_text().replace("age,", "years,", 1))
    assert invoke("predict", run / "t.predict.onnx", tmp_path / "in.csv", tmp_path / "out.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = sum(row["y"] == row["predict_0"] for row in rows)
    assert report["metrics"]["accuracy"]["value"] == right / 100
    loss = -np.mean([np.log(row[f"predict_1.{row['y']}"]) for row in rows])
    assert report["metrics"]["log loss"]["value"] == pytest.approx(loss, rel=1e-5)
    names = report["labels"]
    counted = [[sum(r["y"] == a and r["predict_0"] == b for r in rows) for b in names] for a in names]
    assert report["confusion"] == counted and report["missing"] == 0
    for worst in report["worst"]:
        row = rows[worst["row"] - 1]
        assert row["y"] == worst["truth"] != row["predict_0"] and worst["said"].startswith(row["predict_0"])


def test_words_and_pictures(run: Path, tmp_path: Path) -> None:
    """The table that is printed; the picture, and the json beside it; one file alone, without the run's folder."""
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((run / "t.predict.onnx").read_bytes())
    done = invoke(
        "eval", alone, "--data", run.parent / "test.csv", "--out", tmp_path / "report.svg", "--resamples", "5"
    )
    assert done.exit_code == 0, done.output
    assert "compared with `y`, as training does: `minimize cross_entropy(logits(age, kind), y)`" in done.output
    assert "accuracy" in done.output and "the worst answers" in done.output
    assert json.loads((tmp_path / "report.json").read_text())["examples"] == 100
    assert "<svg" in (tmp_path / "report.svg").read_text()[:400]


def test_the_rows_that_the_spec_keeps(run: Path) -> None:
    """Without `--data`: its held-out loss is what the run says of itself."""
    report = evaluated(run)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert report["examples"] == 20 and "on held-out examples: 20 examples" in report["title"]
    table = (run.parent / "t.csv").read_text().splitlines()
    for worst in report["worst"]:  # The row of the file, so that it can be looked up.
        _, kind, answer = table[worst["row"]].split(",")
        assert (kind or "(missing or not known)", answer) == (worst["fields"]["kind"], worst["truth"])
    seen = invoke("eval", run, "--data", run.parent / "t.csv", "--resamples", "2")
    assert "t.csv: it was trained on rows of it" in seen.output
    assert report["metrics"]["log loss"]["value"] == pytest.approx(last["held-out loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("age,kind,y", "age,kind,z"), "no `y`; it has age, kind, z"),
        (("age,kind,y", "old,kind,y"), "no `age`"),
        ((",no\n", ",never\n"), "has the label `never`, which this run does not know"),
        (("y\n", "y\n1,cat,no,9\n"), "row 1 has 4 values"),
    ],
)
def test_what_does_not_fit(run: Path, tmp_path: Path, change: tuple[str, str], said: str) -> None:
    (tmp_path / "bad.csv").write_text((run.parent / "test.csv").read_text().replace(*change))
    done = invoke("eval", run, "--data", tmp_path / "bad.csv")
    assert done.exit_code == 1 and said in done.output


def test_data_that_are_not_there_are_named_in_the_command(run: Path, tmp_path: Path) -> None:
    """The spec lies in the compiled file: nobody can mend its `data` line."""
    (tmp_path / "file").mkdir()
    (tmp_path / "t.csv").touch()
    shutil.copy(run / "t.predict.onnx", tmp_path / "file")
    said = invoke("eval", tmp_path / "file" / "t.predict.onnx").output
    assert f"there is no file {tmp_path / 'file' / 't.csv'}" in said and "--data FILE" in said
    assert "did you mean" not in said and "t.mai" not in said


def test_rows_without_an_answer_are_left_out_and_told(run: Path, tmp_path: Path) -> None:
    rows = (run.parent / "test.csv").read_text().splitlines()
    (tmp_path / "gaps.csv").write_text("\n".join([rows[0], "40,cat,", *rows[1:]]) + "\n")
    report = evaluated(run, "--data", tmp_path / "gaps.csv")
    whole = evaluated(run, "--data", run.parent / "test.csv")
    assert report["missing"] == 1 and report["metrics"] == whole["metrics"]
    assert [w["row"] for w in report["worst"]] == [w["row"] + 1 for w in whole["worst"]]


def test_numbers_in_arrays(tmp_path: Path) -> None:
    """A vector's errors, from an .npz, by their definitions."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=x[:, :2] ** 2)
    run = trained(
        tmp_path,
        'data x: [3], y: [2] from npz("d.npz")\n'
        "net f(x: [3]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 3, batch = 16) { minimize sum((f(x) - y)^2) }\n"
        "export predict(x: [3]) -> [2] { return f(x) }\n",
    )
    report = evaluated(run, "--data", tmp_path / "d.npz", "--out", tmp_path / "r.svg")
    from mai.runtime import load

    error = np.asarray(load(run / "s.predict.onnx", providers="cpu")(x=x), np.float64) - x[:, :2] ** 2
    metrics = {name: each["value"] for name, each in report["metrics"].items()}
    assert metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert report["worst"][0]["row"] == int(np.abs(error).max(1).argmax()) + 1


def test_a_folder_of_images(tmp_path: Path) -> None:
    """The names of its folders are the answers; a score of one of two classes has its AUC."""
    for name, shade in (("dark", 20), ("light", 200)):
        for k in range(12):
            (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), shade + k).save(tmp_path / "pictures" / name / f"{k}.png")
    run = trained(
        tmp_path,
        'data x: [1, 4, 4], y: class[2] from images("pictures")\n'
        'net score(x: [1, 4, 4]) -> [] { return linear(rearrange(x, "k h w -> (k h w)"), 1)[0] }\n'
        "train(steps = 40, batch = 8, optimizer = adam(lr = 0.05)) {\n"
        "  z = score(x)\n  minimize softplus(z) - z * y\n}\n"
        "export light(picture: [1, 4, 4]) -> [] { return sigmoid(score(picture)) }\n",
    )
    report = evaluated(run, "--data", tmp_path / "pictures")
    assert report["inputs"] == {"picture": "x"} and report["labels"] == ["dark", "light"] and report["examples"] == 24
    assert report["metrics"]["auc"]["value"] == 1 and report["metrics"]["accuracy"]["interval"][1] == 1


# ---------------------------------------------------------------- what is compared with what

HEAD = 'data x: [2], a: [], b: [], y: class[2] from npz("d.npz")\n'
TWO_TASKS = (
    HEAD
    + """net f(x: [2]) -> ([], []) {
  h = linear(x, 3)
  return (h[0], softplus(h[1]))
}
net g(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 1) {
  (m, s) = f(x)
  minimize ((m - a) / s)^2 + log(s) + cross_entropy(g(x), y)
}
export mean(z: [2]) -> [] {
  (m, s) = f(z)
  return m
}
export spread(x: [2]) -> [] {
  (m, s) = f(x)
  return s
}
export two(x: [2]) -> ([], []) {
  (m, s) = f(x)
  return (m, m + 1)
}
export label(x: [2]) -> class[2] { return argmax(g(x)) }
export all(x: [2]) -> ([], [], [2]) {
  (m, s) = f(x)
  return (m, s, softmax(g(x)))
}
"""
)


@pytest.mark.parametrize(
    ("export", "asked", "output", "expected"),
    [
        ("mean", None, None, ("a", {"mean": "value"})),
        ("label", None, None, ("y", {"label": "label"})),
        ("all", None, "all_2", ("y", {"all_2": "scores"})),
        ("all", None, "m", ("a", {"m": "value"})),
        ("spread", "b", None, ("b", {"spread": "value"})),
        ("all", None, None, "may be compared with `a` or `y`"),
        ("all", "a", None, ("a", {"m": "value"})),
        ("two", None, None, "`m` and `two_1` of `two` may both be an answer to `a`"),
        ("spread", None, None, "training compares `a` and `y` with no result like `spread`"),
        ("mean", "y", None, ("y", {"mean": "score"})),
        ("label", "x", None, "cannot be compared with `x`"),
        ("label", "q", None, "have no `q`"),
        ("label", None, "q", "gives no `q`"),
    ],
)
def test_the_target(
    program: Callable[[str], Program], export: str, asked: str | None, output: str | None, expected: Any
) -> None:
    """The field that training compares with what the result is made of, as the graphs say; or a reason and a way out."""
    spec = program(TWO_TASKS)
    if isinstance(expected, str):
        with pytest.raises(MaiError) as error:
            find_target(spec, export, asked, output)
        assert expected in error.value.diagnostics[0].message
        return
    target = find_target(spec, export, asked, output)
    assert (target.field, {each.output: each.role for each in target.answers}) == expected
    assert fields_of_inputs(spec, "mean") == {"z": "x"}


def test_what_a_net_takes_alone_is_no_target(program: Callable[[str], Program]) -> None:
    """An export gives a number for the field `b`, which training gives to a net: that is compared with nothing, and `c` is."""
    spec = program(
        """data a: [], b: [], c: [] from npz("d.npz")
net f(u: [], v: []) -> [] { return linear(concat([u], [v]), 1)[0] }
train(steps = 1) { minimize (f(a, b) - c)^2 }
export first(p: []) -> [] { return f(p, 0.0) }
export both(x: [2]) -> [] { return f(x[0], x[1]) }
"""
    )
    assert {find_target(spec, export).field for export in ("first", "both")} == {"c"}


# ---------------------------------------------------------------- tags

TAGS = """data x: [2], red: [], tags: bool[2], blue: class[2] from npz("d.npz")
net f(x: [2]) -> [4] { return linear(x, 4) }
train(steps = 1) {
  z = f(x)
  minimize LOSS
}
export p(x: [2]) -> [4] { return sigmoid(f(x)) }
export odds(x: [2]) -> [4] { return f(x) }
export said(x: [2]) -> [4] { return where(f(x) > 0.2, 1, 0) }
export doubled(x: [2]) -> [4] { return 2 * f(x) }
export parts(x: [2]) -> ([], [3]) {
  p = sigmoid(f(x))
  return (p[3], p[:3])
}
"""
LIKELIHOOD = "-sum(log_prob(bernoulli(logits = z), [red, tags[1], tags[0], blue]))"
ORDER = ("red 0", "tags 1", "tags 0", "blue 0")
BY_HAND = "softplus(z[0]) - z[0] * red + sum(softplus(z[1:3]) - tags * z[1:3]) + 3 * blue * softplus(-z[3]) + (1 - blue) * softplus(z[3])"


@pytest.mark.parametrize(
    ("loss", "export", "expected"),
    [
        (LIKELIHOOD, "p", {"p": ("probabilities", *ORDER)}),
        (LIKELIHOOD, "odds", {"odds": ("log-odds", *ORDER)}),
        (LIKELIHOOD, "said", {"said": ("tags", *ORDER)}),
        (LIKELIHOOD, "doubled", {"doubled": ("tag scores", *ORDER)}),
        (LIKELIHOOD, "parts", {"parts_0": ("probabilities", "blue 0"), "parts_1": ("probabilities", *ORDER[:3])}),
        (BY_HAND, "p", {"p": ("probabilities", "red 0", "tags 0", "tags 1", "blue 0")}),
        ("sum((z - concat([red], tags, [blue]))^2)", "p", {}),
        ("sum(exp(z) - concat([red], tags, [blue]) * z)", "p", {}),
        ("softplus(sum(z)) - sum(z) * red", "p", {}),
    ],
)
def test_which_results_are_of_tags(
    program: Callable[[str], Program], loss: str, export: str, expected: dict[str, tuple[str, ...]]
) -> None:
    """As the objective's values say, however it is written: neither squares, counts, nor a sum of numbers are of tags."""
    results = tags_of(program(TAGS.replace("LOSS", loss)), export)
    shown = {n: (each.role, *(f"{tag.field} {tag.place}" for tag in each.tags)) for n, each in results.items()}
    assert shown == expected


def test_a_run_of_tags(tmp_path: Path) -> None:
    """From several columns to a table of tags, a picture, and columns that `mai predict` names by them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)).round(3)
    tags = (x @ [[2, 0], [0, 2]] + rng.normal(size=(120, 2)) > 0.5).astype(int)
    rows = "".join(f"{a},{b},{int(r)},{int(g)}\n" for (a, b), (r, g) in zip(x, tags, strict=True))
    (tmp_path / "t.csv").write_text("a,b,red,green\n" + rows)
    run = trained(
        tmp_path,
        'data a: [], b: [], red: [], green: [] from table("t.csv")\n'
        "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 60, batch = 32, optimizer = adam(lr = 0.1)) {\n"
        "  z = f([a, b])\n  minimize -sum(log_prob(bernoulli(logits = z), [red, green]))\n}\n"
        "export predict(a: [], b: []) -> [2] { return sigmoid(f([a, b])) }\n",
    )
    report = evaluated(run, "--data", tmp_path / "t.csv", "--out", tmp_path / "r.png")
    assert report["fields"] == ["red", "green"] and report["outputs"] == {"predict": "probabilities"}
    assert [tag["name"] for tag in report["tags"]] == ["red", "green"] and (tmp_path / "r.png").stat().st_size > 9000
    assert invoke("predict", run / "s.predict.onnx", tmp_path / "t.csv", tmp_path / "o.jsonl").exit_code == 0
    answers = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    p = np.array([[row["predict.red"], row["predict.green"]] for row in answers])
    assert report["metrics"]["exact match"]["value"] == np.mean(((p >= 0.5) == tags).all(1))
    assert report["tags"][1]["auc"] == pytest.approx(metrics.roc_auc_score(tags[:, 1], p[:, 1]))
    shares = (tmp_path / "t.csv").read_text().replace(",1\n", ",0.7\n", 3)
    (tmp_path / "soft.csv").write_text(shares)
    assert "rmse" in evaluated(run, "--data", tmp_path / "soft.csv")["metrics"]


def test_examples_of_other_data_than_a_run_was_trained_on_are_told(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    """Rows in another order, or more of them, are split otherwise: some that were trained on are then held out."""
    checked = program(
        'data x: [] from npz("rows.npz", split = random(0.2))\nnet f(x: []) -> [] { return linear([x], 1)[0] }\n'
        "train(steps = 1) { minimize (f(x) - x)^2 }\n"
    )
    rows = np.arange(100, dtype=np.float32)

    def notes(rows: Array, *examples: str) -> tuple[str, ...]:
        np.savez(tmp_path / "rows.npz", x=rows)
        return kept_apart(checked, RunRecord("", examples=examples), {}, None).notes

    np.savez(tmp_path / "rows.npz", x=rows)
    own = digest_of_data(data_of(checked, None, {}))
    assert notes(rows, own) == notes(rows) == ()
    for others in (rows[::-1], np.append(rows, 1)):
        assert [note[:20] for note in notes(others, own)] == ["the data are others "]
    assert [note[:20] for note in notes(rows, "earlier", own)] == ["this run began with "]
