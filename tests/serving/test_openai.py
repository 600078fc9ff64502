"""Routes in OpenAI's shape: what they answer is what the files give."""

from __future__ import annotations

import json
import shutil
import warnings
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.runtime import Model, load
from mai.runtime.chat.template import render
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat, Text
from mai.runtime.serving.openai.answers import Answer
from mai.runtime.serving.openai.bodies import Chat as ChatBody
from mai.runtime.serving.openai.bodies import Completion, is_form_of
from mai.runtime.serving.openai.messages import prompt_of
from mai.runtime.text.tokenizer import Bytes
from tests.support.serving import Client, running

GENERATE, COMPLETIONS, CHATS = "spec.generate", "/v1/completions", "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>{% if thinks is false %}-{% endif %}"
)
LONGER = "this text may have more than 1000 tokens, and the model was trained on none so long: what it writes there may be worse"
ASKED = {"model": GENERATE, "prompt": "The ", "max_tokens": 9, "seed": 5}


@pytest.fixture(scope="module")
def chatting(text: dict[str, Model]) -> Iterator[Client]:
    """The same file with a template of a chat."""
    model = load(text[GENERATE].path, providers="cpu", threads=1)
    model.manifest = model.manifest.model_copy(update={"chat": Chat(templates={"default": TEMPLATE})})
    with running({GENERATE: model}) as client:
        yield client


def written(model: Model, prompt: str, count: int, **values: Any) -> str:
    """What a call of the file appends."""
    text = model(prompt=prompt, count=count, **values)
    assert isinstance(text, str)
    return text[len(prompt) :]


def test_a_completion_is_what_the_file_appends(service: Client, text: dict[str, Model]) -> None:
    reply = service.post(COMPLETIONS, ASKED).json
    (choice,) = reply["choices"]
    assert choice["text"] == written(text[GENERATE], "The ", 9, seed=5, example=0)
    assert choice["finish_reason"] == "length"
    assert reply["usage"] == {"prompt_tokens": 4, "completion_tokens": 9, "total_tokens": 13}
    assert (reply["object"], reply["model"], reply["seed"]) == ("text_completion", GENERATE, 5)


def test_a_text_longer_than_those_of_the_training_says_so(service: Client, text: dict[str, Model]) -> None:
    long = "x" * 995
    with warnings.catch_warnings(action="error"):  # The answers say it, and not the service's terminal.
        assert service.post(f"/run/{GENERATE}", {"prompt": long, "seed": 5, "example": 0}).json["notes"] == [LONGER]
        assert service.post(COMPLETIONS, {**ASKED, "prompt": long}).json["warning"] == LONGER
        assert service.post(COMPLETIONS, {**ASKED, "prompt": ["short", long]}).json["warning"] == LONGER
    assert "warning" not in service.post(COMPLETIONS, {**ASKED, "prompt": long[:991]}).json
    with pytest.warns(UserWarning, match="more than 1000 tokens"):
        next(text[GENERATE].stream(long, 9, seed=5, example=0))


def test_of_several_results_it_is_the_text(text: dict[str, Model]) -> None:
    model, rows = text["spec.generate"], np.zeros((1, 9), np.int64)
    (name,) = model.outputs
    assert model.longer_text({"score": np.ones((1, 3)), name: rows}) is rows
    assert model.longer_text(rows) is rows


def test_several_prompts_and_answers(service: Client, text: dict[str, Model]) -> None:
    asked = {**ASKED, "prompt": ["The ", "An"], "n": 2, "temperature": 0.7}
    choices = service.post(COMPLETIONS, asked).json["choices"]
    pairs = [("The ", 0), ("The ", 1), ("An", 0), ("An", 1)]
    assert [choice["text"] for choice in choices] == [
        written(text[GENERATE], prompt, 9, seed=5, example=i, temperature=0.7) for prompt, i in pairs
    ]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    tokens = service.post(COMPLETIONS, {**ASKED, "prompt": list(b"The ")}).json["choices"][0]["text"]
    assert tokens == service.post(COMPLETIONS, ASKED).json["choices"][0]["text"]


