"""Texts with labels, and prompts with answers: their tokens and masks are as a plain loop makes them, row beside row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check, misfits
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.text import Bpe
from mai.compiler.data.splitting.splits import RandomSplit
from mai.compiler.evaluating.answers import Labelled, answer
from mai.compiler.evaluating.examples import read_for
from mai.compiler.evaluating.subject import Asked, open_subject
from mai.compiler.ir.types import DType, Type
from mai.runtime import load as load_model
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.settings import SettingsError
from tests.support.command import invoke

N, VOCAB = 24, 256
NONE = RandomSplit(share=0.0)
MASK = Type(DType.REAL, shape=(N,))
TOKENS = Type(DType.INT, classes=VOCAB, shape=(N,))
FIELDS = {"review": TOKENS, "review_mask": MASK, "mood": Type(DType.INT, classes=2)}
PROMPT = {"text": TOKENS, "text_mask": MASK, "answer_mask": MASK, "question_mask": MASK}
ROWS = [(f"film {'é' * (place % 7)}{place}", ("bad", "good")[place % 3 == 0]) for place in range(40)]


def write(path: Path, rows: list[tuple[str, str]] = ROWS) -> Path:
    path.write_text("review,mood\n" + "".join(f"{review},{mood}\n" for review, mood in rows), encoding="utf-8")
    return path


def read(folder: Path, fields: dict[str, Type] = FIELDS, **settings: Any) -> Dataset:
    return load(Examples.of({"path": "a.csv", **settings}), fields, 0, folder)


def rows(data: Dataset) -> dict[str, np.ndarray]:
    assert data.count is not None
    return data.batch(0, data.count)


def texts(rows: Any) -> list[str]:
    """The texts of rows of bytes, in their order."""
    return [bytes(row[: np.count_nonzero(row)].tolist()).decode() for row in np.asarray(rows).astype(int)]


def refused(folder: Path, fields: dict[str, Type] = FIELDS, **settings: Any) -> Diagnostic:
    with pytest.raises(MaiError) as caught:
        read(folder, fields, **settings)
    return caught.value.diagnostics[0]


def test_texts_labels_and_masks(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    lines = rows(read(tmp_path, split=NONE))
    assert sorted(zip(texts(lines["review"]), lines["mood"].tolist(), strict=True)) == sorted(
        (text, int(mood == "good")) for text, mood in ROWS
    )
    np.testing.assert_array_equal(lines["review_mask"], lines["review"] > 0)
    assert lines["review"].dtype == np.int64 and lines["review_mask"].dtype == np.float32


def test_a_template_is_one_text_of_several_columns(tmp_path: Path) -> None:
    """What stands behind a column belongs to it, as that before the first does to the first."""
    pairs = [{"question": f"{a} + {b}", "answer": str(a + b)} for a in range(5) for b in range(5)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    data = read(tmp_path, PROMPT, path="a.jsonl", text=r"> {question}\n= {answer}\n", split=NONE)
    lines = rows(data)
    for row in range(25):
        tokens, one = lines["text"][row], {name: lines[name][row].astype(bool) for name in PROMPT if name != "text"}
        question, answer = (texts(tokens[None, one[f"{name}_mask"]])[0] for name in ("question", "answer"))
        assert question.startswith("> ") and question.endswith("\n= ") and answer.endswith("\n")
        a, b = question[2:-3].split(" + ")
        assert int(answer) == int(a) + int(b)
        np.testing.assert_array_equal(one["text_mask"], one["question_mask"] | one["answer_mask"])
        assert texts(tokens[None])[0] == question + answer


def test_rows_that_lack_something(tmp_path: Path) -> None:
    lines = [("one", "good"), ("", "bad"), ("three", ""), ("four", "bad"), ("five", "")]
    write(tmp_path / "a.csv", lines)
    dropped = rows(read(tmp_path, missing="drop"))
    assert sorted(zip(texts(dropped["review"]), dropped["mood"].tolist(), strict=True)) == [("four", 0), ("one", 1)]
    fields = FIELDS | {"mood": Type(DType.INT, classes=3)}
    needs = rows(read(tmp_path, fields, missing="keep", needs="review"))
    assert sorted(texts(needs["review"])) == ["five", "four", "one", "three"]
    kept = rows(read(tmp_path, fields, missing="keep"))
    assert sorted(zip(texts(kept["review"]), kept["mood"].tolist(), strict=True))[0] == ("", 0)
    assert "column `review` has no text in row 2" in refused(tmp_path, FIELDS).message


def test_longer_texts_are_refused_cut_or_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [*ROWS, ("z" * 30, "good")])
    said = refused(tmp_path)
    assert "1 of 41 texts of `review` have more than 24 tokens; the longest, in row 41, has 30" in said.message
    cut = read(tmp_path, longer="cut", split=NONE)
    assert "z" * N in texts(rows(cut)["review"]) and "are cut" in cut.notes[-1]
    left = read(tmp_path, longer="drop", split=RandomSplit(share=0.5))
    assert left.validation is not None
    both = [*texts(rows(left)["review"]), *texts(left.validation["review"][:])]
    assert sorted(both) == sorted(text for text, _ in ROWS)
    lines = [("z" * 30, "good"), *ROWS]
    write(tmp_path / "a.csv", lines)
    left = read(tmp_path, longer="drop", split=RandomSplit(share=0.5))
    assert left.validation is not None
    assert [lines[row][0] for row in left.places["held_out"].rows] == texts(left.validation["review"][:])


def test_texts_that_are_read_as_such_are_no_fault(tmp_path: Path) -> None:
    table = "review,mood\n" + "".join(f"a long review of the film number {k} by me,{k % 2}\n" for k in range(40))
    (tmp_path / "a.csv").write_text(table)
    fields = 'review: tokens[64], review_mask: [64], mood: class[2] from examples("a.csv")'
    body = "minimize mean(review_mask) * cross_entropy(linear(embed(review[0], 2), 2), mood)"
    (tmp_path / "s.mai").write_text(f"const vocab = 256\ndata {fields}\ntrain(steps = 1) {{\n  {body}\n}}\n")
    said = invoke("data", tmp_path / "s.mai", "--out", tmp_path / "p.csv")
    assert said.exit_code == 0, said.output
    assert "warning" not in said.output
    assert len((tmp_path / "p.csv").read_text().split()) == 41


def test_a_tokenizer_is_trained_on_what_is_trained_on(tmp_path: Path) -> None:
    """Other held-out texts, and those of other files, change nothing in it."""
    write(tmp_path / "a.csv")
    write(tmp_path / "v.csv", [("other words " + "w" * 9, "bad")] * 30)
    settings: dict[str, Any] = {"tokenizer": Bpe(vocab=300), "split": RandomSplit(share=0.3)}
    fields = {"review": Type(DType.INT, classes=300, shape=(40,))}
    first = read(tmp_path, fields, **settings)
    assert first.tokenizer is not None and first.validation is not None
    trained = read(tmp_path, fields, tokenizer=Bpe(vocab=300), validation="v.csv")
    numbers = {n for n, _ in enumerate(ROWS)} - {
        _place(text) for text in _decoded(first.tokenizer, rows(first)["review"])
    }
    write(tmp_path / "a.csv", [("qqq www" if n in numbers else text, mood) for n, (text, mood) in enumerate(ROWS)])
    again = read(tmp_path, fields, **settings)
    assert again.tokenizer == first.tokenizer
    np.testing.assert_array_equal(rows(again)["review"], rows(first)["review"])
    assert trained.validation is not None and trained.tokenizer is not None and '"ww' not in trained.tokenizer


def _decoded(stated: str, tokens: np.ndarray) -> list[str]:
    from mai.runtime.text.tokenizer import tokenizer_of

    return [tokenizer_of(stated).decode(row[row > 0].tolist()) for row in tokens]


def _place(text: str) -> int:
    return [each for each, _ in ROWS].index(text)


def test_special_tokens_stand_around_a_text_and_before_a_prompt(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "a", "b", "c", "?"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(tmp_path / "t.json"))
    (tmp_path / "a.csv").write_text("review,answer\na b,c\n")
    one = Type(DType.INT, classes=7, shape=(6,))
    alone = rows(read(tmp_path, {"review": one}, tokenizer="t.json"))["review"]
    assert alone.tolist() == [[1, 3, 4, 2, 0, 0]]
    fields = {"text": one, "answer_mask": Type(DType.REAL, shape=(6,))}
    prompt = rows(read(tmp_path, fields, tokenizer="t.json", text="{review} {answer}"))
    assert prompt["text"].tolist() == [[1, 3, 4, 5, 0, 0]]
    assert prompt["answer_mask"].tolist() == [[0, 0, 0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("fields", "settings", "words"),
    [
        ({"story": TOKENS}, {}, "has no column `story`; it has review, mood"),
        ({"review": Type(DType.INT, classes=60, shape=(N,))}, {}, "but `vocab` is 60"),
        ({"review": TOKENS}, {"text": "{review}!"}, "`text = ...` is that of a field `text`"),
        ({"review": TOKENS, "review_mask": Type(DType.REAL, shape=(9,))}, {}, "`review_mask` is [9], its text [24]"),
        ({"review": TOKENS}, {"tokenizer": Bpe(vocab=300)}, "makes up to 300 tokens, but `vocab` is 256"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    fields: dict[str, Type], settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.csv")
    assert words in refused(tmp_path, fields, **settings).message


def test_a_number_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"review": "a", "mood": "x"}\n{"review": "b", "mood": "y"}\n')
    assert rows(read(tmp_path, path="a.jsonl"))["mood"].shape == (2,)
    (tmp_path / "a.jsonl").write_text('{"review": 4, "mood": "x"}\n')
    assert "row 1: `review` is no text: 4" in refused(tmp_path, path="a.jsonl").message


def test_messages_are_refused_with_what_to_do(tmp_path: Path) -> None:
    turns = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(turns) + "\n" for _ in range(12)))
    error = refused(tmp_path, {"messages": TOKENS}, path="a.jsonl")
    assert "`messages` is no text" in error.message and "`answer_mask` is 1 at the answers" in (error.help or "")


def test_a_template_names_columns() -> None:
    with pytest.raises(SettingsError, match="needs columns"):
        Examples.of({"path": "a.csv", "text": "no column"})


SPEC = """const vocab = 256
data review: tokens[24], review_mask: [24], mood: class[2] from examples("a.csv", split = random(0.5))
net f(x: tokens[P], seen: [P]) -> [2] {
  h = masked_attention(embed(x, 8), seen, 2)
  return linear(sum(h * seen[:, None], axis = 0) / sum(seen), 2)
}
train(steps = 3, batch = 8) { minimize cross_entropy(f(review, review_mask), mood) }
export guess(review: tokens[P]) -> [2] { return f(review, ones([P])) }
"""


def test_an_evaluation_asks_a_text_as_long_as_it_is(tmp_path: Path) -> None:
    """And so gives, for texts of many lengths together, what each gives alone."""
    write(tmp_path / "a.csv")
    (tmp_path / "spec.mai").write_text(SPEC)
    program = check(tmp_path / "spec.mai").program
    assert program is not None
    assert misfits(program) == []
    done = invoke("train", tmp_path / "spec.mai", "--out", tmp_path / "run", "--quiet", "--device", "cpu")
    assert done.exit_code == 0, done.output
    subject = open_subject(tmp_path / "run", Asked())
    results = answer(subject, read_for(subject, [tmp_path / "a.csv"]), batch=3)
    assert isinstance(results, Labelled) and results.said is not None
    model = load_model(tmp_path / "run" / "spec.guess.onnx", providers="cpu")
    assert results.said.tolist() == [int(np.argmax(model(review=text))) for text, _ in ROWS]
    assert results.truth.tolist() == [int(mood == "good") for _, mood in ROWS]


CHATML = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
SAID = [("user", "hi"), ("assistant", "good day"), ("user", "and?"), ("assistant", "no"), ("user", "bye")]
TURNS = [{"role": role, "content": content} for role, content in SAID]
KNOWN_ROLES = "{% for m in messages %}{% if m.role in ('user', 'assistant') %}{{ m.content }};{% endif %}{% endfor %}"
CONVERSATION = {"path": "a.jsonl", "messages": "messages", "chat": "chat.jinja"}


def converse(folder: Path, conversations: list[Any], template: str = CHATML) -> Path:
    (folder / "chat.jinja").write_text(template)
    (folder / "a.jsonl").write_text("".join(json.dumps({"messages": each}) + "\n" for each in conversations))
    return folder


def test_answers_of_conversations_are_marked(tmp_path: Path) -> None:
    """As in the whole text of the template, whose answers begin where a model is asked, and end with their mark."""
    long = {"text": replace(TOKENS, shape=(120,)), "text_mask": replace(MASK, shape=(120,))}
    long["answer_mask"] = long["text_mask"]
    got = rows(read(converse(tmp_path, [TURNS, TURNS[:2], TURNS[:2]] * 4), long, split=NONE, **CONVERSATION))
    text = "<user>hi<end><assistant>good day<end><user>and?<end><assistant>no<end><user>bye<end>"
    short = text[: text.index("<user>and")]
    assert sorted(texts(got["text"])) == [short] * 8 + [text] * 4
    row = texts(got["text"]).index(text)
    answered = np.asarray(got["text"][row]).astype(int)[np.asarray(got["answer_mask"][row]) == 1]
    assert bytes(answered.tolist()).decode() == "good day<end>no<end>"
    assert got["answer_mask"][row][: text.index("good")].sum() == 0
    assert sorted(got["text_mask"].sum(1).tolist()) == [len(short)] * 8 + [len(text)] * 4


@pytest.mark.parametrize(
    ("role", "content", "of_text"),
    [
        ("from", "value", str),
        ("role", "content", lambda text: [{"type": "text", "text": text[:2]}, {"type": "text", "text": text[2:]}]),
    ],
)
def test_other_forms_of_messages_are_the_same_texts(role: str, content: str, of_text: Any, tmp_path: Path) -> None:
    """ShareGPT's names, and contents in parts."""
    called = {"user": "human", "assistant": "gpt"} if role == "from" else {}
    other = [{role: called.get(who, who), content: of_text(text)} for who, text in SAID]
    fields = {name: replace(TOKENS, shape=(120,)) for name in ("text",)} | {"answer_mask": replace(MASK, shape=(120,))}
    same, got = (rows(read(converse(tmp_path, [each] * 2), fields, **CONVERSATION)) for each in (TURNS, other))
    for name in fields:
        np.testing.assert_array_equal(got[name], same[name])


