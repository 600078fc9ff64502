"""What the layers with windows ask of their sizes: a number for all axes in space, or a list with one for each."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions import arguments as read
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.ir.signature import Section

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator


@builtin(Section.CONSTANTS)
def per_axis(e: Elaborator, size: Arg, axes: Arg) -> Binding:
    """The sizes of a window along so many axes, of one number for all or a list: `(h, w) = per_axis(size, 2)`."""
    return tuple(read.per_axis(e, size, None, read.positive(e, axes, None)))


@builtin(Section.CONSTANTS)
def volume(e: Elaborator, size: Arg, axes: Arg) -> Binding:
    """The pixels of a window along so many axes, of one number for all or a list: `volume(3, 2)` is 9."""
    return prod(read.per_axis(e, size, None, read.positive(e, axes, None)))
