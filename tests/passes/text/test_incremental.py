"""The incremental form of a growing text is the whole row computed again, token by token; what looks ahead is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from mai.compiler.check import growing
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.export import export, export_step
from mai.compiler.ops.products import attention_rows
from mai.compiler.passes import forms
from mai.compiler.passes.text import prompt_blocks, two_level_cache
from mai.compiler.passes.text.absence import prompts_of_unlike_lengths
from mai.compiler.program import Program
from mai.runtime import ModelError, load
from tests.support.cases.growing_texts import (
    CAUSAL_NETS,
    LAYERS,
    NOTHING,
    TAIL,
    causal_program,
    result_of,
    run,
    side_by_side,
    spec,
    weights,
)

Maker = Callable[..., Program]
GROWING = ("concat", "two-level")


NET = CAUSAL_NETS["attention"]
ENDING = spec(NET).replace("by count {", "by count until 7 {")


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three turns, and of three tokens, so that few tokens make several."""
    monkeypatch.setattr(two_level_cache, "BLOCK", 3)
    monkeypatch.setattr(prompt_blocks, "BLOCK", 3)


@functools.cache
def growing_graph(name: str, cache: str) -> Graph:
    """The graph of a net of `CAUSAL_NETS`, prepared once for all tests, each of which has short blocks."""
    return forms.prepare(causal_program(name).exports["generate"], cache=cache)


def grow(name: str, cache: str, prompt: Any, **settings: Any) -> Any:
    """What `run` says of a net of `CAUSAL_NETS`."""
    return result_of(growing_graph(name, cache), causal_program(name), prompt, **settings)


@functools.cache
def recomputed(name: str) -> Any:
    """What a net appends to two prompts."""
    return grow(name, "none", np.random.default_rng(0).integers(0, 13, (2, 5)), count=9)


@functools.cache
def rows_alone(name: str) -> list[Any]:
    """Prompts of three lengths with the largest logits' tokens, each computed by itself."""
    rng = np.random.default_rng(1)
    prompts = [rng.integers(0, 13, (1, size)) for size in (5, 1, 3)]
    return [grow(name, "none", prompt, temperature=0.0)[0] for prompt in prompts]


@pytest.mark.parametrize("cache", GROWING)
@pytest.mark.parametrize("name", CAUSAL_NETS)
def test_incremental_is_recomputed(name: str, cache: str) -> None:
    prompt = recomputed(name)[:, :5]
    np.testing.assert_array_equal(grow(name, cache, prompt, count=9), recomputed(name))


@pytest.mark.parametrize("cache", [*GROWING, "none"])
@pytest.mark.parametrize("name", CAUSAL_NETS)
def test_a_row_of_a_batch_is_its_run_alone(name: str, cache: str) -> None:
    """The largest logit, since a draw depends on the number of the row."""
    prompts = [row[:-6] for row in rows_alone(name)]
    together = grow(name, cache, side_by_side(prompts), temperature=0.0)
    for row, alone in zip(together, rows_alone(name), strict=True):
        np.testing.assert_array_equal(row[-len(alone) :], alone)


def test_what_the_last_token_alone_needs_is_computed_of_it_alone() -> None:
    """Layers without a memory, and the head: of a prompt that is read at once, too."""
    graph = growing_graph("pointwise", "concat")
    layers = [node.output.type for node in graph.walk() if node.op.name in ("affine", "layer_norm")]
    assert len(layers) == 4
    assert all(axis.size == 1 for type in layers for axis in type.lead if axis.name != "batch")


def test_no_pair_of_tokens_comes_twice(program: Maker) -> None:
    """What would repeat is asked of the whole text, of which a turn adds a token."""
    text = spec(CAUSAL_NETS["nothing"]).replace("logits(x)[-1]", "(logits(x)[-1] - 1e9 * repeats(x, vocab, 2))")
    grown = run(program(text), np.array([[3, 1]]), cache="concat", count=14, temperature=0.0)[0].tolist()
    assert len({*pairwise(grown)}) == 15
    plain = grow("nothing", "concat", np.array([[3, 1]]), count=14, temperature=0.0)[0].tolist()
    assert len({*pairwise(plain)}) < 15


