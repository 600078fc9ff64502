"""Each warning looks at a kind of mistake, however it is written, and leaves alone what is like it and meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.program import Program
from mai.compiler.warnings import warnings

POINTS = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
LABELLED = (
    "data x: [2], y: class[2] from moons()\nnet f(x: [2], y: class[2]) -> [2] { return linear(x, 2) + embed(y, 2) }\n"
)
HALVES = "data x: [2], y: class[2] from moons()\nnet f(x: [2]) -> [] { return linear(x, 1)[0] }\n"
GAN = (
    "data x: [2] from moons()\nnet make(z: [2]) -> [2] { return linear(z, 2) }\n"
    "net critic(x: [2]) -> [] { return linear(tanh(linear(x, 8)), 1)[0] }\n"
)
HEADS = "data x: [2] from moons()\nnet f(x: [2]) -> ([2], [2]) {{\n  h = relu(linear(x, 4))\n  return (linear(h, 2), {})\n}}\n"
REAL = "z ~ normal([2])\n  minimize softplus(-critic(x)) + softplus(critic(make(z)))"
FAKE = "minimize softplus(-critic(make(z)))"
TOKENS = (
    "const vocab = 256\ndata x: tokens[16] from text()\n"
    "net f(x: tokens[16]) -> [16, vocab] { return linear(embed(x, 8), vocab) }\n"
)
COLUMN = 'data x: [5], y: [5] from npz("p.npz")\nnet f(x: [5]) -> [5, 1] { return linear(x[:, None], 1) }\n'
GUIDED = "const none = 2\ndata x: [2], y: class[2] from moons()\nnet f(x: [2], y: class[3]) -> [2] {{ return {} }}\n"
HOT, ROWS = "linear(concat(x, one_hot(y, 3)), 2)", "linear(x, 2) + embed(y, 2)"
FREE = "export g(x: [2]) -> [2] { return f(x, none) }\n"


def train(*lines: str, head: str = "steps = 5") -> str:
    return "train(" + head + ") {\n  " + "\n  ".join(lines) + "\n}\n"


def digits(logits: str, loss: str) -> str:
    data = "data x: [64], y: class[10] from digits(split = train)\n"
    size = 20 if "20" in logits else 10
    return data + f"net f(x: [64]) -> [{size}] {{ return {logits} }}\n" + train(f"minimize {loss}")


def zero(body: str) -> str:
    return "data x: [2] from moons()\nnet f(x: [2]) -> [2] {\n  " + body + "\n}\n" + train("minimize sum((f(x) - x)^2)")


def moved(start: str, stop: str, before: str = "") -> str:
    body = f"integrate s in {start}..{stop} using rk4(3) {{ dx/ds = x }}"
    return f"{before}export f(x: [2]) -> [2] {{\n  {body}\n  return x\n}}\n"


def scaled(factor: str, const: str = "const depth = 4") -> str:
    return f"{const}\nexport f(x: [2]) -> [2] {{ return x + {factor} * x }}\n"


SQUARES = "minimize sum((f(x) - x)^2)"
LIKELY = POINTS + "net p(x: [2]) -> [] {\n  z = f(x)\n  return log_prob(normal([2]), z) + 1\n}\n"
NEXT = (
    "const vocab = 256\ndata x: tokens[16] from text()\nnet f(x: tokens[P]) -> [P, vocab] {{\n  h = embed(x, 8)\n"
    "  h += attention({})\n  return linear(h, vocab)\n}}\ntrain(steps = 5) {{ minimize mean({}) }}\n"
)
AFTER = "cross_entropy(f(x[:-1]), x[1:])"
MIXED = (
    "const vocab = 256\ndata x: tokens[17] from text()\nnet f(x: tokens[P]) -> [P, vocab] {{\n  h = embed(x, 8)\n"
    "{}\n  return linear(h, vocab)\n}}\ntrain(steps = 5) {{ minimize mean(cross_entropy(f(x[:-1]), x[1:])) }}\n"
)
TURN = "  s = zeros([8])\n  repeat P shared as t {{ s = tanh(s + h[{}]) }} keep s as ss\n  h = {}"
LAGS = (
    "  y = zeros([P, 8])\n  repeat 3 shared as k { y += where((range(P) >= k)[:, None], h[range(P) - k], 0) }\n  h = y"
)
BEGINNING = (
    "const vocab = 256\ndata x: tokens[16] from text()\nnet f(x: tokens[P], p: tokens[M]) -> [P, vocab] {{\n  m = embed(p, 12)\n"
    "  m += attention(m, 2)\n  h = embed(x, 12) + mean(m, axis = 0)\n  return linear(h, vocab)\n}}\n"
    "train(steps = 5) {{ minimize mean(cross_entropy(f(x[7:-1], {}), x[8:])) }}\n"
)
SQUARE = MIXED.replace("embed(x, 8)", "embed(x, 16)").replace("\n{}\n", "\n  {}\n")
CUT = NEXT.replace("attention({})", "{}").replace("mean({})", "mean(cross_entropy(f(x)[:-1], x[1:]))")
BY_HAND = "  h += softmax({}) @ h"
CASES: dict[str, tuple[str, list[str]]] = {
    "the data in another order": (
        LABELLED + train("x0 ~ normal([2])", "(a, b) = couple(2 * x, x0)", "minimize sum((f(b, y) - a)^2)"), ["coupled-data"],
    ),
    "under another name": (
        LABELLED
        + train("x0 ~ normal([2])", "a = x - 1", "(a, x0) = couple(a, x0)", "minimize sum((f(x0, y) - a)^2)"),
        ["coupled-data"],
    ),
    "noise in another order": (
        LABELLED + train("x0 ~ normal([2])", "(a, b) = couple(2 * x0, x)", "minimize sum((f(a, y) - b)^2)"), [],
    ),
    "two clouds of the data": (
        'data x0: [2], x: [2] from npz("p.npz")\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n'
        + train("(x0, x) = couple(x0, x)", "minimize sum((f(x0) - x)^2)"), [],
    ),
    "a relu that is scaled": (digits("0.5 * relu(linear(x, 10))", "cross_entropy(f(x), y)"), ["bounded-logits"]),
    "a relu before a loss by hand": (digits("relu(linear(x, 10))", "-log_softmax(f(x))[y]"), ["bounded-logits"]),
    "a relu before the labels of rows": (
        TOKENS + train("minimize -mean(log_softmax(relu(f(x)))[range(16), x])"), ["bounded-logits"],
    ),
    "logits of probabilities that are drawn": (
        HALVES + train("k ~ bernoulli(f(x))", "minimize where(k, y, 0) * f(x)"), ["logits-as-probability"],
    ),
    "logits of several probabilities": (
        POINTS + train("minimize -log_prob(bernoulli(p = f(x)), where(x > 0, 1, 0))"), ["logits-as-probability"],
    ),
    "a probability of a weight": (
        HALVES + train("k ~ bernoulli(sigmoid(f(x)))", "minimize -log_prob(bernoulli(0.5), k) * f(x) * y"), [],
    ),
    "a label beside a number of each": (digits("linear(x, 10)", "mean(abs(y - softmax(f(x))))"), ["label-as-number"]),
    "a label as a number of each": (digits("linear(x, 10)", "mean((f(x) - one_hot(y, 10))^2)"), []),
    "a label as an amount": (digits("linear(x, 10)", "(f(x)[0] - y)^2"), []),
    "a label beside as many numbers of the data": (
        LABELLED + train("minimize sum((f(x - y, y) - x)^2)"), [],
    ),
    "a critic that is bounded": (
        GAN.replace("linear(tanh(linear(x, 8)), 1)[0]", "sigmoid(linear(x, 1))[0]") + train(REAL + " over critic", FAKE + " over make"),
        ["bounded-logits"] * 3,
    ),
    "a positive number of a net": (POINTS.replace("linear(x, 2)", "softplus(sigmoid(linear(x, 2)))") + train(SQUARES), []),
    "more logits by hand": (digits("linear(x, 20)", "-log_softmax(f(x))[y]"), ["more-logits"]),
    "more logits with a logarithm": (digits("linear(x, 20)", "-log(softmax(f(x)))[y]"), ["more-logits"]),
    "logits that are capped": (digits("30 * tanh(linear(x, 10) / 30)", "cross_entropy(f(x), y)"), []),
    "an objective that moves both": (GAN + train(REAL + " over critic", FAKE), ["shared-objectives"]),
    "the first of them": (GAN + train(REAL, FAKE + " over make"), ["shared-objectives"]),
    "each its own": (GAN + train(REAL + " over critic", FAKE + " over make"), []),
    "nets apart": (
        POINTS + "net g(x: [2]) -> [2] { return linear(x, 2) }\n" + train(SQUARES, "minimize sum((g(x) - x)^2)"), [],
    ),
    "below a product": (scaled("1 // (2 * depth)"), ["divided-to-zero"]),
    "half of a size": (scaled("size // 2", "const size = 1"), []),
    "a division that is not 0": (scaled("8 // depth"), []),
    "to a const of 0": (moved("0", "T", "const T = 0\n"), ["empty-integral"]),
    "to the same by arithmetic": (moved("T", "2 * T / 2", "const T = 2\n"), ["empty-integral"]),
    "backwards": (moved("1", "0"), []),
    "a field times a column": (COLUMN + train("minimize sum(softplus(f(x)) - y * f(x))"), ["column-against-row"]),
    "an accuracy of a column": (
        COLUMN + train("minimize sum((f(x)[:, 0] - y)^2)", "report mean(where((f(x) > 0) == (y > 0), 1.0, 0.0))"),
        ["column-against-row"],
    ),
    "all pairs": ("export f(x: [5], y: [5]) -> [5, 5] { return x[:, None] * y }\n", []),
    "deviations of 0": (
        zero("param a: [2] = normal(0, 0)\n  param b: [2] = zeros\n  return a * b * x"), ["stuck-at-zero"],
    ),
    "zeros that a file has": (
        zero("param a: [2] = zeros\n  param b: [2] = zeros\n  return a * b * x") + 'weights from "w.safetensors" { "f.*" = "f.*" }\n',
        [],
    ),
    "a relu of zeros": (zero("return linear(relu(linear(x, 8, init = zeros)), 2)"), ["stuck-at-zero"]),
    "one layer of zeros": (zero("return linear(x, 2, init = zeros)"), []),
    "a mask that is multiplied": (
        TOKENS + train("minimize mean(where(x > 32, 1, 0) * cross_entropy(f(x), x))"), ["masked-mean"],
    ),
    "a sum divided by all": (
        TOKENS + train("minimize sum(where(x > 32, cross_entropy(f(x), x), 0)) / 16"), ["masked-mean"],
    ),
    "a mean of the mask below": (
        TOKENS
        + train("minimize mean(where(x > 32, cross_entropy(f(x), x), 0)) / mean(where(x > 32, 1.0, 0.0))"), [],
    ),
    "a loss of one side": (POINTS + train("e = f(x) - x", "minimize mean(where(e > 0, e^2, 0))"), []),
    "a drawn mask": (
        TOKENS + train("m ~ bernoulli([16], 0.15)", "minimize mean(where(m, cross_entropy(f(x), x), 0))"), [],
    ),
    "none by one_hot": (GUIDED.format(HOT) + train("minimize sum((f(x, y) - x)^2)") + FREE, ["untrained-row"]),
    "none that is passed": (
        GUIDED.format(HOT) + train("k ~ bernoulli(0.9)", "minimize sum((f(x, where(k, y, none)) - x)^2)") + FREE, [],
    ),
    "none that the host gives": (
        GUIDED.format(ROWS).replace("const none = 2\n", "") + train("minimize sum((f(x, y) - x)^2)")
        + "export g(x: [2], k: class[3]) -> [2] { return f(x, k) }\n", [],
    ),
    "a root of a linear layer": (POINTS + train("minimize sum((sqrt(f(x)) - x)^2)"), ["unbounded-parameter"]),
    "a softmax of one, and of two": (
        "data x: [2] from moons()\nlayer pool(h: [n, 2]) -> [2] {\n  a = softmax(linear(h, 1)[:, 0])\n  return a @ h\n}\n"
        "net f(x: [2]) -> [2] { return pool(x[None]) + pool(concat(x[None], x[None], axis = 0)) }\n" + train(SQUARES), [],
    ),
    "the softmax of one": (
        HALVES.replace("linear(x, 1)[0]", "softmax(linear(x, 1))[0]") + train("minimize (f(x) - y)^2"), ["one-of-one"],
    ),
    "a list that is joined along an axis": (HALVES + train("minimize (f(x) - y)^2 + sum(concat([x[None], x[None]], axis = 0))"), ["concat-of-one"]),
    "a list of numbers": (HALVES + train("minimize (f(x) - y)^2 + sum(concat([x[0], x[1]]))"), []),
    "one component by a const": (
        "const K = 1\n" + HALVES.replace("linear(x, 1)[0]", "softmax(linear(x, K))[0]") + train("minimize (f(x) - y)^2"), [],
    ),
    "a text that is copied": (NEXT.format("h, 2, causal = true", "cross_entropy(f(x), x)"), ["seen-answers"]),
    "a text that is moved on by a place": (
        NEXT.replace("embed(x, 8)", "shift(embed(x, 8), 1)").format("h, 2, causal = true", "cross_entropy(f(x), x)"), [],
    ),
    "a text after a vector": (
        NEXT.replace("embed(x, 8)", "concat(linear([1], 8)[None], embed(x, 8)[:-1], axis = 0)")
        .format("h, 2, causal = true", "cross_entropy(f(x), x)"), [],
    ),
    "a text that is asked for backwards": (NEXT.format("h, 2, causal = true", "cross_entropy(f(x[1:]), x[:-1])"), ["seen-answers"]),
    "the token after the next": (NEXT.format("h, 2, causal = true", "cross_entropy(f(x)[:-2], x[2:])"), []),
    "tokens that are hidden": (
        NEXT.format("h, 2, causal = true", "cross_entropy(f(where(x > 32, 0, x)), x)"), [],
    ),
    "a bound of a VAE, minimized": (
        HEADS.format("exp(linear(h, 2))") + "train(steps = 5) {\n  (m, s) = f(x)\n  q = normal(m, s)\n  z ~ q\n"
        "  bound = sum((z - x)^2) - 0.5 * kl(q, normal([2]))\n  minimize bound\n}\n", ["divergence-maximized"],
    ),
    "its negative": (
        HEADS.format("exp(linear(h, 2))") + "train(steps = 5) {\n  (m, s) = f(x)\n  q = normal(m, s)\n  z ~ q\n"
        "  bound = -sum((z - x)^2) - 0.5 * kl(q, normal([2]))\n  minimize -bound\n}\n", [],
    ),
    "deviations of two heads": (
        HEADS.format("linear(h, 2)") + train("(m, s) = f(x)", "z ~ normal([2], mean = m, std = s)", "minimize sum((z - x)^2)"),
        ["unbounded-parameter"],
    ),
    "deviations that are positive": (
        HEADS.format("softplus(linear(h, 2))") + train("(m, s) = f(x)", "minimize -log_prob(normal(m, s), x) |> sum"), [],
    ),
    "the scale of an amount that is drawn": (
        POINTS + train("minimize -log_prob(gamma(f(x)[0], 1.0), x[0]^2)"), ["unbounded-parameter"],
    ),
    "an encoder behind a rounding": (
        POINTS + "net g(x: [2]) -> [2] { return linear(x, 2) }\n" + train("minimize sum((g(round(f(x))) - x)^2)")
        + "export h(x: [2]) -> [2] { return f(x) }\n", ["untrained"],
    ),
    "straight through a rounding": (
        POINTS + train("y = f(x)", "minimize sum((y + stop_gradient(round(y) - y) - x)^2)")
        + "export h(x: [2]) -> [2] { return f(x) }\n", [],
    ),
    "a claim's own": (
        POINTS + train(SQUARES) + "claim c(count = 3) { check linear(x, 1)[0] < 9 }\n", ["untrained"],
    ),
    "what no objective moves": (
        GAN + train(REAL + " over critic") + "export g(z: [2]) -> [2] { return make(z) }\n", ["untrained"],
    ),
    "what is only reported": (
        POINTS + "net g(x: [2]) -> [2] { return linear(x, 2) }\n" + train(SQUARES, "report sum(g(x))")
        + "export h(x: [2]) -> [2] { return g(x) }\n", ["untrained"],
    ),
    "the size of a vocabulary": (
        "const vocab = 8\nlet number = linspace(0, 7, 8)\nexport ids(x: tokens[P]) -> [P] { return number[x] }\n", [],
    ),
    "a noise of a net's deviations": (POINTS + train("e ~ normal()", "minimize sum((x + f(x) * e)^2)"), ["shared-noise"]),
    "a noise that no draw is alike in": (POINTS + train("e ~ gumbel(scale = 2)", "minimize sum(softmax(f(x) - e))"), ["shared-noise"]),
    "a noise for all by its words": (POINTS + train("e ~ normal()", "minimize sum((f(x) + e[None])^2)"), []),
    "a noise along a direction": (
        POINTS + "net w() -> [2] {\n  param v: [2] ~ normal(0, 1)\n  return v\n}\n"
        + train("e ~ normal()", "minimize sum((f(x) + w() * e)^2)"), [],
    ),
    "a noise of each deviation": (POINTS + train("e ~ normal(0, softplus(f(x)))", "minimize sum((f(x) - e)^2)"), []),
    "a noise that is made of others": (POINTS + train("e ~ student_t(3)", "minimize e * sum(f(x)^2)"), []),
    "a noise of each number": (
        POINTS + "layer noisy(x: []) -> [] {\n  e ~ normal()\n  return x + e\n}\n" + train("minimize sum(f(noisy(x))^2)"), [],
    ),
    "a time that is drawn": (POINTS + train("t ~ uniform(0, 1)", "minimize sum((f(x) + t)^2)"), []),
    "a number around another": (POINTS + train("m ~ normal(2, 1)", "minimize sum((f(x) - m)^2)"), []),
    "a likelihood of a net's, averaged": (LIKELY + train("l = p(x)", "minimize 2 * mean(across(l))"), ["likelihood-minimized"]),
    "a label's log probability": (digits("linear(x, 10)", "log_softmax(f(x))[y]"), ["likelihood-minimized"]),
    "a likelihood with its minus": (LIKELY + train("l = -p(x)", "minimize l / 2 + sum(f.linear_1.weight^2)"), []),
    "a likelihood of an adversary": (
        GAN.replace("[] { return linear(tanh(linear(x, 8)), 1)[0] }", "[2] { return linear(x, 2) }").replace("x: [2] from", "x: [2], y: class[2] from")
        + train("l = log_softmax(critic(make(x)))[y]", "minimize -l over critic", "minimize l over make"), [],
    ),
    "a likelihood beside a cross-entropy": (
        digits("linear(x, 10)", "cross_entropy(f(x), y) + 0.1 * log_softmax(f(x))[9 - y]"), [],
    ),
    "a likelihood against another": (LIKELY + train("minimize p(2 * x) - p(x)"), []),
    "an estimate of a divergence": (LIKELY + train("l = p(x)", "minimize exp(1 - l) - (1 - l) - 1"), []),
    "a likelihood and its square": (LIKELY + train("l = p(x)", "minimize l + l^2"), []),
    "a likelihood beside what is none": (LIKELY + train("minimize p(x) + exp(sum((f(x) - x)^2))"), ["likelihood-minimized"]),
    "a likelihood of draws": (LIKELY + train("z ~ normal([2])", "minimize p(z) + sum((z - x)^2)"), []),
    "a loss of all places from attention to all": (NEXT.format("h, 2", "-log_softmax(f(x[:-1]))[range(15), x[1:]]"), ["seen-answers"]),
    "attention to what is before": (NEXT.format("h, 2, causal = true", AFTER), []),
    "attention to something else": (NEXT.format("h, 2, memory = zeros([3, 8])", AFTER), []),
    "attention in a loss of the tokens themselves": (NEXT.format("h, 2", "cross_entropy(f(x), x)"), []),
    "a mean of all places": (MIXED.format("  h += mean(h, axis = 0)"), ["seen-answers"]),
    "the largest of all places": (MIXED.format("  h += max(h, axis = 0, keep = true)"), ["seen-answers"]),
    "a mean of those so far": (MIXED.format("  h += cumsum(h, axis = 0) / (range(P) + 1)[:, None]"), []),
    "a mean of each place": (MIXED.format("  h += mean(h, axis = -1, keep = true)"), []),
    "how many places are one token": (MIXED.format("  h += sum(where(x == 3, 1, 0))"), []),
    "windows around each place": (MIXED.format("  h += conv1d(h', 8, 3)'"), ["seen-answers"]),
    "windows before each place": (MIXED.format('  h += conv1d(h\', 8, 3, padding = "causal")\'\n  h += causal_conv(h, 8, 3)'), []),
    "a text turned round": (MIXED.format("  h += flip(cumsum(flip(h, axis = 0), axis = 0), axis = 0)"), ["seen-answers"] * 2),
    "a loop from the end": (MIXED.format(TURN.format("P - 1 - t", "flip(ss, axis = 0)")), ["seen-answers"] * 2),
    "a loop from the beginning": (MIXED.format(TURN.format("t", "ss")), []),
    "a loop over the places before each": (MIXED.format(LAGS), []),
    "windows over what was moved on": (MIXED.format("  h += conv1d(shift(h, 1)', 8, 3)'"), []),
    "a beginning that looks at itself": (BEGINNING.format("x[:8]"), []),
    "answers that look at themselves": (BEGINNING.format("x[8:16]"), ["seen-answers"] * 2),
    "as many numbers of a token as there are tokens": (
        SQUARE.format("h = layer_norm(mlp(h, 16))\n  h += max(linear(h, 16)', axis = 1)"), ["seen-answers"],
    ),
    "one of each token among as many": (SQUARE.format("h += mean(gated_mlp(rms_norm(h), 16), axis = -1, keep = true)"), []),
    "places whose last is left out": (CUT.format("attention(h, 2)"), ["seen-answers"]),
    "places before those whose last is left out": (CUT.format("attention(h, 2, causal = true)"), []),
    "a softmax of all pairs": (MIXED.format(BY_HAND.format("h @ h'")), ["seen-answers"]),
    "a softmax of pairs up to the diagonal": (
        MIXED.format(BY_HAND.format("masked(h @ h', range(P)[:, None] >= range(P))")), [],
    ),
    "a number that is 0 in a file": (scaled("(1e-30 * 1e-30)", ""), ["number-too-small"]),
    "a number in a list that is 0 in a file": (scaled("[1, 1e-60]", ""), ["number-too-small"]),
    "a number in a table that is 0 in a file": (scaled("([[1, 1e-60], [2, 3]] @ x)", ""), ["number-too-small"]),
    "a setting that is 0 in a file": ("export f(x: [2], e: real = 1e-60) -> [2] { return x + e }\n", ["number-too-small"]),
    "a first value that is 0 in a file": (
        "net f(x: [2]) -> [2] {\n  param w: [2] = 1e-60\n  return w * x\n}\n" + POINTS.splitlines()[0] + "\n"
        + train(SQUARES), ["number-too-small"],
    ),
    "a number near 0": (scaled("1e-40", ""), []),
    "a range of too many numbers": (scaled("sum(range(10^9) * x[0])", ""), ["large-tensor"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_what_is_like_it(kind: str, program: Callable[[str], Program]) -> None:
    text, expected = CASES[kind]
    assert [w.slug for w in warnings(program(text))] == expected


@pytest.mark.parametrize(
    "loss",
    [
        "-log_prob(bernoulli(logits = sigmoid(f(x))), where(x > 0, 1, 0))", "entropy(bernoulli(logits = sigmoid(f(x))[0]))",
        "-log_prob(categorical(softmax(f(x))), y)", "-log_prob(mixture(softmax(f(x)), normal(f(x), 1)), 0)",
    ],
)  # fmt: skip
def test_probabilities_are_no_logits_of_a_distribution(loss: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(POINTS.replace("x: [2] from", "x: [2], y: class[2] from") + train(f"minimize {loss}"))
    assert [each.slug for each in check(path).diagnostics] == ["softmax-twice"]
