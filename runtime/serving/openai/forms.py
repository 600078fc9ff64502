"""How an answer is written: as a completion, or as a message of a chat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mai.runtime.serving.openai.likelihoods import LikelyTurn, of_chat, of_completion

Choice = dict[str, object]


@dataclass(frozen=True)
class Form:
    """How an answer is written.

    Attributes:
        prefix: of its id.
        kind, chunk: what the whole answer, and a piece of it, is called.
        choice: a whole answer, of its number, its text and why it ended.
        opening: what stands before the first piece; None: nothing.
        piece: a piece, of its text.
        ending: the last piece, of why the answer ended.
        logprobs: how likely tokens were.
    """

    prefix: str
    kind: str
    chunk: str
    choice: Callable[[int, str, str], Choice]
    opening: Choice | None
    piece: Callable[[str], Choice]
    ending: Callable[[str], Choice]
    logprobs: Callable[[Sequence[LikelyTurn]], Choice]


def _choice(index: int, reason: str | None, **more: object) -> Choice:
    return {"index": index, "finish_reason": reason, "logprobs": None, **more}


COMPLETION = Form(
    "cmpl",
    "text_completion",
    "text_completion",
    lambda index, text, reason: _choice(index, reason, text=text),
    None,
    lambda text: _choice(0, None, text=text),
    lambda reason: _choice(0, reason, text=""),
    of_completion,
)
CHAT = Form(
    "chatcmpl",
    "chat.completion",
    "chat.completion.chunk",
    lambda index, text, reason: _choice(index, reason, message={"role": "assistant", "content": text}),
    _choice(0, None, delta={"role": "assistant", "content": ""}),
    lambda text: _choice(0, None, delta={"content": text}),
    lambda reason: _choice(0, reason, delta={}),
    of_chat,
)


def usage(read: int, written: int) -> dict[str, int]:
    """How many tokens were read and written."""
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
