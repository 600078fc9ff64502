"""Tables of texts to answer: conversations, or columns that are prompts and their answers."""

from __future__ import annotations

from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.tables import TableSummary, holds_texts
from mai.spec.record import record

# What is asked and what is answered, as data sets call them, and what may stand between the two.
PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("instruction", "output"), ("instruction", "response"), ("question", "answer"),
    ("query", "response"), ("input", "output"),
)  # fmt: skip
BETWEEN = ("input", "context")
BYTES_OF_MARKS = 24  # What a template writes around a message, roughly.
TEMPLATE = "chat_template.jinja"
MUCH_LONGER = 4  # Times the mean of texts.


@record
class Prompts:
    """The columns of what is `asked`, in their order, and the one that is the `answer`."""

    asked: tuple[str, ...]
    answer: str


def conversations_in(table: TableSummary) -> str | None:
    """The first column that holds conversations."""
    return next((column.name for column in table.columns if column.turns is not None), None)


def prompts_in(table: TableSummary) -> Prompts | None:
    """The columns of prompts and answers, by the names that data sets give them; None where there are none."""
    texts = {column.name for column in table.columns if column.kind in ("word", "mixed")}
    pair = next((pair for pair in PAIRS if texts.issuperset(pair)), None)
    if pair is None:
        return None
    more = (name for name in BETWEEN if name in texts and name not in pair)
    return Prompts((pair[0], *more), pair[1])


def texts_in(table: TableSummary) -> str | None:
    """The column of words that is called `text`, or else the only one of texts."""
    named = table.column("text")
    if named is not None and named.kind in ("word", "mixed"):
        return named.name
    texts = [column.name for column in table.columns if holds_texts(column)]
    return texts[0] if len(texts) == 1 else None


@record
class ByteTexts:
    """Prompts with answers as texts of bytes: the `data` line, its mask of answers, and the length of a text."""

    line: str
    mask: str
    length: int


def byte_texts_of(table: TableSummary, place: str | None = None) -> ByteTexts | None:
    """What reads conversations, or prompts with answers that differ; None for other tables. `place` is the file's, as the spec names it."""
    conversations, prompts = conversations_in(table), prompts_in(table)
    if conversations is not None:
        settings = f'messages = {conversations}, chat = "{TEMPLATE}"'
        return _byte_texts(table, place, _bytes_of_turns(table, conversations), "answer", settings)
    answer = None if prompts is None else table.column(prompts.answer)
    if prompts is None or answer is None or not answer.is_identifier:
        return None
    text = "".join(f"{{{name}}}\\n" for name in prompts.asked) + f"{{{prompts.answer}}}\\0"
    length = sum(_bytes(table.column(name)) + 1 for name in (*prompts.asked, prompts.answer))
    settings = f'text = "{text}", missing = keep, needs = {prompts.answer}'
    return _byte_texts(table, place, length, prompts.answer, settings)


def lines_of_prompts(table: TableSummary) -> list[str]:
    """The `data` line of texts of bytes, and what a model's folder has instead; none of other tables."""
    texts = byte_texts_of(table)
    said = f"`mai import FOLDER --data {table.files[0].as_posix()}` takes the tokenizer of a model"
    return [] if texts is None else [f"# a token is a byte here; {said}", texts.line]


def _byte_texts(table: TableSummary, place: str | None, length: int, masked: str, settings: str) -> ByteTexts:
    quoted = [f'"{file}"' for file in ([place] if place else [each.as_posix() for each in table.files])]
    files = quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
    size, mask = rounded(length), f"{masked}_mask"
    source = f"examples({files}, {settings}, longer = drop)"
    return ByteTexts(f"data text: tokens[{size}], {mask}: [{size}]\n  from {source}", mask, size)


def _bytes_of_turns(table: TableSummary, name: str) -> int:
    column = table.column(name)
    turns = None if column is None else column.turns
    if turns is None or not turns.bytes.count:
        return 0
    return int(turns.bytes.high + BYTES_OF_MARKS * turns.messages.high)


def _bytes(column: ColumnSummary | None) -> int:
    """Of the longest text of a column; where texts are too many to be kept, of one that is much longer than the mean."""
    if column is None:
        return 0
    return max((len(word.encode()) for word in column.words), default=int(MUCH_LONGER * column.letters))


def rounded(tokens: int) -> int:
    """A length that holds so many tokens: the next multiple of 16."""
    return -(-tokens // 16) * 16
