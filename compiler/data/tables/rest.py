"""The columns of a wide table that are one vector: all that nothing else takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mai.compiler.data.fields import bad, group_columns
from mai.spec.diagnostics import Word


def rest_of(name: str, columns: Sequence[str], fields: Collection[str], apart: Collection[str]) -> tuple[str, ...]:
    """The columns of the vector `name`, in the order of the table: those of no other field, and not among those `apart`.

    Raises:
        MaiError: a column has that name, or none is left.
    """
    if name in columns:
        raise bad(f"`{name}` is to be the rest of the columns, and is one of them", help="call the field otherwise")
    groups = group_columns([*columns], fields)
    taken = {column for field in fields for column in groups.get(field, ())}
    left = tuple(column for column in columns if column not in taken and column not in apart)
    if not left:
        raise bad(f"no column is left for `{name}`: other fields take all", word=Word(name, None))
    return left
