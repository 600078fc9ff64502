"""What a language model can learn of data: conversations, prompts with answers, texts. As a `data` line, and as what the loss is of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Padded
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.text import Text
from mai.compiler.data.splitting.splits import FEWEST
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_tables
from mai.compiler.data.texts.conversations import Conversations, conversations_of
from mai.compiler.data.texts.examples import read_texts
from mai.compiler.data.texts.tokens import opened, state_tokenizer
from mai.compiler.describing.describe import describe
from mai.compiler.describing.prompts import conversations_in, prompts_in, rounded, texts_in
from mai.compiler.describing.tables import TableSummary
from mai.compiler.describing.texts import TextSummary
from mai.compiler.drafting.heads import Head
from mai.compiler.drafting.preparing import Preparation
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.text.tokenizer import Pieces
from mai.spec.record import record

ENDLESS = 2**30  # Tokens: a field that holds any text.
MOST_KEPT, NEARLY_ALL = 128, 0.98  # All texts are held that are short, or not much longer than nearly all others.
WINDOW = 512  # Tokens of a text that are read at once.
NO_CHAT = "conversations become texts by a chat template, and the folder has none"


@record
class Reader:
    """How a spec reads texts: its folder, its tokenizer and template as it names them, the token that ends a text, and the longest text."""

    base: Path
    tokenizer: str
    chat: str | None
    end: int | None
    context: int | None


@record
class Lesson:
    """A `data` line, as its fields and its source; the mask of what is learnt, None for all; what is said of it, its rows, tokens of a row, and whether some rows are held out.

    Of a classifier, `label` is the field that is learnt of the field `read`, a text or an image, and `head` what scores it; images are
    as `prepared`.
    """

    fields: str
    source: str
    mask: str | None
    said: str
    rows: int
    length: int
    is_held_out: bool
    read: str = "text"
    label: str | None = None
    head: Head | None = None
    prepared: Preparation | None = None


def lesson_of(data: Path, reader: Reader) -> Lesson:
    """What a language model can learn of data. Raises `MaiError` where that is nothing, or a row cannot be read."""
    summary = describe([data])
    place = Path(os.path.relpath(data, reader.base)).as_posix()
    if isinstance(summary, TextSummary):
        return _of_text(data, place, reader)
    if not isinstance(summary, TableSummary):
        raise bad(f"{data} has no texts: a language model learns from conversations, prompts with answers, or texts")
    conversations, prompts, text = conversations_in(summary), prompts_in(summary), texts_in(summary)
    if conversations is not None:
        if reader.chat is None:
            raise bad(NO_CHAT, help="`chat_template.jinja` in the folder is one")
        settings = f'messages = {conversations}, tokenizer = "{reader.tokenizer}", chat = "{reader.chat}"'
        source = Examples(path=place, messages=conversations, tokenizer=reader.tokenizer, chat=reader.chat)
        return _of_table(source, settings, "answer", "conversations", summary.files, reader)
    if prompts is not None:
        template = _template_of(prompts.asked, prompts.answer, reader)
        return _of_template(
            place, template, prompts.answer, prompts.answer, "prompts with answers", summary.files, reader
        )
    if text is not None:
        return _of_template(place, f"{{{text}}}{_end(reader)}", text, "text", "texts", summary.files, reader)
    names = few_of([column.name for column in summary.columns])
    help = "conversations, `messages`; prompts with answers, `prompt` and `completion`; or one column of texts, `text`"
    raise bad(f"{data} has nothing that a language model learns: its columns are {names}", help=help)


# ---------------------------------------------------------------- texts of tables


def _of_template(
    place: str, template: str, column: str, masked: str, what: str, files: Sequence[Path], reader: Reader
) -> Lesson:
    """Rows as one text each, by a template; those without a text in the `column` are left out."""
    settings = f'text = "{_written(template)}", tokenizer = "{reader.tokenizer}", missing = keep, needs = {column}'
    text, tokenizer = _written(template), reader.tokenizer
    source = Examples(path=place, text=text, tokenizer=tokenizer, missing="keep", needs=column)
    if reader.chat is not None:  # The compiled file is a chat's, whatever it has learnt from.
        settings += f', chat = "{reader.chat}"'
    return _of_table(source, settings, masked, what, files, reader)


def _of_table(
    source: Examples, settings: str, masked: str, what: str, files: Sequence[Path], reader: Reader
) -> Lesson:  # fmt: skip
    counts = token_counts(source, files, reader)
    length = length_for(counts, reader.context)
    whole = int((counts <= length).sum())
    longer = "" if whole == len(counts) else ", longer = drop"
    said = counted(what, counts, length, "left out")
    mask = f"{masked}_mask"
    fields = f"text: tokens[{length}], {mask}: [{length}]"
    return Lesson(fields, f'examples("{source.path}", {settings}{longer})', mask, said, whole, length, whole >= FEWEST)


def token_counts(source: Examples, files: Sequence[Path], reader: Reader, field: str = "text") -> Array:
    """How many tokens each row of a field has, as training reads them. Raises `MaiError` for a row that cannot be read."""
    fields = {field: Type(DType.INT, shape=(ENDLESS,))}
    tokenizer = opened(state_tokenizer(reader.tokenizer, reader.base, str))
    conversations = conversations_of(source, reader.base)
    tables = open_tables(files, Stated())
    columns = [read_texts(source, tokenizer, table, fields, conversations).rows[field] for table in tables]
    counts: Array = np.concatenate([rows.counts for rows in columns if isinstance(rows, Padded)])
    return counts


def counted(what: str, counts: Array, length: int, otherwise: str) -> str:
    """How many texts there are, how long they are, and how many are longer than a field of this length, with what becomes of these."""
    least, most, longer = int(counts.min()), int(counts.max()), int((counts > length).sum())
    span = f"{most:,} tokens" if least == most else f"{least:,} to {most:,} tokens"
    more = f", but for {longer:,}, which {'is' if longer == 1 else 'are'} {otherwise}" if longer else ""
    return f"{len(counts):,} {what} of {span}; a field of {length:,} has room for each{more}"


def length_for(counts: Array, context: int | None) -> int:
    """The length that holds all texts, or nearly all where a few are far longer than the others; never more than a model reads."""
    most, usual = int(counts.max()), int(np.quantile(counts, NEARLY_ALL))
    length = rounded(most if most <= max(MOST_KEPT, 2 * usual) else usual)
    return length if context is None else min(length, context + 1)


def _template_of(asked: Sequence[str], answer: str, reader: Reader) -> str:
    """The text of a prompt and its answer: as the chat template writes them, else a line each."""
    prompt = "\n".join(f"{{{name}}}" for name in asked)
    if reader.chat is None:
        return f"{prompt}\n{{{answer}}}{_end(reader)}"
    from mai.compiler.data.chat import read_chat

    said = [{"role": "user", "content": prompt}, {"role": "assistant", "content": f"{{{answer}}}"}]
    parts = Conversations("", read_chat(reader.base / reader.chat)).parts_of(said, reader.chat)
    text = "".join(parts)
    for token in _tokenizer(reader).special_tokens(text)[0]:  # A text has them before it already.
        text = text.removeprefix(_tokenizer(reader).text_of(int(token)) or "")
    return text


def _end(reader: Reader) -> str:
    """The text of the token that ends a text."""
    return "" if reader.end is None else _tokenizer(reader).text_of(reader.end) or ""


def _tokenizer(reader: Reader) -> Pieces:
    return Pieces(state_tokenizer(reader.tokenizer, reader.base, str))


def _written(text: str) -> str:
    """A text as a string of the language. Raises `MaiError` for a quotation mark, which none can have."""
    if '"' in text:
        raise bad(
            f"the template writes a quotation mark, which a `text = ...` cannot have: {text!r:.80}",
            help="make conversations of the table, `messages`",
        )
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


# ---------------------------------------------------------------- plain texts


def _of_text(data: Path, place: str, reader: Reader) -> Lesson:
    from mai.compiler.data.source_kinds import Request
    from mai.compiler.data.texts.tokens import tokenise

    tokens = len(tokenise(Text(path=place, tokenizer=reader.tokenizer), Request(reader.base, (), 0, None)).tokens)
    length = min(WINDOW, reader.context or WINDOW, max(2, tokens // 20))
    chat = "" if reader.chat is None else f', chat = "{reader.chat}"'
    source = f'text(tokenizer = "{reader.tokenizer}", path = "{place}"{chat})'
    said = f"{tokens:,} tokens, read in windows of {length + 1:,}"
    return Lesson(f"text: tokens[{length + 1}]", source, None, said, tokens // length, length, True)
