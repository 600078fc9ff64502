"""A beam search finds what transformers' `generate(num_beams = ...)` finds, in both forms, whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.spec.diagnostics import MaiError
from tests.support.cases.growing_texts import memory_spec, side_by_side
from tests.support.cases.growing_texts import weights as weights_of
from tests.support.models.zoo import CASES, VOCAB, ZOO, saved

SEARCH = """
export likeliest(prompt: tokens[P], count: int = 9, penalty: real = 1.0, end: token = 7, stop: token = 8) -> tokens[P + count] {
  x = prompt
  extend x by count until end or stop using beam(width = 3, length_penalty = penalty) { score log_softmax(logits(x)[-1]) }
  return x
}
"""
EARLY = SEARCH.replace("likeliest", "first_ended").replace("= penalty)", "= penalty, early = true)")
ALL = """
export all_of_them(prompt: tokens[P], count: int = 9, penalty: real = 1.0, end: token = 7, stop: token = 8) -> (tokens[3, P + count], [3]) {
  x = prompt
  extend x by count until end or stop using beam(width = 3, length_penalty = penalty) {
    score log_softmax(logits(x)[-1])
  } keep x as texts, score as scores
  return (texts, scores)
}
"""
SETTINGS = [(1.0, 17, 96), (0.0, 17, 3), (2.0, 17, 40), (-1.0, 96, 43)]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Program, dict[str, Any], Path]:
    folder, case = tmp_path_factory.mktemp("beam"), CASES["gpt2"]
    path = folder / "beam.mai"
    path.write_text((ZOO / "gpt2.mai").read_text(encoding="utf-8") + SEARCH + EARLY + ALL, encoding="utf-8")
    checked = check(path, {name: str(value) for name, value in case.sets.items()})
    assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
    model = case.model()
    saved(model, checked.program)
    return model, checked.program, load_weights(checked.program, None)[0], folder


def reference(model: Any, prompt: Any, count: int, penalty: float, ends: list[int], early: bool = False) -> list[int]:
    """transformers' text for one prompt, filled up with -1."""
    tokens = torch.from_numpy(prompt)[None]
    sequences = model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=count, num_beams=3, do_sample=False,
        length_penalty=penalty, early_stopping=early, eos_token_id=ends, pad_token_id=VOCAB + 5,
    )[0].tolist()  # fmt: skip
    return filled_up(sequences, len(prompt) + count)


def filled_up(text: list[int], length: int) -> list[int]:
    """A text of transformers without its padding, filled up with -1."""
    kept = [t for t in text if t != VOCAB + 5]
    return [*kept, *[-1] * (length - len(kept))]


@pytest.mark.parametrize(("penalty", "end", "stop"), SETTINGS)
@pytest.mark.parametrize("cache", ["concat", "none"])
def test_all_texts_of_a_search_have_their_scores(gpt2: Any, cache: str, penalty: float, end: int, stop: int) -> None:
    """transformers' `num_return_sequences`, of prompts of different lengths; an example may be done before the others are."""
    model, program, weights, _ = gpt2
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, VOCAB, size) for size in (5, 2, 7, 5)]
    graph = forms.prepare(program.exports["all_of_them"], cache=cache)
    settings = {"penalty": penalty, "end": end, "stop": stop, "count": 9}
    texts, scores = evaluate(graph, {"prompt": side_by_side(rows)}, settings, weights)
    for text, own, prompt in zip(texts, scores, rows, strict=True):
        tokens = torch.from_numpy(prompt)[None]
        result = model.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=9, num_beams=3, num_return_sequences=3,
            do_sample=False, length_penalty=penalty, early_stopping=False, eos_token_id=[end, stop],
            pad_token_id=VOCAB + 5, output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
        assert text[:, 7 - len(prompt) :].tolist() == [filled_up(t, len(prompt) + 9) for t in result.sequences.tolist()]
        np.testing.assert_allclose(own, result.sequences_scores, rtol=1e-5, atol=1e-5)


def test_a_file_gives_all_texts_and_their_scores(gpt2: Any) -> None:
    _, program, weights, folder = gpt2
    model = load(export(program, "all_of_them", Trained(weights), folder).path, providers="cpu")
    rows = side_by_side([np.random.default_rng(size).integers(0, VOCAB, size) for size in (4, 1, 6)])
    result, (texts, scores) = (
        model(prompt=rows, end=17, stop=96),
        evaluate(forms.prepare(program.exports["all_of_them"]), {"prompt": rows}, {"end": 17, "stop": 96}, weights),
    )
    np.testing.assert_array_equal(result["texts"], texts)
    np.testing.assert_allclose(result["scores"], scores, atol=1e-5)


