"""Texts with labels, and prompts with their answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad, check_column_of, check_fields_named, check_there, group_columns
from mai.compiler.data.files.paths import listed
from mai.compiler.data.row_source import Wanted
from mai.compiler.data.source_kinds import Finite, Request, Source
from mai.compiler.data.sources.table import Table
from mai.compiler.data.sources.text import TOKENIZERS, Bpe, misfit_of
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import Word
from mai.spec.diagnostics.suggest import closest
from mai.spec.record import record
from mai.spec.settings import Choice

TEXT, MASK = "text", "_mask"  # The field of a template, and what stands behind the name of a text for its mask.
ANSWERS = -1  # In the place of a piece: all that is answered in a conversation, whose mask is `answer_mask`.
SIGNS = {r"\n": "\n", r"\t": "\t", r"\0": "\0", r"\\": "\\"}


@record
class Piece:
    """The text of a column, between what stands before and behind it."""

    column: str
    before: str = ""
    behind: str = ""


class Examples(Table):
    """Rows of tables with texts: a field `review: tokens[64]` has the tokens of a column, `review_mask: [64]` is 1 where there is one.

    Behind a shorter text are tokens 0; texts that are `longer` are refused, cut, or left out. A template, `text = "{question}\\n{answer}"`,
    makes one field `text: tokens[64]` of several columns, and `answer_mask` is 1 at the answer's tokens and at what is behind them.
    So does the column `messages`, lists of `{"role": ..., "content": ...}` or of `{"from": ..., "value": ...}`, by the template `chat`; `answer_mask` is of all that the assistant says.
    """

    name: ClassVar[str] = "examples"
    suffixes: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(("rest", "without"), "name the columns beside the texts")
    tokenizer: Annotated[str | Bpe, Choice(TOKENIZERS, or_text=True)] = "bytes"
    text: str | None = None
    messages: str | None = None
    chat: str | None = None
    longer: Literal["refuse", "cut", "drop"] = "refuse"

    def misfit(self) -> str | None:
        if self.text is not None and not self._template:
            return 'needs columns in its `text`: `"{question}\\n{answer}"`'
        if self.messages is not None and self.chat is None:
            return 'needs a template for `messages`: `chat = "chat_template.jinja"`, that by which the model is asked later'
        if self.messages is not None and self.text is not None:
            return "takes `text` or `messages`: one of them makes the field `text`"
        return misfit_of(self.tokenizer) or super().misfit()

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return None  # What the texts of a file are, a spec has to say.

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return None

    def columns(self, base: Path) -> dict[str, Column] | None:
        return None

    def fields_of_cells(self, fields: Mapping[str, Type]) -> dict[str, Type]:
        return {name: type_ for name, type_ in fields.items() if not type_.rank}

    @property
    def _template(self) -> tuple[Piece, ...]:
        """What stands behind a column belongs to it, so that a prompt ends as it does where a model is asked."""
        first, *rest = re.split(r"\{(\w+)\}", self.text or "")
        names, behind = rest[::2], [_signs(each) for each in rest[1::2]]
        before = [_signs(first), *[""] * len(names)]
        return tuple(Piece(*each) for each in zip(names, before[: len(names)], behind, strict=True))

    def texts(self, fields: Mapping[str, Type]) -> dict[str, tuple[Piece, ...]]:
        """The fields that are texts, and the columns that each is made of."""
        names = [name for name, type_ in fields.items() if type_.dtype is DType.INT and type_.rank == 1]
        pieces = (Piece(self.messages),) if self.messages is not None else self._template
        return {name: pieces if name == TEXT and pieces else (Piece(name),) for name in names}

    def masks(self, fields: Mapping[str, Type]) -> dict[str, tuple[str, int | None]]:
        """The fields that are masks: the text that each is of, and the place of its piece there, None for all of it."""
        spans = self._spans(fields)
        return {name: spans[name] for name, type_ in fields.items() if name in spans and type_.dtype is DType.REAL}

    def _spans(self, fields: Mapping[str, Type]) -> dict[str, tuple[str, int | None]]:
        """The same of all masks that there can be, whether they are fields or not."""
        spans: dict[str, tuple[str, int | None]] = {}
        for text, pieces in self.texts(fields).items():
            spans |= {f"{piece.column}{MASK}": (text, place) for place, piece in enumerate(pieces)}
            spans[f"{text}{MASK}"] = (text, None)
        if self.messages is not None and TEXT in self.texts(fields):
            spans[f"answer{MASK}"] = (TEXT, ANSWERS)
        return spans

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        columns, texts = self.names(base), self.texts(fields)
        if columns is None:
            return
        groups = group_columns([*columns], [*fields])
        for name in fields:
            pieces = [piece.column for piece in texts.get(name, ())]
            self._check_mask(name, fields, groups)
            if pieces == [name] or not (pieces or name in self.masks(fields)):
                check_column_of(name, name, groups)
            for column in pieces:
                check_there(column, columns)
        super().check_columns(base, fields)

    def _check_mask(self, name: str, fields: Mapping[str, Type], columns: Collection[str]) -> None:
        """Raise `MaiError` for what is called as a mask, and is of no text."""
        if not name.endswith(MASK) or name in columns or name in self.masks(fields):
            return
        masks = [*self._spans(fields)]
        if masks:
            named = ", ".join(f"`{each}`" for each in masks)
            guess = closest(name, masks) or masks[-1]
            raise bad(f"`{name}` is the mask of no text: there are {named}", word=Word(name, guess, is_field=True))

    def _check_words(self, base: Path, fields: Mapping[str, Type]) -> None:
        if self.longer == "refuse":  # Else rows are left out by the lengths of their texts, and labels with them.
            super()._check_words(base, fields)

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        """Texts have a length, their masks the same, and a tokenizer that is trained makes no more tokens than the spec has."""
        texts = self.texts(fields)
        pieces = {piece.column for each in texts.values() for piece in each}
        check_fields_named((*listed(self.needs), *listed(self.words)), {**fields, **dict.fromkeys(pieces)})
        if (self.text or self.messages) is not None and TEXT not in texts:
            said = "text = ..." if self.text is not None else f"messages = {self.messages}"
            raise bad(f"`{said}` is that of a field `{TEXT}`", help=f"`data {TEXT}: tokens[64] from examples(...)`")
        for name in texts:
            (length,), classes = fields[name].shape, fields[name].classes
            if not isinstance(length, int):
                raise bad(f"`{name}` needs a number of tokens", help=f"`{name}: tokens[64]`")
            if isinstance(self.tokenizer, Bpe) and isinstance(classes, int) and self.tokenizer.vocab > classes:
                size = self.tokenizer.vocab
                message = f"`bpe(vocab = {size})` makes up to {size:,} tokens, but `vocab` is {classes:,}"
                raise bad(message, help=f"`const vocab = {size}`")
        for name, (text, _) in self.masks(fields).items():
            if fields[name].shape != fields[text].shape:
                raise bad(
                    f"`{name}` is {list(fields[name].shape)}, its text {list(fields[text].shape)}: one number for each token"
                )

    def rows(self, wanted: Wanted) -> Finite:
        return self.reader(Request(Path(), (), 0, wanted.fields), wanted.files)(wanted)

    def reader(self, request: Request, files: Sequence[Path]) -> Callable[[Wanted], Finite]:
        from mai.compiler.data.texts.examples import reader_of

        if not self.texts(request.fields or {}):
            return super().rows
        return reader_of(self, request, Wanted(files, (), request.fields, self.split))


def _signs(text: str) -> str:
    """A text in which `\\n` is a new line, `\\t` a tab and `\\0` the byte 0."""
    return re.sub(r"\\[nt0\\]", lambda match: SIGNS[match[0]], text)
