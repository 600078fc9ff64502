"""`mai import FOLDER --data FILE`: what a spec learns of conversations, of prompts with answers, of texts; and that it is what was imported before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mai.compiler.check import check_text
from mai.compiler.data.batches import load
from mai.compiler.drafting.finetuning import Tuned, finetuned
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder, chat_tokenizer
from tests.support.models.tokenizers import WORDS, word_tokenizer

TEMPLATE = "{% for m in messages %}<s> {{ m.role }} {{ m.content }} </s> {% endfor %}{% if add_generation_prompt %}<s> assistant {% endif %}"
SPEC = f"""# A model, with the weights of a folder.
const vocab = {len(WORDS)}

data text: tokens[n] from text(tokenizer = "m/tokenizer.json"CHAT)

net logits(x: tokens[P]) -> [P, vocab] {{
  param token: [vocab, 8] ~ normal(0, 0.02)
  return linear(token[x], vocab, bias = false)
}}

export predict(x: tokens[P]) -> [P, vocab] {{ return logits(x) }}

export generate(prompt: tokens[P], count: int = 4) -> tokens[P + count] {{
  x = prompt
  extend x by count {{
    next ~ categorical(logits(x)[-1])
    append next
  }}
  return x
}}

weights from "m/model.safetensors" {{
  "logits.token" = "e"
  "logits.linear_1.weight" = "o"
}}
"""
CHAT = ', chat = "m/chat_template.jinja"'
TURNS = [{"role": "user", "content": "red fish"}, {"role": "assistant", "content": "one blue"}]
SHARED = [{"from": "human", "value": "red fish"}, {"from": "gpt", "value": "one blue"}]
PAIR = {"prompt": "red fish", "completion": "one blue"}
WHOLE = "<s> <unk> red fish </s> <s> <unk> one blue </s>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "tokenizer.json").write_text(word_tokenizer("$A"))
    (tmp_path / "m" / "chat_template.jinja").write_text(TEMPLATE)
    zeros = np.zeros((len(WORDS), 8), np.float32)
    save_file({"e": zeros, "o": zeros + 1}, tmp_path / "m" / "model.safetensors")
    return tmp_path


def tuned(
    folder: Path, rows: Sequence[Mapping[str, object]] | str, chat: str = CHAT, context: int | None = None
) -> Tuned:
    if isinstance(rows, str):
        (data := folder / "a.txt").write_text(rows)
    else:
        (data := folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return finetuned(SPEC.replace("CHAT", chat), folder / "a.mai", data, WORDS.index("</s>"), context)


def program_of(folder: Path, text: str) -> Program:
    program = check_text(folder / "a.mai", text).program
    assert program is not None
    return program


def learnt(folder: Path, text: str) -> tuple[str, str]:
    """The first text that the spec trains on, and what its loss is of, in words."""
    training = program_of(folder, text).training
    assert training is not None and training.data is not None
    batch = load(training.data, training.fields, 0, folder).batch(0, 1)
    row, mask = batch["text"][0].astype(int), next(values[0] for name, values in batch.items() if name != "text")
    words = [WORDS[token] for token in row]
    return " ".join(words).removesuffix(" <pad>" * words[::-1].count("<pad>")), " ".join(
        word for word, marked in zip(words, mask, strict=True) if marked
    )


@pytest.mark.parametrize(
    ("row", "chat", "text", "answer"),
    [
        ({"messages": TURNS}, CHAT, WHOLE, "one blue </s>"),
        ({"conversations": SHARED}, CHAT, WHOLE, "one blue </s>"),
        (PAIR, CHAT, WHOLE, "one blue </s>"),
        (PAIR, "", "red fish one blue </s>", "one blue </s>"),
        (
            {"instruction": "red", "input": "fish", "output": "one blue"},
            CHAT,
            "<s> <unk> red fish </s> <s> <unk> one blue </s>",
            "one blue </s>",
        ),
        ({"instruction": "red", "input": "", "output": "one blue"}, "", "red one blue </s>", "one blue </s>"),
        ({"text": "red fish one fish two fish"}, "", "red fish one fish <unk> fish </s>", None),
    ],
)
def test_what_is_learnt_of_a_row(
    row: dict[str, object], chat: str, text: str, answer: str | None, folder: Path
) -> None:
    got = tuned(folder, [{**row, "number": place} for place in range(3)], chat)
    assert learnt(folder, got.text) == (text, text if answer is None else answer)
    assert "keep = best" not in got.text and "tokens[16]" in got.text  # Nothing is held out of so few rows.


def test_a_spec_that_trains_has_all_of_the_imported_one(folder: Path) -> None:
    """The block stands before the weights, and its body is that of the export."""
    got = tuned(folder, [{"messages": TURNS}] * 40)
    before, program = SPEC.replace("CHAT", CHAT), program_of(folder, got.text)
    block = got.text[got.text.index("# Goes on") : got.text.index("weights from")]
    line = got.text[got.text.index("data text") : got.text.index("net logits")]
    assert (
        got.text.replace(block, "").replace(line, before[before.index("data text") : before.index("net logits")])
        == before
    )
    assert program.loading is not None and [*program.exports] == ["predict", "generate"]
    assert (
        "z = logits(x)" in block
        and "as whole" in block
        and "steps = 100, batch = 8" in block
        and "keep = best(loss, patience = 33)" in block
    )
    assert got.said == "40 conversations of 10 tokens; a field of 16 has room for each"


def test_rows_that_are_far_longer_are_left_out(folder: Path) -> None:
    rows = [PAIR] * 99 + [{"prompt": "red " * 500, "completion": "one"}]
    got = tuned(folder, rows)
    assert (
        "a field of 16 has room for each, but for 1, which is left out" in got.said
        and "longer = drop" in got.text
        and "tokens[16]" in got.text
    )
    assert "tokens[9]" in tuned(folder, rows[:99], context=8).text


def test_a_text_is_read_in_windows(folder: Path) -> None:
    got = tuned(folder, "red fish blue fish\n" * 200)
    assert "text: tokens[41]" in got.text and "minimize mean(cross_entropy(z, y))" in got.text
    assert program_of(folder, got.text).training is not None


@pytest.mark.parametrize(
    ("rows", "chat", "message"),
    [
        ([{"messages": TURNS}], "", "the folder has none"),
        (
            [{"messages": [{"role": "user", "content": [{"type": "image"}]}]}],
            CHAT,
            "row 1, `messages`: message 1 has a part",
        ),
        ([{"price": 3}], CHAT, "nothing that a language model learns: its columns are price"),
    ],
)
def test_what_cannot_be_learnt_is_refused(rows: list[dict[str, object]], chat: str, message: str, folder: Path) -> None:
    with pytest.raises(MaiError) as caught:
        tuned(folder, rows, chat)
    assert message in caught.value.diagnostics[0].message


def test_a_model_that_writes_nothing_is_refused(folder: Path) -> None:
    spec = SPEC.replace("CHAT", "")
    spec = spec[: spec.index("export generate")] + spec[spec.index("weights from") :]
    with pytest.raises(MaiError) as caught:
        finetuned(spec, folder / "a.mai", folder / "a.jsonl")
    assert "language models that go on" in caught.value.diagnostics[0].message


@pytest.mark.slow
def test_steps_are_those_of_a_loop_by_hand(tmp_path: Path) -> None:
    """AdamW on the same rows: the losses and the weights, to rounding."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    # The token that pads has no gradient in transformers: here it is none that a text begins with.
    model = chat_folder(tmp_path / "m", tie_word_embeddings=False, pad_token_id=3).train()
    rows = [
        [{"role": "user", "content": f"fish {n}?"}, {"role": "assistant", "content": f"one {n}" * n}]
        for n in range(1, 9)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    done = invoke("import", tmp_path / "m", "--data", tmp_path / "a.jsonl", "--out", tmp_path / "a.mai")
    assert done.exit_code == 0, done.output
    spec = (tmp_path / "a.mai").read_text()
    (tmp_path / "a.mai").write_text(spec.replace("cosine(warmup = 10)", "constant"))
    run = ("--steps", "3", "--batch", "8", "--out", tmp_path / "run", "--quiet", "--device", "cpu")
    done = invoke("train", tmp_path / "a.mai", *run)
    assert done.exit_code == 0, done.output
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    mine = []
    for _ in range(3):
        loss = torch.stack([_answer_loss(model, row) for row in rows]).mean()
        mine.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    np.testing.assert_allclose(losses, mine, rtol=1e-5)
    weights = load_file(tmp_path / "run" / "weights.safetensors")["logits.token"]
    np.testing.assert_allclose(weights, model.model.embed_tokens.weight.detach().numpy(), atol=1e-5)


def _answer_loss(model: Any, row: list[dict[str, str]]) -> Any:
    """The mean cross-entropy of the tokens of an answer, by transformers."""
    import torch

    tokenizer = chat_tokenizer()
    texts = (tokenizer.apply_chat_template(row[:k], tokenize=False, add_generation_prompt=k == 1) for k in (1, 2))
    asked, whole = (tokenizer(text, add_special_tokens=False).input_ids for text in texts)
    tokens = torch.tensor([whole])
    logits = model(tokens[:, :-1]).logits[0, len(asked) - 1 :]
    return torch.nn.functional.cross_entropy(logits, tokens[0, len(asked) :])


CLASSIFIER = f"""# A classifier.
const vocab = {len(WORDS)}
const classes = 2

data text: tokens[n] from text(tokenizer = "m/tokenizer.json")

net scores(x: tokens[P]) -> [classes] {{
  param token: [vocab, 8] ~ normal(0, 0.02)
  return linear(sum(where((x >= 0)[:, None], token[maximum(x, 0)], 0), axis = 0), classes, bias = false)
}}

export classify(x: tokens[P]) -> [classes] {{ return scores(x) }}

weights from "m/model.safetensors" {{
  "scores.token" = "e"
  "scores.linear_1.weight" = "o"[:2]
}}
"""


def labelled(folder: Path, rows: str, labels: tuple[str, ...] = ("LABEL_0", "LABEL_1")) -> str:
    (folder / "r.csv").write_text(rows)
    return finetuned(CLASSIFIER, folder / "a.mai", folder / "r.csv", labels=labels).text


REVIEWS = "review,mood,stars\n" + "red fish,up,1\nblue one fish,down,2\nred red fish,up,3\n" * 10


def test_a_classifier_learns_labels_of_texts(folder: Path) -> None:
    text = labelled(folder, REVIEWS.replace(",mood,", ",label,"))
    block = text[text.index("# Goes on") : text.index("weights from")]
    assert "review: tokens[16], review_mask: [16], label: class[2]" in text and "longer = cut" in text
    assert "x = where(review_mask > 0, review, -1)\n  z = scores(x)\n  minimize cross_entropy(z, label)" in block
    assert (
        "export classify(review: tokens[P]) -> (class[2], [2]) {\n  z = scores(review)\n  label = argmax(z)\n" in text
    )
    training = program_of(folder, text).training
    assert training is not None and training.data is not None
    batch = load(training.data, training.fields, 0, folder).batch(0, 1)
    assert batch["label"][0] == int(batch["review"][0][0] == WORDS.index("red"))  # down is 0, up 1


def test_other_labels_get_a_new_head(folder: Path) -> None:
    """Numbers that are not 0, 1, ... are names; the head begins with its first values, and its tensor is left out."""
    text = labelled(folder, REVIEWS.replace("stars", "label"))
    assert "label: class[3]" in text and "words = label" in text and "const classes = 3" in text
    assert '"scores.linear_1.weight" = first\n  ignore "o"' in text
    program = program_of(folder, text)
    assert load_weights(program, None)[0]["scores.linear_1.weight"].shape == (3, 8)


def test_a_label_that_no_text_has_is_none_of_the_heads(folder: Path) -> None:
    """Training numbers the labels of the rows that it takes: with a label less, a kept head would score others than it names."""
    rows = "review,label\n" + "red fish,up\nblue one fish,down\n" * 15 + ",a\n"
    text = labelled(folder, rows, ("a", "down", "up"))
    assert "label: class[2]" in text and "= first" in text


@pytest.mark.parametrize("labels", [("up", "down"), ("LABEL_0", "LABEL_1", "LABEL_2")])
def test_labels_in_another_order_or_number_get_a_new_head(labels: tuple[str, ...], folder: Path) -> None:
    assert "= first" in labelled(folder, REVIEWS.replace("mood", "label"), labels)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (REVIEWS, ("LABEL_0", "LABEL_1"), "which column"),
        ("a,b\n" + "1,2\n3,4\n" * 9, ("LABEL_0", "LABEL_1"), "no column that is one of texts"),
        (
            REVIEWS.replace("stars", "label").replace(",2", ",1").replace(",3", ",1"),
            ("a", "b"),
            "all rows have one label, 1",
        ),
    ],
)
def test_what_has_no_texts_with_labels_is_refused(
    rows: str, labels: tuple[str, ...], message: str, folder: Path
) -> None:
    with pytest.raises(MaiError) as caught:
        labelled(folder, rows, labels)
    assert message in caught.value.diagnostics[0].message
