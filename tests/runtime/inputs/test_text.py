"""Text to tokens and back, prompts of any lengths, and texts that are shown as they grow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from onnx import helper

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.data.texts.tokens import train_tokenizer
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.text.prompts import Prompt, format_result
from mai.runtime.text.several import several_turns
from mai.runtime.text.tokenizer import Bytes, Pieces, Tokenizer, tokenizer_of
from tests.support.cases.small_files import Write, build, manifest, output, real
from tests.support.command import run_command
from tests.support.models.compiled_folders import compiled_file

CORPUS = "The naïve café sold 1,234 crêpes — 日本語 and 🎉 too.\n\nThe end of the text is the end. " * 5
PIECES = train_tokenizer(300, CORPUS)
ROOT = Path(__file__).parents[3]

SPEC = """const vocab = 300
data x: tokens[9] from text(tokenizer = bpe(vocab = 300))
net logits(x: tokens[P]) -> [P, vocab] {
  param place: [40, 8] ~ normal(0, 1)
  h = embed(x, 8) + place[:P]
  h += attention(h, 2, causal = true)
  return linear(h, vocab)
}
train(steps = 2, batch = 4, optimizer = adam(lr = 1e-3)) { minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }
export generate(prompt: tokens[P], count: int = 6, temperature: real = 1.0, stop: token = -1) -> tokens[P + count] {
  x = prompt
  extend x by count until stop { next ~ categorical(logits(x)[-1] / temperature)
    append next }
  return x
}
export score(x: tokens[P]) -> [P - 1] { return -cross_entropy(logits(x[:-1]), x[1:]) }
"""


def tokenizers() -> list[Tokenizer]:
    return [Bytes(), tokenizer_of(PIECES)]


@given(text=some.text(), which=some.sampled_from([0, 1]))
def test_there_and_back(text: str, which: int) -> None:
    tokenizer = tokenizers()[which]
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert tokens.dtype == np.int64
    assert ((tokens >= 0) & (tokens < tokenizer.size)).all()


@given(text=some.text(), which=some.sampled_from([0, 1]), cuts=some.lists(some.integers(1, 5)))
def test_pieces_are_the_whole(text: str, which: int, cuts: list[int]) -> None:
    """However the tokens come, the pieces join to the text, and none holds half a character."""
    tokenizer = tokenizers()[which]
    tokens, decoder = tokenizer.encode(text), tokenizer.decoder()
    shown, start = [], 0
    for cut in [*cuts, len(tokens)]:
        shown.append(decoder.push(tokens[start : start + cut]))
        start += cut
        if "\ufffd" not in text:
            assert "\ufffd" not in "".join(shown)
    shown.append(decoder.push(tokens[start:]))
    shown.append(decoder.finish())
    assert "".join(shown) == text


@pytest.mark.parametrize("which", [0, 1])
def test_broken_characters_come_out_in_the_end(which: int) -> None:
    tokenizer = tokenizers()[which]
    tokens = tokenizer.encode("é")
    decoder = tokenizer.decoder()
    half = decoder.push(tokens[:1]) if len(tokens) > 1 else ""
    assert half == ""
    assert decoder.push(tokens[1:] if len(tokens) > 1 else tokens) + decoder.finish() == "é"
    assert Bytes().decode([0xE9, 65]) == "\ufffdA"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("text")
    (folder / "tiny.mai").write_text(SPEC, encoding="utf-8")
    program = check(folder / "tiny.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    export_step(program, "generate", Trained(weights, tokenizer=PIECES), folder)
    return load(export(program, "generate", Trained(weights, tokenizer=PIECES), folder).path, providers="cpu")


def test_a_text_reads_what_it_has_not_in_common_with_another(model: Any) -> None:
    first, second = np.array([[5, 6, 7, 8, 9]]), np.array([[5, 6, 7, 10, 11]])
    before, after, anew = (model.turns(prompt, 4, {}) for prompt in (first, second, second))
    before.take(first, 0)
    rest = after.take_over(before, second)
    assert rest.tolist() == [[10, 11]]
    assert after.take(rest, 0) == anew.take(second, 0)


def test_text_in_text_out(model: Any) -> None:
    result = model(prompt="The end", seed=4)
    assert isinstance(result, str)
    assert result.startswith("The end")
    assert model(prompt=["The end", "A"], seed=4)[0] == result
    assert "The end" + "".join(model.stream("The end", seed=4)) == result
    tokens = model.tokenizer.encode("The end")
    np.testing.assert_array_equal(model(prompt=tokens, seed=4)[0, : len(tokens)], tokens)


def test_rows_of_different_lengths(model: Any) -> None:
    rows = [[5, 6, 7], [8], [9, 10]]
    together = model(prompt=rows, temperature=0.0)
    for row, text in zip(rows, together, strict=True):
        np.testing.assert_array_equal(text, model(prompt=[row], temperature=0.0)[0])
    streamed = np.stack(list(model.stream(rows, temperature=0.0)), 1)
    np.testing.assert_array_equal(streamed, [text[-6:] for text in together])


@pytest.mark.parametrize(
    ("values", "slug"),
    [
        ({"prompt": ""}, "input-shape"),
        ({"prompt": [[1], []]}, "input-shape"),
        ({"prompt": [[-1, 1]], "count": 60}, "input-range"),
        ({"prompt": [[1.5], [1, 2]]}, "input-dtype"),
        ({"prompt": "The", "count": 41}, "input-range"),
        ({"prompt": [[300]]}, "input-range"),
        ({"prompt": [[1]], "temperature": -0.5}, "input-range"),
        ({"prompt": [[1]], "stop": -2}, "input-range"),
        ({"prompt": [[1]], "temperature": float("nan")}, "input-range"),
        ({"prompt": "half \ud800 of a character"}, "input-dtype"),
        ({"prompt": ["a text", "\udfff"]}, "input-dtype"),
        ({}, "input-missing"),
    ],
)
def test_bad_prompts_are_told(model: Any, values: dict[str, Any], slug: str) -> None:
    with pytest.raises(ModelError) as caught:
        model(**values)
    assert caught.value.slug == slug


@pytest.mark.parametrize("prompt", [[[79, -1]], [[79, -1], [79, 80]], [[79, -1, 80]], [[79, -1], [80]], [79, 80, -1]])
def test_nothing_stands_before_the_tokens_alone(model: Any, prompt: list[Any]) -> None:
    """Behind them, or between, it would be read as a token: other texts would come without a word."""
    for call in (lambda: model(prompt=prompt), lambda: model.stream(prompt)):
        with pytest.raises(
            ModelError, match=r"-1 stands before the tokens of `prompt`.*cut off the -1.*\[\[5, 6, 7\], \[8\]\]"
        ):
            call()
    alone = model(prompt=[[79, 80]], temperature=0.0)
    np.testing.assert_array_equal(model(prompt=[[-1, 79, 80]], temperature=0.0)[:, 1:], alone)


def test_tokens_of_any_whole_numbers_are_streamed(model: Any) -> None:
    plain = [token.tolist() for token in model.stream([79, 80], temperature=0.0)]
    for kind in (np.int32, np.uint16, np.float64):
        assert [token.tolist() for token in model.stream(np.array([79, 80], kind), temperature=0.0)] == plain


@pytest.mark.parametrize(
    ("prompt", "more", "words"),
    [
        ([79], {"count": -1}, "`count` is at least 0, this holds -1"),
        ([79], {"count": 1.5}, "`count`"),
        ([79], {"count": True}, "`count`"),
        ([79], {"count": "4"}, "`count`"),
        ([79], {"count": float("nan")}, "`count`"),
        (5, {}, r"`prompt` is \[batch, .*\], this is \[\]"),
        (None, {}, r"`prompt` is \[batch, .*\], this is \[\]"),
        ([[[79]]], {}, r"this is \[1, 1, 1\]"),
    ],
)
def test_what_a_stream_does_not_take_is_told_at_once(
    model: Any, prompt: object, more: dict[str, Any], words: str
) -> None:
    for call in (model.stream, model.scored):
        with pytest.raises(ModelError, match=words):
            call(prompt, **more)


def test_a_text_too_long_or_too_short_to_score(program: Callable[[str], Program], tmp_path: Path) -> None:
    model = compiled_file(program(SPEC), "score", tmp_path)
    assert model(x=np.ones((1, 41), np.int64)).shape == (1, 40)
    with pytest.raises(ModelError, match="at most 41"):
        model(x=np.ones((1, 42), np.int64))
    with pytest.raises(ModelError, match="`P` is at least 2, `x` has 1"):
        model(x=np.ones((1, 1), np.int64))


def test_texts_to_score_have_one_length(program: Callable[[str], Program], tmp_path: Path) -> None:
    model = compiled_file(program(SPEC), "score", tmp_path, tokenizer="bytes")
    both = model(x=["abc", "cab"])
    np.testing.assert_allclose(both, np.concatenate([model(x="abc"), model(x="cab")]), atol=1e-5)
    with pytest.raises(ModelError, match="texts of one length, these have 1 to 3 tokens"):
        model(x=["abc", "a"])


BESIDE = """const vocab = 256
net logits(x: tokens[P], beside: tokens[R]) -> [P, vocab] {
  h = embed(x, 8) + 3 * mean(embed(beside, 8), axis = 0)
  h += attention(h, 2, causal = true)
  return 6 * linear(h, vocab)
}
export generate(prompt: tokens[P], beside: tokens[R], count: int = 9) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next = argmax(logits(x, beside)[-1])
    append next
  }
  return x
}
"""


def test_several_answers_beside_another_text(program: Callable[[str], Program], tmp_path: Path) -> None:
    """What else is read may be a text or tokens, one for all answers or one for each: as many tokens as there are answers are one."""
    spec = program(BESIDE)
    export_step(spec, "generate", Trained(load_weights(spec, None)[0], tokenizer="bytes"), tmp_path)
    model = compiled_file(spec, "generate", tmp_path, tokenizer="bytes")
    for beside in ("red", "ab", [1, 200], [[1, 200, 3]], ["red", "sea"]):
        assert model.answers("The end", 2, beside=beside) == model(prompt=["The end"] * 2, beside=beside)
    assert len(set(model.answers("The end", 2, beside=["red", "sea"]))) == 2
    with pytest.raises(ModelError, match="a text is one row, `beside` has a batch of 2"):
        model.stream("The end", beside=["red", "sea"])
    with pytest.raises(ModelError, match="the input `prompt` is missing"):
        model(prompt=None, beside="red")


def test_a_text_is_no_numbers(write: Write) -> None:
    """Nor are its tokens, in a file that has a tokenizer."""
    described = manifest([real("x", "P")], [], [output("f", "P")]).model_copy(update={"tokenizer": "bytes"})
    model = load(write(build(described, [helper.make_node("Identity", ["x"], ["f"])])), providers="cpu")
    for text in ("ab", ["ab"]):
        with pytest.raises(ModelError, match="`x` is float32, this is a text: `ab`"):
            model(x=text)


def test_a_file_without_a_tokenizer_says_so(program: Callable[[str], Program], tmp_path: Path) -> None:
    plain = compiled_file(program(SPEC), "generate", tmp_path)
    for call in (lambda: plain(prompt="The"), lambda: plain.stream("The")):
        with pytest.raises(ModelError) as caught:
            call()
        assert caught.value.slug in ("text-unavailable", "stream-unavailable")


def broken_tokenizer(**changes: object) -> str:
    return json.dumps({**json.loads(PIECES), **changes})


def test_a_tokenizer_that_panics_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Its Rust raises what is no Exception."""
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        Pieces(broken_tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}))
    panicking = Pieces(broken_tokenizer(pre_tokenizer={"type": "FixedLength", "length": 0}))
    with pytest.raises(ModelError, match="cannot read this text: chunk size"):
        panicking.encode("abc")
    with pytest.raises(ModelError, match="cannot write these tokens"):
        panicking.decode([-1])


