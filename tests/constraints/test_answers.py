"""Texts that grow within a pattern: all of them match, in every form of a file, and none is longer than was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.constraints.vocabulary import token_bytes
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.model import Model
from mai.runtime.text.tokenizer import tokenizer_of
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.chat_folders import chat_folder, chat_tokenizer
from tests.support.models.tokenizers import word_tokenizer

Maker = Callable[..., Program]
SPEC = """const vocab = VOCAB
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 8)
  h += attention(h, 2, causal = true, rotary = true)
  return 6 * linear(h, vocab)
}
export generate(prompt: tokens[P], seed: int, count: int = 30, temperature: real = 1.0, stop: token = -1) -> tokens[P + count] {
  x = prompt
  extend x by count until stop {
    next ~ categorical(constrain(logits(x)[-1], x, PATTERN) / temperature)
    append next
  }
  return x
}
"""
REGEX = "(red|blue) fish( [0-9]{1,3})?(, .{2,5})?"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["red", "blue", None]}, "maxItems": 3},
    },
    "required": ["name", "age"],
}
PROMPTS = [[5, 6, 7], [8, 9], [5, 6, 7, 5, 6, 7]]


def text_of(pattern: str, vocab: int = 256) -> str:
    return SPEC.replace("VOCAB", str(vocab)).replace("PATTERN", pattern)


def compiled(
    program: Maker, folder: Path, text: str, tokenizer: str, options: CompileOptions | None = None, step: bool = False
) -> Model:
    spec = program(text)
    trained = Trained(load_weights(spec, None)[0], tokenizer=tokenizer)
    path = export(spec, "generate", trained, folder, options or CompileOptions()).path
    if step:
        export_step(spec, "generate", trained, folder)
    return load(path, providers="cpu")


def answers(model: Model, rows: Any, prompts: Any) -> list[str]:
    """The texts that were appended, without the tokens that end them."""
    assert model.tokenizer is not None
    return [model.tokenizer.decode(t for t in row[len(p) :] if t >= 0) for row, p in zip(rows, prompts, strict=True)]


@pytest.mark.parametrize(
    "options", [{}, {"cache": "none"}, {"cache": "two-level"}, {"drafts": 3}, {"settings": "required"}], ids=str
)
def test_every_form_of_a_file(options: dict[str, Any], program: Maker, tmp_path: Path) -> None:
    text = text_of(f'"{REGEX}"')
    model = compiled(program, tmp_path, text, "bytes", CompileOptions(**options), step=True)
    other = model if not options else compiled(program, tmp_path / "other", text, "bytes")
    texts_of_rows = []
    for count in (8, 10, 30):
        prompts = PROMPTS * 8
        rows = model(prompt=prompts, seed=list(range(24)), count=count)
        same = other(prompt=prompts, seed=list(range(24)), count=count)
        assert [row.tolist() for row in rows] == [row.tolist() for row in same]
        texts_of_rows += answers(model, rows, prompts)
        for prompt, row, seed in list(zip(prompts, rows, range(24), strict=True))[:3]:
            turns = [int(t[0]) for t in model.stream(np.array([prompt]), count=count, seed=[seed]) if t[0] >= 0]
            assert turns == row[len(prompt) :].tolist()
    assert all(re.fullmatch(REGEX, text) for text in texts_of_rows)
    assert len(set(texts_of_rows)) > 20


def test_the_likeliest_texts_match_too(program: Maker, tmp_path: Path) -> None:
    model = compiled(program, tmp_path, text_of(f'"{REGEX}"'), "bytes")
    rows = model(prompt=PROMPTS, seed=[0, 0, 0], temperature=0.0)
    assert all(re.fullmatch(REGEX, text) for text in answers(model, rows, PROMPTS))
    assert model.manifest.text is not None and model.manifest.text.answers is None


def test_an_end_comes_where_the_text_is_whole(program: Maker, tmp_path: Path) -> None:
    """A letter that ends a text is none of the pattern's, and what is whole but may go on ends by it alone."""
    model = compiled(program, tmp_path, text_of('"[a-d]{2,}"'), "bytes")
    rows = model(prompt=[[1]] * 64, seed=list(range(64)), stop=ord("c"), temperature=3.0)
    texts = answers(model, rows, [[1]] * 64)
    assert all(re.fullmatch("[abd]{2,}c?", text) for text in texts)
    assert any(text.endswith("c") for text in texts)
    assert all(text.endswith("c") or len(text) == 30 for text in texts)


def test_a_text_that_is_too_short_for_its_pattern_goes_the_shortest_way(program: Maker, tmp_path: Path) -> None:
    model = compiled(program, tmp_path, text_of('"a{3}b{3}"'), "bytes")
    assert answers(model, model(prompt=[[1]], seed=[0], count=4), [[1]]) == ["aaab"]


