"""Space: the sizes of windows, one number for all axes or a list with one for each, and grids of points."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions import arguments as read
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.ir.graph import Value
from mai.compiler.ir.signature import Section
from mai.compiler.ops.elementwise import Add, FloorDivide, Modulo, Multiply, ToReal
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

MOST_CELLS = 4_000_000


@builtin(Section.CONSTANTS)
def per_axis(e: Elaborator, size: Arg, axes: Arg) -> Binding:
    """The sizes of a window along so many axes, of one number for all or a list: `(h, w) = per_axis(size, 2)`."""
    return tuple(read.per_axis(e, size, None, read.positive(e, axes, None)))


@builtin(Section.CONSTANTS)
def volume(e: Elaborator, size: Arg, axes: Arg) -> Binding:
    """The pixels of a window along so many axes, of one number for all or a list: `volume(3, 2)` is 9."""
    return prod(read.per_axis(e, size, None, read.positive(e, axes, None)))


@builtin(Section.CONSTANTS)
def grid(e: Elaborator, low: Arg, high: Arg, count: Arg, dimensions: Arg | None = None) -> Binding:
    """The middles of count^dimensions equal cells between low and high: [count^dimensions, dimensions]."""
    first, last = read.number(e, low, None), read.number(e, high, None)
    cells, axes = read.positive(e, count, None), read.positive(e, dimensions, 1)
    if cells**axes > MOST_CELLS:
        message = f"a grid of {cells:,} cells along {axes} axes has {cells**axes:,} points"
        raise e.fail(
            "dimension-too-large", count.span, message, help=f"up to {MOST_CELLS:,}: take fewer, or draw points"
        )
    place = e.emit(Iota, count=cells**axes)
    columns = [_column(e, place, cells, cells ** (axes - 1 - axis)) for axis in range(axes)]
    middle = e.emit(Add, e.emit(ToReal, e.emit(Stack, *columns)), e.builder.constant(0.5))
    spread = e.emit(Multiply, middle, e.builder.constant((last - first) / cells))
    return e.emit(Add, spread, e.builder.constant(first), name="grid")


def _column(e: Elaborator, place: Value, cells: int, stride: int) -> Value:
    """Which cell along one axis each point lies in; the last axis runs fastest."""
    row = e.emit(FloorDivide, place, e.builder.constant(stride))
    return e.emit(Modulo, row, e.builder.constant(cells))


@builtin(Section.SHAPES)
def shape(e: Elaborator, x: Arg) -> Binding:
    """The sizes of x, a list: `z ~ normal(shape(x))` is noise of its shape."""
    return list(e.value(x.value, x.span).type.shape)