def test_a_number_that_is_no_byte_is_no_character() -> None:
    assert Bytes().decode([104, 300, 105]) == "h\ufffdi"
    assert Bytes().decoder().push([104, 300, 105]) == "h\ufffdi"


def test_where_tokenizers_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="pip install tokenizers") as caught:
        Pieces(PIECES)
    assert caught.value.slug == "text-unavailable"


def mai(folder: Path, *words: str, code: int = 0) -> CompletedProcess[str]:
    return run_command(*words, cwd=folder, code=code)


@pytest.mark.slow
def test_the_commands(tmp_path: Path) -> None:
    """Train with a tokenizer of its own, then text on the command line."""
    (tmp_path / "tiny.mai").write_text(SPEC, encoding="utf-8")
    (tmp_path / "corpus.txt").write_text(CORPUS, encoding="utf-8")
    mai(tmp_path, "train", "tiny.mai", "--out", "run", "--data", "corpus.txt")
    assert (tmp_path / "run" / "tokenizer.json").exists()
    whole = mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=The end", "--seed", "2").stdout
    streamed = mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=The end", "--seed", "2", "--stream")
    assert whole.startswith("The end")
    assert streamed.stdout == whole
    assert "tokens a second" in streamed.stderr
    assert "perplexity" in mai(tmp_path, "run", "run/tiny.score.onnx", "x=The end of the text").stdout
    mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=The", "--batch", "3", "--out", "three.txt")
    assert (tmp_path / "three.txt").read_text(encoding="utf-8").count("The") >= 3
    (tmp_path / "prompt.txt").write_text("The end", encoding="utf-8")
    assert mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=@prompt.txt", "--seed", "2").stdout == whole
    for more in ((), ("--stream",)):
        error = mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=", *more, code=1).stderr
        assert "`prompt` has no token" in error
    two = mai(tmp_path, "run", "run/tiny.score.onnx", 'x=["The end", "The end"]').stdout.splitlines()
    assert two[:2] == two[2:] and "perplexity" in two[1]
    assert "sizes     P              from 2 to 41" in mai(tmp_path, "info", "run/tiny.score.onnx").stdout
    assert len(mai(tmp_path, "run", "run/tiny.generate.onnx", "prompt=[[5, 6, 7], [8]]").stdout.split()) > 10
    narrow = ("compile", "tiny.mai", "--set", "vocab=100", "--tokenizer", "bytes", "--export", "generate")
    assert "256 tokens, but `vocab` is 100" in mai(tmp_path, *narrow, code=1).stderr
    mai(
        tmp_path, "compile", "tiny.mai", "--weights", "run", "--export", "generate", "--tokenizer", "bytes", "--no-step"
    )
    assert "bytes" in mai(tmp_path, "info", "run/tiny.generate.onnx").stdout


def test_one_text_beside_a_batch_has_an_answer_for_each() -> None:
    rows, answers = np.array([[104]]), np.array([[104, 105], [104, 111]])
    bytewise = tokenizer_of("bytes")
    assert format_result(Prompt(rows, True, True, False), answers, bytewise) == ["hi", "ho"]
    assert format_result(Prompt(rows, True, True, False), answers[:1], bytewise) == "hi"


def test_reading_a_prompt_and_all_turns_of_several_texts_have_one_limit() -> None:
    limits: list[TimeLimit] = []
    model: Any = SimpleNamespace(inputs={}, turns=lambda rows, count, values, limit, *_: limits.append(limit))
    several_turns(model, np.zeros((1, 2), np.int64), 3, 4, {}, 5.0)
    reading, growing = limits
    assert reading is growing
    assert reading.seconds == 5
