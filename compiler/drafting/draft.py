"""The spec for some data, by what they are."""

from __future__ import annotations

import os
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.describing.describe import describe
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.table_fields import choose_fields
from mai.compiler.drafting.tables import draft_table


def draft(path: Path, base: Path, target: str | None, as_numbers: bool | None = None) -> str:
    """The text of a spec that learns from data.

    Args:
        base: the folder of the spec, from which it looks for the data.
        target: the column of a table that is predicted.
        as_numbers: whether a target of numbers is one, or labels.

    Raises:
        MaiError: there is nothing to learn, or `target` is needed and lacks.
    """
    summary = describe([path])
    place = Path(os.path.relpath(path, base)).as_posix()
    if isinstance(summary, TableSummary):
        if target is None:
            names = ", ".join(column.name for column in summary.columns)
            raise bad("which column is to be predicted?", help=f"--target COLUMN: there are {names}")
        return draft_table(choose_fields(summary, target, as_numbers), place)
    raise bad("not yet")
