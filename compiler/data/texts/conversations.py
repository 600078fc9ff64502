"""Conversations in tables, lists of messages, as texts: what a template makes of them, divided into what is asked and what is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.texts.messages import ASSISTANT, read_messages
from mai.compiler.data.texts.pieces import TurnParts
from mai.runtime.chat.template import message_left_out, render, with_tables
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Chat
from mai.spec.record import record


@record
class Conversations:
    """The `column` of a table that holds conversations, and the template that makes texts of them."""

    column: str
    chat: Chat

    def parts_of(self, messages: Any, where: str) -> TurnParts:
        """The text of some messages, divided where answers begin and end; nothing where there are no messages.

        An answer begins where the template has a model begin, and what the template writes behind it, as the mark of its end, belongs to it.

        Raises:
            MaiError: these are no messages, the template refuses them or leaves one out, or it writes what is before an answer otherwise than it stands in the whole.
        """
        if not messages:
            return ()
        messages = [with_tables(each) for each in read_messages(messages, where)]
        self._check_all_read([each["role"] for each in messages], where)
        places = [place for place, each in enumerate(messages) if each["role"] == ASSISTANT]
        if not places:
            raise bad(
                f"{where}: no message is of the role `{ASSISTANT}`", help="take the row out: a loss is of answers"
            )
        ends: list[str] = []
        for place in places:
            ends += [self._text(messages[:place], where, True), self._text(messages[: place + 1], where, False)]
        ends += [self._text(messages, where, False)] * (places[-1] < len(messages) - 1)
        return _between(ends, where)

    def _check_all_read(self, roles: list[str], where: str) -> None:
        """Raise `MaiError` where the template leaves out a message, as one of a role that it does not know."""
        lost = message_left_out(self.chat, roles)
        if lost is not None:
            message = f"{where}: the chat template leaves out message {lost}, of the role `{roles[lost - 1][:60]}`"
            raise bad(message, help="take it out of the data, or put its text into a message of `user`")

    def _text(self, messages: Any, where: str, is_asked: bool) -> str:
        try:
            return render(self.chat, messages, add_generation_prompt=is_asked)
        except ModelError as error:
            raise bad(f"{where}: {error.message}", help=error.help) from error


def conversations_of(source: Examples, base: Path) -> Conversations | None:
    """The conversations that a source names; None where it names none. Raises `MaiError` for a template that cannot be read."""
    if source.messages is None or source.chat is None:
        return None
    from mai.compiler.data.chat import read_chat

    return Conversations(source.messages, read_chat(base / source.chat))


def _between(ends: list[str], where: str) -> TurnParts:
    """What each text has more than the one before it, which it begins with."""
    parts, before = [], ""
    for text in ends:
        if not text.startswith(before):
            same = next(place for place, (a, b) in enumerate(zip(before, f"{text}\0", strict=False)) if a != b)
            raise bad(
                f"{where}: the template writes the beginning of a conversation otherwise where more follows: `{before[same : same + 40]}`",
                help="a template for training only adds: leave out what it takes back, as thoughts of earlier answers",
            )
        parts.append(text[len(before) :])
        before = text
    return tuple(parts)
