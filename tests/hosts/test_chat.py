"""A conversation in JavaScript has the prompts and the answers that it has here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mai.runtime import load
from mai.runtime.chat.template import render
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder

pytestmark = pytest.mark.slow

SAYS = ["hello there", "what is ü and 日本?", "one?"]
TOOLS = [{"type": "function", "function": {"name": "sum", "parameters": {"type": "object", "required": ["a"]}}}]
PLAIN = "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}"
CUT = "{% for m in messages %}{{ m.content[:12] }}{% endfor %}{% if thinks is false %}-{% endif %}"
# Conversations of other templates: most of these leave something out.
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"system": "be brief"}, PLAIN), ({"tools": TOOLS}, PLAIN), ({"tools": []}, PLAIN),
    *(({"system": "a" * 20, "variables": o}, CUT) for o in ({"thinks": False}, {"think": False}, {"messages": []})),
]  # fmt: skip


def check_others(answers: Sequence[dict[str, Any]]) -> None:
    """What came of `OTHERS`."""
    no_system, no_tools, none, short, no_variable, own = answers
    assert no_system == {"error": "the chat template leaves out message 1, of the role `system`", "type": "ModelError"}
    assert "reads no tools" in no_tools["error"] and len(none["answers"]) == len(SAYS)
    assert short["prompts"][0].startswith("a" * 12 + SAYS[0][:12]) and short["prompts"][0].endswith("-")
    assert no_variable["error"] == "the chat template reads no variable `think`"
    assert own["error"] == "`messages` of a chat template is what a conversation has itself"


@pytest.mark.parametrize(
    ("settings", "options_of_compile"), [({}, ()), ({"sliding_window": 5}, ()), ({}, ("--capacity", "1000"))]
)
def test_a_conversation(
    settings: dict[str, Any], options_of_compile: tuple[str, ...],
    javascript: Callable[[Sequence[dict[str, Any]]], list[Any]], tmp_path: Path,
) -> None:  # fmt: skip
    chat_folder(tmp_path / "small", kind="Mistral" if settings else "Llama", **settings)
    invoke("import", tmp_path / "small")
    spec = tmp_path / "small" / "small.mai"
    done = invoke("compile", spec, "--export", "generate", "--out", tmp_path, *options_of_compile)
    assert done.exit_code == 0, done.output
    path = tmp_path / "small.generate.onnx"
    model = load(path, providers="cpu")
    whole = model.chat([{"role": "user", "content": SAYS[0]}], count=24)
    options: list[dict[str, Any]] = [
        {"count": 24}, {"count": 24, "system": "be brief", "tools": TOOLS}, {"count": 24, "stops": [whole[3:5], "nowhere", "<|im_start|>"]},
        {"count": 24, "values": {"seed": 3, "temperature": 0.9}},
        {"count": 60, "stops": ["<|im_start|>", "<pad>", "<s>"], "values": {"seed": 3, "temperature": 9.0}},
    ]  # fmt: skip
    files = {"file": str(path), "step": str(path.with_suffix(".step.onnx"))}
    calls = [files | {"chat": {"options": o, "says": [*SAYS, None, SAYS[0]]}} for o in options]
    refused = [files | {"chat": {"options": {"count": 2, **o}, "says": SAYS, "template": t}} for o, t in OTHERS]
    watched = [files | {"chat": {"says": SAYS[0]}, "watch": {"abort": abort}} for abort in (None, 0)]
    answers = javascript([*calls, *refused, *watched])
    check_others(answers[len(calls) : -2])
    assert [(each["ended"], each["messages"]) for each in answers[-2:]] == [(None, 2), ("AbortError", 0)]
    for option, reply in zip(options, answers[: len(options)], strict=True):
        values = option.pop("values", {})
        conversation = model.conversation(**option, **values)
        for text, prompt, answer in zip(SAYS, reply["prompts"], reply["answers"], strict=False):
            assert "".join(conversation.say(text)) == answer
            assert model.manifest.chat is not None
            assert render(model.manifest.chat, conversation.messages, conversation.tools) == prompt
        assert reply["answers"][-1] == reply["answers"][0]  # Begun anew, with the first seed.
