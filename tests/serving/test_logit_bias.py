"""OpenAI's `logit_bias`, for a file that has an input of that name: what the file gives for the same row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mai.runtime import Model
from tests.support.serving import Client, running

COMPLETIONS = "/v1/completions"
ASKED = {"model": "biased", "prompt": "The ", "max_tokens": 9, "temperature": 0}


@pytest.fixture(scope="module")
def asking(biased: Model) -> Iterator[Client]:
    with running({"biased": biased}) as client:
        yield client


def text_of(asking: Client, **more: Any) -> Any:
    (choice,) = asking.post(COMPLETIONS, {**ASKED, **more}).json["choices"]
    return choice


@pytest.mark.parametrize("bias", [{}, {"97": 100}, {"97": -100, "98": 100.5}], ids=str)
def test_it_is_the_row_that_the_file_takes(bias: dict[str, float], asking: Client, biased: Model) -> None:
    row = np.zeros(256, np.float32)
    row[[int(t) for t in bias]] = list(bias.values())
    whole = biased(prompt="The ", logit_bias=row, count=9, temperature=0.0, seed=0, example=0)
    for more in ({}, {"logprobs": 1}):
        assert "The " + text_of(asking, logit_bias=bias, **more)["text"] == whole
    if bias:
        assert set(whole[4:]) == {chr(int(max(bias, key=lambda t: bias[t])))}
    assert text_of(asking)["text"] == text_of(asking, logit_bias={})["text"]


@pytest.mark.parametrize(
    ("bias", "words"),
    [
        ({"256": 1}, "0 to 255, not '256'"),
        ({"a": 1}, "not 'a'"),
        ({"9" * 5000: 1}, "not '9999"),
        ({"97": "x"}, "no finite number: 'x'"),
        ({"97": True}, "no finite number: 'True'"),
        ({"97": float("nan")}, "no finite number: 'nan'"),
        ({"97": 10**400}, "no finite number: '1000"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_what_is_refused(bias: Any, words: str, asking: Client) -> None:
    reply = asking.post(COMPLETIONS, {**ASKED, "logit_bias": bias})
    assert reply.status == 400
    assert words in reply.error["message"]


def test_a_file_without_it_says_so(service: Client) -> None:
    reply = service.post(COMPLETIONS, {**ASKED, "model": "spec.generate", "logit_bias": {"97": 1}})
    assert "`logit_bias`" in reply.error["message"]
