"""Nets whose texts grow token by token, as specs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as some

from mai.compiler.check import check_text
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value

NOTHING = -1
HEAD = "const vocab = 13\nconst d = 8\nconst context = 24\n"
AVERAGES = (
    "layer averages(x: [P, c]) -> [P, c] {\n  m = zeros([c])\n"
    "  repeat P shared as t { m = 0.9 * m + x[t] } keep m as ms\n  return ms\n}\n"
)
TAIL = """
export generate(prompt: tokens[P], count: int = 6, temperature: real = 1.0) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(logits(x)[-1] / temperature)
    append next
  }
  return x
}
"""
CAUSAL = "where(range(P)[:, None] >= range(P)[None, :], {}, -1e9)"
PAIRS = "i = range(P)[:, None]\n  j = range(P)\n  "
# The body of `logits`, from the embedded tokens `h` to the `h` that the head reads.
CAUSAL_NETS = {
    "nothing": "",
    "pointwise": "h += mlp(layer_norm(h), 16)",
    "positions": "param place: [context, d] ~ normal(0, 1)\n  h += place[:P]",
    "attention": "repeat 2 { h += attention(layer_norm(h), 2, causal = true) }",
    "positions and attention": "param place: [context, d] ~ normal(0, 1)\n  h += place[:P]\n  h += attention(h, 2, causal = true)",
    "rotary, grouped": "h += attention(rms_norm(h), 4, 2, causal = true, rotary = rope(base = 100), bias = false)\n  h += gated_mlp(h, 12)",
    "experts": "h += attention(rms_norm(h), 2, causal = true)\n  h += experts(rms_norm(h), 5, top = 2, expert = gated_mlp(hidden = 6))",
    "a window with sinks": "h += attention(rms_norm(h), 4, 2, causal = true, rotary = rope(base = 100), window = 3, sinks = 2, softcap = 5, norm = rms_norm)",
    "windows of turns": "repeat 2 as i { h += attention(h, 2, causal = true, window = where(i % 2 == 0, 4, 0), head_width = 6, softcap = 2) }",
    "a window of one": "h += attention(h, 2, causal = true, window = 1, sinks = 1)",
    "a mask": f"{PAIRS}h += attention(h, 4, 2, causal = true, mask = x[None, :] != 3 or i == j, scale = 0.5, window = 4, softcap = 3)",
    "a bias a head": f"{PAIRS}param slope: [2] ~ normal(0, 1)\n  h += attention(h, 2, causal = true, mask = slope[:, None, None] * (j - i))",
    "primitives": "q = linear(h, d)\n  k = linear(h, d)\n  v = linear(h, d)\n"
    f"  h += softmax({CAUSAL.format('q @ k' + chr(39) + ' / sqrt(d)')}) @ v",
    "an additive mask": "q = linear(h, d)\n  k = linear(h, d)\n"
    f"  bias = {CAUSAL.format('0.0')}\n  h += softmax(q @ k' + bias) @ linear(h, d)",
    "alibi": "q = linear(h, d)\n  k = linear(h, d)\n  far = range(P)[:, None] - range(P)[None, :]\n"
    "  h += softmax(where(far >= 0, q @ k' - 0.5 * far, -1e9)) @ h",
    "a window": "far = range(P)[:, None] - range(P)[None, :]\n  near = where(far >= 0, where(far < 3, 1.0, 0.0), 0.0)\n"
    "  h += near @ linear(h, d)",
    "einsum": f"scores = softmax({CAUSAL.format('einsum(' + chr(34) + 'i c, j c -> i j' + chr(34) + ', h, h)')})\n"
    '  h += einsum("i j, j c -> i c", scores, h)',
    "a running sum": "h += linear(cumsum(h, axis = 0), d) / 10",
    "a running mean": "h += cumsum(h, axis = 0) / (range(P) + 1)[:, None]",
    "a shift": "h += linear(shift(h, 1), d) - shift(h, 3)",
    "a causal convolution": "h += gelu(linear(concat(h, shift(h, 1), shift(h, 2), axis = 1), d))",
    "the layer of it": "h += causal_conv(h, d, 3)",
    "dilated, by groups": "h += causal_conv(h, d, 3, dilation = 2, groups = 4)",
    "channels first": "h += conv1d(h', d, 3, padding = \"causal\", dilation = 2, groups = 4)'\n"
    "  h += conv1d(h', d, 1, groups = 2)'",
    "two states in a row": "h += cumsum(shift(h, 2), axis = 0)\n  h += attention(cumsum(h, axis = 0) / 9, 2, causal = true)",
    "shared turns": "repeat 3 shared { h += attention(layer_norm(h), 2, causal = true) }",
    "shared turns around the text": "z = zeros([d])\n  repeat 2 shared { z = tanh(linear(z, d) + max(h, axis = 0)) }\n"
    "  h += z",
    "a running count": "h += cumsum(where(x == 3, 1, 0), axis = 0)[:, None] / 10",
    "copies of channels": "h += linear(tile(h, [1, 2]), d)",
    "transposed": 't = h\'\n  h += (2 * t)\' + rearrange(rearrange(h, "p (a b) -> a p b", a = 2), "a p b -> p (a b)")',
    "heads by hand": 'q = rearrange(linear(h, d), "p (a c) -> a p c", a = 2)\n'
    f"  w = softmax({CAUSAL.format('q @ rearrange(q, ' + chr(34) + 'a p c -> a c p' + chr(34) + ')')})\n"
    '  h += rearrange(w @ q, "a p c -> p (a c)")',
    "the first tokens alone": f"{PAIRS}h += softmax(where(j <= i and j < 2, h @ h', -1e9)) @ h",
    "sinks and a window": f"{PAIRS}h += softmax(where(j <= i and (j < 2 or i - j < 3), h @ h', -1e9)) @ h",
    "every other token": f"{PAIRS}h += softmax(where(not (j > i or (i - j) % 2 == 1), h @ h', -1e9)) @ h",
    "blocks of three": f"{PAIRS}h += softmax(where(j <= i and i // 3 == j // 3, h @ h', -1e9)) @ h",
    "biases by distance": f"{PAIRS}param near: [4] ~ normal(0, 1)\n"
    "  h += softmax(where(j <= i, h @ h' + near[minimum(maximum(i - j, 0), 3)] - 0.1 * abs(i - j), -1e9)) @ h",
    "buckets of distances": f"{PAIRS}param table: [6, 2] ~ normal(0, 1)\n  n = maximum(i - j, 0)\n"
    "  place = where(n < 3, n, minimum(3 + int(2 * log(maximum(n, 1) / 3)), 5))\n"
    '  bias = rearrange(table[place], "i j h -> h i j")\n  h += attention(h, 2, causal = true, scale = 1, mask = bias)',
    "a mask that is taken off": "h += softmax(h @ h' - 1e9 * triu(ones([P, P]), k = 1)) @ h",
    "a mask by minimum": f"{PAIRS}h += softmax(minimum(h @ h', where(j <= i, 1e9, -1e9))) @ h",
    "tokens of a kind": f"{PAIRS}k = x % 3\n  h += softmax(where(j <= i and k[:, None] == k[None, :], h @ h', -1e9)) @ h",
    "a data mask inside": f"{PAIRS}s = where(j <= i, h @ h', -1e9)\n"
    "  h += softmax(where(x[None, :] > 4 or i == j, s, -1e9)) @ h",
    "said before": f"{PAIRS}seen = any(x[:, None] == x[None, :] and j < i, axis = 1)\n"
    "  all_less = all(x[:, None] >= x[None, :] or j > i, axis = 1)\n  h += where(seen or all_less, 1.0, 0.0)[:, None]",
    "weights, then a mask": "w = exp(h @ h' / 8) * tril(ones([P, P]))\n  h += w / sum(w, axis = 1, keep = true) @ h",
    "heads that talk": 'q = rearrange(h, "p (a c) -> a p c", a = 2)\n  param mix: [2, 2] ~ normal(0, 1)\n'
    f"  w = softmax({CAUSAL.format('einsum(' + chr(34) + 'a p c, a q c -> a p q' + chr(34) + ', q, q)')})\n"
    '  w = einsum("a b, b p q -> a p q", mix, w)\n  h += rearrange(einsum("a p q, a q c -> a p c", w, q), "a p c -> p (a c)")',
    "places of a turn": "h = where(range(P)[:, None] % 2 == 0 and range(P)[:, None] > 1, h, -h)",
    "linear attention": 'k = exp(h / 3)\n  s = cumsum(einsum("p a, p b -> p a b", k, h), axis = 0)\n'
    '  h += einsum("p a, p a b -> p b", k, s) / sum(k * cumsum(k, axis = 0), axis = 1, keep = true)',
    "along the numbers of a token": "h += cumsum(h, axis = 1) / 9 + softmax(h, axis = 1) + sort(h) + shift(h, 1, axis = 1)",
    "pooled, for the last token": "param q: [d] ~ normal(0, 1)\n  w = softmax(h @ q)\n  h += sum(w[:, None] * h, axis = 0)",
    "a query that stays, for the last token": "param q: [1, d] ~ normal(0, 1)\n  h += attend(q, h, h, 2)[0]",
    "a softmax over tokens, for the last token": "h += softmax(h, axis = 0)",
    "the mean, for the last token": "h += mean(h, axis = 0)",
    "the largest, for the last token": "h = h + max(h, axis = 0)",
    "a product and a length, for the last token": "h = h + prod(h, axis = 0) + norm(h, axis = 0)",
    "a recurrence": "s = zeros([d])\n  repeat P shared as t {\n    z = sigmoid(linear(concat(h[t], s), d))\n"
    "    s += z * (tanh(linear(concat(h[t], s), d)) - s)\n  } keep s as all\n  h += all",
    "what is kept reads the state before": "param first: [d, 2] ~ normal(0, 1)\n  s = first\n"
    "  repeat P shared as t {\n    y = h[t] @ s + s[0, 0]\n    s = 0.5 * s + h[t][:, None] * shift(h, 1)[t][:2]\n"
    "    y = y + sum(s, axis = 0)\n  } keep y as ys, t as places, s as states\n"
    "  h += linear(ys, d) * (places % 2)[:, None] + cumsum(states[:, :, 0], axis = 0) / 9",
    "the delta rule": "k = h / norm(h, axis = 1, keep = true)\n  b = sigmoid(linear(h, 1))\n  S = zeros([d, d])\n"
    "  repeat P shared as t {\n    S = S + b[t] * outer(h[t] - S @ k[t], k[t])\n    y = S @ shift(h, 1)[t]\n  } keep y as ys\n  h += ys",
    "gates between 0 and 1": "u = causal_conv(h, d, 3)\n  a = exp(-8 * sigmoid(linear(u, d)))\n  b = sqrt(1 - a^2) * u\n  s = zeros([d])\n"
    "  repeat P shared as t { s = a[t] * s + b[t] } keep s as all\n"
    "  h += all + attention(h, 2, 1, causal = true, rotary = true, window = 3)",
    "turns inside turns": "s = zeros([d])\n  n = 0\n  repeat P shared as t {\n    repeat 2 shared as i { s = tanh(s + (t + i) * h[t]) }\n"
    "    n = (n + x[t]) % 7\n    integrate u in 0..1 using heun(2) { ds/du = h[t] - s }\n  } keep s as all, n as counts\n"
    "  h += all + counts[:, None]",
    "a state at the end": "s = zeros([d])\n  big = 0\n  repeat P shared as t {\n    s = 0.9 * s + h[t]\n    big = maximum(big, s[0])\n  }\n"
    "  h += s * big",
    "a loop that ends": "s = zeros([d])\n  n = 0\n  repeat P as t until n > 4 {\n    s = 0.9 * s + h[t]\n    n = n + 1\n"
    "  } keep s as all\n  h += all + s",
    "recurrences in shared turns": "repeat 2 shared {\n    s = zeros([d])\n    repeat P shared as t { s = tanh(h[t] - s) } keep s as all\n"
    "    h += linear(all, d)\n  }",
    "heads of a recurrence": 'q = rearrange(h, "p (a c) -> a p c", a = 2)\n  h += rearrange(averages(q), "a p c -> p (a c)")',
    "places along other axes": "h += gather(h', argsort(h', axis = 0), axis = 0)'\n"
    '  q = rearrange(h, "p (a c) -> a c p", a = 4)\n  (v, i) = top_k(q, 2, axis = 0)\n'
    '  h += rearrange(concat(v, gather(q, i, axis = 0), axis = 0), "a c p -> p (a c)") + one_hot(argmax(h\', axis = 0), d)',
    "places within a token": "(v, i) = top_k(h, 3)\n  h += gather(flip(h), argsort(h)) + roll(h, 2) * v[:, 0:1] + one_hot(i[:, 0], d)",
}
# Nets with a memory m: [M, 4], a label y: class[5] and a width w: int beside the text, which do not grow.
MEMORY_NETS = {
    "attends to it": "h += attend(h, linear(m, d), linear(m, d), 2)",
    "a layer does": "h += attention(h, 2, causal = true, window = 3)\n  h += attention(h, 4, kv_heads = 2, memory = m, norm = rms_norm)",
    "as far as it is true": "h += attention(h, 2, memory = m, mask = m[:, 0] > 0 or range(M) == 0)",
    "fewer heads of it": "h += attend(h, linear(m, 4), linear(m, 4), 4, 2)",
    "by hand": "k = linear(m, d)\n  h += softmax(h @ k') @ k",
    "up to its own place": "h += attend(h, linear(m, d), linear(m, d), 2, causal = true)",
    "a decoder": "m = linear(m, d)\n  repeat 2 { m += attention(layer_norm(m), 2) }\n"
    "  repeat 2 {\n    h += attention(layer_norm(h), 2, causal = true)\n"
    "    h += attend(linear(h, d), linear(m, d), linear(m, d), 2)\n  }",
    "its mean, and a label": "h = layer_norm(h) * linear(mean(m, axis = 0), d) + embed(y, d)\n  h += attention(h, 2, causal = true)",
    "it attends to the text": "z = attend(linear(m, d), h, h, 2)\n  h += mean(z, axis = 0)",
    "a window of a setting": f"{PAIRS}h += softmax(where(j <= i and i - j < w, h @ h', -1e9)) @ h",
    "a window, masked first": f"{PAIRS}s = where(i - j < w, h @ h', -1e9)\n  h += softmax(where(j <= i, s, -1e9)) @ h",
    "a window of a label": f"{PAIRS}h += softmax(h @ h' + where(j <= i, 0.0, -1e9) + where(i - j <= y, 0.0, -1e9)) @ h",
    "places before a setting": "h = where(range(P)[:, None] < w, 2 * h, h)",
}
LAYERS = some.sampled_from(
    [
        "h += attention(layer_norm(h), 2, causal = true)",
        "h += attention(rms_norm(h), 4, 2, causal = true, rotary = rope(base = 50))",
        "h += mlp(layer_norm(h), 12)",
        "h += linear(shift(h, {n}), d)",
        "h += linear(cumsum(h, axis = 0), d) / 8",
        "h += cumsum(h, axis = 0) / (range(P) + {n})[:, None]",
        f"h += softmax({CAUSAL.format('h @ linear(h, d)' + chr(39))}) @ linear(h, d)",
        "h = silu(h) * linear(shift(h, {n}), d) + h",
        "repeat {n} shared {{ h += attention(layer_norm(h), 2, causal = true) }}",
        'h += rearrange(tanh(rearrange(h, "p (a b) -> b p a", a = 2)), "b p a -> p (a b)")',
        "param table: [context, d] ~ normal(0, 1)\n  h += table[:P]",
        "h += where(h > 0, shift(h, {n}), 0.5 * h)",
        "s = zeros([d])\n  repeat P shared as t {{ s = tanh(linear(s, d) + h[t]) }} keep s as all\n  h += all / {n}",
    ]
)


def spec(body: str) -> str:
    net = f"net logits(x: tokens[P]) -> [P, vocab] {{\n  h = embed(x, d)\n  {body}\n  return linear(h, vocab)\n}}\n"
    return HEAD + AVERAGES * ("averages(" in body) + net + TAIL


@cache
def causal_program(name: str) -> Program:
    """A net of `CAUSAL_NETS`, checked once for all tests."""
    program = check_text(Path("spec.mai"), spec(CAUSAL_NETS[name])).program
    assert program is not None
    return program


def memory_spec(body: str) -> str:
    """A net of `MEMORY_NETS` as a spec."""
    takes = ", m: [M, 4], y: class[5], w: int"
    text = spec(body).replace("(x: tokens[P])", f"(x: tokens[P]{takes})")
    return text.replace("logits(x)", "logits(x, m, y, w)").replace(
        "prompt: tokens[P],", f"prompt: tokens[P]{takes} = 3,"
    )


def side_by_side(rows: Sequence[Any]) -> Any:
    """Rows of tokens of different lengths as one array, the shorter ones preceded by NOTHING."""
    longest = max(map(len, rows))
    return np.stack([np.concatenate([np.full(longest - len(row), NOTHING), row]) for row in rows])


def weights(program: Program) -> dict[str, Any]:
    return {name: first_value(w, 1) for name, w in program.weights.items()}


def run(program: Program, prompt: Any, *, cache: str, **settings: Any) -> Any:
    """The texts that `generate` makes of prompts."""
    return result_of(forms.prepare(program.exports["generate"], cache=cache), program, prompt, **settings)


def result_of(graph: Graph, program: Program, prompt: Any, **settings: Any) -> Any:
    """The texts that a graph makes of prompts, with a program's weights."""
    (result,) = evaluate(graph, {"prompt": prompt}, {"seed": 5, **settings}, weights(program))
    return result