def test_an_answer_that_calls_tools_needs_no_text(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or () %}{{ c | tojson }}{% endfor %};{% endfor %}"
    calls = [{"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}]
    more = [{"role": "assistant", "content": None, "tool_calls": [{"name": "g", "arguments": {"y": "a"}}]}]
    openai = [{"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": '{"z":2}'}}]}]
    fields = {"text": replace(TOKENS, shape=(120,))}
    conversations = [TURNS[:1] + each for each in (openai, calls, more)]
    got = rows(read(converse(tmp_path, conversations, template), fields, **CONVERSATION))
    of_table = 'hi;{"function": {"arguments": {"z": 2}}};'  # And no text of a text.
    answers = (of_table, 'hi;{"name": "f", "arguments": {"x": 1}};', 'hi;{"name": "g", "arguments": {"y": "a"}};')
    assert sorted(texts(got["text"])) == [*answers]


def test_a_field_of_the_column_has_the_same_tokens(tmp_path: Path) -> None:
    fields = {name: replace(TOKENS, shape=(120,)) for name in ("text", "messages")}
    got = rows(read(converse(tmp_path, [TURNS, TURNS[:2]] * 5), fields, split=NONE, **CONVERSATION))
    np.testing.assert_array_equal(got["messages"], got["text"])


