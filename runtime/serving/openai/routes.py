"""The routes: `/v1/models`, `/v1/models/NAME`, `/v1/completions`, `/v1/chat/completions`, `/v1/embeddings`."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mai.runtime.arrays import Array
from mai.runtime.chat.template import UNAVAILABLE
from mai.runtime.errors import ModelError
from mai.runtime.inputs.own_arguments import SPECIAL_TOKENS
from mai.runtime.serving.images import in_base64
from mai.runtime.serving.metrics import Metrics
from mai.runtime.serving.openai.answers import Answer, Wanted, room, seeded, streamed, take_count, together, whole
from mai.runtime.serving.openai.bodies import (
    LOGIT_BIAS,
    RESPONSE_FORMAT,
    Asked,
    Chat,
    Completion,
    Embedding,
    Texts,
    biases,
    check_of_specs,
    is_form_of,
    read_body,
)  # fmt: skip
from mai.runtime.serving.openai.forms import CHAT, COMPLETION, Choice, Form, usage
from mai.runtime.serving.openai.likelihoods import Telling
from mai.runtime.serving.openai.messages import prompt_of
from mai.runtime.serving.options import Options
from mai.runtime.serving.reading import JSON
from mai.runtime.serving.running import find, prepared
from mai.runtime.serving.served import Files, Served
from mai.runtime.serving.writing import as_json, respond_by_events, started
from mai.runtime.text.prompts import encode_text, notes_of_length, read_prompt

BEGAN = int(time.time())
MOST_LOG_PROBS = 2**21  # Of a request; each takes some hundred bytes until it is answered.


def models(served: Files, _: Request) -> Response:
    """The files that grow texts, embed them, or rank them."""
    return JSONResponse({"object": "list", "data": [_listed(one) for one in _able(served).values()]})


def model(served: Files, request: Request) -> Response:
    """One of them."""
    return JSONResponse(_listed(find(_able(served), request.path_params["name"])))


def _able(served: Files) -> Files:
    return {name: one for name, one in served.items() if one.grows_text or one.text_input or one.ranks}


def _listed(one: Served) -> dict[str, object]:
    return {"id": one.name, "object": "model", "created": BEGAN, "owned_by": "mai"}


async def completions(served: Files, options: Options, metrics: Metrics, request: Request) -> Response:
    """Continue texts."""
    body = read_body(Completion, await request.body())
    one = _growing(served, body.model)
    count, values = _said(one, body)
    prompts = await asyncio.to_thread(_prompts, one, _each(body.prompt, options, "there is no text to go on from"))
    wanted = [Wanted(one, prompt, count, body.n, body.stops, values, body.likeliest) for prompt in prompts]
    return await _answered(wanted, body, options, metrics, COMPLETION)


def _said(one: Served, body: Asked) -> tuple[int, dict[str, object]]:
    """How many tokens come at most, and the values of the file's other inputs and settings.

    Raises:
        ModelError: `input-unknown`: a name says what the route has another name for, or does not take.
    """
    text, ports = one.model.manifest.text, {**one.model.inputs, **one.model.settings}
    assert text is not None
    values = body.values(ports, draws=one.model.manifest.draws)
    if is_form_of(text, values.get(RESPONSE_FORMAT)):
        values.pop(RESPONSE_FORMAT)
    check_of_specs(values, ports)
    if text.prompt in values:
        raise ModelError("input-unknown", f"`{text.prompt}` is the text to go on from, which the request says already")
    if SPECIAL_TOKENS in values and SPECIAL_TOKENS not in ports:
        raise ModelError("input-unknown", f"`{SPECIAL_TOKENS}` is not taken here", f"POST /run/{one.name} takes it")
    bias = one.model.inputs.get(LOGIT_BIAS)
    by_token = values.get(LOGIT_BIAS, {})
    if bias is not None and isinstance(by_token, dict):
        values[LOGIT_BIAS] = biases(bias, by_token)
    return take_count(text, values, body.count), seeded(one, values)


def _prompts(one: Served, texts: Sequence[Any]) -> list[Array]:
    """The tokens of each text, [length], which may be tokens already."""
    port, special = one.model.prompt_port, one.model.manifest.special_tokens
    return [read_prompt(port, text, one.model.tokenizer, special_tokens=special).rows[0] for text in texts]


async def chat_completions(served: Files, options: Options, metrics: Metrics, request: Request) -> Response:
    """Answer messages, by the file's chat template."""
    body = read_body(Chat, await request.body())
    one = _growing(served, body.model)
    chat, text = one.model.manifest.chat, one.model.manifest.text
    if chat is None or text is None:
        raise ModelError(UNAVAILABLE, f"{one.name} has no chat template", "/v1/completions goes on from a text")
    prompt = await asyncio.to_thread(
        lambda: encode_text(one.model.prompt_port, prompt_of(chat, body), one.model.tokenizer)
    )
    if not len(prompt):
        raise ModelError(UNAVAILABLE, "the chat template makes nothing of these messages")
    count, values = _said(one, body)
    limit = await asyncio.to_thread(lambda: one.model.token_limit)  # Which opens the file of turns once.
    room_left = room(limit, len(prompt), count)
    wanted = Wanted(one, prompt, room_left, body.n, body.stops, values, body.likeliest)
    return await _answered([wanted], body, options, metrics, CHAT)


