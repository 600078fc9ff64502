"""A spec for prompts and their answers: a small model that answers, a byte at a time."""

from __future__ import annotations

from mai.compiler.data.splitting.splits import FEWEST
from mai.compiler.describing.prompts import TEMPLATE, ByteTexts, conversations_in
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.texts import NET
from mai.spec.record import record

# Who speaks, what is said, and a byte that ends it: the `stop` of the export.
CHAT = """{% for message in messages %}{{ message.role }}: {{ message.content }}{{ "\\x00" }}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


@record
class Size:
    """The sizes of a model and its training, by how many rows there are to learn from."""

    rows: int
    d: int
    depth: int
    steps: int


SIZES = (Size(500, 64, 2, 500), Size(20_000, 128, 3, 2000), Size(2**62, 192, 4, 6000))


def draft_answers(table: TableSummary, texts: ByteTexts) -> str:
    """The text of a spec; what it reads beside the table is among `files_read_by` it."""
    size = next(size for size in SIZES if table.rows < size.rows)
    kept = ", keep = best" if table.rows >= FEWEST else ""
    what = "conversations" if conversations_in(table) is not None else "prompts with answers"
    return f"""# What is answered in {table.files[0].name}, a byte at a time: {table.rows:,} {what}.
# `mai import FOLDER --data {table.files[0].name}` goes on from a model that has learnt a language already.
const d = {size.d}
const depth = {size.depth}
const heads = 4
const vocab = 256

{texts.line}

{NET}

# The loss is of answers, and of the byte that ends them.
train(steps = {size.steps}, batch = 16, optimizer = adamw(lr = 2e-3, weight_decay = 0.1), schedule = cosine(warmup = 50), clip = 1.0{kept}) {{
  seen = {texts.mask}[1:]
  minimize sum(seen * cross_entropy(logits(text[:-1]), text[1:])) / sum(seen)
}}

export generate(prompt: tokens[P], count: int = 200, temperature: real = 0.0, top_k: int = 40, stop: token = 0) -> tokens[P + count] {{
  x = prompt
  extend x by count until stop {{
    next ~ categorical(logits(x)[-1] / temperature, top_k)
    append next
  }}
  return x
}}
"""


def files_read_by(text: str) -> dict[str, str]:
    """The files that a drafted spec reads beside its data, by name: the template that makes texts of conversations."""
    return {TEMPLATE: CHAT} if f'chat = "{TEMPLATE}"' in text else {}
