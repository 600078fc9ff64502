"""Indexing and slicing: `x[0, 1:3]`, `x[None]`, `x[..., 0]`, `x[label]`, `x[rows, columns]`."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import (
    Binding,
    Environment,
    Function,
    Partial,
    Poison,
)
from mai.compiler.elaborate.bounds import setting_of
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.errors.repairs import labels_of
from mai.compiler.elaborate.expressions.families import member_of
from mai.compiler.elaborate.expressions.read_together import Part, read_together
from mai.compiler.elaborate.expressions.whole import check_classes, whole
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh
from mai.spec import ast
from mai.spec.ast_walk import names_of
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span


@record
class Item:
    """One of the items between the brackets of an index; an expression has its value."""

    written: ast.IndexItem
    value: Binding = None

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.written.span

    @property
    def is_expression(self) -> bool:
        """Whether it is no slice, `None` or `...`."""
        return isinstance(self.written, ast.Expr)

    @property
    def is_array(self) -> bool:
        """Whether it is several whole numbers."""
        return isinstance(self.value, list) or (isinstance(self.value, Value) and self.value.type.rank > 0)


def index(e: Context, env: Environment, expr: ast.Index) -> Binding:
    """`x[...]`: every item takes one axis, or makes one; arrays are read together, place by place."""
    base = e.expressions.expression(env, expr.base)
    if isinstance(base, Poison):
        return base
    if isinstance(base, (Function, Partial)):
        return member_of(e, env, base, expr)
    items = [Item(i, e.expressions.expression(env, i) if isinstance(i, ast.Expr) else None) for i in expr.items]
    if isinstance(base, tuple):
        return _result(e, base, items, expr.span)
    if isinstance(base, list) and len(items) == 1:
        part = _part(e, env, base, items[0])
        if part is not None:
            return part
    x = e.value(base, expr.base.span)
    items = _with_other_axes(e, expr, x, items)
    group, axis = _arrays(e, items), -x.type.rank
    for place, item in enumerate(items):
        if place not in group:
            x, axis = _indexed(e, env, x, item, axis)
        elif place == group.start:
            parts = [_read(e, items[i], x.type.shape[axis + i - place]) for i in group]
            x, axis = read_together(e, x, parts, axis), axis + len(group)
    return x


def _with_other_axes(e: Context, expr: ast.Index, x: Value, items: list[Item]) -> list[Item]:
    """The items with a `:` for each axis that a `...` among them stands for."""
    rank = x.type.rank
    others = [item for item in items if isinstance(item.written, ast.OtherAxes)]
    used = sum(not isinstance(item.written, ast.NewAxis | ast.OtherAxes) for item in items)
    if used > rank:
        count = f"{rank} {'axis' if rank == 1 else 'axes'}"
        message = f"{used} indices for {describe(x.type.shape)}, which has {count}"
        raise e.fail("rank-mismatch", expr.span, message, label=describe(x.type.shape))
    if len(others) > 1:
        raise e.fail("rank-mismatch", others[1].span, "one `...` stands for all axes that are not named")
    if others:
        place = items.index(others[0])
        items[place : place + 1] = [Item(ast.Slice(others[0].span, None, None, None))] * (rank - used)
    return items


def _arrays(e: Context, items: Sequence[Item]) -> range:
    """The places of items that are read together: from the first array to the last, where there are several."""
    places = [place for place, item in enumerate(items) if item.is_array]
    if len(places) < 2:
        return range(0)
    group = range(places[0], places[-1] + 1)
    for item in (items[i] for i in group):
        if not item.is_expression:
            message = "arrays of whole numbers are read together, and stand side by side"
            raise e.fail("rank-mismatch", item.span, message, help="index twice, `x[i][:, j]`, for each i with each j")
    return group


def _read(e: Context, item: Item, size: Size) -> Part:
    """Whole numbers that are places of an axis."""
    number = _number(item.value)
    if number is not None:
        _check_number(e, item, number, size)
    if name := setting_of(item.value):
        e.size(item.value, item.span)
        if isinstance(size, int):
            e.bounds.ask(name, item.span, most=size - 1)
    assert isinstance(item.written, ast.Expr)
    chosen = whole(e, item.value, item.span, edits=labels_of(item.written, size))
    check_classes(e, chosen, size, item.span)
    return Part(chosen, size, item.span)


def _check_number(e: Context, item: Item, number: int, size: Size, whole: str = "an axis of {}") -> None:
    """Refuse a number that is beyond an axis, or what else has so many parts."""
    if isinstance(size, int) and not -size <= number < size:
        help = put(item.span, str(size - 1), "write `{}` for the last") if number == size else None
        message = f"index {number} is outside {whole.format(size)}"
        raise e.fail("index-out-of-range", item.span, message, help=help)


def _result(e: Context, results: tuple[Binding, ...], items: Sequence[Item], span: Span) -> Binding:
    """One of several results, by a number that is known now: `top_k(z, 3)[1]` is the places."""
    index = _number(items[0].value)
    if index is None or len(items) > 1:
        help = "take them apart: `(a, b) = ...`; a number of one has brackets of its own, `f(x)[1][0]`"
        raise e.fail("type-mismatch", span, "one of several results is named by a known number alone", help=help)
    _check_number(e, items[0], index, len(results), "{} results")
    return results[index]


def _part(e: Context, env: Environment, items: list[Binding], item: Item) -> Binding:
    """The element of a list, or some of them, by numbers that are known now: a size stays a size; None where they are not."""
    if isinstance(item.written, ast.Slice):
        written = (item.written.start, item.written.stop, item.written.step)
        start, stop, step = (_number(None if w is None else e.expressions.expression(env, w)) for w in written)
        are_known = all((w is None) == (b is None) for w, b in zip(written, (start, stop, step), strict=True))
        return (items[start:stop:step] or None) if are_known and step != 0 else None
    index = _number(item.value)
    return items[index] if index is not None and -len(items) <= index < len(items) else None


def _number(value: Binding) -> int | None:
    """A whole number that is known now; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _indexed(e: Context, env: Environment, x: Value, item: Item, axis: int) -> tuple[Value, int]:
    """Apply one index at `axis` (counted from the end); the axis for the next one."""
    if isinstance(item.written, ast.NewAxis):
        return e.emit(sh.Unsqueeze, x, axes=(axis - 1,)), axis
    if isinstance(item.written, ast.Slice):
        return _sliced(e, env, x, item.written, axis), axis + 1
    size, number = x.type.shape[axis], _number(item.value)
    if number is not None:
        _check_number(e, item, number, size)
        return e.emit(ix.Pick, x, axis=axis, index=number), axis + 1
    chosen = _read(e, item, size).index
    return e.emit(ix.Take, x, chosen, axis=axis, rank=x.type.rank, index_rank=chosen.type.rank), axis + 1


