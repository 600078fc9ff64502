"""The shapes of a source's arrays, by name, before it is read. `mai check` compares them with the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.fields import check_labels, check_sizes, check_whole, match_columns, shape_of
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import Diagnostic, MaiError, placed
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.data.source_kinds import Source
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


def misfits(training: Training, base: Path, override: Sequence[Path] = ()) -> list[Diagnostic]:
    """What training would say of its data, where that is known without reading them. Files that are not there are warnings.

    The files `override` are read in the place of those that the spec names, which start at `base`.
    """
    fields = training.fields
    try:
        source = read_in_place(training.data, override)
    except MaiError as error:
        return list(placed(error, training.where).diagnostics)
    base = Path() if override else base

    def compare() -> None:
        columns = gathered(source, base, fields)
        if columns is not None:
            _compare(columns, fields, source.names_fields)

    looks: tuple[Callable[[], None], ...] = (
        partial(source.check_fields, fields),
        partial(source.check_files, base),
        compare,
        partial(source.check_columns, base, fields),
    )
    findings = dict.fromkeys(chain.from_iterable(_diagnostics_of(look, training.where) for look in looks))
    findings = findings or dict.fromkeys(_diagnostics_of(partial(source.check_cells, base, fields), training.where))
    return [replace(d, severity="warning") if d.slug == "data-missing" else d for d in findings]


def gathered(source: Source, base: Path, fields: Mapping[str, Type]) -> Mapping[str, Column] | None:
    """The arrays that a source has for some fields, as far as they are known before they are read. Raises `MaiError`."""
    columns = source.columns(base)
    return None if columns is None else source.gather(columns, fields)


def _diagnostics_of(look: Callable[[], None], where: Span) -> Sequence[Diagnostic]:
    try:
        look()
    except MaiError as error:
        return placed(error, where).diagnostics
    return ()


def read_in_place(source: Source, override: Sequence[Path]) -> Source:
    """The source that reads the files of `--data`, or the spec's own. Raises `MaiError` where nothing reads them."""
    if not override:
        return source
    from mai.compiler.data.batches import source_of
    from mai.compiler.data.source_kinds import DrawsAlone

    return source if isinstance(source, DrawsAlone) else source_of(override[0], source)


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
