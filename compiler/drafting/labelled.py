"""What a classifier of texts can learn of a table: a column of texts, and one of labels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.examples import Examples
from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.describe import describe
from mai.compiler.describing.prompts import texts_in
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.lessons import Lesson, Reader, length_for, token_counts
from mai.runtime.inputs.cells import few_of

NAMED = ("label", "labels")
UNNAMED = re.compile(r"LABEL_\d+")  # As transformers calls labels that nobody has named.
EDGES = 2  # Places before the first token that some families count as learnt positions.


def labelled_of(data: Path, reader: Reader, labels: Sequence[str]) -> Lesson:
    """Texts with labels, in the order of the model's. Raises `MaiError` where a table has none, or others than the model."""
    table = describe([data])
    text = (texts_in(table) or _longest(table)) if isinstance(table, TableSummary) else None
    if not isinstance(table, TableSummary) or text is None:
        raise bad(f"{data} has no column that is one of texts: a classifier learns from texts with labels")
    label = _label(table, text)
    _check_labels(table, label, labels)
    place = Path(os.path.relpath(data, reader.base)).as_posix()
    source = Examples(path=place, tokenizer=reader.tokenizer, missing="drop", longer="cut")
    counts = token_counts(source, table.files, reader, text)
    length = length_for(counts, None if reader.context is None else reader.context - 1 - EDGES)
    fields = f"{text}: tokens[{length}], {text}_mask: [{length}], {label.name}: class[{len(labels)}]"
    missing = ", missing = drop" if any(column.missing for column in (table.column(text), label) if column) else ""
    settings = f'examples("{place}", tokenizer = "{reader.tokenizer}", longer = cut{missing})'
    whole = int((counts <= length).sum())
    said = f"{len(counts):,} texts of {int(counts.min()):,} to {int(counts.max()):,} tokens, of which {length:,} hold {whole:,}"
    return Lesson(fields, settings, f"{text}_mask", said, len(counts), length, text, label.name)


def _longest(table: TableSummary) -> str | None:
    """The column of the longest words, if they are several."""
    words = [column for column in table.columns if column.kind in ("word", "mixed") and column.spaces >= 1]
    return max(words, key=lambda column: column.letters).name if words else None


def _label(table: TableSummary, text: str) -> ColumnSummary:
    """The column of labels: one that is called so, or the only one of words or whole numbers that rows share."""
    others = [each for each in table.columns if each.name != text and each.kind in ("word", "whole")]
    shared = [
        each for each in others if each.distinct is not None and each.distinct < table.rows and not each.is_numbering
    ]
    named = [each for each in shared if each.name in NAMED]
    if len(named or shared) != 1:
        names = few_of([each.name for each in shared]) if shared else "none"
        raise bad(f"which column of {table.files[0]} has the labels? There are {names}", help="call it `label`")
    return (named or shared)[0]


def _check_labels(table: TableSummary, label: ColumnSummary, labels: Sequence[str]) -> None:
    """Raise `MaiError` where the labels of a table, in the order in which they are numbered, are not those of the model."""
    words = sorted(label.words)
    own = [str(number) for number in range(len(labels))] if label.kind == "whole" else [*labels]
    if label.kind != "whole" and all(map(UNNAMED.fullmatch, labels)):
        own = words if len(words) == len(labels) else own
    if not {*words} <= {*own} or (label.kind == "word" and words != own):
        said = f"`{label.name}` of {table.files[0]} has the labels {few_of(words)}, and the model {few_of(own)}"
        help = (
            "save the folder with as many labels, `num_labels`, and their names in alphabetical order as its `id2label`"
        )
        raise bad(said, help=help)
