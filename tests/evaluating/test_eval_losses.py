"""`mai eval` of what has no answer to compare with: texts, samplers, data without end; and of quantiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.evaluating.answers import Quantiles
from mai.compiler.evaluating.metrics import figures
from mai.compiler.evaluating.targets.quantile_levels import quantiles_of
from mai.compiler.program import Program
from mai.runtime import load
from tests.support.command import invoke
from tests.support.evaluations import evaluated, trained

TEXT = """const vocab = {vocab}
data x: tokens[9] from text({tokenizer}, "corpus.txt")
net logits(x: tokens[P]) -> [P, vocab] {{ return linear(embed(x, 8), vocab) }}
train(steps = 20, batch = 8, optimizer = adam(lr = 0.05)) {{ minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }}
export score(x: tokens[P]) -> [P - 1] {{ return cross_entropy(logits(x[:-1]), x[1:]) }}
"""
ANSWERS = """const vocab = 256
data text: tokens[10], answer_mask: [10]
  from examples("t.jsonl", tokenizer = bytes, text = "{question}{answer}\\n")
net logits(x: tokens[P]) -> [P, vocab] { return linear(embed(x, 8), vocab) }
train(steps = 5) {
  m = answer_mask[1:]
  minimize sum(where(m > 0, cross_entropy(logits(text[:-1]), text[1:]), 0)) / sum(m)
}
export score(x: tokens[P]) -> [P - 1] { return cross_entropy(logits(x[:-1]), x[1:]) }
"""


@pytest.mark.parametrize(("vocab", "tokenizer"), [(256, "bytes"), (300, "bpe(vocab = 300)")])
def test_a_text(tmp_path: Path, vocab: int, tokenizer: str) -> None:
    """Of a file, each token but the first is told once: as the file's scores of the same windows, which a loop adds up."""
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat, and the dög sat on the cat. " * 20)
    (tmp_path / "held.txt").write_text("the dög sat on the mat, and the cat ran. " * 5)
    run = trained(tmp_path, TEXT.format(vocab=vocab, tokenizer=tokenizer))
    report = evaluated(run, "--data", tmp_path / "held.txt")
    model = load(run / "s.score.onnx", providers="cpu")
    tokens = model.tokenizer.encode((tmp_path / "held.txt").read_text())
    windows = [tokens[begin : begin + 9] for begin in range(0, len(tokens) - 8, 8)]
    nats = np.concatenate([model(x=window) for window in windows]).astype(np.float64)
    bytes_ = len(model.tokenizer.decode(np.concatenate([window[1:] for window in windows])).encode())
    metrics = {name: each["value"] for name, each in report["metrics"].items()}
    assert report["examples"] == len(windows)
    assert metrics["loss"] == pytest.approx(nats.mean(), rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(np.exp(nats.mean()), rel=1e-5)
    assert metrics["bits per byte"] == pytest.approx(nats.sum() / np.log(2) / bytes_, rel=1e-5)
    low, high = report["metrics"]["accuracy"]["interval"]
    assert 0 <= low <= metrics["accuracy"] <= high <= 1
    others = "the data are others than those of this run"
    assert others not in invoke("eval", run).output
    (tmp_path / "corpus.txt").write_text("the dög sat on the cat, and the cat sat on the mat. " * 21)
    assert others in invoke("eval", run).output
    gone = invoke("eval", run, "--data", tmp_path / "gone.txt")
    assert gone.exit_code == 1 and "gone.txt" in gone.output
    (tmp_path / "short.txt").write_text("the")
    short = invoke("eval", run, "--data", tmp_path / "short.txt")
    assert short.exit_code == 1 and "fewer than one window of 9" in short.output


def test_a_mask_says_which_tokens_count(tmp_path: Path) -> None:
    rows = [{"question": f"{a}+{b}=", "answer": str(a + b)} for a in range(6) for b in range(6)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = trained(tmp_path, ANSWERS)
    metrics = evaluated(run, "--loss", "--data", tmp_path / "t.jsonl")["metrics"]
    model = load(run / "s.score.onnx", providers="cpu")
    nats: list[float] = []
    for row in rows:
        text = np.frombuffer(f"{row['question']}{row['answer']}\n".encode(), np.uint8).astype(np.int64)
        nats += np.ravel(model(x=text))[len(row["question"]) - 1 :].tolist()
    assert metrics["perplexity"]["value"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-5)
    assert f"of {len(nats)} tokens" in metrics["perplexity"]["is"]


def test_a_sampler_and_data_without_end(tmp_path: Path) -> None:
    """What draws has no right answer: its training loss is told, of as many examples as are asked for; with `--target` it is refused."""
    run = trained(
        tmp_path,
        "data x: [2] from moons()\n"
        "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) {\n  z ~ normal([2])\n  minimize sum((f(z) - x)^2)\n  report x[0] as first\n}\n"
        "export sample() -> [2] {\n  z ~ normal([2])\n  return f(z)\n}\n",
    )
    report = evaluated(run, "--examples", "1500")
    assert report["examples"] == 1500 and [*report["metrics"]] == ["loss", "first"]
    low, high = report["metrics"]["first"]["interval"]
    assert low < 0.5 < high and high - low < 0.1  # The moons' middle.
    assert evaluated(run, "--examples", "1500") == report
    refused = invoke("eval", run, "--target", "x", "--output", "nothing")
    assert refused.exit_code == 1 and "gives no `nothing`" in refused.output


def test_answers_on_data_without_end(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "data x: [2], y: class[2] from gaussians(modes = 2)\n" + "net f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) { minimize cross_entropy(f(x), y) }\n"
        "export chance(x: [2]) -> [2] { return softmax(f(x)) }\n",
    )
    report = evaluated(run, "--examples", "700")
    assert report["examples"] == 700 and report["target"] == "y"


# ---------------------------------------------------------------- quantiles

HEAD = 'data x: [2], y: [2] from npz("d.npz")\nnet f(x: [2]) -> [2, 3] { return rearrange(linear(x, 6), "(h q) -> h q", q = 3) }\n'
VECTOR = 'minimize mean(quantile_loss(f(x), rearrange(y, "h -> h 1"), [0.1, 0.5, 0.9]))'
APART = "z = f(x)\n  minimize mean(quantile_loss(z[:, 0], y, 0.1) + quantile_loss(z[:, 1], y, 0.5) + quantile_loss(z[:, 2], y, 0.9))"
BY_HAND = "z = f(x)\n  a = y - z[:, 0]\n  minimize mean(where(a > 0, 0.25 * a, -0.75 * a)) + mean(quantile_loss(z[:, 2], [y[1], y[0]], 0.8))"
SQUARES = "z = f(x)\n  minimize mean((z[:, 0] - y)^2 + abs(z[:, 1] - y))"


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (VECTOR, [(0.1, 0), (0.5, 0), (0.9, 0), (0.1, 1), (0.5, 1), (0.9, 1)]),
        (APART, [(0.1, 0), (0.5, 0), (0.9, 0), (0.1, 1), (0.5, 1), (0.9, 1)]),
        (SQUARES, None),
        (BY_HAND, None),
    ],
)
def test_levels_are_read_off_the_objective(program: Callable[[str], Program], objective: str, expected: Any) -> None:
    spec = program(HEAD + f"train(steps = 1) {{\n  {objective}\n}}\nexport q(x: [2]) -> [2, 3] {{ return f(x) }}\n")
    quantiles = quantiles_of(spec, "q", "y")
    assert [(each.level, each.place) for each in quantiles["q"]] == expected if expected is not None else not quantiles


