"""Indexing and slicing: `x[0, 1:3]`, `x[None]`, `x[label]`."""

from __future__ import annotations

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
from mai.compiler.elaborate.expressions.whole import check_classes, whole
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Dim
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh
from mai.spec import ast
from mai.spec.diagnostics.edit import put


def index(e: Context, env: Environment, expr: ast.Index) -> Binding:
    """`x[...]`: every item takes one axis, or makes one."""
    base = e.expressions.expression(env, expr.base)
    if isinstance(base, Poison):
        return base
    if isinstance(base, (Function, Partial)):
        return member_of(e, env, base, expr)
    if isinstance(base, list) and len(expr.items) == 1:
        part = _part(e, env, base, expr.items[0])
        if part is not None:
            return part
    x = e.value(base, expr.base.span)
    used = sum(not isinstance(item, ast.NewAxis) for item in expr.items)
    if used > x.type.rank:
        count = f"{x.type.rank} {'axis' if x.type.rank == 1 else 'axes'}"
        message = f"{used} indices for {describe(x.type.shape)}, which has {count}"
        return e.error("rank-mismatch", expr.span, message, label=describe(x.type.shape))
    axis = -x.type.rank
    for item in expr.items:
        x, axis = _indexed(e, env, x, item, axis)
    return x


def _part(e: Context, env: Environment, items: list[Binding], item: ast.Expr | ast.Slice | ast.NewAxis) -> Binding:
    """The element of a list, or some of them, by numbers that are known now: a size stays a size; None where they are not."""
    if isinstance(item, ast.NewAxis):
        return None
    if isinstance(item, ast.Slice):
        written = (item.start, item.stop, item.step)
        start, stop, step = (_number(e, env, bound) for bound in written)
        are_known = all((w is None) == (b is None) for w, b in zip(written, (start, stop, step), strict=True))
        return (items[start:stop:step] or None) if are_known and step != 0 else None
    index = _number(e, env, item)
    return items[index] if index is not None and -len(items) <= index < len(items) else None


def _number(e: Context, env: Environment, expr: ast.Expr | None) -> int | None:
    """A whole number that is known now; None for anything else."""
    value = None if expr is None else e.expressions.expression(env, expr)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _indexed(
    e: Context, env: Environment, x: Value, item: ast.Expr | ast.Slice | ast.NewAxis, axis: int
) -> tuple[Value, int]:
    """Apply one index at `axis` (counted from the end); the axis for the next one."""
    if isinstance(item, ast.NewAxis):
        return e.emit(sh.Unsqueeze, x, axes=(axis - 1,)), axis
    if isinstance(item, ast.Slice):
        return _sliced(e, env, x, item, axis), axis + 1
    index = e.expressions.expression(env, item)
    size = x.type.shape[axis]
    if isinstance(index, int) and not isinstance(index, bool):
        if isinstance(size, int) and not -size <= index < size:
            help = put(item.span, str(size - 1), "write `{}` for the last") if index == size else None
            raise e.fail("index-out-of-range", item.span, f"index {index} is outside an axis of {size}", help=help)
        return e.emit(ix.Pick, x, axis=axis, index=index), axis + 1
    if name := setting_of(index):
        e.size(index, item.span)
        if isinstance(size, int):
            e.bounds.ask(name, item.span, most=size - 1)
    chosen = whole(e, index, item.span, edits=labels_of(item, size))
    check_classes(e, chosen, size, item.span)
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
    return e.value(result, item.span)
