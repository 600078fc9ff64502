"""Messages become one text, by a template of Jinja's as publishers write them for transformers.

Templates come from other people's files: they run in Jinja's sandbox, without attributes that begin with `_`, and see nothing but
messages, tools and words.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat

if TYPE_CHECKING:
    from jinja2 import Template

Message = Mapping[str, object]  # `role` and `content`, and what else a template knows, as `tool_calls`.
DEFAULT, WITH_TOOLS = "default", "tool_use"  # Names of templates, where there are several.
OF_CONVERSATIONS = frozenset({"messages", "tools"})
UNAVAILABLE = "chat-unavailable"
# Roles that every template knows; of an assistant it may leave out what was thought.
ALWAYS_READ = ("user", "assistant")


class Arguments(dict[str, object]):
    """The arguments of a call of a tool: a table to a template that reads one, and their own JSON to one that writes them as a text."""

    def __init__(self, text: str, table: Mapping[str, object]) -> None:
        super().__init__(table)
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __add__(self, other: str) -> str:
        return self.text + other

    def __radd__(self, other: str) -> str:
        return other + self.text


def with_tables(message: Message) -> dict[str, Any]:
    """A message whose calls of tools have arguments that are tables, too, where they are texts of JSON, as OpenAI writes them."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_with_table(call) for call in calls]} if isinstance(calls, list) else {**message}


def _with_table(call: Any) -> Any:
    try:
        text = call["function"]["arguments"]
        table = json.loads(text)
    except (KeyError, TypeError, ValueError, RecursionError):
        return call  # None of OpenAI's shape, or no JSON: the template may read it.
    if not isinstance(table, dict):
        return call
    return {**call, "function": {**call["function"], "arguments": Arguments(str(text), table)}}


def render(chat: Chat, messages: Sequence[Message], tools: Sequence[Message] | None = None, /, **more: object) -> str:
    """The text that an answer to messages goes on from.

    Args:
        chat: the templates of a file, and its special tokens.
        messages: in their order, `{"role": "user", "content": "hello"}` each; a `system` message first, where there is one.
        tools: functions that the model may call, as JSON schemas: `{"type": "function", "function": {...}}`.
        more: variables that the template reads besides, as `enable_thinking`.

    Raises:
        ModelError: `chat-unavailable`: the template cannot be read, refuses these messages, or fails.
    """
    _check(messages, "a message", "role")
    _check(tools or (), "a tool")
    variables = {**chat.words, "add_generation_prompt": True, "documents": None, **more}
    with _failures_told():
        data = _plain({**variables, "messages": list(messages), "tools": list(tools) if tools else None})
        return _compiled(_chosen(chat, bool(tools))).render(**data)


def render_whole(
    chat: Chat, messages: Sequence[Message], tools: Sequence[Message] | None = None, /, **more: object
) -> str:
    """The same, where the template leaves out none of it: no variable, no tools, and no message, as one of a role that it does not know.

    Raises:
        ModelError: as `render` does; `chat-unavailable`: a message or the tools would be left out; `input-unknown`: a variable.
    """
    check_variables(chat, more)
    text = render(chat, messages, tools, **more)
    if tools and "tools" not in names_read(_chosen(chat, True)):
        raise ModelError(
            UNAVAILABLE, "the chat template reads no tools: the model would not know of them", "leave them out"
        )
    lost = _left_out(chat, messages, tools, **more)
    if lost is not None:
        role = str(messages[lost - 1]["role"])[:60]
        raise ModelError(UNAVAILABLE, f"the chat template leaves out message {lost}, of the role `{role}`")
    return text


def _left_out(
    chat: Chat, messages: Sequence[Message], tools: Sequence[Message] | None = None, /, **more: object
) -> int | None:
    """The number, from 1, of the first message that a template leaves out; None where none is known to be.

    In the place of what messages of other roles than the two of every template say stand marks, which are sought in what comes.
    """
    marks = {
        number: f"48151623{number:04}"
        for number, message in enumerate(messages, 1)
        if message["role"] not in ALWAYS_READ and isinstance(message.get("content"), str)
    }
    if not marks:
        return None
    marked = [{**m, "content": marks[i]} if i in marks else m for i, m in enumerate(messages, 1)]
    try:
        text = render(chat, marked, tools, **more)
    except ModelError:  # It reads what a message says, and refuses another text.
        return None
    return next((number for number, mark in marks.items() if mark not in text), None)


