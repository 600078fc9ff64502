"""`mai predict` of texts: the tokens and masks that training gives a row, by hand, and what the file says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mai.compiler.predicting.unasked import AnswersBeside
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.text.tokenizer import tokenizer_of
from tests.support.command import invoke

LENGTH = 12
SPEC = """data text: tokens[12], text_mask: [12], tone: class[2], mood: class[2] from examples("rev.jsonl", SAID)
const vocab = 262
net f(text: tokens[P], m: [P], tone: class[2]) -> [2] {
  return linear(sum(embed(text, 4) * m[:, None], axis = 0) / sum(m), 2) + embed(tone, 2)
}
net g(text: tokens[P]) -> [P] { return embed(text, 1)[:, 0] }
net h(text: tokens[P]) -> [2] { return linear(mean(embed(text, 3), axis = 0), 2) }
train(steps = 2, batch = 8) {
  minimize cross_entropy(f(text, text_mask, tone), mood)
  minimize cross_entropy(h(text), mood)
  minimize mean(g(text)^2)
}
export judge(text: tokens[12], text_mask: [12], tone: class[2]) -> [2] { return f(text, text_mask, tone) }
export whole(review: tokens[P]) -> [2] { return h(review) }
export tags(text: tokens[P]) -> [P] { return g(text) }
"""
WORDS = ("good", "awful food", "late, and cold, and dull: awful", "ça alors", "very good staff and a good room")
ROWS = [{"text": WORDS[i % 5], "tone": ("dry", "wet")[i % 2], "mood": ("bad", "good")[i % 3 == 0]} for i in range(30)]


def trained(folder: Path, spec: str, rows: list[dict[str, Any]]) -> Path:
    (folder / "rev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "m.mai").write_text(spec)
    done = invoke("train", folder / "m.mai", "--quiet", "--out", folder / "run")
    assert done.exit_code == 0, done.output
    return folder / "run"


def predicted(file: Path, table: Path, *words: object) -> tuple[list[dict[str, Any]], str]:
    done = invoke("predict", file, table, file.parent / "out.jsonl", *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in (file.parent / "out.jsonl").read_text().splitlines()], done.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = SPEC.replace("SAID", "longer = cut, tokenizer = bpe(vocab = 262)")
    return trained(tmp_path_factory.mktemp("texts"), spec, ROWS)


def tokens(run: Path) -> list[Array]:
    """Of each row, cut to the field."""
    tokenizer = tokenizer_of((run / "tokenizer.json").read_text())
    return [tokenizer.encode(row["text"])[:LENGTH] for row in ROWS]


def test_a_text_its_mask_and_a_label(run: Path) -> None:
    out, said = predicted(run / "m.judge.onnx", run.parent / "rev.jsonl", "--batch", 7)
    model, texts = load(run / "m.judge.onnx", providers="cpu"), tokens(run)
    assert len(out) == len(ROWS) and "of 30 texts of `text` have more than 12 tokens, and are cut" in said
    names = model.manifest.labels["tone"]
    for row, prompt, answer in zip(ROWS, texts, out, strict=True):
        absent = LENGTH - len(prompt)
        text, mask = np.pad(prompt, (0, absent)), np.pad(np.ones(len(prompt), np.float32), (0, absent))
        expected = model(text=text[None], text_mask=mask[None], tone=[names.index(row["tone"])])[0]
        assert answer["text"] == row["text"]
        assert np.allclose([answer["judge.bad"], answer["judge.good"]], expected, atol=1e-5)


def test_the_worst_answers_are_of_texts_that_are_read(run: Path) -> None:
    """A text that was cut as far as the file read it, without its mask."""
    done = invoke("eval", run / "m.judge.onnx", "--data", run.parent / "rev.jsonl", "--json")
    worst = json.loads(done.output[done.output.index("{") :])["worst"]
    assert worst and all(each["fields"].keys() == {"text", "tone"} for each in worst)
    assert all(ROWS[each["row"] - 1]["text"].startswith(each["fields"]["text"]) for each in worst)


def test_a_text_of_any_length_is_read_as_it_is(run: Path) -> None:
    """In the order of the rows, from a column of the input's name or the field's; what a text has for each of its tokens as a list."""
    model, tags = (load(run / f"m.{name}.onnx", providers="cpu") for name in ("whole", "tags"))
    (run.parent / "new.jsonl").write_text("".join(json.dumps({"review": row["text"]}) + "\n" for row in ROWS))
    answers, _ = predicted(run / "m.whole.onnx", run.parent / "new.jsonl")
    named_as_field, _ = predicted(run / "m.whole.onnx", run.parent / "rev.jsonl", "--keep", "")
    assert named_as_field == [{name: row[name] for name in ("whole.bad", "whole.good")} for row in answers]
    lists, _ = predicted(run / "m.tags.onnx", run.parent / "rev.jsonl", "--batch", 4)
    for prompt, answer, listed in zip(tokens(run), answers, lists, strict=True):
        expected = model(review=prompt[None])[0]
        assert np.allclose([answer["whole.bad"], answer["whole.good"]], expected, atol=1e-5)
        assert np.allclose(listed["tags"], tags(text=prompt[None])[0], atol=1e-5)


def test_rows_that_training_leaves_out(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        SPEC.replace("SAID", "longer = drop, missing = drop"),
        [row for row in ROWS if len(row["text"]) < LENGTH],
    )
    rows = [{"text": text, "tone": "dry"} for text in ("good", None, "awful food, and cold", "bad")]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out, said = predicted(run / "m.judge.onnx", tmp_path / "new.jsonl", "--batch", "1")
    assert [row["text"] for row in out] == [row["text"] for row in rows] and "2 of 4 rows have no answer" in said
    assert "row 2 has no text" in said and "row 3 has no text, or one of more tokens" in said
    there = [out[0], out[3]]
    assert [row["judge.bad"] for row in out[1:3]] == [None, None] and all(row["judge.bad"] for row in there)
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(rows[place]) + "\n" for place in (0, 3)))
    assert predicted(run / "m.judge.onnx", tmp_path / "two.jsonl")[0] == there
    (tmp_path / "none.jsonl").write_text(json.dumps(rows[1]) + "\n")
    refused = invoke("predict", run / "m.judge.onnx", tmp_path / "none.jsonl", tmp_path / "o.csv")
    assert refused.exit_code == 1 and "no row of which the file can be asked" in refused.output
    (tmp_path / "bad.jsonl").write_text('{"text": 3, "tone": "dry"}\n')
    refused = invoke("predict", run / "m.judge.onnx", tmp_path / "bad.jsonl", tmp_path / "o.csv")
    assert refused.exit_code == 1 and "row 1: `text` is no text: 3" in refused.output


def test_rows_before_the_first_answer_stay_where_no_column_does() -> None:
    """As with `--keep ""`: they wait until the kinds of the answers are known."""
    written = list[pa.Table]()
    beside = AnswersBeside(written.append)
    beside.add({}, 2, np.array([], np.int64), {})
    beside.add({}, 3, np.array([1]), {"y": pa.array([7])})
    assert pa.concat_tables(written).to_pydict() == {"y": [None, None, None, 7, None]} and beside.rows == 5


def test_a_text_that_goes_on(tmp_path: Path) -> None:
    """A model of a corpus, which has no rows: what a call gives for each prompt."""
    (tmp_path / "t.txt").write_text("good food and good staff. " * 40)
    spec = """data x: tokens[8] from text(bytes, "t.txt")
    const vocab = 256
    net f(x: tokens[P]) -> [P, vocab] { return linear(embed(x, 4), vocab) }
    train(steps = 1, batch = 2) { minimize mean(cross_entropy(f(x)[:-1], x[1:])) }
    export say(x: tokens[P], count: int = 3) -> tokens[P + count] {
      extend x by count {
        next ~ categorical(f(x)[-1], top_k = 1)
        append next
      }
      return x
    }
    export mean_of(x: tokens[P]) -> [] { return mean(f(x)) }
    """
    run = trained(tmp_path, spec, ROWS)
    (tmp_path / "p.csv").write_text("x\ngood\nfo\ngood f\n")
    said, _ = predicted(run / "m.say.onnx", tmp_path / "p.csv")
    means, _ = predicted(run / "m.mean_of.onnx", tmp_path / "p.csv")
    (tmp_path / "gap.csv").write_text('x\ngood\n""\nfo\n')
    for name, answers in (("say", said), ("mean_of", means)):
        asked, notes = predicted(run / f"m.{name}.onnx", tmp_path / "gap.csv")
        assert asked == [answers[0], {"x": "", name: None}, answers[1]] and "row 2 has no text" in notes
    say, mean_of = (load(run / f"m.{name}.onnx", providers="cpu") for name in ("say", "mean_of"))
    for prompt, text, mean in zip(("good", "fo", "good f"), said, means, strict=True):
        assert text["say"] == say(x=prompt)
        assert mean["mean_of"] == pytest.approx(float(mean_of(x=prompt)[0]), abs=1e-5)
