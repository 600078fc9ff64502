"""Texts are read, grown and streamed in JavaScript as in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, FewBits, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from tests.support.hosts import PIECES, TEXT
from tests.support.javascript import JavaScript, arrays, compiled
from tests.support.models.tokenizers import word_tokenizer

pytestmark = pytest.mark.slow

SHOWN_TOKENS = """const vocab = 8
let number = linspace(0, 7, 8)
export ids(x: tokens[P]) -> [P] { return number[x] }
"""


@pytest.mark.parametrize(("tokenizer", "quantize"), [("bytes", None), (PIECES, None), ("bytes", "int8")])
def test_text_is_generated_and_streamed(
    javascript: JavaScript, program: Any, tmp_path: Path, tokenizer: str, quantize: FewBits | None
) -> None:
    spec = program(TEXT)
    weights, _ = load_weights(spec, None)
    trained, options = Trained(weights, tokenizer=tokenizer), CompileOptions(verify=False, quantize=quantize)
    file = export(spec, "generate", trained, tmp_path, options).path
    step = export_step(spec, "generate", trained, tmp_path, options)
    assert step is not None
    model = load(file, providers="cpu")
    prompts: list[Any] = ["Once", ["Once", "A"], [[79, 110]]]
    settings = {"count": 8, "seed": 3, "temperature": 0.7}
    calls: list[dict[str, Any]] = [
        {"file": str(file), "step": str(step.path), "values": {"prompt": p, **settings}} for p in prompts
    ]
    calls.append({"file": str(file), "prompt": "Once", "values": settings})
    long = {"file": str(file), "values": {"prompt": "Once", "count": 58}}
    *whole, streamed, too_long, streamed_too_long = javascript(
        [*calls, long, {"file": str(file), "prompt": "Once", "values": {"count": 58}}]
    )
    odd: list[Any] = ["", ["Once", [79]], None]
    nothing, mixed, missing, without = javascript(
        [{"file": str(file), "values": {"prompt": prompt}} for prompt in odd]
        + [{"file": str(file), "prompt": "A", "values": {"cuont": 3}}]
    )
    assert mixed["error"] == "`prompt` mixes texts and numbers"
    assert missing["error"].startswith("the input `prompt` is missing")
    assert nothing["error"] == "there is no token: the text to go on from needs at least one"
    assert without["error"] == "there is no input or setting `cuont`; did you mean `count`?"
    for refused in (too_long, streamed_too_long):
        assert refused["error"] == "this model reads at most 60 tokens: 4 and 58 more are too many; count=57 fits"
    bad: list[dict[str, Any]] = [
        {"file": str(file), "values": {"prompt": p}} for p in ([[79, -1]], [[79, -1, 80], [79]], [[79, 300]])
    ]
    streams: list[Any] = [[79, -1], [79, 80.5], [[79, -1], [79, 80]], ["Once"], [79, 300]]
    bad += [{"file": str(file), "prompt": p, "values": {}} for p in streams]
    said = [answer["error"] for answer in javascript([call | {"step": str(step.path)} for call in bad])]
    for behind in (said[0], said[1], said[3]):
        assert behind.startswith("-1 stands before the tokens of `prompt`, not between or after them; cut off the -1")
    assert said[2] == said[7] == "`prompt` is from -1 to 255, this holds 300"
    assert said[4] == "`prompt` is a whole number, this holds 80.5"
    assert said[5] == said[6] == "`stream` takes one text, or the tokens of one; `run` takes several"
    for prompt, answer in zip(prompts[:2], whole, strict=False):
        assert answer["results"]["generate"] == model(prompt=prompt, **settings)
    np.testing.assert_array_equal(arrays(whole[2])["generate"], model(prompt=prompts[2], **settings))
    assert "".join(streamed["pieces"]) == "".join(model.stream("Once", **settings))


def test_a_text_with_a_fixed_number_of_places(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """`--capacity`: states of a fixed size give the tokens of Python, up to the last place; more are refused before the first."""
    spec = program(TEXT)
    trained, options = (
        Trained(load_weights(spec, None)[0], tokenizer="bytes"),
        CompileOptions(verify=False, capacity=24),
    )
    file = export(spec, "generate", trained, tmp_path, options).path
    step = export_step(spec, "generate", trained, tmp_path, options)
    assert step is not None
    call = {"file": str(file), "step": str(step.path), "prompt": "Once"}
    whole, longer = javascript([{**call, "values": {"count": count, "seed": 3}} for count in (21, 22)])
    assert "".join(whole["pieces"]) == "".join(load(file, providers="cpu").stream("Once", 21, seed=3))
    assert longer["error"] == "this model reads at most 24 tokens: 4 and 22 more are too many; count=21 fits"


def test_what_turns_have_for_themselves_is_no_help(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """A stream that lacks an input names those that a caller may say. A model that was released computes nothing."""
    spec = program(TEXT.replace("count: int", "seed: int, example: int, count: int"))
    trained = Trained(load_weights(spec, None)[0], tokenizer="bytes")
    file = export(spec, "generate", trained, tmp_path, CompileOptions(verify=False)).path
    step = export_step(spec, "generate", trained, tmp_path, CompileOptions(verify=False))
    assert step is not None
    call = {"file": str(file), "step": str(step.path), "prompt": "A"}
    past = load(step.path, providers="cpu").manifest.step.past  # type: ignore[union-attr]
    near, lacking, right, released = javascript(
        [
            {"file": str(step.path), "values": {f"{past}x": 1}},
            call,
            {**call, "values": {"seed": 1, "example": 0}},
            {**call, "values": {"seed": 1, "example": 0}, "release": True},
        ]
    )
    assert near["error"] == f"there is no input or setting `{past}x`; it takes seed, example, temperature"
    assert lacking["error"] == "the input `seed` is missing; it takes seed, example, temperature"
    assert right["pieces"]
    assert released == {"error": "this model was released: `load` opens the file again", "type": "ModelError"}


@pytest.mark.parametrize("template", ["<s> $A </s>", "<s> $A", "$A"])
def test_texts_get_special_tokens(javascript: JavaScript, program: Any, tmp_path: Path, template: str) -> None:
    padded = {"padding": {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                          "pad_type_id": 0, "pad_token": "<pad>"}}  # fmt: skip
    tokenizer = word_tokenizer(template, **padded)
    file = compiled(program(SHOWN_TOKENS), "ids", tmp_path, tokenizer=tokenizer)
    texts: list[Any] = ["red fish", "<s> one", "red", ["red"], ["red", "one"]]
    (refused,) = javascript([{"file": str(file), "values": {"x": ["red fish", "red"]}}])
    with pytest.raises(ModelError) as said:
        load(file)(x=["red fish", "red"])
    assert refused["error"] == f"{said.value.message}: {said.value.help}"
    for text, answer in zip(texts, javascript([{"file": str(file), "values": {"x": t}} for t in texts]), strict=True):
        np.testing.assert_array_equal(arrays(answer)["ids"], load(file, providers="cpu")(x=text))
    spec = program(
        TEXT.replace("vocab = 256", "vocab = 8").replace("prompt: tokens[P], ", "prompt: tokens[P], seed: int, ")
    )
    trained = Trained(load_weights(spec, None)[0], tokenizer=tokenizer)
    grows = export(spec, "generate", trained, tmp_path, CompileOptions(verify=False)).path
    step = export_step(spec, "generate", trained, tmp_path, CompileOptions(verify=False))
    assert step is not None
    settings, model = {"count": 5, "seed": 3}, load(grows, providers="cpu")
    prompts: list[Any] = ["red fish", "<s> one", ["one", "red blue fish"]]
    for prompt, answer in zip(
        prompts, javascript([{"file": str(grows), "values": {"prompt": p, **settings}} for p in prompts]), strict=True
    ):
        assert answer["results"]["generate"] == model(prompt=prompt, **settings)
    both = {"file": str(grows), "step": str(step.path), "prompt": "red fish"}
    streamed, several = javascript([both | {"values": settings}, both | {"values": {"seed": [1, 2]}}])
    assert several["error"] == "a text is one row, `seed` has a batch of 2"
    assert "".join(streamed["pieces"]) == "".join(model.stream("red fish", **settings))


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({}, ""),
        ({"added_tokens": [{"id": 4, "content": "red", "single_word": True, "lstrip": False, "rstrip": False, "normalized": False,
                            "special": False}]}, "onredon red on"),
    ],
)  # fmt: skip
def test_a_tokenizer_that_javascript_reads_in_another_way_is_refused(
    javascript: JavaScript, program: Any, tmp_path: Path, changes: dict[str, Any], fails: str
) -> None:
    """Its library does not know added tokens that are words of their own: tokens are taken, texts are not."""
    file = compiled(program(SHOWN_TOKENS), "ids", tmp_path, tokenizer=word_tokenizer("$A", **changes))
    text, tokens = javascript([{"file": str(file), "values": {"x": x}} for x in ("red whale", [4, 5])])
    assert arrays(tokens)["ids"].tolist() == [[4, 5]]
    if fails:
        assert "makes other tokens of texts" in text["error"] and fails in text["error"]
    else:
        assert arrays(text)["ids"].tolist() == load(file)(x="red whale").tolist()


def test_a_prompt_of_too_few_tokens_is_refused(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """In Python's words: a place without a token does not count."""
    spec = program(TEXT.replace("  return 4 *", "  h += max(h[1:], axis = 0)\n  return 4 *"))
    weights, _ = load_weights(spec, None)
    options = CompileOptions(verify=False, cache="none")
    file = export(spec, "generate", Trained(weights, tokenizer="bytes"), tmp_path, options).path
    model, prompts = load(file, providers="cpu"), ([[3, 1, 2], [-1, -1, 4]], ["Once", "A"], "A")
    for prompt, answer in zip(
        prompts, javascript([{"file": str(file), "values": {"prompt": p}} for p in prompts]), strict=True
    ):
        with pytest.raises(ModelError) as refusal:
            model(prompt=prompt)
        assert answer["error"] == str(refusal.value)
        assert answer["error"].startswith("`P` is at least 2, ")
    (fits,) = javascript([{"file": str(file), "values": {"prompt": [[3, 1], [-1, 4]][:1]}}])
    assert "results" in fits


def test_a_text_longer_than_those_of_the_training_says_so(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    """In Python's words."""
    spec = program(TEXT.replace("tokenizer = bytes", "tokenizer = bytes, context = 9"))
    trained = Trained(load_weights(spec, None)[0], tokenizer="bytes")
    file = export(spec, "generate", trained, tmp_path, CompileOptions(verify=False)).path
    calls = [{"file": str(file), "values": {"prompt": "Once", "count": count}} for count in (6, 5)]
    longer, fits = javascript(calls)
    with pytest.warns(UserWarning, match="more than 9 tokens") as said:
        load(file)(prompt="Once", count=6)
    assert longer["notes"] == [str(said[0].message)]
    assert not fits.get("notes")