@pytest.mark.parametrize(("penalty", "end", "stop"), SETTINGS)
@pytest.mark.parametrize("cache", ["concat", "none"])
def test_a_search_finds_what_the_reference_finds(gpt2: Any, cache: str, penalty: float, end: int, stop: int) -> None:
    model, program, weights, _ = gpt2
    rng = np.random.default_rng(3)
    rows = [rng.integers(0, VOCAB, size) for size in (5, 2, 7, 5)]
    graph = forms.prepare(program.exports["likeliest"], cache=cache)
    settings = {"penalty": penalty, "end": end, "stop": stop, "count": 9}
    (result,) = evaluate(graph, {"prompt": side_by_side(rows)}, settings, weights)
    for row, prompt in zip(result, rows, strict=True):
        assert row[7 - len(prompt) :].tolist() == reference(model, prompt, 9, penalty, [end, stop])
    assert (result[:, 7:] < 0).any() == (penalty < 2)  # A large one favours long texts.


def test_a_search_that_ends_with_the_first_texts(gpt2: Any) -> None:
    """Where longer texts would be better, `early` finds others."""
    model, program, weights, _ = gpt2
    ends = {"penalty": 2.0, "end": 96, "stop": 43, "count": 9}
    rows = [np.random.default_rng(seed).integers(0, VOCAB, size) for seed, size in enumerate((5, 2, 7, 5, 3))]
    first, later = (
        evaluate(forms.prepare(program.exports[name]), {"prompt": side_by_side(rows)}, ends, weights)[0]
        for name in ("first_ended", "likeliest")
    )
    for row, prompt in zip(first, rows, strict=True):
        assert row[7 - len(prompt) :].tolist() == reference(model, prompt, 9, 2.0, [96, 43], early=True)
    assert (first != later).any()


def test_a_file_searches_as_the_graph_does(gpt2: Any) -> None:
    """Some texts end early; the file has no form of one turn."""
    model, program, weights, folder = gpt2
    exported = export(program, "likeliest", Trained(weights), folder)
    rows = [np.random.default_rng(seed).integers(0, VOCAB, 4) for seed in range(4)]
    result = load(exported.path, providers="cpu")(prompt=np.stack(rows), end=17, stop=96)
    assert result.tolist() == [reference(model, row, 9, 1.0, [17, 96]) for row in rows]
    assert (result == -1).any()
    with pytest.raises(MaiError) as caught:
        export(program, "likeliest", Trained(weights), folder, CompileOptions(drafts=3))
    assert caught.value.diagnostics[0].slug == "no-drafts"


def test_what_an_example_brings_goes_along_with_its_beams(program: Any) -> None:
    """A decoder with a memory of its own for each example, windows and sinks, searched with a cache and without."""
    net = "h += attention(h, 4, 2, causal = true, window = 3, sinks = 1)\n  h += attention(h, 2, memory = m, norm = rms_norm)"
    spec = program(
        memory_spec(net).replace("by count {", "by count until 3 using beam(width = 4) {")
        .replace("    next ~ categorical(logits(x, m, y, w)[-1] / temperature)\n", "")
        .replace("append next", "score log_softmax(logits(x, m, y, w)[-1])")
    )  # fmt: skip
    rng, rows = np.random.default_rng(0), [np.arange(4), np.arange(1), np.arange(3)]
    feed = {"m": rng.standard_normal((3, 2, 4)), "y": np.array([0, 1, 2]), "prompt": side_by_side(rows)}
    cached, whole = (
        evaluate(forms.prepare(spec.exports["generate"], cache=cache), feed, {"count": 7}, weights_of(spec))[0]
        for cache in ("concat", "none")
    )
    np.testing.assert_array_equal(cached, whole)


def test_a_text_that_goes_on_after_a_search_has_no_form_of_one_turn(program: Any) -> None:
    searched = memory_spec("h += attention(h, 2, causal = true)").replace(
        "  return x\n", "  extend x by count using beam(2) { score log_softmax(logits(x, m, y, w)[-1]) }\n  return x\n"
    )
    spec = program(searched.replace("tokens[P + count]", "tokens[P + 2 * count]"))
    assert forms.step(forms.optimise(forms.prepare(spec.exports["generate"], cache="concat"))) is None