@pytest.mark.parametrize("size", [1000])
def test_thousand_of_thousand(size: int, program: Maker, tmp_path: Path) -> None:
    """Tokens of several bytes, a schema, an end of their own: every answer is JSON that fits."""
    tokenizer = chat_tokenizer().backend_tokenizer.to_str()
    (tmp_path / "answer.json").write_text(json.dumps(SCHEMA))
    spec = check_text(tmp_path / "a.mai", text_of('schema = "answer.json"', 320)).program
    assert spec is not None
    trained = Trained(load_weights(spec, None)[0], tokenizer=tokenizer)
    model = load(export(spec, "generate", trained, tmp_path).path, providers="cpu")
    assert model.manifest.text is not None and model.manifest.text.answers == SCHEMA
    prompts = [[5, 6]] * size
    rows = model(prompt=prompts, seed=list(range(size)), count=80, stop=1)
    texts = [text.removesuffix("<|im_end|>") for text in answers(model, rows, prompts)]
    answers_of_rows = [json.loads(text) for text in texts]
    assert all(
        1 <= len(one["name"]) <= 8 and 0 <= one["age"] <= 130 and {*one} <= {"name", "age", "tags"}
        for one in answers_of_rows
    )
    assert all(
        len(one.get("tags", [])) <= 3 and {*one.get("tags", [])} <= {"red", "blue", None} for one in answers_of_rows
    )
    assert len(set(texts)) > size / 2
    assert all([*one] == [name for name in ("name", "age", "tags") if name in one] for one in answers_of_rows)


def test_a_conversation_in_json(tmp_path: Path) -> None:
    chat_folder(tmp_path / "small")
    (tmp_path / "small" / "answer.json").write_text(json.dumps(SCHEMA))
    invoke("import", tmp_path / "small")
    spec = tmp_path / "small" / "small.mai"
    text = spec.read_text()
    spec.write_text(text.replace("    next ~", '    z = constrain(z, x, schema = "answer.json")\n    next ~'))
    done = invoke("compile", spec, "--export", "generate", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    model = load(tmp_path / "small.generate.onnx", providers="cpu")
    for settings in ({"temperature": 1.0}, {"temperature": 1.0, "seed": 5}, {}):
        record = json.loads(model.chat([{"role": "user", "content": "who?"}], count=90, **settings))
        assert 0 <= record["age"] <= 130


def pieces() -> str:
    """A tokenizer as SentencePiece's are: `▁` for spaces, and bytes where a letter is none of its own."""
    words = [
        "<unk>",
        "<s>",
        *(f"<0x{b:02X}>" for b in range(256)),
        *'▁abcdefghijklmnopqrstuvwxyz0123456789"{}:,[]',
        "▁red",
        "re",
        "red",
        "fish",
        "▁fish",
    ]
    decoder = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    }
    model = {
        "type": "BPE",
        "vocab": {w: i for i, w in enumerate(words)},
        "merges": [],
        "unk_token": "<unk>",
        "byte_fallback": True,
    }
    normalizer = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    special = [
        {
            "id": i,
            "content": words[i],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i in (0, 1)
    ]
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": normalizer,
                       "pre_tokenizer": None, "post_processor": None, "decoder": decoder, "model": model})  # fmt: skip


@pytest.mark.parametrize("kind", ["bytes", "pairs", "pieces"])
def test_the_bytes_of_tokens_are_those_of_the_text(kind: str) -> None:
    stated = {"bytes": "bytes", "pairs": chat_tokenizer().backend_tokenizer.to_str(), "pieces": pieces()}[kind]
    tokens, tokenizer = token_bytes(stated), tokenizer_of(stated)
    for text in ("red fish", "the quick ü 日本\n\t x", '{"a": [1, 2]}'):
        token_texts = [tokens[t] for t in tokenizer.encode(text)]
        assert None not in token_texts
        assert b"".join(t for t in token_texts if t) == text.encode()


def test_pieces_with_spaces(program: Maker, tmp_path: Path) -> None:
    vocab = len(token_bytes(pieces()))
    model = compiled(program, tmp_path, text_of('"red( fish| ü)+"', vocab), pieces())
    rows = model(prompt=[[3]] * 40, seed=list(range(40)), count=12)
    assert all(re.fullmatch("red( fish| ü)+", text) for text in answers(model, rows, [[3]] * 40))


def test_tokens_that_are_no_pieces(program: Maker, tmp_path: Path) -> None:
    with pytest.raises(MaiError, match="these are neither"):
        compiled(program, tmp_path, text_of('"a"', 8), word_tokenizer("$A"))
    spec = program(text_of('"a"'))
    with pytest.raises(MaiError, match="needs a tokenizer"):
        export(spec, "generate", Trained(load_weights(spec, None)[0]), tmp_path)
    with pytest.raises(MaiError, match="no tokens of the tokenizer"):
        compiled(program, tmp_path, text_of('"z"', 50), "bytes")