JUDGE = """const vocab = 256
data text: tokens[120], label: class[2] from examples("a.jsonl", messages = messages, chat = "chat.jinja", split = random(0.5))
net f(x: tokens[120]) -> [2] { return linear(mean(embed(x, 8), axis = 0), 2) }
train(steps = 3, batch = 8) { minimize cross_entropy(f(text), label) }
export judge(text: tokens[120]) -> [2] { return f(text) }
"""


def test_conversations_of_a_table_are_asked_as_they_were_trained_on(tmp_path: Path) -> None:
    converse(tmp_path, [])
    labelled = [{"messages": TURNS[: 2 + 2 * (place % 2)], "label": place % 2} for place in range(20)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in labelled))
    (tmp_path / "spec.mai").write_text(JUDGE)
    done = invoke("train", tmp_path / "spec.mai", "--out", tmp_path / "run", "--quiet", "--device", "cpu")
    assert done.exit_code == 0, done.output
    file = tmp_path / "run" / "spec.judge.onnx"
    done = invoke("predict", file, tmp_path / "a.jsonl", tmp_path / "said.jsonl")
    assert done.exit_code == 0, done.output
    said = [[*json.loads(line).values()][2:] for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    text = b"<user>hi<end><assistant>good day<end>".ljust(120, b"\0")
    alone = load_model(file, providers="cpu")(text=np.array([*text]))
    np.testing.assert_allclose(said[::2], np.repeat(alone, 10, 0), atol=1e-5)
    assert said[1] != said[0]


def test_a_conversation_that_is_longer_is_cut_with_its_mask(tmp_path: Path) -> None:
    fields = {"text": TOKENS, "answer_mask": MASK}
    short = [{"role": "user", "content": ""}, {"role": "assistant", "content": "yes"}]
    settings = {"split": NONE, "longer": "cut", **CONVERSATION}
    with pytest.raises(MaiError, match="`answer_mask` marks nothing of any row: it begins behind the 24 tokens"):
        read(converse(tmp_path, [TURNS] * 10), fields, **settings)
    data = read(converse(tmp_path, [TURNS, short, TURNS]), fields, **settings)
    got = rows(data)
    assert texts(got["text"]) == ["<user><end><assistant>ye"] and got["answer_mask"].sum() == 2
    assert "2 of 3 rows have nothing that `answer_mask` marks in their 24 tokens, the first in row 1" in data.notes[-1]


def test_a_row_whose_answer_is_cut_off_is_left_out_and_told(tmp_path: Path) -> None:
    """A mean by its mask would be 0/0; an answer that is cut in part stays, and one that is empty is told where it is kept."""
    said = [("q", "yes"), ("q" * 30, "no"), ("q" * 22, "no"), ("q", "")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in said))
    fields = {"text": TOKENS, "answer_mask": MASK}
    data = read(tmp_path, fields, path="a.jsonl", text="{question}>{answer}", longer="cut", missing="keep", split=NONE)
    assert data.notes == (
        "2 of 4 texts of `text` have more than 24 tokens, and are cut",
        "1 of 4 rows have nothing that `answer_mask` marks in their 24 tokens, the first in row 2, and are left out: "
        "`text: tokens[32]` would reach it",
        "`answer_mask` marks nothing in 1 of 4 rows, the first in row 4: a mean over it is 0/0 there, unless it is "
        "divided by `maximum(sum(answer_mask), 1)`",
    )
    assert sorted(rows(data)["answer_mask"].sum(1).tolist()) == [0, 1, 3]


