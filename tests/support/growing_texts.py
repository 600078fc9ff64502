"""Nets whose texts grow token by token, as specs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as some

from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value

NOTHING = -1
HEAD = "const vocab = 13\nconst d = 8\nconst context = 24\n"
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
# The body of `logits`, from the embedded tokens `h` to the `h` that the head reads.
CAUSAL_NETS = {
    "nothing": "",
    "pointwise": "h += mlp(layer_norm(h), 16)",
    "positions": "param place: [context, d] ~ normal(0, 1)\n  h += place[:P]",
    "attention": "repeat 2 { h += attention(layer_norm(h), 2, causal = true) }",
    "positions and attention": "param place: [context, d] ~ normal(0, 1)\n  h += place[:P]\n  h += attention(h, 2, causal = true)",
    "rotary, grouped": "h += attention(rms_norm(h), 4, 2, causal = true, rotary = rope(base = 100), bias = false)\n  h += gated_mlp(h, 12)",
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
    "two states in a row": "h += cumsum(shift(h, 2), axis = 0)\n  h += attention(cumsum(h, axis = 0) / 9, 2, causal = true)",
    "shared turns": "repeat 3 shared { h += attention(layer_norm(h), 2, causal = true) }",
    "shared turns around the text": "z = zeros([d])\n  repeat 2 shared { z = tanh(linear(z, d) + max(h, axis = 0)) }\n"
    "  h += z",
    "transposed": 't = h\'\n  h += (2 * t)\' + rearrange(rearrange(h, "p (a b) -> a p b", a = 2), "a p b -> p (a b)")',
    "heads by hand": 'q = rearrange(linear(h, d), "p (a c) -> a p c", a = 2)\n'
    f"  w = softmax({CAUSAL.format('q @ rearrange(q, ' + chr(34) + 'a p c -> a c p' + chr(34) + ')')})\n"
    '  h += rearrange(w @ q, "a p c -> p (a c)")',
    "the mean, for the last token": "h += mean(h, axis = 0)",
    "the largest, for the last token": "h = h + max(h, axis = 0)",
    "a product and a length, for the last token": "h = h + prod(h, axis = 0) + norm(h, axis = 0)",
    "places within a token": "(v, i) = top_k(h, 3)\n  h += gather(flip(h), argsort(h)) + roll(h, 2) * v[:, 0:1] + one_hot(i[:, 0], d)",
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
    ]
)


def spec(body: str) -> str:
    net = f"net logits(x: tokens[P]) -> [P, vocab] {{\n  h = embed(x, d)\n  {body}\n  return linear(h, vocab)\n}}\n"
    return HEAD + net + TAIL


def weights(program: Program) -> dict[str, Any]:
    return {name: first_value(w, 1) for name, w in program.weights.items()}
