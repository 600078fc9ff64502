"""A folder of a chat model in three commands, and answers that are transformers'."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.chat.pieces import before_stops, ends_among
from mai.runtime.errors import ModelError
from mai.runtime.model.model import Model
from mai.runtime.text.stream import Turns
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_tokenizer
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import save

SAID = [
    {"role": "user", "content": "hello there"},
    {"role": "assistant", "content": "red fish"},
    {"role": "user", "content": "one?"},
]
COUNT = 24


def reference(source: Any, messages: Any, count: int = COUNT) -> str:
    """The greedy answer of transformers."""
    tokenizer = chat_tokenizer()
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    with torch.inference_mode():
        grown = source.generate(**prompt, max_new_tokens=count, do_sample=False)
    text: str = tokenizer.decode(grown[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    return text


def test_a_conversation_longer_than_the_texts_of_the_training(model: Model, folder: Path) -> None:
    """The spec keeps how long these were, and an answer that may pass it says so, as transformers does."""
    assert "context = 512)" in (folder / "small" / "small.mai").read_text()
    conversation = model.conversation(count=500)
    with pytest.warns(UserWarning, match="more than 512 tokens"):
        next(conversation.say("hello there"))


def test_an_answer_is_that_of_transformers(source: Any, model: Model) -> None:
    assert model.chat(SAID, count=COUNT) == reference(source, SAID)


def test_without_the_step_file(folder: Path, model: Model, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((folder / "small.generate.onnx").read_bytes())
    assert load(alone, providers="cpu").chat(SAID, count=COUNT) == model.chat(SAID, count=COUNT)


def test_what_was_read_is_not_read_again(source: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second answer reads the new messages alone, and is what it would be anew."""
    conversation = model.conversation(count=COUNT)
    "".join(conversation.say("hello there"))
    first = len(prompt_of(conversation.messages[:1]))
    with watched(monkeypatch) as reads:
        second = "".join(conversation.say("one?"))
    assert reads[0][1] <= len(prompt_of(conversation.messages[:-1])) - first
    assert second == reference(source, list(conversation.messages[:-1]))


