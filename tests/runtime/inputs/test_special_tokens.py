"""Texts get the special tokens that their tokenizer prescribes, and no padding or cut that it was stored with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export, export_step
from mai.runtime import ModelError, load
from mai.runtime.model.model import Model
from mai.runtime.text.tokenizer import Pieces
from tests.support.models.tokenizers import word_tokenizer

IDS = """const vocab = 8
let number = linspace(0, 7, 8)
export ids(x: tokens[P]) -> [P] { return number[x] }
"""
GROWS = """const vocab = 8
export more(p: tokens[P], count: int = 2) -> tokens[P + count] {
  x = p
  extend x by count {
    next ~ categorical([0, 0, 0, 0, 0, 0, 99, 0])
    append next
  }
  return x
}
"""
Compile = Callable[..., Model]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    def compile(spec: str, template: str, special_tokens: bool = True, **changes: object) -> Model:
        (tmp_path / "text.mai").write_text(spec)
        program = check(tmp_path / "text.mai").program
        assert program is not None
        trained = Trained({}, tokenizer=word_tokenizer(template, **changes), special_tokens=special_tokens)
        name = next(iter(program.exports))
        if name == "more":
            export_step(program, name, trained, tmp_path)
        return load(export(program, name, trained, tmp_path).path, providers="cpu")

    return compile


@pytest.mark.parametrize(
    ("template", "tokens"),
    [("<s> $A </s>", [2, 4, 5, 3]), ("<s> $A", [2, 4, 5]), ("$A </s>", [4, 5, 3]), ("$A", [4, 5])],
)
def test_a_text_stands_between_its_special_tokens(compiled: Compile, template: str, tokens: list[int]) -> None:
    model = compiled(IDS, template)
    assert model(x="red fish").tolist() == [tokens]
    assert model(x=["red fish", "one blue"]).shape == (2, len(tokens))
    assert model(x="red fish", special_tokens=False).tolist() == [[4, 5]]
    assert model(x=[[4, 5]]).tolist() == [[4, 5]]
    assert model(x="red <s> fish", special_tokens=False).tolist() == [[4, 2, 5]]


def test_stored_padding_and_truncation_are_of_another_model(compiled: Compile) -> None:
    truncation = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    padding = {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
               "pad_type_id": 0, "pad_token": "<pad>"}  # fmt: skip
    model = compiled(IDS, "<s> $A </s>", truncation=truncation, padding=padding)
    assert model(x="red fish red fish").tolist() == [[2, 4, 5, 4, 5, 3]]
    assert model(x="red").tolist() == [[2, 4, 3]]
    assert Pieces(word_tokenizer("$A", truncation=truncation, padding=padding)).encode("red " * 9).tolist() == [4] * 9


def test_a_corpus_has_none_so_neither_have_texts(compiled: Compile) -> None:
    model = compiled(IDS, "<s> $A </s>", special_tokens=False)
    assert model(x="red fish").tolist() == [[4, 5]]
    assert model(x="red fish", special_tokens=True).tolist() == [[2, 4, 5, 3]]


@pytest.mark.parametrize("template", ["<s> $A", "<s> $A </s>"])
def test_a_text_that_grows_begins_with_its_special_token_once(compiled: Compile, template: str) -> None:
    model = compiled(GROWS, template)
    assert model(p=[[2, 4, 5]]).tolist() == [[2, 4, 5, 6, 6]]
    assert model(p="red fish") == "red fish blue blue"
    assert model(p="<s> red fish") == "<s> red fish blue blue"
    assert model(p=["one", "red fish"]) == ["one blue blue", "red fish blue blue"]
    assert "".join(model.stream("red fish")) == " blue blue"


@pytest.mark.parametrize("add", [True, False])
def test_how_long_a_prompt_becomes(compiled: Compile, monkeypatch: pytest.MonkeyPatch, add: bool) -> None:
    """What the file is fed has one `<s>` for each prompt, behind what is none."""
    model, seen = compiled(GROWS, "<s> $A"), []
    run = model.session

    class Watched:
        def run(self, names: object, feed: dict[str, Any], *options: object) -> Any:
            seen.append(feed["p"].tolist())
            return run.run(names, feed, *options)

    monkeypatch.setattr(model, "session", Watched())
    model(p=["one", "<s> red fish"], special_tokens=add)
    assert seen == [[[-1, 2, 7], [2, 4, 5]] if add else [[-1, -1, 7], [2, 4, 5]]]


def test_an_empty_text_may_be_begun_by_its_special_token(compiled: Compile) -> None:
    assert compiled(GROWS, "<s> $A")(p="") == "blue blue"
    with pytest.raises(ModelError, match="no token"):
        compiled(GROWS, "$A")(p="")


def test_the_setting_is_true_or_false(compiled: Compile) -> None:
    with pytest.raises(ModelError, match="`special_tokens` is true or false, this is 1"):
        compiled(IDS, "$A")(x="red", special_tokens=1)


def test_a_text_longer_than_the_model_reads_is_told(compiled: Compile) -> None:
    spec = (
        "const vocab = 8\nlet place = linspace(0, 1, 5)\nexport ids(x: tokens[P]) -> [P] { return place[:P] + 0 * x }\n"
    )
    model = compiled(spec, "<s> $A </s>")
    np.testing.assert_allclose(model(x="red red red"), [[0, 0.25, 0.5, 0.75, 1]])
    with pytest.raises(ModelError, match="`P` is at most 5, `x` has 6"):
        model(x="red red red red")
