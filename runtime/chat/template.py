"""Messages become one text, by a template of Jinja's as publishers write them for transformers.

Templates come from other people's files: they run in Jinja's sandbox, without attributes that begin with `_`, and see nothing but
messages, tools and words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat

if TYPE_CHECKING:
    from jinja2 import Template

Message = Mapping[str, object]  # `role` and `content`, and what else a template knows, as `tool_calls`.
DEFAULT, WITH_TOOLS = "default", "tool_use"  # Names of templates, where there are several.
UNAVAILABLE = "chat-unavailable"


def render(chat: Chat, messages: Sequence[Message], tools: Sequence[Message] | None = None, **more: object) -> str:
    """The text that an answer to messages goes on from.

    Args:
        chat: the templates of a file, and its special tokens.
        messages: in their order, `{"role": "user", "content": "hello"}` each; a `system` message first, where there is one.
        tools: functions that the model may call, as JSON schemas: `{"type": "function", "function": {...}}`.
        more: variables that the template reads besides.

    Raises:
        ModelError: `chat-unavailable`: the template cannot be read, refuses these messages, or fails.
    """
    _check(messages, "a message", "role")
    _check(tools or (), "a tool")
    variables = {**chat.words, "add_generation_prompt": True, **more, "documents": None}
    data: dict[str, object] = _plain({**variables, "messages": list(messages), "tools": list(tools) if tools else None})
    with _failures_told():
        return _compiled(_chosen(chat, bool(tools))).render(**data)


def check_template(source: str) -> None:
    """Raise `ModelError`, `chat-unavailable`, where a template cannot be read, or asks for what no file here has."""
    from mai.runtime.chat.sandbox import complaints

    with _failures_told():
        said = next(complaints(_compiled(source).environment, source), None)
    if said is not None:
        raise ModelError(UNAVAILABLE, said)


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