def test_what_grows_is_not_warned_of(program: Maker) -> None:
    assert growing(causal_program("attention")) == []
    end = "if vocab < 2 { h = h + mean(h, axis = 0) }"  # no node, in any turn
    assert growing(program(spec(f"repeat 9 as i {{\n    h += sum(ones([i % 2 + 1]))\n    {end}\n  }}"))) == []


@pytest.mark.parametrize("cache", GROWING)
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_few_tokens(count: int, cache: str) -> None:
    prompt = np.array([[3], [4]])
    grown = grow("attention", cache, prompt, count=count)
    assert grown.shape == (2, 1 + count)
    np.testing.assert_array_equal(grown, grow("attention", "none", prompt, count=count))


@pytest.mark.parametrize("name", CAUSAL_NETS)
def test_a_prompt_is_read_in_blocks(program: Maker, name: str) -> None:
    """Rows of different lengths, some of which end, are as if each prompt were read at once."""
    checked = program(spec(CAUSAL_NETS[name]).replace("by count {", "by count until 7 or 3 {"))
    rng = np.random.default_rng(1)
    feed = {"prompt": side_by_side([rng.integers(0, 13, size) for size in (8, 1, 3, 5)])}
    whole = forms.prepare(checked.exports["generate"], cache="concat")
    graphs, own = (whole, forms.prompt_blocks(forms.optimise(whole))), weights(checked)
    for temperature in (0.0, 1.0):
        settings = {"seed": 5, "count": 9, "temperature": temperature}
        wanted, result = (evaluate(graph, feed, settings, own)[0] for graph in graphs)
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("cache", ["concat", "none"])
def test_files_read_in_blocks(program: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: str) -> None:
    """A file with a cache reads blocks of the prompt, one without takes blocks of rows."""
    monkeypatch.setattr(attention_rows, "FEW", 5)
    monkeypatch.setattr(attention_rows, "ROWS", 4)
    rng = np.random.default_rng(3)
    prompt = side_by_side([rng.integers(0, 13, size) for size in (13, 9, 1)])
    for net in ("rotary, grouped", "a window with sinks"):
        checked = program(spec(CAUSAL_NETS[net]).replace("by count {", "by count until 7 or 3 {"))
        wanted = run(checked, prompt, cache="none", count=7)
        for opset in (23, 21):
            options = CompileOptions(cache=cache, opset=opset)
            model = load(
                export(checked, "generate", Trained(weights(checked)), tmp_path, options).path, providers="cpu"
            )
            np.testing.assert_array_equal(model(prompt=prompt, count=7, seed=5), wanted)
        step = export_step(checked, "generate", Trained(weights(checked)), tmp_path)
        assert step is not None and model.manifest.text is not None
        rows = list(load(step.path, providers="cpu").stream(prompt, count=7, seed=5))
        np.testing.assert_array_equal(np.stack(rows, 1), wanted[:, 13 : 13 + len(rows)])
        assert (wanted[:, 13 + len(rows) :] < 0).all()


@pytest.mark.parametrize("more", ["", ", causal = true", ", window = 3, sinks = 1", ", causal = true, softcap = 2"])
def test_many_rows_are_taken_in_blocks(
    program: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str
) -> None:
    monkeypatch.setattr(attention_rows, "FEW", 5)
    monkeypatch.setattr(attention_rows, "ROWS", 4)
    for size in ("P", "14"):
        net = f"export f(x: [{size}, 8]) -> [{size}, 8] {{ return attention(x, 4, 2{more}) }}"
        spec = program(net)
        export(spec, "f", Trained(weights(spec)), tmp_path)  # The gate compares the file with torch.
        for rows in (14,) if size == "14" else (1, 5, 6, 8, 14):
            x = np.random.default_rng(rows).standard_normal((2, rows, 8)).astype(np.float32)
            (wanted,) = evaluate(spec.exports["f"], {"x": x}, {}, weights(spec))
            result = load(tmp_path / f"{spec.name}.f.onnx", providers="cpu")(x=x)
            np.testing.assert_allclose(result, wanted, atol=1e-5)