async def embeddings(served: Files, options: Options, request: Request) -> Response:
    """A vector for each text."""
    body = read_body(Embedding, await request.body())
    one = find(served, body.model)
    body.check_names()
    port = one.text_input
    if port is None:
        raise ModelError("input-unknown", f"{one.name} gives no vector for a text")
    texts = _each(body.input, options, "`input` has no text")
    embedded = await together([partial(_embedded, one, options, port.name, text) for text in texts], options.at_once)
    vectors = [vector for vector, _ in embedded]
    if body.dimensions not in (None, len(vectors[0])):
        raise ModelError(
            "input-range", f"vectors of {one.name} have {len(vectors[0])} dimensions, not {body.dimensions}"
        )
    shown = [in_base64(v.astype("<f4").tobytes()) if body.encoding_format == "base64" else v.tolist() for v in vectors]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(shown)]
    read = sum(length for _, length in embedded)
    used = {"prompt_tokens": read, "total_tokens": read}
    answer = {"object": "list", "data": data, "model": one.name, "usage": used}
    return Response(as_json(answer), media_type=JSON)


async def _embedded(one: Served, options: Options, name: str, text: str | list[int]) -> tuple[Array, int]:
    """The vector of one text, [n], and how many tokens it has."""
    call, _ = await asyncio.to_thread(prepared, one, options, {name: text})
    results = await one.line.ask(call.feed, options.timeout)
    return np.asarray(results[0])[0], int(call.feed[name].shape[1])


def _growing(served: Files, name: str) -> Served:
    one = find(served, name)
    if one.model.manifest.text is not None and not one.grows_text:
        help = f"compile it with --tokenizer; POST /run/{name} goes on from tokens"
        raise ModelError("text-unavailable", f"{name} has no tokenizer that makes tokens of a text", help)
    if not one.grows_text:
        raise ModelError("text-unavailable", f"{name} grows no text", f"POST /run/{name} calls it")
    return one


def _each(prompt: Texts, options: Options, none: str) -> list[Any]:
    """One text or one row of tokens as a list of one; several as they are. Raises `ModelError`, with the words `none` where there are none, or for too many."""
    single = isinstance(prompt, str) or (bool(prompt) and isinstance(prompt[0], int))
    prompts: list[Any] = [prompt] if single else list(prompt)
    if not prompts:
        raise ModelError("input-shape", none)
    if len(prompts) > options.examples:
        raise ModelError("input-range", f"a request has at most {options.examples} texts here, this has {len(prompts)}")
    return prompts


