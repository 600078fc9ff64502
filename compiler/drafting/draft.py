"""The spec for some data, by what they are."""

from __future__ import annotations

import os
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.describing.arrays import ArraysSummary
from mai.compiler.describing.describe import describe
from mai.compiler.describing.image_tables import images_of_table
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.prompts import byte_texts_of
from mai.compiler.describing.tables import TableSummary
from mai.compiler.describing.texts import TextSummary
from mai.compiler.drafting.answers import draft_answers
from mai.compiler.drafting.arrays import choose_arrays
from mai.compiler.drafting.images import draft_images
from mai.compiler.drafting.series import draft_series
from mai.compiler.drafting.table_fields import choose_fields
from mai.compiler.drafting.tables import draft_table
from mai.compiler.drafting.texts import draft_text
from mai.runtime.inputs.cells import few_of
from mai.spec.record import record


@record
class Wish:
    """What is to be learnt of a table: its `target`, as a number or a label; the next `horizon` of it, from a `window` of rows before."""

    target: str | None = None
    as_numbers: bool | None = None
    horizon: int | None = None
    window: int | None = None


def draft(path: Path, base: Path, wish: Wish) -> str:
    """The text of a spec that learns from data; `base` is its folder, from which it looks for them.

    Raises:
        MaiError: there is nothing to learn, or a target is needed and lacks.
    """
    summary = describe([path])
    place = Path(os.path.relpath(path, base)).as_posix()
    if isinstance(summary, TableSummary):
        return _of_table(summary, place, wish)
    if wish != Wish() and isinstance(summary, ImagesSummary | TextSummary):
        raise bad(f"{path} is no table: it has no column to predict", help=f"mai new --data {path}")
    if isinstance(summary, ImagesSummary):
        return draft_images(summary, place)
    if isinstance(summary, TextSummary):
        return draft_text(summary, place)
    if isinstance(summary, ArraysSummary) and wish.target is not None and wish.horizon is None:
        return draft_table(choose_arrays(summary, wish.target, wish.as_numbers), place)
    help = f"`mai new --data {path} --target ARRAY` predicts one from the others; `mai data {path}` writes the `data` line of a spec"
    raise bad(f"what the arrays of {path} are, nobody says: images, rows, series", help=help)


def _of_table(table: TableSummary, place: str, wish: Wish) -> str:
    images = images_of_table(table, wish.target) if wish in (Wish(), Wish(wish.target)) else None
    if images is not None:
        return draft_images(images, place)
    texts = byte_texts_of(table, place) if wish == Wish() else None
    if texts is not None:
        return draft_answers(table, texts)
    if wish.target is None and not table.fields():
        reasons = "; ".join(f"{column.name}: {why}" for column, why in table.left_out()[:3])
        raise bad(f"{table.files[0]} has no column of numbers, words or dates", help=reasons)
    if wish.target is None:
        names = few_of([column.name for column in table.columns])
        raise bad("which column is to be predicted?", help=f"--target COLUMN: there are {names}")
    if wish.horizon is not None:
        return draft_series(table, wish.target, wish.horizon, wish.window, place)
    return draft_table(choose_fields(table, wish.target, wish.as_numbers), place)
