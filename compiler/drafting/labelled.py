"""What a classifier can learn of labelled data: of a table with a column of texts and one of labels, or of images in folders and in tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import decoded
from mai.compiler.data.label_names import in_order
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.splitting.splits import FEWEST
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_tables, read_blocks
from mai.compiler.describing.columns.column import ColumnReader, ColumnSummary
from mai.compiler.describing.describe import describe
from mai.compiler.describing.image_tables import images_of_table, words_setting
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.prompts import texts_in
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.heads import Head, head_for
from mai.compiler.drafting.lessons import Lesson, Reader, counted, length_for, token_counts
from mai.compiler.drafting.preparing import Preparation
from mai.runtime.inputs.cells import few_of

NAMED = ("label", "labels")
FEWEST_EACH = 5  # Rows of a label, in the mean: of fewer none is held out.
EDGES = 2  # Places before the first token that some families count as learnt positions.


def labelled_of(data: Path, reader: Reader, own: Sequence[str]) -> Lesson:
    """Texts with labels, by a model whose labels are its `own`. Raises `MaiError` where a table has none."""
    table = describe([data])
    text = (texts_in(table) or _longest(table)) if isinstance(table, TableSummary) else None
    if not isinstance(table, TableSummary) or text is None:
        raise bad(f"{data} has no column that is one of texts: a classifier learns from texts with labels")
    label = _of_rows_with(text, _label(table, text), table)
    head, words = _head(label, own)
    place = _place(data, reader.base)
    source = Examples(path=place, tokenizer=reader.tokenizer, missing="drop", longer="cut")
    counts = token_counts(source, table.files, reader, text)
    length = length_for(counts, None if reader.context is None else reader.context - 1 - EDGES)
    fields = f"{text}: tokens[{length}], {text}_mask: [{length}], {label.name}: class[{head.labels}]"
    split, is_held_out = _split(label.name, len(counts), head.labels, "0.1")
    missing = ", missing = drop" if any(column.missing for column in (table.column(text), label) if column) else ""
    settings = f'examples("{place}", tokenizer = "{reader.tokenizer}", longer = cut{words}{missing}{split})'
    said = f"{counted('texts', counts, length, 'cut')}; {head.said}"
    mask = f"{text}_mask"
    return Lesson(fields, settings, mask, said, len(counts), length, is_held_out, text, label.name, head)


def _split(label: str, rows: int, labels: int, shares: str) -> tuple[str, bool]:
    """The setting that holds rows out, and whether it does: something of every label is trained on, so that these are numbered in alphabetical order."""
    if rows < FEWEST:
        return "", False
    is_held_out = rows > FEWEST_EACH * labels
    return f", split = {f'stratified({label}, {shares})' if is_held_out else 'random(0)'}", is_held_out


def _place(data: Path, base: Path) -> str:
    return Path(os.path.relpath(data, base)).as_posix()


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


def _of_rows_with(text: str, label: ColumnSummary, table: TableSummary) -> ColumnSummary:
    """The column of labels on the rows that have a text: training leaves out the others, and gives no number to a label of theirs alone."""
    reader = ColumnReader(label.name)
    for file in open_tables(table.files, Stated(order=table.order)):
        reader.decimal, reader.order = file.dialect.decimal, file.dialect.order
        for block in read_blocks(file, [file.columns[name] for name in (text, label.name)]):
            texts, labels = (decoded(block[file.columns[name]]) for name in (text, label.name))
            reader.add(labels.filter(pc.greater(pc.utf8_length(texts), 0)))
    return reader.summary()


def _head(label: ColumnSummary, own: Sequence[str]) -> tuple[Head, str]:
    """The head for a column of labels, and the setting by which numbers that are not 0, 1, ... are names."""
    words = in_order(label.words)
    are_places = label.kind == "whole" and {*words} <= {*map(str, range(max(len(own), len(words))))}
    setting = words_setting([label.name]) if label.kind == "whole" and not are_places else ""
    return head_for(words, own, are_places), setting


# ---------------------------------------------------------------- images


def _images_in(table: TableSummary) -> ImagesSummary | None:
    """The images of a table, with the labels of the column that is called so, or of the only one that can be. Raises `MaiError` where that could be several."""
    named = [column.name for column in table.columns if column.name in NAMED]
    images = images_of_table(table, named[0] if len(named) == 1 else None)
    if images is not None and not images.classes and images.other_labels:
        raise bad(
            f"which column of {table.files[0]} has the labels? There are {few_of(images.other_labels)}",
            help="call it `label`",
        )
    return images


def pictured_of(data: Path, base: Path, own: Sequence[str], prepared: Preparation) -> Lesson:
    """Images with labels, prepared as a model has them whose labels are its `own`. Raises `MaiError` where there are none."""
    described = describe([data])
    is_table = isinstance(described, TableSummary)
    images = _images_in(described) if isinstance(described, TableSummary) else described
    if not isinstance(images, ImagesSummary) or not images.classes:
        help = "a folder with a folder of images for each label, or a table with a column of images and one of labels"
        raise bad(f"{data} has no images with labels", help=help)
    words = in_order([name for name, _ in images.classes])
    are_places = is_table and "words = " not in images.settings and all(map(str.isdecimal, words))
    head = head_for(words, own, are_places)
    field = images.columns[0] if is_table else "x"
    shape = f"[{len(prepared.means)}, {prepared.size[0]}, {prepared.size[1]}]"
    fields = f"{field}: {shape}, {images.label}: class[{head.labels}]"
    count = len(images.files)
    split, is_held_out = _split(images.label, count, len(words), "0.15, test = 0.15")
    source = f'images("{_place(data, base)}", {prepared.settings}{images.settings}{split})'
    said = f"{count:,} images; {head.said}"
    return Lesson(fields, source, None, said, count, 1, is_held_out, field, images.label, head, prepared)
