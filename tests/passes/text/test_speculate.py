"""A text whose turns read guessed tokens is, token by token, the text of turns that read one; where it repeats, in fewer turns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.export import export
from mai.compiler.ops.terms import Term
from mai.compiler.passes import forms
from mai.compiler.passes.text.speculation.prompt_lookup import PADS, look_up
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run as run_torch
from mai.runtime import load
from mai.spec.diagnostics import MaiError
from tests.support.cases.growing_texts import CAUSAL_NETS, LAYERS, NOTHING, spec, weights
from tests.support.command import run_command

Maker = Callable[..., Program]
COUNT, DRAFTS = 15, 4
PROMPTS = {
    "two": np.random.default_rng(0).integers(0, 13, (2, 5)),
    "few words": np.random.default_rng(1).integers(0, 3, (1, 9)),
    "of two lengths": np.array([[NOTHING, NOTHING, 3, 4, 3], [1, 2, 1, 2, 1], [1, 2, 3, 1, 2]]),
    "one token": np.array([[4]]),
}
ATTENTION = spec(CAUSAL_NETS["positions and attention"])


def saying(body: str, text: str = ATTENTION) -> str:
    """The spec with another way to choose a token."""
    start, end = text.index("    next ~"), text.index("    append next")
    return text[:start] + "    " + body + "\n" + text[end:]


# Ways to choose: filters and a penalty, an end, draws of one's own, loops, what knows of the whole text.
CHOICES = {
    "penalised, to an end": saying(
        "next ~ categorical(penalise(logits(x)[-1], x, 1.3) / temperature, 5, 0.9, min_p = 0.02)"
    ).replace("by count {", "by count until 7 {"),
    "to an end": ATTENTION.replace("by count {", "by count until 7 {"),
    "to one of several ends": ATTENTION.replace("by count {", "by count until 7 or 2 or 3 {"),
    "the largest": saying("next = argmax(logits(x)[-1])"),
    "always the same": saying("next = 3"),
    "draws of its own": saying("u ~ uniform(0, 1)\n    n ~ normal([vocab])\n    next = argmax(logits(x)[-1] + u * n)"),
    "noise on all tokens": saying("n ~ normal([vocab])\n    z = logits(x) + n\n    next = argmax(z[-1])"),
    "a loop": saying(
        "z = logits(x)[-1]\n    repeat 3 shared { z += tanh(z) }\n    next ~ categorical(z / temperature)"
    ),
    "the mean of all": saying("next = argmax(mean(logits(x), axis = 0))"),
    "hotter with its length": saying("next ~ categorical(logits(x)[-1] / (1 + P / 100))"),
}


def grown(
    program: Program, prompt: Any, drafts: int, temperature: float = 1.0, seed: int = 5, **more: Any
) -> list[Any]:
    """The text, and with drafts the number of turns, in numpy."""
    graph = forms.prepare(program.exports["generate"], cache="concat", drafts=drafts)
    settings = {"seed": seed, "count": COUNT, "temperature": temperature, **more}
    return evaluate(graph, {"prompt": prompt}, settings, weights(program))


# A few nets whose states are of different kinds stand for all where time is short.
FAST = ("attention", "rotary, grouped", "a shift", "a running mean", "two states in a row", "a window")
SOME_FAST = [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in CAUSAL_NETS]


@pytest.mark.parametrize("name", SOME_FAST)
def test_the_text_is_the_same(program: Maker, name: str) -> None:
    """For nets with every kind of state, greedy and drawn, rows of different lengths side by side."""
    checked = program(spec(CAUSAL_NETS[name]))
    for prompt in PROMPTS.values():
        for temperature in (0.0, 0.3):
            text, _ = grown(checked, prompt, DRAFTS, temperature)
            np.testing.assert_array_equal(text, grown(checked, prompt, 0, temperature)[0])


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_is_the_same(program: Maker, tmp_path: Path, name: str) -> None:
    """In numpy and in the file."""
    spec = program(CHOICES[name])
    model = load(
        export(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(drafts=DRAFTS)).path,
        providers="cpu",
        threads=1,
    )
    for prompt in PROMPTS.values():
        for seed in (1, 2):
            (wanted,) = grown(spec, prompt, 0, 0.3, seed)
            np.testing.assert_array_equal(grown(spec, prompt, DRAFTS, 0.3, seed)[0], wanted)
            settings = {n: v for n, v in {"temperature": 0.3, "seed": seed}.items() if n in model.settings}
            np.testing.assert_array_equal(model(prompt=prompt, count=COUNT, **settings), wanted)


def test_a_row_is_kept_for_each_token_of_a_turn(program: Maker) -> None:
    text = saying("z = logits(x)[-1]\n    next = argmax(z)", spec(CAUSAL_NETS["a shift"]))
    text = text.replace("-> tokens[P + count]", "-> (tokens[P + count], [count, vocab])")
    checked = program(text.replace("  }\n  return x", "  } keep z as zs\n  return (x, zs)"))
    (row, kept, _), wanted = (grown(checked, PROMPTS["few words"], drafts, count=5) for drafts in (2, 0))
    np.testing.assert_array_equal(row, wanted[0])
    np.testing.assert_allclose(kept, wanted[1], atol=1e-6)


@pytest.mark.parametrize("opset", [pytest.param(21, marks=pytest.mark.slow), 23])
@pytest.mark.parametrize(
    "name", ["positions and attention", "rotary, grouped", "alibi", "two states in a row", "a window"]
)
def test_the_file_says_the_same(program: Maker, tmp_path: Path, name: str, opset: int) -> None:
    """Compiled, and in torch."""
    checked = program(spec(CAUSAL_NETS[name]))
    path = export(
        checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(opset=opset, drafts=DRAFTS)
    ).path
    model, in_torch = load(path, providers="cpu", threads=1), _in_torch(checked)
    for prompt in PROMPTS.values():
        for temperature, seed in ((0.0, 0), (0.2, 1), (1.0, 2)):
            (wanted,) = grown(checked, prompt, 0, temperature, seed)
            settings = {"count": COUNT, "temperature": temperature, "seed": seed}
            text, turns = model.counted(prompt=prompt, **settings)
            np.testing.assert_array_equal(text, wanted)
            for same, other in zip((wanted, turns), in_torch(prompt, settings), strict=True):
                np.testing.assert_array_equal(same, other)


def _in_torch(spec: Program) -> Callable[[Any, dict[str, Any]], list[Any]]:
    graph = forms.prepare(spec.exports["generate"], cache="concat", drafts=DRAFTS)
    parameters = Weights(graph.weights)
    parameters.load_state_dict({name: torch.from_numpy(np.asarray(array)) for name, array in weights(spec).items()})
    module = lower(graph, parameters.eval())
    return lambda prompt, values: run_torch(module, graph, {"prompt": prompt}, values)


def test_weights_in_few_bits_say_the_same(program: Maker, tmp_path: Path) -> None:
    text = ATTENTION.replace("const d = 8", "const d = 32")
    spec, prompt = program(text), PROMPTS["few words"]
    texts = []
    for drafts in (0, DRAFTS):
        folder = tmp_path / str(drafts)
        folder.mkdir()
        path = export(
            spec, "generate", Trained(weights(spec)), folder, CompileOptions(drafts=drafts, quantize="int4")
        ).path
        texts.append(load(path, providers="cpu", threads=1)(prompt=prompt, count=COUNT, temperature=0.3, seed=3))
    np.testing.assert_array_equal(*texts)


# --------------------------------------------------------------------- turns


def test_a_text_that_repeats_takes_few_turns(program: Maker) -> None:
    """A net that knows the last token alone falls into a cycle: then 5 tokens a turn."""
    checked = program(spec(CAUSAL_NETS["nothing"]))
    text, turns = grown(checked, PROMPTS["two"], DRAFTS, 0.0, count=200)
    np.testing.assert_array_equal(text, grown(checked, PROMPTS["two"], 0, 0.0, count=200)[0])
    assert len(set(map(tuple, text[:, -26:-13].tolist()))) == 2
    assert turns.max() <= 200 / 5 + 13 + 3


def test_every_row_accepts_its_own_drafts(program: Maker) -> None:
    """A batch takes no more turns than its rows need together, fewer than one token a turn makes."""
    checked = program(spec(CAUSAL_NETS["nothing"]))
    prompt = np.arange(6)[:, None]
    text, turns = grown(checked, prompt, DRAFTS, 0.0, count=100)
    np.testing.assert_array_equal(text, grown(checked, prompt, 0, 0.0, count=100)[0])
    assert turns.max() < 50


def test_what_was_never_said_takes_a_turn_a_token(program: Maker) -> None:
    """The net counts: each token is one more than the last."""
    body = "next = (x[-1] + 1) % vocab"
    checked = program(saying(body, spec("")).replace("const vocab = 13", "const vocab = 100"))
    text, turns = grown(checked, np.array([[7, 8, 9]]), DRAFTS, count=60)
    np.testing.assert_array_equal(text[0], np.arange(7, 70))
    np.testing.assert_array_equal(turns, [60])


@pytest.mark.parametrize("most", [1, 7])
def test_turns_read_ever_more(program: Maker, most: int) -> None:
    """The net counts to 12 and begins anew, as the prompt has: 1, 1, 2, 4 and then 8 tokens a turn, or never more than 2."""
    checked = program(saying("next = (x[-1] + 1) % vocab", spec("")))
    text, turns = grown(checked, np.arange(15)[None] % 13, most, count=64)
    np.testing.assert_array_equal(text[0], np.arange(15 + 64) % 13)
    assert turns[0] == {1: 2 + 62 / 2, 7: 4 + 56 / 8}[most]


# --------------------------------------------------------------------- edges


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_tokens(program: Maker, tmp_path: Path, count: int) -> None:
    checked = program(spec(CAUSAL_NETS["attention"]))
    path = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(drafts=DRAFTS)).path
    for prompt in PROMPTS.values():
        (wanted,) = grown(checked, prompt, 0, 0.0, count=count)
        assert wanted.shape == (len(prompt), prompt.shape[1] + count)
        np.testing.assert_array_equal(grown(checked, prompt, DRAFTS, 0.0, count=count)[0], wanted)
        made_by_file = load(path, providers="cpu")(prompt=prompt, count=count, temperature=0.0)
        np.testing.assert_array_equal(made_by_file, wanted)


def test_the_longest_text_is_reached_and_not_passed(program: Maker, tmp_path: Path) -> None:
    """A table of 24 positions. Of three words guesses are right now and then: a row that is through reads on in vain."""
    spec = program(ATTENTION.replace("vocab = 13", "vocab = 3"))
    model = load(
        export(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(drafts=7)).path,
        providers="cpu",
        threads=1,
    )
    assert model.manifest.text is not None
    assert model.manifest.text.limit == 24
    prompt = np.random.default_rng(0).integers(0, 3, (4, 5))
    for seed in range(6):
        (wanted,) = grown(spec, prompt, 0, 0.3, seed, count=20)
        np.testing.assert_array_equal(model(prompt=prompt, count=20, temperature=0.3, seed=seed), wanted)


def test_two_texts_grow_one_after_the_other(program: Maker, tmp_path: Path) -> None:
    text = ATTENTION.replace(
        "  return x\n}\n", "  extend x by 8 { append argmax(logits(x)[-1]) }\n  return x\n}\n"
    ).replace("tokens[P + count]", "tokens[P + count + 8]").replace("context = 24", "context = 40")  # fmt: skip
    spec = program(text)
    model = load(
        export(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(drafts=DRAFTS)).path,
        providers="cpu",
        threads=1,
    )
    for prompt in PROMPTS.values():
        (wanted,) = grown(spec, prompt, 0, 0.0)
        text, turns = model.counted(prompt=prompt, count=COUNT, temperature=0.0)
        np.testing.assert_array_equal(text, wanted)
        assert (turns > 0).all()


def test_what_cannot_read_drafts_is_refused(program: Maker) -> None:
    """What grows a token a turn all the same."""
    body = "h = concat(h + mean(h, axis = 0), h, axis = 1)"
    checked = program(spec(body))
    forms.prepare(checked.exports["generate"], cache="concat")
    with pytest.raises(MaiError) as caught:
        forms.prepare(checked.exports["generate"], cache="concat", drafts=DRAFTS)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "no-drafts"
    assert diagnostic.span is not None
    assert diagnostic.span.line == 6
    assert diagnostic.help == "compile without `--speculate`"


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """The file says that it reads drafts, and how many turns a text took; its step file streams as ever."""
    text = spec("").replace("const vocab = 13", "const vocab = 256")
    (tmp_path / "a.mai").write_text(
        text.replace("temperature: real = 1.0", "temperature: real = 0.0"), encoding="utf-8"
    )

    def mai(*words: str, code: int = 0) -> str:
        done = run_command(*words, cwd=tmp_path, code=code)
        return done.stdout + done.stderr

    mai("compile", "a.mai", "--speculate", "3", "--tokenizer", "bytes")
    assert "drafts    up to 3 guessed tokens read a turn" in mai("info", "a.generate.onnx")
    said = mai("run", "a.generate.onnx", "prompt=aaaa", "count=9")
    assert re.search(r"\bin \d+ turns\n", said)
    model = load(tmp_path / "a.generate.onnx", providers="cpu")
    assert list(model.outputs) == ["generate"]
    prompt = np.array([[97, 98, 97]])
    np.testing.assert_array_equal(
        np.stack(list(model.stream(prompt, count=9)), 1), model(prompt=prompt, count=9)[:, 3:]
    )
    for option in ("--unroll", "--no-cache", "--cache=two-level"):
        assert "--speculate is a loop" in mai("compile", "a.mai", "--speculate", "3", option, code=1)


# --------------------------------------------------------------------- look-up


@given(
    rows=some.lists(some.lists(some.integers(0, 3), min_size=2, max_size=14), min_size=1, max_size=3),
    count=some.integers(1, 6),
    new=some.integers(1, 4),
)
def test_what_followed_where_the_last_tokens_stood(rows: list[list[int]], count: int, new: int) -> None:
    length = max(map(len, rows)) + 1
    before, text = np.full((2, len(rows), PADS + length), NOTHING)
    for old, row, tokens in zip(before, text, rows, strict=True):
        old[PADS : PADS + max(len(tokens) - new, 1)] = tokens[: max(len(tokens) - new, 1)]
        row[PADS : PADS + len(tokens)] = tokens
    graph = Graph(name="look")
    batch = Axis("batch", symbol("batch"), BATCH_DEPTH)
    kinds = {"before": PADS + length, "row": PADS + length, "filled": 1}
    graph.inputs = [Value(Type(DType.INT, (size,), (batch,)), name) for name, size in kinds.items()]
    graph.sizes["batch"] = graph.inputs[0], 0
    builder = Builder(graph)
    graph.outputs = [look_up(*(Term(builder, v) for v in graph.inputs), count).value]
    filled = np.array([[PADS + len(tokens)] for tokens in rows])
    (result,) = evaluate(graph, {"before": before, "row": text, "filled": filled}, {}, {})
    wanted = [_went_on([NOTHING] * PADS + tokens, PADS + max(len(tokens) - new, 1), count) for tokens in rows]
    np.testing.assert_array_equal(result, wanted)


def _went_on(text: list[int], old: int, count: int) -> list[int]:
    """The same by looking at one place of the `old` ones after the other, from the last."""
    ends = [end for length in (3, 2) for end in range(old, PADS, -1) if text[end - length : end] == text[-length:]]
    follows = text[ends[0] :] if ends else text
    return [follows[i % len(follows)] for i in range(count)]


# ----------------------------------------------------------------- random nets


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=some.lists(some.tuples(LAYERS, some.integers(1, 3)), min_size=1, max_size=4), size=some.integers(1, 6))
def test_random_causal_nets(program: Maker, layers: list[tuple[str, int]], size: int) -> None:
    """Whatever causal operations follow one another: the same text, from few words that come again and again."""
    named = [text.format(n=n).replace("table", f"table{i}") for i, (text, n) in enumerate(layers)]
    checked = program(spec("\n  ".join(named)))
    prompt = np.random.default_rng(size).integers(0, 2, (3, size))
    padded = np.concatenate([np.full((3, 2), NOTHING), prompt], 1)
    (whole,) = grown(checked, prompt, 0, 0.2)
    np.testing.assert_array_equal(grown(checked, prompt, DRAFTS, 0.2)[0], whole)
    np.testing.assert_array_equal(grown(checked, padded, DRAFTS, 0.2)[0][:, 2:], whole)
