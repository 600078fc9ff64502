"""`/v1/rerank`: documents in the order of what a file says of each with the query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import Model, load
from tests.support.serving import Client, running

SPEC = """const vocab = 12
net scores(x: tokens[P], second: [P]) -> [1] {
  param token: [vocab, 4] ~ normal(0, 1)
  h = token[x] * (1 + second[:, None])
  return linear(tanh(mean(h, axis = 0)), 1)
}
export rank(x: tokens[P]) -> [1] { return scores(x, zeros([P])) }
export rank_pair(x: tokens[P], second: [P]) -> [1] { return scores(x, second) }
export plain(x: tokens[P]) -> [1] { return scores(x, zeros([P])) }
export vectors(x: tokens[P]) -> [2] { return concat(scores(x, zeros([P])), scores(x, ones([P])), axis = 0) }
"""
QUERY, DOCUMENTS = "red fish", ["one", "blue fish", "two red", "fish"]
ASKED = {"query": QUERY, "documents": DOCUMENTS}


def tokenizer() -> Any:
    """Words, with marks around two texts and between them."""
    words = ["[CLS]", "[SEP]", "red", "blue", "fish", "one", "two", *"uvwxy"]
    words_alone = tokenizers.Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="u"))
    words_alone.pre_tokenizer = pre_tokenizers.Whitespace()
    single, pair = "[CLS] $A [SEP]", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
    special = [("[CLS]", 0), ("[SEP]", 1)]
    words_alone.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    return words_alone


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    program = check_text(Path("m.mai"), SPEC).meaning()
    trained = Trained(load_weights(program, None)[0], tokenizer=tokenizer().to_str())
    folder, options = tmp_path_factory.mktemp("ranking"), CompileOptions(verify=False)
    return {f"m.{name}": load(export(program, name, trained, folder, options).path) for name in program.exports}


@pytest.fixture(scope="module")
def client(files: dict[str, Model]) -> Iterator[Client]:
    with running(files, examples=4) as client:
        yield client


def expected(model: Model) -> list[float]:
    """The scores of the pairs by the tokenizers' own library."""
    pairs = [tokenizer().encode(QUERY, text) for text in DOCUMENTS]
    marks = [{"second": np.array([p.type_ids], np.float32)} if "second" in model.inputs else {} for p in pairs]
    return [float(model(x=[p.ids], **mark)[0, 0]) for p, mark in zip(pairs, marks, strict=True)]


@pytest.mark.parametrize("name", ["m.rank_pair", "m.plain"])
def test_the_best_first(name: str, client: Client, files: dict[str, Model]) -> None:
    scores = expected(files[name])
    reply = client.post("/v1/rerank", {**ASKED, "model": name}).json
    order = sorted(range(4), key=lambda i: -scores[i])
    assert [r["index"] for r in reply["results"]] == order
    assert [r["document"] for r in reply["results"]] == [{"text": DOCUMENTS[i]} for i in order]
    logistic = [1 / (1 + np.exp(-scores[i])) for i in order]
    np.testing.assert_allclose([r["relevance_score"] for r in reply["results"]], logistic, rtol=1e-6)
    assert reply["usage"] == {"prompt_tokens": 26, "total_tokens": 26}
    few = {**ASKED, "model": name, "top_n": 2, "raw_scores": True, "return_documents": False}
    rest = client.post("/v1/rerank", few).json["results"]
    assert rest == [{"index": i, "relevance_score": pytest.approx(scores[i], rel=1e-6)} for i in order[:2]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "m.rank"}, "m.rank reads one text (m.rank_pair reads a pair: serve "),
        ({"model": "m.vectors"}, "m.vectors gives no score for a pair of texts"),
        ({"documents": ["a"] * 5}, "a request has at most 4 documents here, this has 5"),
        ({"documents": []}, "`documents`: List should have at least 1 item"),
        ({"documents": [{"title": "a"}]}, "`documents[0]` has no `text`"),
        ({"top_k": 3}, "there is no input or setting `top_k`"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str, client: Client) -> None:
    asked = {**ASKED, "model": "m.rank_pair", **changes}
    assert message in client.post("/v1/rerank", asked).error["message"]
