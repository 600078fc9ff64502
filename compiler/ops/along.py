"""Where an axis of an operand goes: what operations say of a growing axis, for the incremental form.

Each is a function of the operands' types, the attributes, which operand, and an axis of its shape, counted from the end;
its result is an axis of the result's shape, counted from the end, or None where the operation sums the axis up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mai.compiler.ir.sizes import product
from mai.compiler.ir.types import Type

Types = Sequence[Type]
Attributes = Mapping[str, Any]


def same(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """Elementwise, or along other axes: every axis stays where it is, counted from the end."""
    return axis


def summed(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """`axes` are summed up; the others move up where these go."""
    axes = attributes["axes"] if "axes" in attributes else (attributes["axis"],)
    if axis in axes:
        return None
    return axis if attributes.get("keep") else axis + sum(gone > axis for gone in axes)


def ordered(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """An order along `axis`, which reads all of it; the other axes stay."""
    return None if axis == attributes["axis"] else axis


def normalised(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """All of the last axis is read for each of its elements; the other axes stay."""
    return None if axis == -1 else axis


def transposed(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """Where an axis goes in a transposition, counted from the end."""
    perm = attributes["perm"]
    place: int = perm.index(axis)
    return place - len(perm)


def reshaped(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """An axis stays one where as many elements stand before it as before."""
    shape, new_shape = types[0].shape, attributes["shape"]
    before, size = product(shape[: len(shape) + axis]), shape[axis]
    for place, other in enumerate(new_shape):
        if other == size and product(new_shape[:place]) == before:
            return place - len(new_shape)
    return None


def widened(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """New axes of size one push the others to the left."""
    return _into(axis, types[0].rank, attributes["axes"])


def stacked(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """Where an axis goes when a new one is put in at `axis`, counted from the end."""
    return _into(axis, types[0].rank, (attributes["axis"],))


def _into(axis: int, rank: int, new: Sequence[int]) -> int:
    """Where an axis of `rank` lies once there are axes at `new`, counted in the result."""
    total = rank + len(new)
    kept = [place for place in range(-total, 0) if place not in new]
    return kept[rank + axis]


def squeezed(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """Where an axis goes when axes of size one are removed, counted from the end."""
    axes: tuple[int, ...] = attributes["axes"]
    return axis + sum(gone > axis for gone in axes)


def multiplied(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """numpy's matmul: the rows of the first, the columns of the second, and what they share is summed up."""
    return None if axis == (-1, -2)[operand] else axis


def projected(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """A product with matrices [n, d]: the last axis of the first operand is summed up, n is the last one of the result."""
    place = axis + types[operand].rank - 1 if operand else axis
    return None if place == (0 if operand else -1) else place


def contracted(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """einsum: a letter that the result lacks is summed up."""
    equation: str = attributes["equation"]
    operands, result = equation.split("->")
    letter: str = operands.split(",")[operand][axis]
    return list(result).index(letter) - len(result) if letter in result else None


def taken(types: Types, attributes: Attributes, operand: int, axis: int) -> int | None:
    """The axes of an index stand where the axis of the table was."""
    table, index = types
    position: int = table.rank + attributes["axis"]
    total = table.rank - 1 + index.rank
    if operand == 1:
        return position + index.rank + axis - total
    place = table.rank + axis
    if place == position:
        return None
    return (place if place < position else place - 1 + index.rank) - total