@pytest.mark.parametrize("more", ["", ", causal = true", ", softcap = 2"])
@pytest.mark.parametrize("opset", [23, 21])
def test_many_rows_look_at_another_text_in_blocks(
    program: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str, opset: int
) -> None:
    """More rows than columns, fewer, and as many."""
    monkeypatch.setattr(attention_rows, "FEW", 5)
    monkeypatch.setattr(attention_rows, "ROWS", 4)
    spec = program(f"export f(x: [P, 8], m: [S, 8]) -> [P, 8] {{ return attention(x, 4, 2, memory = m{more}) }}")
    path = export(spec, "f", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset)).path
    rng, model = np.random.default_rng(0), load(path, providers="cpu")
    for rows, columns in ((14, 6), (9, 14), (7, 7), (6, 2)):
        feed = {"x": rng.standard_normal((2, rows, 8)), "m": rng.standard_normal((2, columns, 8))}
        feed = {name: array.astype(np.float32) for name, array in feed.items()}
        (wanted,) = evaluate(spec.exports["f"], feed, {}, weights(spec))
        np.testing.assert_allclose(model(**feed), wanted, atol=1e-5)


ENDS = {"7": [7], "7 or 3": [7, 3], "[7, 3, 9]": [7, 3, 9], "[7, count - 11]": [7, 9]}


@pytest.mark.parametrize("until", ENDS)
@pytest.mark.parametrize("cache", GROWING)
def test_rows_end_each_at_its_time(program: Maker, tmp_path: Path, cache: str, until: str) -> None:
    checked = program(spec(NET).replace("by count {", f"by count until {until} {{"))
    prompt = np.random.default_rng(2).integers(0, 7, (12, 3))
    free = grow("attention", "concat", prompt, count=20)[:, 3:]
    ended = run(checked, prompt, cache=cache, count=20)[:, 3:]
    path = export(checked, "generate", Trained(weights(checked)), tmp_path, CompileOptions(cache=cache)).path
    np.testing.assert_array_equal(load(path, providers="cpu")(prompt=prompt, count=20, seed=5)[:, 3:], ended)
    np.testing.assert_array_equal(ended, run(checked, prompt, cache="none", count=20)[:, 3:])
    for row, wanted in zip(ended, free, strict=True):
        met = np.isin(wanted, ENDS[until])
        stop = int(np.argmax(met)) + 1 if met.any() else 20
        np.testing.assert_array_equal(row[:stop], wanted[:stop])
        assert (row[stop:] == NOTHING).all()
    assert (ended == NOTHING).any()


def test_an_end_may_be_left_out(program: Maker, tmp_path: Path) -> None:
    """Settings that are -1 are no token: of two ends, the other stays."""
    text = spec(CAUSAL_NETS["attention"]).replace("by count {", "by count until end or 3 {")
    text = text.replace("temperature: real = 1.0)", "temperature: real = 1.0, end: token = 7)")
    checked = program(text)
    model = load(export(checked, "generate", Trained(weights(checked)), tmp_path).path, providers="cpu")
    prompt = np.random.default_rng(2).integers(0, 7, (12, 3))
    free = grow("attention", "concat", prompt, count=20)[:, 3:]
    for end in (-1, 7):
        for row, wanted in zip(model(prompt=prompt, count=20, seed=5, end=end)[:, 3:], free, strict=True):
            met = np.isin(wanted, [end, 3])
            stop = int(np.argmax(met)) + 1 if met.any() else 20
            np.testing.assert_array_equal(row, np.where(np.arange(20) < stop, wanted, NOTHING))


def test_what_has_been_said_is_less_likely(program: Maker, tmp_path: Path) -> None:
    """As transformers' repetition penalty, by hand on the recomputed logits."""
    text = spec(CAUSAL_NETS["attention"]).replace("logits(x)[-1] /", "penalise(logits(x)[-1], x, 1.7) /")
    checked = program(text)
    prompt = np.array([[NOTHING, NOTHING, 3, 4], [5, 5, 6, 7]])
    together = run(checked, prompt, cache="concat", count=12, temperature=0.0)
    alone = run(checked, prompt[:1, 2:], cache="none", count=12, temperature=0.0)
    np.testing.assert_array_equal(together[0, 2:], alone[0])
    path = export(checked, "generate", Trained(weights(checked)), tmp_path).path
    np.testing.assert_array_equal(load(path, providers="cpu")(prompt=prompt, count=12, temperature=0.0), together)
    free = grow("attention", "concat", prompt[1:], count=12, temperature=0.0)
    assert len(set(together[1, 4:].tolist())) > len(set(free[0, 4:].tolist()))


