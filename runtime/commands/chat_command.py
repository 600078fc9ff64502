"""The verb `chat`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.command_line.opening import Provider, Threads


def chat(
    model: Annotated[Path, Argument(help="A .onnx file of a chat model that mai compiled.", show_default=False)],
    values: Annotated[list[str] | None, Argument(help="Settings: temperature=0.7.")] = None,
    system: Annotated[
        str | None, Option(help="The system message: what the model is told before the first message.")
    ] = None,
    tools: Annotated[
        Path | None, Option(help="A .json file with a list of functions that the model may call, as JSON schemas.")
    ] = None,
    stop: Annotated[list[str] | None, Option(help="A text at which an answer ends. May be said several times.")] = None,
    count: Annotated[int | None, Option(help="The most tokens of an answer.", show_default="as the file says")] = None,
    seed: Annotated[
        int | None,
        Option(help="Where the draws begin: the same seed gives the same answers to the same messages. By default 0."),
    ] = None,
    logprobs: Annotated[
        int | None,
        Option(
            min=0,
            help="How many of the likeliest tokens to print beside each token of an answer, with their log-probabilities; the token may be one of them.",
        ),
    ] = None,
    variable: Annotated[
        list[str] | None,
        Option(help="What the chat template reads besides: enable_thinking=false. May be said several times."),
    ] = None,
    threads: Threads = None,
    provider: Provider = None,
) -> None:
    """Talk with a compiled file: mai chat my-llama.generate.onnx

    A line is a message; /reset begins anew, with the first seed, too; /quit ends, and Ctrl-C ends an answer.
    """
    from mai.runtime.commands.chatting import Said, chat_with_file

    said = Said(system, tools, tuple(stop or ()), count, seed, logprobs, tuple(variable or ()))
    chat_with_file(model, values or [], said, provider, threads)