def test_a_stream_is_the_same_text_in_pieces(service: Client) -> None:
    reply = service.post(COMPLETIONS, {**ASKED, "stream": True, "stream_options": {"include_usage": True}})
    assert reply.headers["content-type"].startswith("text/event-stream")
    *pieces, ending, used, done = reply.events
    assert done == "[DONE]"
    joined = "".join(json.loads(piece)["choices"][0]["text"] for piece in pieces)
    assert joined == service.post(COMPLETIONS, ASKED).json["choices"][0]["text"]
    assert len(pieces) > 1
    assert json.loads(ending)["choices"][0]["finish_reason"] == "length"
    assert json.loads(used)["usage"]["completion_tokens"] == 9


def test_a_stream_of_several_answers(service: Client) -> None:
    """They come one after the other, each with its number, and are those of the request without a stream."""
    asked = {**ASKED, "prompt": ["The ", "An"], "n": 2, "temperature": 0.7, "logprobs": 1}
    choices = service.post(COMPLETIONS, asked).json["choices"]
    *events, used, done = service.post(
        COMPLETIONS, {**asked, "stream": True, "stream_options": {"include_usage": True}}
    ).events
    sent = [json.loads(event)["choices"][0] for event in events]
    assert done == "[DONE]" and json.loads(used)["usage"]["completion_tokens"] == 36
    for choice in choices:
        piece, ending = (each for each in sent if each["index"] == choice["index"])
        assert {**piece, "finish_reason": ending["finish_reason"]} == choice


def test_more_tokens_than_places_are_refused_before_the_first(with_places: dict[str, Model]) -> None:
    asked = {"model": "spec.generate", "prompt": "a" * 10, "seed": 1, "end": -1}
    with running(with_places) as client:
        for more in ({"stream": True}, {"logprobs": 1}):
            assert client.post("/v1/completions", {**asked, **more, "max_tokens": 15}).status == 200
            reply = client.post("/v1/completions", {**asked, **more, "max_tokens": 16})
            assert (reply.status, reply.error["code"]) == (400, "input-range")
            assert (
                "at most 24 tokens: 10 of the prompt and 16 more are too many (max_tokens=15 fits)"
                in reply.error["message"]
            )


def test_stops_end_an_answer(service: Client) -> None:
    whole = service.post(COMPLETIONS, ASKED).json["choices"][0]["text"]
    stop = whole[3:5]
    for streamed in (False, True):
        reply = service.post(COMPLETIONS, {**ASKED, "stop": [stop], "stream": streamed})
        if streamed:
            *pieces, ending = (json.loads(event)["choices"][0] for event in reply.events[:-1])
            said, reason = "".join(p["text"] for p in pieces), ending["finish_reason"]
        else:
            (choice,) = reply.json["choices"]
            said, reason = choice["text"], choice["finish_reason"]
        assert (said, reason) == (whole[: whole.index(stop)], "stop")


