"""`mai chat`: lines become messages, and answers are shown as they grow."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mai.runtime.chat.conversation import SEED, Conversation
from mai.runtime.chat.template import Message
from mai.runtime.errors import ModelError
from mai.runtime.files import read_text, reason
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.cells import TRUTHS
from mai.runtime.inputs.values import parse_value, split_word
from mai.runtime.model.loader import load
from mai.runtime.model.model import Model
from mai.runtime.show.terminal import say, say_text
from mai.runtime.text.prompts import NOTHING

RESET, QUIT = "/reset", "/quit"
MAX_TOOLS = 10_000_000  # Bytes of a file of tools.


@dataclass(frozen=True, slots=True)
class Said:
    """What the command's options say of a conversation."""

    system: str | None = None
    tools: Path | None = None
    stops: tuple[str, ...] = ()
    count: int | None = None
    seed: int | None = None
    log_probs: int | None = None
    variables: tuple[str, ...] = ()


def chat_with_file(path: Path, words: list[str], said: Said, provider: str | None, threads: int | None) -> None:
    """Open a file, and talk with it until its input ends. Raises `ModelError`."""
    model = load(path, providers=provider, threads=threads)
    settings, text = _settings(model, words), model.manifest.text
    count = _once("--count", said.count, settings, text.count) if text and isinstance(text.count, str) else said.count
    seed = _once("--seed", said.seed, settings, SEED)
    settings |= {} if seed is None else {SEED: seed}
    tools = None if said.tools is None else read_tools(said.tools)
    conversation = Conversation(
        model, system=said.system, tools=tools, stops=said.stops, count=count, log_probs=said.log_probs,
        variables=dict(map(read_variable, said.variables)), **settings
    )  # fmt: skip
    say(f"{RESET} begins anew, {QUIT} or the end of the input ends, Ctrl-C ends an answer", err=True)
    converse(conversation, _line)


def converse(conversation: Conversation, read: Callable[[], str | None]) -> None:
    """Answer one line after the other; `read` gives the next, None at the end."""
    for line in iter(read, None):
        text = line.strip()
        if text == QUIT:
            return
        if text == RESET:
            conversation.reset()
            say("begun anew", err=True)
        elif text:
            _answer(conversation, text)


def _answer(conversation: Conversation, text: str) -> None:
    """Show the answer to a message as it grows. What is wrong with it, or Ctrl-C, ends the answer alone."""
    began, count = time.perf_counter(), 0
    try:
        for piece in conversation.say(text):
            count += 1
            say_text(piece, end="")
        note = f"{count / (time.perf_counter() - began):,.0f} pieces a second"
    except KeyboardInterrupt:
        note = "stopped"
    except ModelError as error:
        note = f"error[{error.slug}]: {error}"
    say_text("")
    for line in _likelihoods(conversation):
        say(line, err=True)
    say(note, err=True)


def _likelihoods(conversation: Conversation) -> Iterator[str]:
    """A line for each token of the last answer whose log-probability was kept, the likeliest others of its turn behind it."""
    tokenizer = conversation.model.tokenizer
    assert tokenizer is not None, "a conversation is in texts"
    for one in conversation.scores:
        if one.token != NOTHING:
            pairs = [(one.token, one.log_prob), *(pair for pair in one.likeliest if pair[0] != one.token)]
            yield "   ".join(
                f"{json.dumps(tokenizer.decode([token]), ensure_ascii=False)} {x:.3f}" for token, x in pairs
            )


def _line() -> str | None:
    """The next line of the input, after a prompt where somebody types; None at its end, and for Ctrl-C at a prompt."""
    try:
        if sys.stdin.isatty():
            import readline  # noqa: F401  `input` edits lines by it.

            return input("> ")
        line = sys.stdin.readline()
        return line if line else None
    except (EOFError, KeyboardInterrupt):
        say("", err=True)
        return None


def _settings(model: Model, words: list[str]) -> dict[str, Any]:
    """Settings of a file from `name=value` words."""
    values: dict[str, Any] = {}
    for word in words:
        name, value = split_word(word)
        if name not in model.settings:
            raise unknown_name_error(name, list(model.settings))
        values[name] = parse_value(model.settings[name], value, None)
    return values


def _once(option: str, said: int | None, settings: dict[str, Any], name: str) -> Any:
    """What an option says, or the file's setting of the same, which is taken out. Raises `ModelError`, `input-unknown`, where both do."""
    own = settings.pop(name, None)
    if own is not None and said is not None:
        raise ModelError("input-unknown", f"`{option}` and `{name}=` are one number: say one of them")
    return said if own is None else own


def read_variable(word: str) -> tuple[str, object]:
    """The name and the value of `NAME=VALUE`: a truth value, a number, a list or a table in JSON's notation; anything else is a text.

    Raises:
        ModelError: `input-unknown`: there is no `=` in it.
    """
    name, text = split_word(word)
    try:
        return name, json.loads(text.lower() if text.lower() in TRUTHS else text)
    except (ValueError, RecursionError):
        return name, text


def read_tools(path: Path) -> list[Message]:
    """The functions that a .json file lists. Raises `ModelError`, `input-dtype`, where it has no list of tables."""
    try:
        tools = json.loads(read_text(path, MAX_TOOLS))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("input-dtype", f"{path} holds no tools: {reason(error)}") from error
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ModelError("input-dtype", f"{path} holds no list of tools", '[{"type": "function", "function": {...}}]')
    return tools
