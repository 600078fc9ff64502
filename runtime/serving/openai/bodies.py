"""The bodies of requests in OpenAI's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Port
from mai.runtime.serving.reading import read_json
from mai.runtime.serving.sharing import SEED

MOST_ANSWERS = 128
LOGIT_BIAS = "logit_bias"
MOST_DIGITS = 18  # Of a number that is a text: Python refuses to read thousands.
MOST_LIKELIEST = 20  # Tokens of a turn whose log-probabilities are given.
# What says nothing: programs send it by habit, whether a file knows it or not.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "temperature": (1,), "top_p": (1,), "presence_penalty": (0,), "frequency_penalty": (0,), "logit_bias": ({},), "echo": (False,),
    "suffix": ("",), "best_of": (1,), "response_format": ({"type": "text"},), "tool_choice": ("none", "auto"),
    "store": (False,), "parallel_tool_calls": (True, False),
}  # fmt: skip
OF_NO_DRAW: Mapping[str, tuple[object, ...]] = {"temperature": (0, 1)}  # The same, said of a file that draws nothing.
IGNORED = (
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
)  # They say nothing of the answer.

Content = str | list[dict[str, Any]] | None  # Of a message: a text, or parts, as `{"type": "text", "text": ...}`.


class StreamOptions(BaseModel):
    """What a stream tells besides."""

    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


class Asked(BaseModel):
    """What requests for texts share. Any further name is a setting or an input of the file."""

    model_config = ConfigDict(extra="allow")
    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def count(self) -> int | None:
        """The most tokens of an answer; None: as many as the file says."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def likeliest(self) -> int | None:
        """Of how many tokens of each turn log-probabilities are wanted."""
        raise NotImplementedError

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return tuple(s for s in ([self.stop] if isinstance(self.stop, str) else self.stop or []) if s)

    def values(self, ports: Mapping[str, object], *, draws: bool = True) -> dict[str, object]:
        """The settings and inputs that were said, without what says nothing where the file does not know it: a seed, where it draws nothing."""
        said = {n: v for n, v in (self.model_extra or {}).items() if v is not None and n not in IGNORED}
        neutral = NEUTRAL if draws else {**NEUTRAL, **OF_NO_DRAW, SEED: (said.get(SEED),)}
        return {n: v for n, v in said.items() if n in ports or not any(v == e for e in neutral.get(n, ()))}


class Completion(Asked):
    """`/v1/completions`: texts, or tokens, to go on from."""

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | bool | None = None

    @property
    def likeliest(self) -> int | None:
        """Of how many of the likeliest tokens of each turn the log-probabilities are wanted, too; None: of none, nor of those that were chosen."""
        return None if self.logprobs is None or self.logprobs is False else int(self.logprobs)


class Message(BaseModel):
    """One message of a conversation; a template may know more of it."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: Content = None


class Chat(Asked):
    """`/v1/chat/completions`: the messages so far."""

    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELIEST)] | None = None

    @property
    def likeliest(self) -> int | None:
        """As of a completion. Raises `ModelError`: others are wanted without those that were chosen."""
        if self.top_logprobs and not self.logprobs:
            raise ModelError("input-range", "`top_logprobs` is told beside `logprobs`", '"logprobs": true')
        return (self.top_logprobs or 0) if self.logprobs else None

    def plain_messages(self) -> list[dict[str, Any]]:
        """The messages as a template reads them. Raises `ModelError`: a part of one is no text."""
        return [m.model_dump(exclude_unset=True) | {"content": _text(m.content)} for m in self.messages]


class Embedding(BaseModel):
    """`/v1/embeddings`: texts, or tokens, each of which gets a vector."""

    model_config = ConfigDict(extra="ignore")
    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


def biases(port: Port, by_token: Mapping[str, object]) -> list[float]:
    """What is added to the logit of each token, [vocab], from OpenAI's `logit_bias`: numbers by tokens. Raises `ModelError`: some are none."""
    (size,) = port.shape if len(port.shape) == 1 else (None,)
    if not isinstance(size, int):
        raise ModelError("input-shape", f"`{port.name}` is no number for each token of a vocabulary, but {port.shape}")
    row = [0.0] * size
    for token, number in by_token.items():
        if not (token.isdecimal() and len(token) <= MOST_DIGITS and int(token) < size):
            raise ModelError("input-range", f"`{port.name}` is by tokens, 0 to {size - 1}, not {token[:40]!r}")
        row[int(token)] = _bias(port, token, number)
    return row


def _bias(port: Port, token: str, number: object) -> float:
    """What is added to the logit of one token. Raises `ModelError`: it is no finite number."""
    try:
        bias = float(number) if isinstance(number, (int, float)) and not isinstance(number, bool) else math.nan
    except OverflowError:
        bias = math.inf
    if not math.isfinite(bias):
        raise ModelError("input-dtype", f"`{port.name}` of token {token} is no finite number: {str(number)[:40]!r}")
    return bias


Body = TypeVar("Body", bound=BaseModel)


def read_body(kind: type[Body], raw: bytes) -> Body:
    """A body of some kind. Raises `ModelError`, `body-unreadable`, with the first thing that is wrong."""
    try:
        return kind.model_validate(read_json(raw))
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError("body-unreadable", f"`{first['loc'][0]}`: {first['msg']}") from error


def _text(content: Content) -> str:
    if not isinstance(content, list):
        return content or ""
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ModelError("input-dtype", f"a message has a part that is no text: {str(part.get('type'))[:40]!r}")
    return "".join(part["text"] for part in content)