@pytest.mark.parametrize(
    ("conversation", "template", "message"),
    [
        ([{"role": "user", "content": "hi"}], CHATML, "no message is of the role `assistant`"),
        ([{"from": "human", "value": "hi"}], CHATML, "no message is of the role `assistant`"),
        ([{"from": "human", "value": None}], CHATML, "message 1 has no text `value`"),
        ([{"who": "human", "value": "hi"}], CHATML, "message 1 has no text `role`"),
        ([*TURNS[:1], {"role": "assistant", "content": None}], CHATML, "message 2 has no text `content`"),
        ([{"role": "user", "content": [{"type": "image"}]}], CHATML, "message 1 has a part that is no text: {'type'"),
        ("hi", CHATML, "no list of messages: 'hi'"),
        (TURNS, "{% for m in messages[-2:] %}{{ m.content }};{% endfor %}", "otherwise where more follows: `hi;"),
        (TURNS, "{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ([{"role": "wizard", "content": "hi"}, *TURNS], KNOWN_ROLES, "leaves out message 1, of the role `wizard`"),
    ],
)
def test_what_is_no_conversation_is_refused_with_its_row(
    conversation: Any, template: str, message: str, tmp_path: Path
) -> None:
    error = refused(
        converse(tmp_path, [conversation] * 3, template), {"text": TOKENS, "answer_mask": MASK}, **CONVERSATION
    )
    assert message in error.message
    assert "a.jsonl, row 1, `messages`" in error.message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"messages": "m"}, "needs a template"),
        ({"messages": "m", "chat": "c", "text": "{a}"}, "takes `text` or `messages`"),
    ],
)
def test_conversations_have_a_template_and_no_other(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Examples.of({"path": "a.jsonl", **settings})
