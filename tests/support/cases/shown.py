"""Models of which the tests look at what is shown."""

from __future__ import annotations

NAMES = [
    "attention_flow", "char_gpt", "cnn", "diffusion", "digits_unet", "dit", "gan", "mlp", "moons_flow",
    "normalizing_flow", "ot_flow", "resnet", "sinkformer", "transport", "two_layer", "vit",
]  # fmt: skip

SPEC = """# A net with every kind of loop.
const width = 8

net f(x: [4], s: []) -> [4] {
  param gain: [4] = ones
  h = linear(concat(x, [s]), width)
  repeat 3 { h += relu(linear(h, width)) }
  return gain * linear(h, 4)
}

export go(x: [4], count: int = 5, strength: real = 0.5) -> [count + 1, 4] {
  z ~ normal([4])
  integrate s in 0..1 using euler(count) { dx/ds = strength * f(x, s) + z } keep x as xs
  return xs
}
"""
