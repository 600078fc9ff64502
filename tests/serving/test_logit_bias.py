"""OpenAI's `logit_bias`, for a file that has an input of that name: what the file gives for the same row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.runtime import Model
from tests.serving.conftest import TEXT, compiled
from tests.support.serving import Client, running

COMPLETIONS = "/v1/completions"
ASKED = {"model": "biased", "prompt": "The ", "max_tokens": 9, "temperature": 0}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The small text with a bias that is added to its logits."""
    text = TEXT.replace("prompt: tokens[P],", "prompt: tokens[P], logit_bias: [vocab],")
    text = text.replace("logits(x)[-1] /", "(logits(x)[-1] + logit_bias) /")
    return compiled(text, tmp_path_factory.mktemp("biased"))["spec.generate"]


@pytest.fixture(scope="module")
def service(file: Model) -> Iterator[Client]:
    with running({"biased": file}) as client:
        yield client


def text_of(service: Client, **more: Any) -> Any:
    (choice,) = service.post(COMPLETIONS, {**ASKED, **more}).json["choices"]
    return choice


@pytest.mark.parametrize("bias", [{}, {"97": 100}, {"97": -100, "98": 100.5}], ids=str)
def test_it_is_the_row_that_the_file_takes(bias: dict[str, float], service: Client, file: Model) -> None:
    row = np.zeros(256, np.float32)
    row[[int(t) for t in bias]] = list(bias.values())
    whole = file(prompt="The ", logit_bias=row, count=9, temperature=0.0, seed=0, example=0)
    for more in ({}, {"logprobs": 1}):
        assert "The " + text_of(service, logit_bias=bias, **more)["text"] == whole
    if bias:
        assert set(whole[4:]) == {chr(int(max(bias, key=lambda t: bias[t])))}
    assert text_of(service)["text"] == text_of(service, logit_bias={})["text"]


@pytest.mark.parametrize(
    ("bias", "words"), [({"256": 1}, "0 to 255, not '256'"), ({"a": 1}, "not 'a'"), ({"97": "x"}, "no number: 'x'")]
)
def test_what_is_refused(bias: Any, words: str, service: Client) -> None:
    reply = service.post(COMPLETIONS, {**ASKED, "logit_bias": bias})
    assert reply.status == 400
    assert words in reply.error["message"]


def test_a_file_without_it_says_so(tmp_path: Path) -> None:
    with running({"biased": compiled(TEXT, tmp_path)["spec.generate"]}) as client:
        reply = client.post(COMPLETIONS, {**ASKED, "logit_bias": {"97": 1}})
    assert "`logit_bias`" in reply.error["message"]