def _sliced(e: Context, env: Environment, x: Value, item: ast.Slice, axis: int) -> Value:
    bounds = [
        None if part is None else e.expressions.expression(env, part) for part in (item.start, item.stop, item.step)
    ]
    if any(isinstance(b, Poison) for b in bounds):
        raise Stop
    for bound, part in zip(bounds, (item.start, item.stop, item.step), strict=True):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, Dim))):
            assert part is not None
            at = (item.start or part).span.text
            help = (
                f"for one row, index with `[{at}]` and put `[None]` after it; for four, index with `[{at} + range(4)]`"
            )
            raise e.fail(
                "static-needed", part.span, f"a slice is bounded by sizes, this is {kind_of(bound)}", help=help
            )
        if isinstance(bound, Dim) and part is not None:
            e.size(bound, part.span)
    start, stop, step = bounds
    if start in (None, 0) and stop in (None, x.type.shape[axis]) and step in (None, 1):
        return x
    result = e.checked(item.span, [item.span], ix.Slice, x, axis=axis, start=start, stop=stop, step=step)
    if isinstance(result, Poison):
        raise Stop
    cut = e.value(result, item.span)
    if cut.type.shape[axis] == 0 and not names_of(item):
        raise e.fail("index-out-of-range", item.span, f"this slice of an axis of {x.type.shape[axis]} is empty")
    return cut
