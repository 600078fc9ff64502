"""The bodies of requests in OpenAI's shape."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.model.manifest import Port, Text
from mai.runtime.serving.reading import read_json
from mai.runtime.serving.sharing import SEED

MOST_ANSWERS = 128
KINDS = ("str", "int", "bool")  # As pydantic calls them in the place of what fits none of several.
LOGIT_BIAS, RESPONSE_FORMAT = "logit_bias", "response_format"
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

# Of a JSON schema: words that say nothing of values, what says that an object has no other properties, tables by names, and plain values.
REMARKS, NO_OTHERS = ("title", "description", "examples", "$schema", "$id", "$comment"), ("additionalProperties", False)
NAMED, VALUES = ("properties", "$defs", "definitions"), ("enum", "const", "default")
Texts = str | list[str] | list[StrictInt] | list[list[StrictInt]]  # One or several, as texts or as tokens.
OF_SPECS: Mapping[str, tuple[str, str]] = {
    RESPONSE_FORMAT: (
        "the form of answers is compiled into a file, and this one has none, or another",
        'a line of the spec before `next ~`: z = constrain(z, x, schema = "answer.json")',
    ),
    "tool_choice": ("no call of a tool is forced here", "leave it out: the template tells the model of its `tools`"),
    LOGIT_BIAS: (
        "this file adds nothing to its logits",
        "an input of the spec, `logit_bias: [vocab]`, that is added to them",
    ),
}  # What the spec of a file would have to say, and how.
Content = str | list[dict[str, Any]] | None  # Of a message: a text, or parts, as `{"type": "text", "text": ...}`.


class StreamOptions(BaseModel):
    """What a stream tells besides."""

    model_config = ConfigDict(extra="ignore")
    include_usage: StrictBool = False


class Asked(BaseModel):
    """What requests for texts share. Any further name is a setting or an input of the file."""

    model_config = ConfigDict(extra="allow")
    model: str
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=MOST_ANSWERS)] = 1
    stop: str | list[str] | None = None
    stream: StrictBool = False
    stream_options: StreamOptions | None = None

    @property
    def count(self) -> int | None:
        """The most tokens of an answer; None: as many as the file says. Raises `ModelError`: its two names say two numbers."""
        said = {each for each in (self.max_tokens, self.max_completion_tokens) if each is not None}
        if len(said) > 1:
            raise ModelError(
                "input-unknown", "`max_tokens` and `max_completion_tokens` are one number: say one of them"
            )
        return next(iter(said), None)

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with how many tokens there were."""
        return self.stream_options is not None and self.stream_options.include_usage

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

    prompt: Texts
    logprobs: Annotated[StrictInt, Field(ge=0, le=MOST_LIKELIEST)] | StrictBool | None = None

    @property
    def likeliest(self) -> int | None:
        """Of how many of the likeliest tokens of each turn the log-probabilities are wanted, too; None: of none, nor of those that were chosen."""
        return None if self.logprobs is None or self.logprobs is False else int(self.logprobs)


def check_of_specs(values: Mapping[str, object], ports: Collection[str]) -> None:
    """Raise `ModelError`, `input-unknown`, for what a file would have to be compiled with."""
    for name, (why, help) in OF_SPECS.items():
        if name in values and name not in ports:
            raise ModelError("input-unknown", f"`{name}`: {why}", help)


def is_form_of(text: Text, form: object) -> bool:
    """Whether a `response_format` asks for what all answers of a file are: JSON, or JSON of the very schema that it was compiled with."""
    if text.answers is None or not isinstance(form, dict):
        return False
    if form.get("type") == "json_object":
        return text.answers.get("type") == "object"
    wanted = form.get("json_schema")
    if form.get("type") != "json_schema" or not isinstance(wanted, dict):
        return False
    try:
        return bool(_bare(wanted.get("schema")) == _bare(text.answers))
    except RecursionError:  # Deeper than any that a file was compiled for.
        return False


def _bare(schema: Any) -> Any:
    """A JSON schema without what says nothing of values, as clients add it: names, and that there are no other properties, which there never are."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: value for name, value in schema.items() if name not in REMARKS and (name, value) != NO_OTHERS}

    def inside(name: str, value: object) -> object:
        if name in NAMED and isinstance(value, dict):
            return {each: _bare(inner) for each, inner in value.items()}
        return value if name in VALUES else _bare(value)

    return {name: inside(name, value) for name, value in said.items()}


class Message(BaseModel):
    """One message of a conversation; a template may know more of it."""

    model_config = ConfigDict(extra="allow")
    role: str
    content: Content = None


class Chat(Asked):
    """`/v1/chat/completions`: the messages so far."""

    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=MOST_LIKELIEST)] | None = None

    @property
    def likeliest(self) -> int | None:
        """As of a completion. Raises `ModelError`: others are wanted without those that were chosen."""
        if self.top_logprobs and not self.logprobs:
            raise ModelError("input-range", "`top_logprobs` is told beside `logprobs`", '"logprobs": true')
        return (self.top_logprobs or 0) if self.logprobs else None


class Named(BaseModel):
    """A body without settings of the file: a further name would say nothing."""

    model_config = ConfigDict(extra="allow")
    model: str

    def check_names(self) -> None:
        """Raise `ModelError`, `input-unknown`, for a name that the route does not take: it would change nothing, without a word."""
        for name, value in (self.model_extra or {}).items():
            if name not in IGNORED and value is not None:
                raise unknown_name_error(name, [each for each in type(self).model_fields if each != "model"])


class Embedding(Named):
    """`/v1/embeddings`: texts, or tokens, each of which gets a vector."""

    input: Texts
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = None


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
        raise ModelError("body-unreadable", f"`{_place(first['loc'])}`: {first['msg']}") from error


def _place(parts: Sequence[int | str]) -> str:
    """Where in a body something is wrong, as `messages[0].role`, without the kinds that were tried."""
    named = [part for part in parts if isinstance(part, int) or (part.isidentifier() and part not in KINDS)]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).removeprefix(".")
