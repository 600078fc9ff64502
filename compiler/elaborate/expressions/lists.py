"""Lists of numbers as constants: a vector, or, of lists of one length, a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mai.compiler.elaborate.bindings import Binding, Number
from mai.compiler.elaborate.expressions.static import StaticError
from mai.compiler.ir.structure import Nested


def numbers_of(items: Sequence[Binding]) -> Iterator[Number]:
    """The numbers of a list and of the lists in it, in their order. Raises `StaticError` for anything else."""
    if not items:
        raise StaticError("type-mismatch", "this list is empty: a tensor has its numbers")
    shapes = [_shape(item) for item in items]
    if len(set(shapes)) > 1:
        other = next(shape for shape in shapes if shape != shapes[0])
        raise StaticError(
            "shape-mismatch", f"this list has {_described(shapes[0])} and {_described(other)}: rows have one length"
        )
    for item in items:
        if isinstance(item, list):
            yield from numbers_of(item)
        elif isinstance(item, (int, float)):
            yield item
        else:
            what = "a text" if isinstance(item, str) else "no number"
            raise StaticError("type-mismatch", f"a list of numbers is needed here, this has {what}")


def _shape(item: Binding) -> tuple[int, ...]:
    if not isinstance(item, list):
        return ()
    return (len(item), *(_shape(item[0]) if item else ()))


def _described(shape: tuple[int, ...]) -> str:
    return f"a list of {shape[0]}" if shape else "a number"


def nested(items: Sequence[Binding]) -> tuple[Nested, ...]:
    """The list as a constant holds it."""
    return tuple(nested(item) if isinstance(item, list) else item for item in items)  # type: ignore[misc]
