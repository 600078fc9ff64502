"""Texts grow in C as in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from tests.support.c_host import Host, with_manifest
from tests.support.hosts import TEXT

pytestmark = pytest.mark.slow


def test_a_text_is_that_of_python(host: Host, files: Path) -> None:
    """By the file of one turn, token by token, in both forms of settings."""
    path = files / "text.generate.step.onnx"
    step, plain = host.load(path), load(path, providers="cpu")
    prompt = list(b"The naive")
    for values in ({"temperature": 0.0}, {"seed": 3}, {"seed": 4, "temperature": 0.5}):
        expected = [int(token[0]) for token in plain.stream(np.array([prompt]), 7, **values)]
        assert host.text(host.call(step, **values), prompt, 7) == expected
    assert len(host.text(host.call(step), prompt)) == 6  # as many as the spec says
    assert host.text(host.call(step, seed=3), [-1, -1, *prompt], 7) == host.text(host.call(step, seed=3), prompt, 7)
    assert host.c.mai_tokens_are_bytes(step) == 1
    assert host.c.mai_tokenizer(step) is None


@pytest.mark.parametrize("file", ["text.generate", "text.generate.step"])
def test_a_text_longer_than_those_of_training_is_told(host: Host, files: Path, file: str) -> None:
    read = host.load(
        with_manifest(files / f"{file}.onnx", f"short.{file}", lambda whole: whole["text"].update(context=10))
    )
    for prompt, note in ((b"The ", []), (b"The n", ["this text may have more than 10 tokens, and the model was trained on none so long: "
                                                      "what it writes there may be worse"])):  # fmt: skip
        call = host.call(read)
        assert host.notes(call) == []
        if "step" in file:
            host.text(call, list(prompt))
        else:
            host.give(call, "prompt", np.array([list(prompt)]))
            host.results(call)
        assert host.notes(call) == note


def test_one_turn_is_a_call_like_others(host: Host, files: Path) -> None:
    """Before the first turn, the states have no tokens: of all sizes with a name, theirs alone may be 0."""
    path = files / "text.generate.step.onnx"
    plain, empty = load(path, providers="cpu"), np.zeros((1, 2, 0, 4), np.float32)
    values = {"ids": np.array([[84, 104]]), "begins": np.zeros(1, np.int64), "keys": empty, "values": empty, "past": 0}
    (token,) = host.results(host.call(host.load(path), **values, turn=0, temperature=0.0), "next")
    assert np.array_equal(token, plain(**values, turn=0, temperature=0.0)["next"])
    with pytest.raises(ModelError, match="`length_new` is at least 1, `ids` has 0"):
        host.results(host.call(host.load(path), **values | {"ids": np.zeros((1, 0), np.int64)}, turn=0))


def test_a_text_that_cannot_be(host: Host, files: Path) -> None:
    step = host.load(files / "text.generate.step.onnx")
    for prompt, words in {
        (): NO_TOKEN,
        (-1, -1): NO_TOKEN,
        (256,): "`prompt` is from -1 to 255, this holds 256",
        (1, -1, 2): NO_PLACE,
        (1, -1): NO_PLACE,
        (1,) * 58: "this model reads at most 60 tokens: 58 of the prompt and 6 more are too many (count=3 fits)",
        (1,) * 61: "this model reads at most 60 tokens: 61 of the prompt and 6 more are too many",
    }.items():
        with pytest.raises(ModelError) as caught:
            host.text(host.call(step), list(prompt))
        assert str(caught.value) == words
    assert len(host.text(host.call(step), [1] * 4, 57)) == 57  # The last one is not read.
    with pytest.raises(ModelError, match="are too many"):
        host.text(host.call(step), [1] * 4, 58)
    with pytest.raises(ModelError, match=r"NAME\.step\.onnx"):
        host.text(host.call(host.load(files / "text.generate.onnx")), [1])


NO_TOKEN = "`prompt` has no token: the text to go on from needs at least one"
NO_PLACE = (
    "-1 stands before the tokens of `prompt`, not between or after them "
    "(cut off the -1 that a row which ended early has behind it)"
)


def test_a_text_with_a_fixed_number_of_places(host: Host, program: Callable[[str], Program], tmp_path: Path) -> None:
    """`--capacity`: states of a fixed size give the tokens of Python, up to the last place; a longer prompt is read in blocks."""
    spec = program(TEXT.replace("[60, 8]", "[300, 8]"))
    trained = Trained(load_weights(spec, None)[0], tokenizer="bytes")
    export_step(spec, "generate", trained, tmp_path, CompileOptions(verify=False, capacity=150))
    path = tmp_path / "spec.generate.step.onnx"
    step, plain = host.load(path), load(path, providers="cpu")
    assert plain.manifest.step is not None and plain.manifest.step.fixed
    for prompt in (list(b"The naive"), list(b"cafe " * 28)):
        count = 151 - len(prompt)
        expected = [int(token[0]) for token in plain.stream(np.array([prompt]), count, seed=3)]
        assert host.text(host.call(step, seed=3), prompt, count) == expected
        with pytest.raises(ModelError, match=rf"at most 150 tokens: .* \(count={count} fits\)"):
            host.text(host.call(step), prompt, count + 1)


def test_a_whole_text_is_that_of_python(host: Host, files: Path) -> None:
    model, plain = host.load(files / "text.generate.onnx"), load(files / "text.generate.onnx", providers="cpu")
    for rows, count in (([[1] * 4], 57), ([[-1, -1, 5, 6], [1, 2, 3, 4]], 3)):
        (tokens,) = host.results(host.call(model, prompt=np.array(rows), count=count, seed=2))
        assert np.array_equal(tokens, plain(prompt=np.array(rows), count=count, seed=2))
    for rows, count in (([[1] * 4], 58), ([[-1, 2], [-1, -1]], 3), ([[1] * 61], 1)):
        with pytest.raises(ModelError) as expected:
            plain(prompt=np.array(rows), count=count)
        with pytest.raises(ModelError) as caught:
            host.results(host.call(model, prompt=np.array(rows), count=count))
        assert str(caught.value) == str(expected.value)
    for row, words in (([5, -1, 6], NO_PLACE), ([5, 6, -1], NO_PLACE), ([-1, -1], NO_TOKEN)):
        with pytest.raises(ModelError) as caught:
            host.results(host.call(model, prompt=np.array([[1] * len(row), row])))
        assert str(caught.value) == words
