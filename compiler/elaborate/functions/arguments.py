"""What a built-in function asks of its arguments: compile-time numbers, axes, tensors of a kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from mai.compiler.elaborate.bindings import BoundArgument as Arg
from mai.compiler.elaborate.expressions.static import as_real
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError
from mai.compiler.ir.sizes import Dim, Size
from mai.spec.diagnostics.edit import put

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

T = TypeVar("T")


def static(e: Elaborator, argument: Arg | None, default: object, kinds: tuple[type, ...], what: str) -> Any:
    """A compile-time argument of one of `kinds`, or its default."""
    if argument is None:
        return default
    value = argument.value
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        slug = "static-needed" if isinstance(value, Value) else "type-mismatch"
        text = argument.span.text
        edits = [put(argument.span, f"[{text[1:-1]}]")] if isinstance(value, tuple) and text.startswith("(") else []
        raise e.fail(slug, argument.span, f"{what} is needed here, fixed when the file is compiled", edits=edits)
    return value


def number(e: Elaborator, argument: Arg | None, default: object) -> float:
    """An argument that is a number when the file is checked."""
    result = as_real(static(e, argument, default, (int, float), "a number"))
    if argument is not None:
        e.representable(result, argument.span)
    return result


def whole(e: Elaborator, argument: Arg | None, default: object) -> int:
    """An argument that is a whole number when the file is checked."""
    result = int(static(e, argument, default, (int,), "a whole number"))
    if argument is not None:
        e.representable(result, argument.span)
    return result


def places(e: Elaborator, argument: Arg | None, default: object) -> Size:
    """A whole number, or a size: half of an axis, `n // 2`."""
    if argument is not None and isinstance(argument.value, Dim):
        return argument.value
    return whole(e, argument, default)


def positive(e: Elaborator, argument: Arg | None, default: object, least: int = 1) -> int:
    """A whole number that counts: sizes, strides, heads."""
    result = whole(e, argument, default)
    if result < least and argument is not None:
        raise e.fail(
            "repeat-count", argument.span, f"a whole number of at least {least} is needed here, this is {result}"
        )
    return result


def truth(e: Elaborator, argument: Arg | None, default: object) -> bool:
    """An argument that is `true` or `false` when the file is checked."""
    return bool(static(e, argument, default, (bool,), "true or false"))


def axis_of(e: Elaborator, argument: Arg | None, rank: int, default: object = -1) -> int:
    """An axis, counted from the end."""
    return _axis(e, whole(e, argument, default), rank, argument)


def _axis(e: Elaborator, axis: int, rank: int, argument: Arg | None) -> int:
    if -rank <= axis < rank:
        return axis if axis < 0 else axis - rank
    if argument is None:
        raise ShapeError("rank-mismatch", "this needs at least one axis, here is a scalar", 0, label="[]")
    raise e.fail(
        "axis-out-of-range",
        argument.span,
        f"axis {axis} of a tensor with {rank} {'axis' if rank == 1 else 'axes'}",
        help=put(argument.span, "-1", "write `{}` for the last") if axis == rank or rank == 1 else None,
    )


def axes_of(e: Elaborator, argument: Arg | None, rank: int) -> tuple[int, ...]:
    """One axis or several, counted from the end; all of them by default."""
    if argument is None:
        return tuple(range(-rank, 0))
    axes = argument.value if isinstance(argument.value, list) else [argument.value]
    return tuple(_axis(e, whole(e, replace(argument, value=a), -1), rank, argument) for a in axes)


def size(e: Elaborator, argument: Arg | None, name: str) -> Size:
    """A size, which may be known only when the file runs."""
    assert argument is not None, "a size has no default"
    return e.size(argument.value, argument.span, f"the {name}")


def counts(e: Elaborator, argument: Arg | None, rank: int) -> tuple[int, ...]:
    """A whole number of at least one for each of the last axes, a number or a list."""
    assert argument is not None, "counts have no default"
    items = argument.value if isinstance(argument.value, list) else [argument.value]
    if len(items) > rank:
        message = f"{len(items)} numbers for a tensor with {rank} {'axis' if rank == 1 else 'axes'}"
        raise e.fail("axis-out-of-range", argument.span, message)
    return tuple(positive(e, replace(argument, value=item), 1) for item in items)


def per_axis(e: Elaborator, argument: Arg | None, default: object, axes: int) -> tuple[int, ...]:
    """A whole number of at least one for each of an image's `axes` in space, of one number or a list."""
    if argument is None:
        return default if isinstance(default, tuple) else (int(str(default)),) * axes
    return _for_each(e, argument, axes, lambda each: positive(e, each, 1))


WORDS = ("half", "same", "valid", "causal")


def frame(e: Elaborator, argument: Arg | None, default: object, axes: int) -> tuple[str | tuple[int, int], ...]:
    """For each of an image's `axes` in space: how many pixels are put before and after it, or a word for that."""
    if argument is None:
        return (default if isinstance(default, str) else (int(str(default)), int(str(default))),) * axes
    return _for_each(e, argument, axes, lambda each: _sides(e, each))


def _for_each(e: Elaborator, argument: Arg, axes: int, read: Callable[[Arg], T]) -> tuple[T, ...]:
    """What is read for each axis: of the items of a list, or once for all."""
    if not isinstance(argument.value, list):
        return (read(argument),) * axes
    if len(argument.value) != axes:
        message = f"one number for each axis is needed here, {axes}, or one for all; these are {len(argument.value)}"
        raise e.fail("shape-mismatch", argument.span, message)
    return tuple(read(replace(argument, value=item)) for item in argument.value)


def _sides(e: Elaborator, argument: Arg) -> str | tuple[int, int]:
    value = argument.value
    if isinstance(value, str):
        if value not in WORDS:
            words = ", ".join(f'"{word}"' for word in WORDS)
            raise e.fail("bad-setting", argument.span, f'a padding is a number or one of {words}, not "{value}"')
        return value
    if isinstance(value, list) and len(value) != 2:
        raise e.fail("shape-mismatch", argument.span, "a list of two is needed here: pixels before, and after")
    before, after = value if isinstance(value, list) else (value, value)
    return tuple(positive(e, replace(argument, value=side), 0, least=0) for side in (before, after))  # type: ignore[return-value]
