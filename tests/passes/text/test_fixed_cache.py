"""`--capacity`: a step file whose keys and values have a fixed size gives the tokens of the usual one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, OptionError
from mai.compiler.compiling import compile_all
from mai.runtime import load
from mai.runtime.errors import ModelError
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder

# The longer the text, the surer it is of the next token: a number made of the length is that of the text, not of the places.
SPEC = """const vocab = 40
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 16)
  repeat 2 { h += attention(layer_norm(h), 4, 2, causal = true, rotary = true) }
  return (2 + (P + (2 * P + 1) // 5) / 12) * linear(h, vocab)
}
export generate(prompt: tokens[P], count: int = 9, temperature: real = 1.0, stop: token = 3) -> tokens[P + count] {
  x = prompt
  extend x by count until stop {
    next ~ categorical(penalise(logits(x)[-1], x, 1.2) / temperature)
    append next
  }
  return x
}
"""
PLACES = 24


def compiled(folder: Path, text: str = SPEC, **options: Any) -> Model:
    program = check_text(Path("spec.mai"), text).program
    assert program is not None
    compile_all(program, ["generate"], None, folder, CompileOptions(**options), report=lambda _: None)
    return load(folder / "spec.generate.onnx", providers="cpu")


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return compiled(tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return compiled(tmp_path_factory.mktemp("fixed"), capacity=PLACES)


def grown(file: Model, prompt: Any, count: int, **values: Any) -> list[list[int]]:
    return [turn.tolist() for turn in file.stream(prompt, count, **values)]


def test_tokens_are_those_of_the_usual_form(usual: Model, fixed: Model) -> None:
    """Prompts of different lengths, rows that end, and the last place of all."""
    check_tokens(fixed, usual)


@pytest.mark.slow
def test_tokens_of_an_older_opset_are_those_of_the_usual_form(usual: Model, tmp_path: Path) -> None:
    check_tokens(compiled(tmp_path, capacity=PLACES, opset=21), usual)


def check_tokens(fixed: Model, usual: Model) -> None:
    for prompts in ([[5, 6, 7], [8]], [list(range(4, 24))]):
        count = PLACES - max(map(len, prompts)) + 1
        for seed in range(3):
            assert grown(fixed, prompts, count, seed=seed) == grown(usual, prompts, count, seed=seed)


def test_a_long_prompt_is_read_in_blocks(usual: Model, tmp_path: Path) -> None:
    prompt = [np.random.default_rng(0).integers(4, 40, 140).tolist()]
    fixed = compiled(tmp_path, capacity=150)
    assert grown(fixed, prompt, 8, seed=1) == grown(usual, prompt, 8, seed=1)
    assert fixed.answers(prompt[0], 3, 8, seed=1)[2].tolist() == usual.answers(prompt[0], 3, 8, seed=1)[2].tolist()


def test_the_states_have_a_fixed_size(fixed: Model) -> None:
    path = fixed.path.with_name("spec.generate.step.onnx")
    session = ort.InferenceSession(path)
    shapes = {each.name: each.shape for each in [*session.get_inputs(), *session.get_outputs()]}
    step = load(path, providers="cpu").manifest.step
    assert step is not None
    assert (step.capacity, len(step.fixed)) == (PLACES, 4)
    for name in step.fixed:
        assert shapes[name][1:] == shapes[f"{name}_next"][1:] == [2, PLACES, 4]


def test_more_tokens_than_places_are_refused(fixed: Model) -> None:
    with pytest.raises(ModelError, match=f"at most {PLACES} tokens") as caught:
        fixed.stream([[5] * 20], 6)
    assert caught.value.slug == "input-range"
    turns = fixed.turns(np.full((1, 20), 5), 9, {})
    turns.take(np.full((1, 20), 5), 0)
    with pytest.raises(ModelError, match=f"places for {PLACES} tokens"):
        turns.take(np.full((1, 5), 5), 1)


@pytest.mark.slow
def test_a_conversation_goes_on_from_what_it_read(tmp_path: Path) -> None:
    chat_folder(tmp_path / "small")
    invoke("import", tmp_path / "small")
    for name, options in (("usual", ()), ("fixed", ("--capacity", 400))):
        done = invoke(
            "compile", tmp_path / "small" / "small.mai", "--export", "generate", "--out", tmp_path / name, *options
        )
        assert done.exit_code == 0, done.output
    files = [load(tmp_path / name / "small.generate.onnx", providers="cpu") for name in ("usual", "fixed")]
    answers = []
    for file in files:
        conversation = file.conversation(count=8)
        answers.append(["".join(conversation.say(text)) for text in ("hello there", "one?", "red fish")])
    assert answers[0] == answers[1]
    conversation = files[1].conversation(count=1000)
    assert "".join(conversation.say("hello there"))  # which ends where there are no places
    with pytest.raises(ModelError, match=r"these messages have [0-9]+ tokens, and this model reads at most 400"):
        "".join(conversation.say("one? " * 400))


def test_what_grows_and_is_no_cache_is_refused(tmp_path: Path) -> None:
    scores = "where(range(P)[:, None] >= range(P)[None, :], linear(h, 16) @ h', -1e9)"
    by_hand = f"h += softmax({scores}, axis = -1) @ h"
    text = SPEC.replace("repeat 2 { h += attention(layer_norm(h), 4, 2, causal = true, rotary = true) }", by_hand)
    with pytest.raises(MaiError) as caught:
        compiled(tmp_path, text, capacity=PLACES)
    assert [d.slug for d in caught.value.diagnostics] == ["no-capacity"]


@pytest.mark.parametrize("more", [{"step": False}, {"cache": "none"}, {"unroll": True}, {"capacity": 1}], ids=str)
def test_options_that_do_not_go_together(more: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="--capacity"):
        CompileOptions(**{"capacity": PLACES, **more})