@pytest.mark.parametrize("cache", GROWING)
def test_two_texts_grow_one_after_the_other(program: Maker, cache: str) -> None:
    text = spec(CAUSAL_NETS["attention"]).replace(
        "  return x\n}\n", "  extend x by 2 { append argmax(logits(x)[-1]) }\n  return x\n}\n"
    ).replace("tokens[P + count]", "tokens[P + count + 2]")  # fmt: skip
    checked = program(text)
    prompt = np.array([[3, 1], [4, 2]])
    grown = run(checked, prompt, cache=cache)
    assert grown.shape == (2, 10)
    np.testing.assert_array_equal(grown, run(checked, prompt, cache="none"))


# Those whose operations are no other net's; the rest where there is time.
FILES = (
    "attention", "rotary, grouped", "an additive mask", "einsum", "a running mean", "a shift", "two states in a row",
    "shared turns around the text", "heads by hand", "sinks and a window", "said before", "pooled, for the last token",
    "a product and a length, for the last token", "places within a token",
)  # fmt: skip


@pytest.mark.parametrize("opset", [pytest.param(21, marks=pytest.mark.slow), 23])
@pytest.mark.parametrize("name", [n if n in FILES else pytest.param(n, marks=pytest.mark.slow) for n in CAUSAL_NETS])
def test_the_file_computes_what_numpy_does(tmp_path: Path, name: str, opset: int) -> None:
    """The whole in one call, and token by token by the step file."""
    spec = causal_program(name)
    path = export(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset)).path
    export_step(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset))
    prompt = np.random.default_rng(3).integers(0, 13, (2, 4))
    wanted = run(spec, prompt, cache="none")
    model = load(path, providers="cpu", threads=1)
    np.testing.assert_array_equal(model(prompt=prompt, seed=5), wanted)
    np.testing.assert_array_equal(np.stack(list(model.stream(prompt, seed=5)), 1), wanted[:, 4:])


@pytest.mark.parametrize("cache", [*GROWING, "none"])
def test_a_text_that_has_ended_goes_on_after_its_last_token(program: Maker, cache: str) -> None:
    """As that text would go on alone: what stands after its end is no token."""
    text = ENDING.replace("  return x\n}\n", "  extend x by 3 { append argmax(logits(x)[-1]) }\n  return x\n}\n")
    checked, alone = program(text.replace("tokens[P + count]", "tokens[P + count + 3]")), program(spec(NET))
    prompt = np.random.default_rng(2).integers(0, 7, (8, 3))
    ended = run(checked, prompt, cache=cache, count=20)
    assert (ended[:, :-3] == NOTHING).any()
    for row in ended:
        start = row[:-3][row[:-3] != NOTHING]
        wanted = run(alone, start[None], cache="none", count=3, temperature=0.0)[0]
        np.testing.assert_array_equal(row[-3:], wanted[-3:])


@pytest.mark.parametrize("opset", [pytest.param(21, marks=pytest.mark.slow), 23])
@pytest.mark.parametrize("name", ["attention", "rotary, grouped", "two states in a row", "primitives"])
def test_the_file_of_two_levels(tmp_path: Path, name: str, opset: int) -> None:
    """Prompts of different lengths, through several blocks."""
    spec = causal_program(name)
    path = export(
        spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset, cache="two-level")
    ).path
    prompt = np.random.default_rng(4).integers(0, 13, (3, 5))
    prompt[0, :3] = prompt[2, :1] = NOTHING
    wanted = run(spec, prompt, cache="concat", count=11)
    np.testing.assert_array_equal(load(path, providers="cpu", threads=1)(prompt=prompt, seed=5, count=11), wanted)


def test_only_a_past_that_is_attended_to_has_two_levels() -> None:
    for name, depth in (("attention", 2), ("a running sum", 1)):
        graph = forms.prepare(causal_program(name).exports["generate"], cache="two-level")
        (loop,) = (node for node in graph.nodes if node.op is Loop)
        assert 1 + sum(node.op is Loop for node in loop.regions[0].nodes) == depth


def test_a_prompt_that_is_read_beside_has_one_length(program: Maker, tmp_path: Path) -> None:
    """What the net makes of a place without a token nobody says, so no row begins with one."""
    text = spec(NET).replace("(x: tokens[P])", "(x: tokens[P], m: tokens[Q])").replace("logits(x)", "logits(x, prompt)")
    checked = program(text.replace("return linear(h,", "return linear(h + mean(embed(m, d), axis = 0),"))
    model = load(export(checked, "generate", Trained(weights(checked)), tmp_path).path, providers="cpu")
    prompt = np.array([[3, 1, 2], [4, 4, 2]])
    np.testing.assert_array_equal(model(prompt=prompt, seed=5), run(checked, prompt, cache="none"))
    with pytest.raises(ModelError, match="from 0 to 12, this holds -1"):
        model(prompt=[[3, 1, 2], [NOTHING, NOTHING, 4]])