def test_levels_by_hand_and_of_parts(program: Callable[[str], Program]) -> None:
    """Written as cases, and compared with the numbers of the field in another order."""
    spec = program(
        HEAD
        + f"train(steps = 1) {{\n  {BY_HAND}\n}}\nexport q(x: [2]) -> ([2], [2]) {{\n  z = f(x)\n  return (z[:, 0], [z[1, 2], z[0, 2]])\n}}\n"
    )
    quantiles = {
        name: [(each.level, each.place) for each in part] for name, part in quantiles_of(spec, "q", "y").items()
    }
    assert quantiles == {"q_0": [(0.25, 0), (0.25, 1)], "q_1": [(0.8, 0), (0.8, 1)]}


def test_figures_of_quantiles(tmp_path: Path) -> None:
    """By their definitions, from what the file gives; a picture is drawn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2)).astype(np.float32)
    y = x + rng.normal(size=(80, 2)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    text = HEAD.replace("return", "return [[-1, 0, 1], [-1, 0, 1]] +") + f"train(steps = 20) {{\n  {APART}\n}}\n"
    run = trained(tmp_path, text + "export q(x: [2]) -> [2, 3] { return f(x) }\n")
    report = evaluated(run, "--data", tmp_path / "d.npz", "--out", tmp_path / "q.svg")
    said = np.asarray(load(run / "s.q.onnx", providers="cpu")(x=x), np.float64)
    metrics = {name: each["value"] for name, each in report["metrics"].items()}
    a = y[..., None] - said
    levels = np.array([0.1, 0.5, 0.9])
    assert metrics["quantile loss"] == pytest.approx(np.where(a > 0, levels * a, (levels - 1) * a).mean(), rel=1e-5)
    assert metrics["below 0.9"] == pytest.approx((y <= said[..., 2]).mean())
    assert metrics["coverage 80%"] == pytest.approx(((said[..., 0] <= y) & (y <= said[..., 2])).mean())
    assert metrics["width 80%"] == pytest.approx((said[..., 2] - said[..., 0]).mean())
    assert report["outputs"] == {"q": "quantiles"} and "<svg" in (tmp_path / "q.svg").read_text()[:400]


def test_quantiles_that_cross_are_told() -> None:
    said = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    values = {each.name: each.value for each in figures(Quantiles(np.array([[0.5], [0.5]]), said, (0.2, 0.7)), 5)}
    assert values["crossed"] == 0.5 and values["below 0.2"] == 0.5 and "coverage 50%" not in values
