"""Messages as data sets write them, in any of their forms, become those that a template reads: a role and a text each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mai.compiler.data.fields import bad

Message = dict[str, Any]
ASSISTANT = "assistant"
FORM = '[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]'
# Who speaks, and what is said: OpenAI's names, and ShareGPT's.
NAMES = (("role", "content"), ("from", "value"))
ROLES = {"human": "user", "gpt": ASSISTANT, "chatgpt": ASSISTANT, "bard": ASSISTANT, "bing": ASSISTANT}


def read_messages(value: object, where: str) -> list[Message]:
    """The messages of one conversation, each with a `role` and a text `content`, and what else it has. `where` is said of what is wrong.

    ShareGPT's `from` and `value` are taken as `role` and `content`, and `human` and `gpt` as `user` and `assistant`. A content in parts,
    `[{"type": "text", "text": "hello"}]`, is their texts together. An answer that calls tools alone has an empty text.

    Raises:
        MaiError: `data-bad`: this is no list of messages, or one has no role, no text, or a part that is no text.
    """
    if not isinstance(value, list):
        raise bad(f"{where}: this is no list of messages: {value!r:.60}", help=f"as in `{FORM}`")
    return [_read(each, f"{where}: message {number}") for number, each in enumerate(value, 1)]


def _read(message: Any, where: str) -> Message:
    said = _without_nothing(message) if isinstance(message, Mapping) else {}
    role_name, content_name = next((names for names in NAMES if names[0] in said), NAMES[0])
    role, content = said.pop(role_name, None), said.pop(content_name, None)
    if content is None and said.get("tool_calls"):
        content = ""
    if isinstance(content, list):
        content = "".join(_texts(content, where))
    for name, text in ((role_name, role), (content_name, content)):
        if not isinstance(text, str):
            raise bad(f"{where} has no text `{name}`: {message!r:.60}", help=f"as in `{FORM}`")
    return {"role": ROLES.get(role, role) if role_name == "from" else role, "content": content, **said}


def _texts(parts: list[object], where: str) -> Iterator[str]:
    """The texts of a content in parts. Raises `MaiError` for a part that is no text, as an image is."""
    for part in parts:
        stated = part if isinstance(part, Mapping) else {"text": part}
        text = stated.get("text")
        if stated.get("type", "text") != "text" or not isinstance(text, str):
            raise bad(f"{where} has a part that is no text: {part!r:.60}", help="a language model reads texts alone")
        yield text


def _without_nothing(value: Any) -> Any:
    """An object without what other rows have and it has not: a table gives every object the names of all."""
    if isinstance(value, Mapping):
        return {name: _without_nothing(each) for name, each in value.items() if each is not None}
    return [_without_nothing(each) for each in value] if isinstance(value, list) else value