def test_a_token_that_ends_the_text(service: Client, text: dict[str, Model]) -> None:
    """It is none of the text's, in a stream as in a whole answer."""
    third = int(text[GENERATE](prompt=[list(b"The ")], count=9, seed=5, example=0)[0, 6])
    whole = service.post(COMPLETIONS, {**ASKED, "end": third}).json
    assert (whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"]) == ("stop", 2)
    *pieces, ending, _ = service.post(COMPLETIONS, {**ASKED, "end": third, "stream": True}).events
    assert "".join(json.loads(p)["choices"][0]["text"] for p in pieces) == whole["choices"][0]["text"]
    assert json.loads(ending)["choices"][0]["finish_reason"] == "stop"


def test_without_a_seed_answers_differ_and_can_be_had_again(service: Client) -> None:
    asked = {**ASKED, "max_tokens": 20}
    asked.pop("seed")
    one, other = (service.post(COMPLETIONS, asked).json for _ in range(2))
    assert one["choices"][0]["text"] != other["choices"][0]["text"]
    again = service.post(COMPLETIONS, {**asked, "seed": one["seed"]}).json
    assert again["choices"][0]["text"] == one["choices"][0]["text"]


def test_the_file_s_own_name_for_the_number_of_tokens(service: Client, text: dict[str, Model]) -> None:
    """It says as much for a stream as for a whole answer."""
    asked = {name: value for name, value in ASKED.items() if name != "max_tokens"} | {"count": 3}
    whole = service.post(COMPLETIONS, asked).json
    assert whole["usage"]["completion_tokens"] == 3
    *pieces, _, _ = service.post(COMPLETIONS, {**asked, "stream": True}).events
    assert "".join(json.loads(p)["choices"][0]["text"] for p in pieces) == whole["choices"][0]["text"]
    assert whole["choices"][0]["text"] == written(text[GENERATE], "The ", 3, seed=5, example=0)


def test_a_chat_goes_on_from_its_template(chatting: Client, text: dict[str, Model]) -> None:
    messages = [{"role": "system", "content": "short"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    asked = {"model": GENERATE, "messages": messages, "max_completion_tokens": 8, "seed": 2}
    prompt = render(Chat(templates={"default": TEMPLATE}), [messages[0], {"role": "user", "content": "hi"}])
    expected = written(text[GENERATE], prompt, 8, seed=2, example=0)
    reply = chatting.post(CHATS, asked).json
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": expected}
    opening, *pieces, ending, _ = chatting.post(CHATS, {**asked, "stream": True}).events
    assert json.loads(opening)["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(json.loads(p)["choices"][0]["delta"]["content"] for p in pieces) == expected
    assert json.loads(ending)["choices"][0]["finish_reason"] == "length"
    assert CHATS in chatting.get("/openapi.json").json["paths"]


def test_variables_of_the_template(chatting: Client, text: dict[str, Model]) -> None:
    asked = {"model": GENERATE, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "seed": 2}
    reply = chatting.post(CHATS, {**asked, "chat_template_kwargs": {"thinks": False}}).json
    expected = written(text[GENERATE], "<user>hi<assistant>-", 8, seed=2, example=0)
    assert reply["choices"][0]["message"]["content"] == expected
    assert expected != chatting.post(CHATS, asked).json["choices"][0]["message"]["content"]
    for name, words in [
        ("think", "did you mean `thinks`"),
        ("messages", "what a conversation has itself"),
        ("chat", "no variable `chat`"),
    ]:
        refused = chatting.post(CHATS, {**asked, "chat_template_kwargs": {name: False}})
        assert refused.status == 400 and words in refused.error["message"]


WITH_CALLS = (
    "{% for m in messages %}{% if m.content is none %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}"
    "{% elif m.role in ('system', 'user', 'assistant', 'tool') %}{{ m.role }} {{ m.content }}{% if tools %}{{ tools | length }}{% endif %}{% endif %}{% endfor %}:"
)
CALL = {"id": "c", "type": "function", "function": {"name": "sum", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("template", "messages", "prompt"),
    [
        (WITH_CALLS, [{"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None}], '{"a": 1}:'),
        (WITH_CALLS, [{"role": "developer", "content": "be brief"}], "system be brief:"),
        (TEMPLATE, [{"role": "developer", "content": "be brief"}], "<system>be brief<assistant>"),
        (TEMPLATE, [{"role": "assistant", "tool_calls": [CALL]}], "<assistant><assistant>"),
        ("{{ messages[0].role }}{# developer #}", [{"role": "developer", "content": None}], "has no content"),
        (TEMPLATE, [{"role": "user"}], "of the role `user` has no content"),
        (WITH_CALLS, [{"role": "wizard", "content": "hi"}], "leaves out message 1, of the role `wizard`"),
        (TEMPLATE, [{"role": "user", "content": "hi"}], "<user>hi<assistant>"),
    ],
)
def test_messages_in_openai_s_shape(template: str, messages: list[Any], prompt: str) -> None:
    """What the template makes of them, or what they are refused for."""
    try:
        text = prompt_of(Chat(templates={"default": template}), ChatBody(model="m", messages=messages))
    except ModelError as error:
        text = error.message
    assert text == prompt or (prompt in text and "<" not in prompt)


def test_answers_in_the_form_that_the_file_was_compiled_for() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "integer"}}, "required": ["title"]}
    text = Text(prompt="x", count=3, usual=3, answers=schema)
    noted = {**schema, "title": "Answer", "additionalProperties": False}
    noted["properties"] = {"title": {"type": "integer", "title": "A number"}}
    named = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": noted}}
    other = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {**schema, "required": []}}}
    assert is_form_of(text, named) and is_form_of(text, {"type": "json_object"})
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"items": deep}
    others = (other, {**other, "json_schema": {"schema": deep}}, "json", {"type": "json_schema"}, None)
    assert not any(is_form_of(text, form) for form in others)
    assert not is_form_of(text.model_copy(update={"answers": None}), named)


@pytest.mark.parametrize(
    ("text", "is_json", "reason"),
    [('{"a": 1}', True, "stop"), ('{"a": 1}', False, "length"), ('{"a":', True, "length")],
)
def test_json_that_is_whole_is_not_cut(text: str, is_json: bool, reason: str) -> None:
    """A pattern ends by the last token, which clients would take for a cut."""
    answer = Answer(Bytes(), frozenset(), (), is_json)
    assert "".join(answer.pieces(text.encode())) == text
    assert answer.reason == reason


def test_where_in_a_body_something_is_wrong(chatting: Client) -> None:
    for message, place in [
        ({"content": "hi"}, "`messages[1].role`"),
        ({"role": "user", "content": 5}, "`messages[1].content`"),
    ]:
        asked = {"model": GENERATE, "messages": [{"role": "user", "content": "hi"}, message]}
        assert chatting.post(CHATS, asked).error["message"].startswith(place)


def test_likelihoods_without_the_file_of_turns_are_refused(text: dict[str, Model], tmp_path: Path) -> None:
    """Another request may succeed: it is no fault of the service."""
    alone = load(shutil.copy(text[GENERATE].path, tmp_path), providers="cpu")
    with running({GENERATE: alone}) as client:
        assert client.post(COMPLETIONS, {**ASKED, "stream": True}).status == 200
        reply = client.post(COMPLETIONS, {**ASKED, "logprobs": 1})
        assert (reply.status, reply.error["code"]) == (400, "stream-unavailable")


def test_a_message_that_is_no_text_is_refused(chatting: Client) -> None:
    asked = {"model": GENERATE, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}
    assert "a part that is no text: 'image_url'" in chatting.post(CHATS, asked).error["message"]


def test_a_text_to_go_on_from_beside_messages_is_refused(chatting: Client) -> None:
    asked = {"model": GENERATE, "messages": [{"role": "user", "content": "hi"}], "prompt": "other"}
    assert "`prompt` is the text to go on from" in chatting.post(CHATS, asked).error["message"]


def test_more_texts_than_may_wait_take_turns(text: dict[str, Model]) -> None:
    with running({"features": text["spec.features"]}, queue=2) as client:
        asked = {"model": "features", "input": ["one", "two", "three"] * 5}
        assert len(client.post("/v1/embeddings", asked).json["data"]) == 15


def test_embeddings(service: Client, text: dict[str, Model]) -> None:
    asked = {"model": "spec.features", "input": ["hello", "an"]}
    reply = service.post("/v1/embeddings", asked).json
    expected = [text["spec.features"](x=each)[0] for each in asked["input"]]
    np.testing.assert_array_equal([np.float32(d["embedding"]) for d in reply["data"]], expected)
    assert reply["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    coded = service.post("/v1/embeddings", {**asked, "encoding_format": "base64"}).json["data"]
    np.testing.assert_array_equal([np.frombuffer(b64decode(d["embedding"]), "<f4") for d in coded], expected)


def test_models_are_those_that_write_or_embed(service: Client) -> None:
    listed = service.get("/v1/models").json["data"]
    assert {each["id"] for each in listed} == {"spec.generate", "spec.features"}
    assert [service.get(f"/v1/models/{each['id']}").json for each in listed] == listed
    assert "there is no file `spec.sample`" in service.get("/v1/models/spec.sample").error["message"]


def test_what_programs_send_by_habit_is_taken(service: Client) -> None:
    habit = {
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "logit_bias": {},
        "logprobs": None,
        "user": "me",
    }
    assert service.post(COMPLETIONS, {**ASKED, **habit}).status == 200


def test_a_seed_says_nothing_of_a_file_that_draws_nothing() -> None:
    said = {"model": "m", "prompt": "a", "seed": 3, "temperature": 0, "top_k": 4}
    assert Completion(**said).values({}, draws=False) == {"top_k": 4}
    assert Completion(**said).values({"seed": 1}) == {"seed": 3, "temperature": 0, "top_k": 4}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (COMPLETIONS, {"top_p": 0.5}, "there is no input or setting `top_p`"),
    (COMPLETIONS, {"presence_penalty": 1}, "no input or setting `presence_penalty`"),
    (COMPLETIONS, {"model": "nothing"}, "there is no file `nothing`"),
    (COMPLETIONS, {"model": "spec.sample"}, "spec.sample grows no text"),
    (COMPLETIONS, {"prompt": ""}, "has no token"),
    (COMPLETIONS, {"prompt": []}, "no text to go on from"),
    (COMPLETIONS, {"prompt": None}, "`prompt`"),
    (COMPLETIONS, {"max_tokens": 0}, "`max_tokens`: Input should be greater than or equal to 1"),
    (COMPLETIONS, {"temperature": -1, "stream": True}, "`temperature` is at least 0"),
    (CHATS, {"messages": [{"role": "user", "content": "hi"}]}, "spec.generate has no chat template"),
    (COMPLETIONS, {"count": 3}, "`count` and `max_tokens` are one number"),
    (COMPLETIONS, {"count": "3", "max_tokens": None}, "`count` is a number of tokens"),
    (COMPLETIONS, {"special_tokens": True}, "POST /run/spec.generate takes it"),
    (COMPLETIONS, {"prompt": ["a"] * 101}, "at most 100 texts here, this has 101"),
    (COMPLETIONS, {"max_tokens": True}, "`max_tokens`: Input should be a valid integer"),
    (COMPLETIONS, {"max_completion_tokens": 3}, "are one number: say one of them"),
    (COMPLETIONS, {"stream": "yes"}, "`stream`: Input should be a valid boolean"),
    (COMPLETIONS, {"prompt": [True]}, "`prompt`"),
    (COMPLETIONS, {"response_format": {"type": "json_object"}}, 'z = constrain(z, x, schema = "answer.json")'),
    (EMBEDDINGS, {"input": "a"}, "spec.generate gives no vector for a text"),
    (EMBEDDINGS, {"model": "spec.features", "input": "a", "dimensions": 3}, "have 16 dimensions, not 3"),
    (EMBEDDINGS, {"model": "spec.features", "input": []}, "`input` has no text"),
    (EMBEDDINGS, {"model": "spec.features", "input": "a", "inputs": "b"}, "`inputs` (did you mean `input`?)"),
]


@pytest.mark.parametrize(("path", "change", "words"), REFUSED)
def test_what_is_refused_is_told_in_words(service: Client, path: str, change: dict[str, Any], words: str) -> None:
    reply = service.post(path, {"model": GENERATE, **({} if path == EMBEDDINGS else ASKED), **change})
    assert reply.status in (400, 404)
    assert words in reply.error["message"]


def test_who_leaves_a_stream_frees_its_place(text: dict[str, Model]) -> None:
    with running({GENERATE: text[GENERATE]}, streams=1) as client:
        gone = client.begin(COMPLETIONS, {**ASKED, "max_tokens": 100_000, "stream": True})
        assert gone.recv(50).startswith(b"HTTP/1.1 200")
        client.wait_for("mai_growing_texts", 1, file=GENERATE)
        gone.close()
        assert client.post(COMPLETIONS, {**ASKED, "stream": True}).status == 200
