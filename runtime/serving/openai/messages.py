"""Messages in OpenAI's shape, as the templates of publishers read them: these are written for transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mai.runtime.chat.template import render_whole, with_tables
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat
from mai.runtime.serving.openai.bodies import Chat as Body
from mai.runtime.serving.openai.bodies import Content, Message

DEVELOPER, SYSTEM, ASSISTANT = "developer", "system", "assistant"


def prompt_of(chat: Chat, body: Body) -> str:
    """The text that the answer to a request goes on from.

    Raises:
        ModelError: a message says nothing, or has a part that is no text; as `render_whole` does.
    """
    messages = [_plain(chat, message) for message in body.messages]
    if all(message["content"] is not None for message in messages):
        return _rendered(chat, body, messages)
    spoken = _rendered(chat, body, [m | {"content": m["content"] or ""} for m in messages])
    try:
        silent = _rendered(chat, body, messages)
    except ModelError:
        return spoken
    return spoken if silent.count("None") > spoken.count("None") else silent


def _rendered(chat: Chat, body: Body, messages: Sequence[dict[str, Any]]) -> str:
    return render_whole(chat, messages, body.tools, **(body.chat_template_kwargs or {}))


def _plain(chat: Chat, message: Message) -> dict[str, Any]:
    """One message; its content is None where it calls tools and says nothing, which some templates ask for, and others cannot add."""
    said = {name: value for name, value in message.model_dump(exclude_unset=True).items() if value is not None}
    if message.role == DEVELOPER and not any(DEVELOPER in source for source in chat.templates.values()):
        said["role"] = SYSTEM  # As the role was called before, and is in most templates.
    if message.content is None and message.role != ASSISTANT:
        raise ModelError("input-missing", f"a message of the role `{message.role[:60]}` has no content")
    return with_tables(said) | {"content": None if message.content is None else _text(message.content)}


def _text(content: Content) -> str:
    if not isinstance(content, list):
        return content or ""
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ModelError("input-dtype", f"a message has a part that is no text: {str(part.get('type'))[:40]!r}")
    return "".join(part["text"] for part in content)
