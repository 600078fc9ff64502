"""What is known of a source before it is read: the shapes of its arrays, by name. `mai check` compares them with the spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.fields import check_labels, check_sizes, check_whole, match_columns, shape_of
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import Diagnostic, MaiError, placed
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.compiler.program import Training


@record
class Column:
    """One array of a source: the shape of an example, whether its numbers are whole, and how many labels there are.

    None is what only its numbers say. One that `is_part` of a vector is a field of its own only where a field has its name.
    """

    shape: tuple[int, ...]
    whole: bool | None = None
    labels: int | None = None
    is_part: bool = False


def misfits(training: Training, base: Path) -> list[Diagnostic]:
    """What training would say of the shapes of its data, where these are known without reading them."""
    source, fields = training.data, training.fields
    try:
        source.check_fields(fields)
        columns = source.columns(base)
        if columns is not None:
            _compare(columns, fields, source.names_fields)
    except MaiError as error:
        return list(placed(error, training.where).diagnostics)
    return []


def _compare(columns: Mapping[str, Column], fields: Mapping[str, Type], named: bool) -> None:
    """Raise `MaiError` for a field without a column, or with one of another kind or shape."""
    shapes = {}
    columns = {name: column for name, column in columns.items() if not column.is_part or name in fields}
    for name, column in match_columns(columns, lambda c: bool(c.whole), fields, named).items():
        type_ = fields[name]
        if type_.dtype is not DType.REAL:
            check_whole(name, column.whole is not False)
            check_labels(name, type_, 0, (column.labels or 1) - 1)
        shapes[name] = shape_of(name, type_, column.shape)
    check_sizes(fields, shapes)
