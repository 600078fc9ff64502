"""Log-probabilities in OpenAI's shape: those that the file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mai.runtime import Model, load
from mai.runtime.model.manifest import Chat
from tests.support.serving import Client, running

GENERATE, COMPLETIONS, CHATS = "spec.generate", "/v1/completions", "/v1/chat/completions"
ASKED = {"model": GENERATE, "prompt": "The ", "max_tokens": 9, "seed": 5, "temperature": 0.5}
MESSAGES = {"messages": [{"role": "user", "content": "The "}]}


@pytest.fixture(scope="module")
def chatting(text: dict[str, Model]) -> Iterator[Client]:
    """The file with a template that is the message alone."""
    model = load(text[GENERATE].path, providers="cpu", threads=1)
    template = Chat(templates={"default": "{{ messages[0].content }}"})
    model.manifest = model.manifest.model_copy(update={"chat": template})
    with running({GENERATE: model}) as client:
        yield client


def of_file(text: dict[str, Model], top: int = 0, example: int = 0) -> list[Any]:
    turns = text[GENERATE].scored("The ", 9, top=top, seed=5, example=example, temperature=0.5)
    return [one for (one,) in turns]


def test_a_completion(service: Client, text: dict[str, Model]) -> None:
    (choice,) = service.post(COMPLETIONS, {**ASKED, "logprobs": 3}).json["choices"]
    log_probs, expected = choice["logprobs"], of_file(text, 3)
    assert choice["text"] == service.post(COMPLETIONS, ASKED).json["choices"][0]["text"]
    np.testing.assert_allclose(log_probs["token_logprobs"], [one.log_prob for one in expected], atol=1e-5)
    for each, one in zip(
        log_probs["top_logprobs"], expected, strict=True
    ):  # Bytes that are no text have one name together.
        for token, log_prob in one.likeliest:
            assert token >= 128 or np.isclose(each[chr(token)], log_prob, atol=1e-5)
    assert all(
        lp == each[t]
        for t, lp, each in zip(log_probs["tokens"], log_probs["token_logprobs"], log_probs["top_logprobs"], strict=True)
    )
    assert log_probs["text_offset"][0] == 0
    assert log_probs["text_offset"] == sorted(log_probs["text_offset"])


def test_several_answers_of_a_prompt(service: Client, text: dict[str, Model]) -> None:
    choices = service.post(COMPLETIONS, {**ASKED, "logprobs": 0, "n": 3}).json["choices"]
    plain = service.post(COMPLETIONS, {**ASKED, "n": 3}).json["choices"]
    assert [c["text"] for c in choices] == [c["text"] for c in plain]
    for i, choice in enumerate(choices):
        expected = [one.log_prob for one in of_file(text, example=i)]
        np.testing.assert_allclose(choice["logprobs"]["token_logprobs"], expected, atol=1e-5)


def test_a_stream_tells_each_once(chatting: Client) -> None:
    asked = {**ASKED, **MESSAGES, "logprobs": True, "top_logprobs": 2}
    del asked["prompt"]
    whole = chatting.post(CHATS, asked).json["choices"][0]
    _, *pieces, _, _ = chatting.post(CHATS, {**asked, "stream": True}).events
    streamed = [entry for p in pieces for entry in json.loads(p)["choices"][0]["logprobs"]["content"]]
    assert [e["token"] for e in streamed] == [e["token"] for e in whole["logprobs"]["content"]]
    for entry in streamed:
        assert len(entry["top_logprobs"]) == 2
        assert entry["top_logprobs"][0]["logprob"] >= entry["logprob"]
        assert entry["bytes"] == (None if "\ufffd" in entry["token"] else list(entry["token"].encode()))


def test_tokens_behind_a_stop_are_not_told(service: Client) -> None:
    whole = service.post(COMPLETIONS, {**ASKED, "logprobs": 0}).json["choices"][0]
    stop = whole["text"][3:5]
    cut = service.post(COMPLETIONS, {**ASKED, "logprobs": 0, "stop": stop}).json["choices"][0]
    length = whole["text"].index(stop)
    assert cut["text"] == whole["text"][:length]
    assert cut["logprobs"]["text_offset"] == [o for o in whole["logprobs"]["text_offset"] if o < length]


def test_what_says_nothing(service: Client) -> None:
    for nothing in (None, False):
        assert service.post(COMPLETIONS, {**ASKED, "logprobs": nothing}).json["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"logprobs": 21}, "logprobs"), ({"logprobs": -1}, "logprobs"), ({"logprobs": "x"}, "logprobs")],
)
def test_what_is_refused(service: Client, asked: dict[str, Any], words: str) -> None:
    reply = service.post(COMPLETIONS, {**ASKED, **asked})
    assert (reply.status, words in reply.error["message"]) == (400, True)


@pytest.mark.parametrize("more", [{"n": 128, "max_tokens": 10_000}, {"stream": True, "max_tokens": 1_000_000}])
def test_more_than_are_kept_are_refused(service: Client, more: dict[str, Any]) -> None:
    reply = service.post(COMPLETIONS, {**ASKED, **more, "logprobs": 20})
    assert (reply.status, reply.error["code"]) == (413, "body-too-large")
    assert "log-probabilities" in reply.error["message"]


def test_others_without_the_chosen_are_refused(chatting: Client) -> None:
    reply = chatting.post(CHATS, {"model": GENERATE, **MESSAGES, "top_logprobs": 2})
    assert "`top_logprobs` is told beside `logprobs`" in reply.error["message"]
