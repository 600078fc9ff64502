"""Texts whose tokens look at later ones cannot grow token by token: they are refused in words, and computed anew each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import growing
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.passes import forms
from mai.compiler.passes.pipeline import names_of
from mai.compiler.program import Program
from mai.compiler.show.passes import passes_of
from mai.runtime import load
from mai.spec.diagnostics import MaiError
from tests.support.cases.growing_texts import (
    run,
    side_by_side,
    spec,
    weights,
)

Maker = Callable[..., Program]
# A net that looks ahead, and the operation that is named, or what is written where it has no name.
REFUSED = {
    "attention": ("h += attention(h, 2)", "attention"),
    "a mean that is kept": ("h += mean(h, axis = 0)\n  h += attention(h, 2, causal = true)", "attention"),
    "a softmax over tokens, kept": ("h += softmax(h, axis = 0)\n  h += attention(h, 2, causal = true)", "attention"),
    "what is of all tokens, into each": ("w = softmax(h[:, 0])\n  h += softmax(where(range(P)[:, None] >= range(P), h @ h' + w[:, None], -1e9)) @ h", "h @ h' + w[:, None]"),
    "a mask of a prefix": ("h += softmax(where(range(P)[:, None] >= range(P) or range(P) < 2, h @ h', -1e9)) @ h", "softmax"),
    "a mask that is put on and off": ("m = triu(1e9 * ones([P, P]), k = 1)\n  h += softmax((h @ h' - m) + m) @ h", "softmax"),
    "a norm of the text": ("h = h * normalise_rms(h[:, 0], ones([P]))[:, None]", "normalise_rms(h[:, 0], ones([P]))"),
    "a product with a matrix of the text": ("h = h * affine(h[:, 0], ones([P, P]))[:, None]", "affine"),
    "no mask": ("h += softmax(h @ h') @ h", "softmax"),
    "a mask that sees one ahead": (
        "h += softmax(where(range(P)[:, None] + 1 >= range(P)[None, :], h @ h', -1e9)) @ h", "softmax",
    ),
    "what comes round by way of other states": (
        "(a, b, c, d) = (h, h, h, h)\n  repeat 6 { (d, c, b, a) = (c, b, a, a - mean(linear(a, 8), axis = 0)) }\n  h = d", "mean",
    ),
    "what comes round in turns one by one": (
        "(a, b, c, d, e) = (h, 2 * h, 3 * h, 4 * h, 5 * h)\n  repeat 20 as i { s = sum(ones([i // 40 + 1]))\n"
        "  (e, d, c, b, a) = (tanh(d), tanh(c), tanh(b), tanh(a), s * a - mean(linear(a, 8), axis = 0)) }\n  h = e", "mean",
    ),
    "layers of two kinds": (
        "repeat 9 as i { near = where(i % 2 == 0, 2, 0)\n"
        "  h += attention(h, 2, causal = true, window = near) + mean(h, axis = 0) }", "attention",
    ),
    "a slice": ("h += concat(h[:1], h[:-1], axis = 0)", ":-1"),
    "windows over later tokens": ("h += conv1d(h', d, 3)'", "conv"),
    "fewer tokens than there were": ("h += mean(conv1d(h', d, 3, stride = 2, padding = \"causal\"), axis = 1)", "conv"),
    "a prefix": ("h = concat(zeros([1, d]), h, axis = 0)[1:]", "concat"),
    "the length, kept": ("h = cumsum(h * P, axis = 0)", "cumsum"),
    "the last token first": ("h += flip(h, axis = 0)", "flip"),
    "an order of tokens": ("h += gather(h, argsort(h, axis = 0), axis = 0)", "argsort"),
    "a variance": ("h += var(h, axis = 0)", "var"),
    "the first token": ("h += h[0]", "h[0]"),
    "a loop that looks back": (
        "s = zeros([d])\n  repeat P shared as t { s = h[maximum(t - 1, 0)] - s } keep s as all\n  h += all", "h[maximum(t - 1, 0)]",
    ),
    "a loop that reads all": ("s = zeros([d])\n  repeat P shared as t { s = h[t] + mean(h, axis = 0) * s } keep s as all\n  h += all", "loop"),
    "a loop over what is of a turn": (
        "s = zeros([d])\n  repeat P shared as t { s = 0.5 * s + (h + mean(h, axis = 0))[t] } keep s as all\n  h += all", "loop",
    ),
    "a loop in a loop along the text": (
        "s = zeros([d])\n  repeat P shared as t { repeat P shared as i { s = 0.5 * s + h[i] * t } } keep s as all\n  h += all", "loop",
    ),
    "a loop that carries the text": ("s = h\n  repeat P shared as t { s = s + h[t] }\n  h += s", "loop"),
    "a loop that begins with the text": ("s = max(h, axis = 0)\n  repeat P shared as t { s = s * h[t] } keep s as all\n  h += all", "loop"),
    "sums over rows of weights": ("w = softmax(where(range(P)[:, None] >= range(P), h @ h', -1e9))\n  h += cumsum(w, axis = 0) @ h", "cumsum"),
    "rows of weights one token later": ("w = softmax(where(range(P)[:, None] >= range(P), h @ h', -1e9))\n  h += shift(w, 1) @ h", "shift"),
    "a turn's noise, kept": ("n ~ normal([d])\n  h = cumsum(h + n, axis = 0)", "cumsum"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_looks_ahead_is_refused(program: Maker, name: str) -> None:
    body, operation = REFUSED[name]
    checked = program(spec(body))
    with pytest.raises(MaiError) as caught:
        forms.prepare(checked.exports["generate"], cache="concat")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "looks-ahead"
    assert f"`{operation}`" in diagnostic.message
    assert diagnostic.span is not None
    assert diagnostic.span.line in (6, 7, 8)
    assert prepare_export(checked, "generate").recomputed == diagnostic.message
    (warned,) = growing(checked)
    assert (warned.severity, warned.message, warned.span) == ("warning", diagnostic.message, diagnostic.span)


def test_the_file_of_what_looks_ahead_computes_the_whole_text_again(program: Maker, tmp_path: Path) -> None:
    checked = program(spec("h += flip(h, axis = 0)"))
    assert "recompute" in names_of(passes_of(checked.exports["generate"]))
    written = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(cpu=True))
    assert export_step(checked, "generate", Trained(weights(checked)), tmp_path) is None
    note, other = written.notes
    assert note.startswith("each token computes the whole text again: `flip`") and "--cpu" in other
    model, prompts = load(written.path, providers="cpu"), [[1, 2, 3], [5, 6, 7, 8, 9]]
    for row, prompt in zip(model(prompt=prompts, count=3, temperature=0.0), prompts, strict=True):
        (alone,) = run(checked, np.array([prompt]), cache="none", count=3, temperature=0.0)
        np.testing.assert_array_equal(row, alone)


@pytest.mark.parametrize("ending", ["", " until 7"])
def test_a_file_without_states(program: Maker, tmp_path: Path, ending: str) -> None:
    """A net that looks at all tokens at once; prompts of one length and of several, which are computed one by one."""
    checked = program(spec(REFUSED["attention"][0]).replace("by count {", f"by count{ending} {{"))
    path = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(cache="none")).path
    model = load(path, providers="cpu")
    rows = [np.random.default_rng(size).integers(0, 7, size) for size in (5, 1, 3, 5)]
    alike, unlike = np.stack([rows[0], rows[3]]), side_by_side(rows)
    for prompt in (alike, unlike):
        wanted = run(checked, prompt, cache="none", count=9)
        np.testing.assert_array_equal(model(prompt=prompt, seed=5, count=9), wanted)
    greedy = model(prompt=unlike, temperature=0.0, count=9)
    for row, tokens in zip(greedy, rows, strict=True):
        alone = model(prompt=tokens[None], temperature=0.0, count=9)[0]
        np.testing.assert_array_equal(row[5 - len(tokens) :], alone)


def test_examples_that_stop_alone_are_computed_anew_together(program: Maker, tmp_path: Path) -> None:
    """Each example of a group takes its own steps, in a loop along the text."""
    body = (
        "s = zeros([d])\n  repeat P shared as t {\n    s = s + h[t]\n    repeat 9 until norm(s) < 1 { s = 0.7 * s }\n"
    )
    checked = program(
        spec(body + "    integrate u in 0..1 using dopri5(rtol = 1e-3) { ds/du = -s }\n  } keep s as all\n  h += all")
    )
    prompt = side_by_side([np.array([1, 5, 3]), np.array([7])])
    texts = []
    for cache in ("none", "concat"):
        options = CompileOptions(cache=cache)
        path = export(checked, "generate", Trained(weights(checked)), tmp_path / cache, options).path
        texts.append(load(path, providers="cpu")(prompt=prompt, count=6, temperature=0.0))
    np.testing.assert_array_equal(*texts)
