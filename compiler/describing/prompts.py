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


def lines_of_prompts(table: TableSummary) -> list[str]:
    """The `data` line of conversations, or of prompts with answers that differ, by bytes; none of other tables."""
    conversations, prompts = conversations_in(table), prompts_in(table)
    if conversations is not None:
        settings = f'messages = {conversations}, chat = "chat_template.jinja"'
        return _lines(table, _bytes_of_turns(table, conversations), "answer", settings)
    answer = None if prompts is None else table.column(prompts.answer)
    if prompts is None or answer is None or not answer.is_identifier:
        return []
    text = "".join(f"{{{name}}}\\n" for name in prompts.asked) + f"{{{prompts.answer}}}\\0"
    length = sum(_bytes(table.column(name)) + 1 for name in (*prompts.asked, prompts.answer))
    return _lines(table, length, prompts.answer, f'text = "{text}", missing = keep, needs = {prompts.answer}')


def _lines(table: TableSummary, length: int, masked: str, settings: str) -> list[str]:
    quoted = [f'"{file.as_posix()}"' for file in table.files]
    files = quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
    size = rounded(length)
    return [
        f"# a token is a byte here; `mai import FOLDER --data {table.files[0].as_posix()}` takes the tokenizer of a model",
        f"data text: tokens[{size}], {masked}_mask: [{size}]",
        f"  from examples({files}, {settings}, longer = drop)",
    ]


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