def message_left_out(chat: Chat, roles: Sequence[str]) -> int | None:
    """The number, from 1, of the first message that a template leaves out, where a conversation has these roles; None where none is known to be."""
    return _message_left_out(_chosen(chat, False), tuple(chat.words.items()), tuple(roles))


@lru_cache(maxsize=4096)
def _message_left_out(source: str, words: tuple[tuple[str, str], ...], roles: tuple[str, ...]) -> int | None:
    chat = Chat(templates={DEFAULT: source}, words=dict(words))
    return _left_out(chat, [{"role": role, "content": "-"} for role in roles], add_generation_prompt=False)


def check_template(source: str) -> None:
    """Raise `ModelError`, `chat-unavailable`, where a template cannot be read, or asks for what no file here has."""
    from mai.runtime.chat.sandbox import complaints

    with _failures_told():
        said = next(complaints(_compiled(source).environment, source), None)
    if said is not None:
        raise ModelError(UNAVAILABLE, said)


def check_variables(chat: Chat, names: Collection[str]) -> None:
    """Raise `ModelError`, `input-unknown`, for a variable that no template of a file reads: it would change nothing, without a word."""
    if not names:
        return
    read = frozenset[str]().union(*map(names_read, chat.templates.values())) - OF_CONVERSATIONS
    for name in names:
        if name in OF_CONVERSATIONS:
            raise ModelError("input-unknown", f"`{name}` of a chat template is what a conversation has itself")
        if name not in read:
            near = get_close_matches(name, read, n=1)
            help = f"did you mean `{near[0]}`?" if near else f"it reads {', '.join(sorted(read)) or 'messages alone'}"
            raise ModelError("input-unknown", f"the chat template reads no variable `{name[:60]}`", help)


@lru_cache(maxsize=8)
def names_read(source: str) -> frozenset[str]:
    """The variables that a template reads. Raises `ModelError`, `chat-unavailable`."""
    from jinja2.meta import find_undeclared_variables

    with _failures_told():
        return frozenset(find_undeclared_variables(_compiled(source).environment.parse(source)))


def _chosen(chat: Chat, has_tools: bool) -> str:
    """The template for messages with or without tools."""
    names = [WITH_TOOLS] * has_tools + [DEFAULT]
    for name in names:
        if name in chat.templates:
            return chat.templates[name]
    raise ModelError(UNAVAILABLE, f"this file has no template `{DEFAULT}`, but {', '.join(chat.templates)}")


def _check(items: Sequence[Message], what: str, *needed: str) -> None:
    for item in items:
        if not isinstance(item, Mapping) or any(name not in item for name in needed):
            help = '{"role": "user", "content": "hello"}' if needed else "a JSON schema of a function, as a dictionary"
            raise ModelError("input-dtype", f"this is no such thing as {what}: {str(item)[:60]!r}", help)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Raise a `ModelError` for what a template raises, which may be anything."""
    try:
        yield
    except ModelError:
        raise
    except ImportError as error:
        raise ModelError(UNAVAILABLE, "a chat template needs the package `jinja2`", "pip install jinja2") from error
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise ModelError(UNAVAILABLE, f"the chat template says: {first or type(error).__name__}") from error


def _plain(value: object) -> Any:
    """Numbers, texts, lists and dictionaries alone, so that a template reaches no methods of other objects."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Arguments):
        return Arguments(value.text, _plain(dict(value)))
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise ModelError("input-dtype", f"messages are made of texts, numbers and lists, this is a {type(value).__name__}")


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    """A template with a sandbox of its own."""
    from mai.runtime.chat.sandbox import sandbox

    return sandbox().from_string(source)