async def _answered(wanted: list[Wanted], body: Asked, options: Options, metrics: Metrics, form: Form) -> Response:
    name = body.model
    head = {"id": f"{form.prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
    _check_log_probs(wanted)
    if body.stream and len(wanted) == 1 and body.n == 1:
        return await _stream(wanted[0], body, options, metrics, form, head)
    answers = [pair for group in await _all(wanted, options) for pair in group]
    metrics.tokens.labels(name).inc(sum(answer.tokens for answer, _ in answers))
    choices: list[Choice] = [
        form.choice(i, text, answer.reason) | _likelihoods(wanted[0], form, _telling(wanted[0], answer), len(text))
        for i, (answer, text) in enumerate(answers)
    ]
    used = usage(sum(len(w.prompt) for w in wanted), sum(answer.tokens for answer, _ in answers))
    if body.stream:
        return respond_by_events(_events(wanted, body, form, head, zip(choices, answers, strict=True), used))
    return JSONResponse({**head, "object": form.kind, "choices": choices, "usage": used} | _besides(wanted))


def _check_log_probs(wanted: Sequence[Wanted]) -> None:
    """Raise `ModelError`, `body-too-large`, where a request may come to more log-probabilities than are kept for it."""
    most = sum(w.several * w.count * (1 + w.likeliest) for w in wanted if w.likeliest is not None)
    if most > MOST_LOG_PROBS:
        message = f"these answers may have {most:,} log-probabilities, and at most {MOST_LOG_PROBS:,} are kept"
        raise ModelError("body-too-large", message, "ask for fewer tokens, answers, or likeliest ones of each turn")


def _telling(wanted: Wanted, answer: Answer) -> Telling:
    tokenizer = wanted.one.model.tokenizer
    assert tokenizer is not None, "an answer is a text"
    return Telling(answer, tokenizer)


def _likelihoods(wanted: Wanted, form: Form, telling: Telling, letters: int) -> dict[str, object]:
    """What a choice says of the tokens within the first letters of its answer that were not told yet; nothing where it is not asked for."""
    return {} if wanted.likeliest is None else {"logprobs": form.logprobs(telling.until(letters))}


async def _all(wanted: list[Wanted], options: Options) -> list[list[tuple[Answer, str]]]:
    return await together([partial(whole, each, options, options.timeout) for each in wanted], options.at_once)


def _besides(wanted: Sequence[Wanted]) -> dict[str, object]:
    """What an answer says besides OpenAI's: the seed it was drawn with, by which it can be had again; that a text may be longer than those of the training."""
    first = wanted[0]
    notes = notes_of_length(first.text, max(len(each.prompt) + each.count for each in wanted))
    seed = {"seed": first.values["seed"]} if "seed" in first.values else {}
    return {**seed, "warning": notes[0]} if notes else seed


async def _stream(
    wanted: Wanted, body: Asked, options: Options, metrics: Metrics, form: Form, head: Mapping[str, object]
) -> Response:
    """Events of the server, one for each piece; what is wrong from the start is refused as any other request."""
    answer = wanted.answer()
    pieces = await started(streamed(wanted, options, answer, options.timeout))
    telling = _telling(wanted, answer)
    chunk = partial(_chunk, form, head)

    async def contents() -> AsyncIterator[str]:
        letters = 0
        async with aclosing(pieces):  # type: ignore[type-var]
            try:
                if form.opening:
                    yield chunk([form.opening])
                async for piece in pieces:
                    letters += len(piece)
                    yield chunk([form.piece(piece) | _likelihoods(wanted, form, telling, letters)])
            finally:
                metrics.tokens.labels(body.model).inc(answer.tokens)
        yield chunk([form.ending(answer.reason)], **_besides([wanted]))
        if body.tells_usage:
            yield chunk([], usage=usage(len(wanted.prompt), answer.tokens))

    return respond_by_events(contents())


async def _events(
    wanted: Sequence[Wanted], body: Asked, form: Form, head: Mapping[str, object],
    answers: Iterable[tuple[Choice, tuple[Answer, str]]], used: Mapping[str, int],
) -> AsyncIterator[str]:  # fmt: skip
    """Events of several answers that are there, one after the other: their rows are computed together."""
    chunk = partial(_chunk, form, head)
    for choice, (answer, text) in answers:
        own = {"index": choice["index"]}
        if form.opening:
            yield chunk([form.opening | own])
        yield chunk([form.piece(text) | own | {"logprobs": choice["logprobs"]}])
        yield chunk([form.ending(answer.reason) | own], **_besides(wanted))
    if body.tells_usage:
        yield chunk([], usage=used)


def _chunk(form: Form, head: Mapping[str, object], choices: Sequence[object], **more: object) -> str:
    return json.dumps({**head, "object": form.chunk, "choices": choices, **more})
