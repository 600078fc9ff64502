"""Where JavaScript's onnxruntime and a browser are installed, mai's own module, and a text that every host is asked to grow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mai.compiler.data.texts.tokens import train_tokenizer

ROOT = Path(__file__).parents[2]
INSTALLED = Path(os.environ.get("MAI_HOSTS", ROOT / ".venv" / "hosts"))
PLAYGROUND = Path(os.environ.get("MAI_PLAYGROUND", ROOT / ".venv" / "playground"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LIBRARY = ROOT / "runtime" / "web" / "mai.mjs"
PIECES = train_tokenizer(256, "The naïve café sold 1,234 crêpes — 日本語 and 🎉 too.\n\nThe end is the end. " * 5)
TEXT = """const vocab = 256
data x: tokens[9] from text(tokenizer = bytes)
net logits(x: tokens[P]) -> [P, vocab] {
  param place: [60, 8] ~ normal(0, 1)
  h = embed(x, 8) + place[:P]
  h += attention(h, 2, causal = true)
  return 4 * linear(h, vocab)
}
train(steps = 2, batch = 4, optimizer = adam(lr = 1e-3)) { minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }
export generate(prompt: tokens[P], count: int = 6, temperature: real = 1.0) -> tokens[P + count] {
  x = prompt
  extend x by count { next ~ categorical(logits(x)[-1] / temperature)
    append next }
  return x
}
"""
