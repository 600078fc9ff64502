"""How likely the tokens of an answer were: transformers' transition scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.runtime import load
from mai.runtime.errors import ModelError
from mai.runtime.model.model import Model
from mai.runtime.text.scores import Scored
from tests.support.command import invoke

PROMPT = [0, 40, 41, 42]
COUNT = 12


def rows(turns: list[list[Scored]]) -> tuple[list[int], list[float]]:
    """The tokens of a text of one row, and their log-probabilities."""
    return [one.token for (one,) in turns], [one.log_prob for (one,) in turns]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_of_a_greedy_text_they_are_the_transition_scores(penalty: float, source: Any, model: Model) -> None:
    grown = source.generate(
        torch.tensor([PROMPT]), attention_mask=torch.ones(1, len(PROMPT)), max_new_tokens=COUNT, do_sample=False,
        repetition_penalty=penalty, output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    expected = source.compute_transition_scores(grown.sequences, grown.scores, normalize_logits=True)[0]
    tokens, log_probs = rows(list(model.scored([PROMPT], COUNT, repetition_penalty=penalty)))
    assert tokens == grown.sequences[0, len(PROMPT) :].tolist()
    np.testing.assert_allclose(log_probs, expected.numpy(), atol=2e-5)


def test_of_a_drawn_text_they_are_the_model_s_own(source: Any, model: Model) -> None:
    """The temperature and what leaves out tokens decide which token is drawn, and change no log-probability."""
    turns = list(model.scored([PROMPT], COUNT, temperature=1.7, top_k=20, top_p=0.9, seed=3, top=4))
    tokens, log_probs = rows(turns)
    text = torch.tensor([[*PROMPT, *tokens]])
    with torch.inference_mode():
        of_all = torch.log_softmax(source(text).logits[0, len(PROMPT) - 1 : -1].double(), -1)
    np.testing.assert_allclose(log_probs, of_all[range(len(tokens)), tokens], atol=2e-5)
    best, places = of_all.topk(4)
    assert [[t for t, _ in one.likeliest] for (one,) in turns] == places.tolist()
    np.testing.assert_allclose([[x for _, x in one.likeliest] for (one,) in turns], best, atol=2e-5)
    greedy = [one.token for (one,) in model.scored([PROMPT], COUNT)]
    assert tokens != greedy


def test_a_row_that_has_ended_adds_nothing(model: Model) -> None:
    alone, _ = rows(list(model.scored([PROMPT], COUNT)))
    other = [0, 70, 71, 72]
    several = list(model.scored([PROMPT, other], COUNT, stop=alone[2]))
    ends = alone.index(alone[2]) + 1
    assert [turn[0].token for turn in several[:ends]] == alone[:ends]
    assert all(turn[0] == Scored(-1, 0.0) for turn in several[ends:])
    assert len(several) > ends
    assert all(turn[1].log_prob < 0 for turn in several[ends:] if turn[1].token >= 0)


def test_of_a_conversation(model: Model) -> None:
    conversation = model.conversation(count=COUNT, log_probs=2)
    list(conversation.say("hello there"))
    first = conversation.scores
    assert len(first) == COUNT
    assert all(one.likeliest[0][1] >= one.log_prob for one in first)
    list(conversation.say("one?"))
    anew = model.conversation(count=COUNT, log_probs=0)
    anew.messages = conversation.messages[:-1]
    list(anew.answer())
    assert [one.token for one in anew.scores] == [one.token for one in conversation.scores]
    np.testing.assert_allclose(
        [one.log_prob for one in anew.scores], [one.log_prob for one in conversation.scores], atol=2e-5
    )
    assert anew.scores[0].likeliest == ()


def test_an_answer_that_is_refused_has_none(model: Model) -> None:
    conversation = model.conversation(count=2, log_probs=0)
    list(conversation.say("hello there"))
    assert len(conversation.scores) == 2
    conversation.messages.append({"content": "of nobody"})
    with pytest.raises(ModelError):
        conversation.answer()
    assert conversation.scores == []


def test_fewer_than_no_others_are_refused(model: Model) -> None:
    with pytest.raises(ModelError, match="0 or more, this is -1"):
        model.scored([PROMPT], 2, top=-1)


def test_a_token_that_is_not_drawn_has_none(tmp_path: Path) -> None:
    spec = tmp_path / "plain.mai"
    spec.write_text("""const vocab = 9
net logits(x: tokens[P]) -> [P, 9] { return linear(embed(x, 9), 9) }
export generate(prompt: tokens[P], count: int = 5) -> tokens[P + count] {
  x = prompt
  extend x by count {
    z = logits(x)[-1]
    other ~ categorical(3 * z)
    append where(other > 3, argmax(z), other)
  }
  return x
}
""")
    done = invoke("compile", spec, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    file = load(tmp_path / "plain.generate.onnx", providers="cpu")
    with pytest.raises(ModelError, match="does not say how likely") as caught:
        file.scored([[1, 2]], 3)
    assert caught.value.slug == "scores-unavailable"


def test_without_a_step_file(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((folder / "small.generate.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"alone.step.onnx, which is missing"):
        load(alone, providers="cpu").scored([PROMPT], 3)