PLAN = """
net answer(x: tokens[P], m: tokens[Q]) -> [P, vocab] {
  h = embed(x, d)
  h += attention(h, 2, causal = true) + attention(h, 2, memory = embed(m, d))
  return linear(h, vocab)
}
export generate(prompt: tokens[P], start: tokens[Q], count: int = 5) -> tokens[Q + count] {
  plan = prompt
  extend plan by count { append argmax(logits(plan)[-1]) }
  y = start
  extend y by count { append argmax(answer(y, READ)[-1]) }
  return y
}
"""


@pytest.mark.parametrize("read", ["plan", "plan[P:]"])
def test_a_text_that_another_reads(program: Maker, tmp_path: Path, read: str) -> None:
    """What was appended is that of the row alone; of the whole text nobody says what a place without a token is.

    The queries of a turn are scaled before all of its attentions, those to the other text, too: the runtime's product for one row takes no scale.
    """
    checked = program(spec(NET).replace(TAIL, PLAN.replace("READ", read)))
    path = export(checked, "generate", Trained(weights(checked)), tmp_path).path
    nodes = [node for node in ir.load(path).graph.all_nodes() if node.op_type == "Attention"]
    assert {node.attributes.get_float("scale", 0.0) for node in nodes} == {1.0}
    model = load(path, providers="cpu")
    prompts, starts = [[3], [5, 1, 2], [9, 4]], [[1, 2, 3], [4], [7, 0]]
    alone = [model(prompt=[p], start=[s])[0].tolist() for p, s in zip(prompts, starts, strict=True)]
    rows = model(prompt=prompts[:1] * 3, start=side_by_side(starts))
    assert list(rows[0]) == alone[0]
    if read == "plan":
        with pytest.raises(ModelError, match="all rows have one length here"):
            model(prompt=side_by_side(prompts), start=side_by_side(starts))
    else:
        rows = model(prompt=side_by_side(prompts), start=side_by_side(starts))
        assert [[t for t in r.tolist() if t != NOTHING] for r in rows] == alone


@pytest.mark.parametrize(("read", "rows"), [("plan", {"start"}), ("plan[P:]", {"prompt", "start"})])
def test_which_rows_may_begin_without_a_token(program: Maker, read: str, rows: set[str]) -> None:
    checked = program(spec(NET).replace(TAIL, PLAN.replace("READ", read)))
    assert prompts_of_unlike_lengths(checked.exports["generate"]) == rows


# ----------------------------------------------------------------------- random nets


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=some.lists(some.tuples(LAYERS, some.integers(1, 3)), min_size=1, max_size=5), size=some.integers(1, 6))
def test_random_causal_nets(program: Maker, layers: list[tuple[str, int]], size: int) -> None:
    """Whatever causal operations follow one another: incremental is recomputed, and a row is its run alone."""
    named = [text.format(n=n).replace("table", f"table{i}") for i, (text, n) in enumerate(layers)]
    checked = program(spec("\n  ".join(named)))
    prompt = np.random.default_rng(size).integers(0, 13, (2, size))
    whole = run(checked, prompt, cache="none")
    padded = np.concatenate([np.full((2, 2), NOTHING), prompt], 1)
    for cache in GROWING:
        np.testing.assert_array_equal(run(checked, prompt, cache=cache), whole)
        np.testing.assert_array_equal(run(checked, padded, cache=cache)[:, 2:], whole)


def test_a_turn_leaves_what_a_turn_reads(program: Maker) -> None:
    """Whether a row goes on the loop alone asks: a host sees it by the token that ends the row."""
    text = spec(CAUSAL_NETS["a shift"]).replace("by count {", "by count until 7 {")
    turn = forms.step(forms.optimise(forms.prepare(program(text).exports["generate"], cache="concat")))
    assert turn is not None
    left = {name.removesuffix("_next") for name in turn.output_names[2:]}
    assert left and left <= {value.name for value in turn.inputs} | set(turn.settings)