def prompt_of(messages: Any) -> list[int]:
    tokens: list[int] = chat_tokenizer().apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    return tokens


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The shapes [batch, new] of the tokens that turns read meanwhile."""
    reads: list[tuple[int, ...]] = []
    take = Turns.take

    def noted(self: Turns, tokens: Array, turn: int) -> Array:
        reads.append(tokens.shape)
        return take(self, tokens, turn)

    with monkeypatch.context() as patched:
        patched.setattr(Turns, "take", noted)
        yield reads


@pytest.mark.parametrize("kind", ["mistral", "mamba"])
def test_states_that_are_not_cut(kind: str, tmp_path: Path) -> None:
    """Windows, and recurrences: what was computed up to the end of a prompt is kept."""
    case = DECODERS[kind]
    sizes = {**case.settings, "vocab_size": len(chat_tokenizer())}
    save(replace(case, settings=sizes).make(), tmp_path / "small")
    chat_tokenizer().save_pretrained(tmp_path / "small")
    invoke("import", tmp_path / "small")
    invoke("compile", tmp_path / "small" / "small.mai", "--export", "generate", "--out", tmp_path)
    file = load(tmp_path / "small.generate.onnx", providers="cpu")
    conversation = file.conversation(count=COUNT)
    for text in ("hello there", "one?", "red fish blue fish"):
        answer = "".join(conversation.say(text))
        assert answer == file.chat(conversation.messages[:-1], count=COUNT)


def test_a_text_that_parts_from_what_was_read_is_cut(source: Any, model: Model) -> None:
    conversation = model.conversation(count=COUNT)
    list(conversation.say("hello there"))
    conversation.messages[-1] = {"role": "assistant", "content": "red fish"}
    assert "".join(conversation.say("one?")) == reference(source, SAID)


def test_an_answer_that_is_left_early(source: Any, model: Model) -> None:
    conversation = model.conversation(count=COUNT)
    pieces = conversation.say("hello there")
    first = next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert conversation.messages[-1] == {"role": "assistant", "content": first}
    assert "".join(conversation.say("one?")) == reference(source, list(conversation.messages[:-1]))


def test_drawn_answers_have_seeds_of_their_own(model: Model) -> None:
    """The first that of the conversation, also where it begins anew."""

    def answers(seed: int) -> list[str]:
        conversation = model.conversation(count=COUNT, temperature=1.0, seed=seed)
        texts = []
        for _ in range(2):
            conversation.messages.clear()
            texts.append("".join(conversation.say("hello")))
        conversation.reset()
        return [*texts, "".join(conversation.say("hello"))]

    first, second, anew = answers(3)
    assert first == anew
    assert len({first, second, *answers(7)}) == 4
    assert second == answers(4)[0]


def test_variables_of_the_template(model: Model) -> None:
    """The command's are Python's."""
    from mai.runtime.commands.chatting import read_variable

    words = ["add_generation_prompt=False", "n=2", 'names=["a"]', "x=yes", "y="]
    said = dict(map(read_variable, words))
    assert said == {"add_generation_prompt": False, "n": 2, "names": ["a"], "x": "yes", "y": ""}
    variables = {"add_generation_prompt": said["add_generation_prompt"]}
    assert model.chat(SAID, count=4, variables=variables) != model.chat(SAID, count=4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--variable", "add_generation_promt=false"], "no variable `add_generation_promt`"),
        (["count=5", "--count", "3"], "`--count` and `count=` are one number"),
        (["--seed", "3", "seed=3"], "`--seed` and `seed=` are one number"),
    ],
)
def test_what_the_command_refuses(words: list[str], said: str, folder: Path) -> None:
    assert said in str(invoke("chat", folder / "small.generate.onnx", *words).exception)


def test_several_tokens_end_an_answer(tmp_path: Path, model: Model) -> None:
    tokens = chat_tokenizer()(model.chat(SAID, count=COUNT))["input_ids"]
    assert model.ends({}) == {1}
    assert model.ends({"stop": tokens[5]}) == {tokens[5]}
    shorter = model.chat(SAID, count=COUNT, stop=tokens[5])
    assert model.chat(SAID, count=COUNT).startswith(shorter)


def test_texts_that_end_an_answer(model: Model) -> None:
    whole = model.chat(SAID, count=COUNT)
    for stop in (whole[4:7], whole[-1], whole[:2]):
        assert model.chat(SAID, count=COUNT, stops=[stop, "nowhere"]) == whole[: whole.index(stop)]


def test_special_tokens_that_end_an_answer(model: Model) -> None:
    """Its text shows nothing of them, and none of what comes behind the first."""
    stops = ["<|im_start|>", "<pad>", "<s>"]
    assert model.tokenizer is not None and ends_among([*stops, "fox", ""], model.tokenizer) == {0, 2, 3}
    said: dict[str, Any] = {"count": 60, "temperature": 9.0, "log_probs": 0}
    for seed in range(20):
        conversation = model.conversation(seed=seed, **said)
        whole = "".join(conversation.say("hello"))
        tokens = [one.token for one in conversation.scores]
        place = next((i for i, token in enumerate(tokens) if token in (0, 2, 3)), None)
        if place and tokens[place + 1 :]:
            break
    text = model.tokenizer.decode(tokens[:place])
    assert whole.startswith(text) and whole != text
    assert model.chat([{"role": "user", "content": "hello"}], seed=seed, stops=stops, **said) == text


@pytest.mark.parametrize("size", [1, 2, 5])
def test_stops_over_pieces(size: int) -> None:
    text = "a stop, a sto, and a stop sign"
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    for stops in (["stop"], ["stop,", "a st"], ["gn"], ["zz"], [" sto, "], []):
        expected = min((text[: text.index(s)] for s in stops if s in text), key=len, default=text)
        assert "".join(before_stops(pieces, stops)) == expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"stops": "x"}, "texts"),
        ({"stops": [""]}, "texts"),
        ({"tools": ["x"]}, "a tool"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_what_is_refused(said: dict[str, Any], words: str, model: Model) -> None:
    with pytest.raises(ModelError, match=words):
        model.chat(SAID, **said)


def test_a_file_without_a_template(folder: Path, tmp_path: Path) -> None:
    spec = (folder / "small" / "small.mai").read_text().replace(', chat = "chat_template.jinja"', "")
    (folder / "small" / "plain.mai").write_text(spec)
    done = invoke("compile", folder / "small" / "plain.mai", "--export", "generate", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    with pytest.raises(ModelError, match="has no chat template"):
        load(tmp_path / "plain.generate.onnx", providers="cpu").chat(SAID)


def take_interrupts() -> None:
    """Tests that run in the background have Ctrl-C ignored, and what they start would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def talk(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "mai.runtime.cli",
        "chat",
        str(folder / "small.generate.onnx"),
        "count=1500",  # an answer is not there before Ctrl-C is
        "stop=-1",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, preexec_fn=take_interrupts,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def test_ctrl_c_ends_the_answer_and_not_the_program(talk: subprocess.Popen[str]) -> None:
    assert talk.stdin and talk.stdout and talk.stderr
    talk.stdin.write("hello\n")
    talk.stdin.flush()
    talk.stdout.read(4)
    talk.send_signal(signal.SIGINT)
    said = [talk.stderr.readline() for _ in range(3)]
    assert said[1].startswith("note: this text may have more than 512 tokens, ")
    assert said[2] == "stopped\n"
    rest, errors = talk.communicate("/reset\nhello\n/quit\nnot read\n", timeout=60)
    assert talk.returncode == 0, errors
    assert len(rest) > 100


def test_a_conversation_in_the_terminal(folder: Path, model: Model, tmp_path: Path) -> None:
    from mai.runtime.commands.chatting import converse

    conversation = model.conversation(count=4, system="be brief")
    lines = iter(["hello", "", "one?", "/reset", "hello", "/quit", "hello", None])
    converse(conversation, lambda: next(lines))
    assert [m["role"] for m in conversation.messages] == ["system", "user", "assistant"]
    (tmp_path / "tools.json").write_text('{"no": "list"}')
    refused = invoke("chat", folder / "small.generate.onnx", "--tools", tmp_path / "tools.json")
    assert "no list of tools" in str(refused.exception)


def test_several_answers_share_what_they_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of as many equal rows; the prompt is read by one row."""
    prompt = "red fish blue fish one fish two fish"
    rows = model(prompt=[prompt] * 5, count=COUNT, temperature=1.0, seed=3, stop=-1)
    with watched(monkeypatch) as reads:
        answers = model.answers(prompt, 5, COUNT, temperature=1.0, seed=3, stop=-1)
    assert answers == rows
    assert len(set(answers)) == 5
    assert reads[0][0] == 1 and set(reads[1:]) == {(5, 1)}
    tokens = model.answers([5, 6, 7], 2, 4)
    assert [row.tolist() for row in tokens] == [model(prompt=[[5, 6, 7]], count=4)[0].tolist()] * 2


def test_several_answers_to_messages(model: Model) -> None:
    conversation = model.conversation(count=COUNT, temperature=1.0, seed=5)
    conversation.messages += SAID
    assert len(set(conversation.answers(4))) == 4
    assert len(conversation.messages) == 3
    greedy = model.conversation(count=COUNT)
    greedy.messages += SAID
    assert greedy.answers(3) == [model.chat(SAID, count=COUNT)] * 3
    with pytest.raises(ModelError, match="one prompt"):
        model.answers(["a", "b"], 2)
