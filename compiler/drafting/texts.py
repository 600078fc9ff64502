"""A spec for a text: a model that writes on, a byte at a time."""

from __future__ import annotations

from mai.compiler.data.fields import bad
from mai.compiler.describing.texts import TextSummary

LEAST = 2000  # Bytes: of fewer there is nothing to learn.
# The context, the width, the depth and the steps by how many bytes there are: what a core learns in minutes.
SIZES = ((50_000, (64, 64, 2, 1000)), (2_000_000, (128, 128, 3, 1500)), (2**62, (128, 192, 4, 4000)))

NET = """# For every byte, how likely each of the 256 is to follow it: a transformer that sees what stands before.
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, d)
  repeat depth {
    h += attention(layer_norm(h), heads, causal = true, rotary = true)
    h += dropout(mlp(layer_norm(h), 4 * d), 0.1)
  }
  return linear(layer_norm(h), vocab)
}"""


def draft_text(summary: TextSummary, path: str) -> str:
    """The text of a spec. Raises `MaiError` for too little text."""
    if summary.size < LEAST:
        raise bad(
            f"{summary.files[0]} has {summary.size:,} bytes: too few to learn from", help=f"{LEAST:,} are the least"
        )
    context, d, depth, steps = next(sizes for most, sizes in SIZES if summary.size < most)
    return f"""# How {summary.files[0].name} goes on, a byte at a time: {summary.size:,} bytes, {summary.lines:,} lines.
const context = {context}
const d = {d}
const depth = {depth}
const heads = 4
const vocab = 256

data x: tokens[context + 1] from text(bytes, "{path}")      # windows of the text; its last tenth is held out

{NET}

train(steps = {steps}, batch = 32, optimizer = adamw(lr = 2e-3, weight_decay = 0.1), schedule = cosine(warmup = 50), clip = 1.0, keep = best) {{
  minimize mean(cross_entropy(logits(x[:-1]), x[1:]))
}}

export generate(prompt: tokens[P], count: int = 200, temperature: real = 0.8, top_k: int = 40) -> tokens[P + count] {{
  x = prompt
  extend x by count {{
    next ~ categorical(logits(x)[-1] / temperature, top_k)
    append next
  }}
  return x
}}
"""
