"""Which places of an operation number the same things: whole numbers that are labels, and axes with one entry a label.

A place is an operand, or `RESULT`, and one of its axes, counted from the end; without an axis it is the whole numbers
themselves. `Operation.numbering(types, attributes)` gives pairs of places that number the same, beside what `along` says of
axes: after `argmax` over the logits of ten digits, the result numbers what the axis of ten did. A place beside None keeps
its numbers from the result, whatever `along` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mai.compiler.ir.types import Type

RESULT = -1
Place = tuple[int, int | None]
Pairs = list[tuple[Place, Place | None]]
Types = Sequence[Type]
Attributes = Mapping[str, Any]


def kept(types: Types, attributes: Attributes) -> Pairs:
    """Elements are moved or repeated: whole numbers stay what they are."""
    return [((operand, None), (RESULT, None)) for operand in range(len(types))]


def reordered(types: Types, attributes: Attributes) -> Pairs:
    """The same, but that entries change places along `axis`."""
    return [*kept(types, attributes), ((0, attributes["axis"]), None)]


def chosen(types: Types, attributes: Attributes) -> Pairs:
    """The results are places along an axis of the operand, the last one where `axis` does not say which."""
    return [((RESULT, None), (0, attributes.get("axis", -1)))]


def picked(types: Types, attributes: Attributes) -> Pairs:
    """The second operand says which entries along `axis` of the first are taken."""
    return [((1, None), (0, attributes["axis"])), ((0, None), (RESULT, None))]


def marked(types: Types, attributes: Attributes) -> Pairs:
    """The last axis of the result has an entry for each label."""
    return [((0, None), (RESULT, -1))]


def counted(types: Types, attributes: Attributes) -> Pairs:
    """0, 1, 2 and so on: the result numbers its own entries."""
    return [((RESULT, None), (RESULT, -1))]


def scored(types: Types, attributes: Attributes) -> Pairs:
    """The last axis of the first operand has a score for each label, of which the second operand is one."""
    return [((1, None), (0, -1))]


def compared(types: Types, attributes: Attributes) -> Pairs:
    """Labels that are held against each other are of one kind."""
    return [((0, None), (1, None))]


def either(types: Types, attributes: Attributes) -> Pairs:
    """The second operand or the third."""
    return [((1, None), (RESULT, None)), ((2, None), (RESULT, None))]


def weighed(types: Types, attributes: Attributes) -> Pairs:
    """A product with a matrix [n, d]: the last axis of the result is that of its rows."""
    return [((0, -1), None), ((0, -1), (1, -1)), ((1, -1), None), ((1, -2), None), ((1, -2), (RESULT, -1))]


def summed_up(types: Types, attributes: Attributes) -> Pairs:
    """A product of matrices: what is summed up is the same in both."""
    return [((0, -1), (1, -2))]


def lettered(types: Types, attributes: Attributes) -> Pairs:
    """einsum: the axes of one letter are the same."""
    operands = attributes["equation"].split("->")[0].split(",")
    pairs: Pairs = []
    first: dict[str, Place] = {}
    for operand, letters in enumerate(operands):
        for axis, letter in zip(range(-len(letters), 0), letters, strict=True):
            place = first.setdefault(letter, (operand, axis))
            if place != (operand, axis):
                pairs.append((place, (operand, axis)))
    return pairs


def attended(types: Types, attributes: Attributes) -> Pairs:
    """A query keeps its row; keys and values are summed up."""
    return [((operand, axis), None) for operand in range(len(types)) for axis in (-1, -2) if (operand, axis) != (0, -2)]
