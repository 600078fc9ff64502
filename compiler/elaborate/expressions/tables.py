"""Lists of numbers as vectors, lists of equal lists as matrices and more: `[[1, 0], [0, 1]]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from mai.compiler.elaborate.bindings import Binding, Number
from mai.compiler.elaborate.expressions.static import StaticError, as_real
from mai.compiler.ir.types import DType

Table: TypeAlias = "Number | tuple[Table, ...]"  # a number, or an array as nested tuples


def table_of(items: Sequence[Binding]) -> Table:
    """The numbers of nested lists, all of one size at each depth. Raises `StaticError` for any others."""
    if not items:
        raise StaticError("type-mismatch", "the rows of a table have numbers, here is one without: write `zeros([0])`")
    rows = tuple(table_of(item) if isinstance(item, list) else _number(item) for item in items)
    shapes = [shape_of(row) for row in rows]
    for shape in shapes:
        if shape != shapes[0]:
            first, other = (f"a list of {' x '.join(map(str, s))}" if s else "a number" for s in (shapes[0], shape))
            raise StaticError("shape-mismatch", f"the rows of a table are alike, here are {first} and {other}")
    return rows


def _number(item: Binding) -> Number:
    if isinstance(item, (int, float)):
        return item
    raise StaticError("type-mismatch", "a list of numbers is needed here")


def shape_of(table: Table) -> tuple[int, ...]:
    """The sizes of a table, the outermost first; none for a number."""
    return (len(table), *shape_of(table[0])) if isinstance(table, tuple) else ()


def numbers_of(table: Table) -> Iterator[Number]:
    """Its numbers, row by row."""
    if isinstance(table, tuple):
        for row in table:
            yield from numbers_of(row)
    else:
        yield table


def typed(table: Table) -> tuple[Table, DType]:
    """The table with elements of one dtype: truths, whole numbers, or reals if any is one. Raises `StaticError`."""
    kinds = set(map(type, numbers_of(table)))
    if kinds == {bool}:
        return table, DType.BOOL
    if bool in kinds:
        raise StaticError("type-mismatch", "a list is of numbers, or of true and false, not of both")
    return (_as_reals(table), DType.REAL) if float in kinds else (table, DType.INT)


def _as_reals(table: Table) -> Table:
    return tuple(map(_as_reals, table)) if isinstance(table, tuple) else as_real(table)
