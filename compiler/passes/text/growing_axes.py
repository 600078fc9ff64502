"""The growing axes of a body's values: which axes have the size of the text, and where an operation moves them."""

from __future__ import annotations

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.sizes import Dim, Size, symbol, symbols
from mai.compiler.ir.structure import VIEWS
from mai.compiler.ir.types import Axis
from mai.spec.diagnostics import Diagnostic, MaiError

# What to write in the place of rows that are joined to those of the tokens.
BESIDE = (
    "`shift(h, 1)` moves a sequence on by a token; vectors before the tokens can be looked at beside them, `attend(h, m, m, 8)`, or"
    " stand in the places of the first tokens of the prompt, `where(range(P)[:, None] < 4, table[:P], h)`"
)
NAMED = ("loop",)  # Nodes whose name is a word that the reader knows.
WIDE = 60  # Characters of the longest expression that a message has in it.


class GrowingAxes:
    """Knows the growing axes of values.

    Attributes:
        length: the symbol of the text's size in the body.
        node: the node that errors are about.
    """

    def __init__(self, length: str, node: Node) -> None:
        self.length, self.node = length, node
        self.text_size = symbol(length)
        self._axes: dict[Value, tuple[int, ...]] = {}

    def axes(self, value: Value) -> tuple[int, ...]:
        """The growing axes of a value, counted in memory from the end. A size that is not quite the text's is refused."""
        if value not in self._axes:
            physical = value.type.physical
            places = range(-len(physical), 0)
            self._axes[value] = tuple(
                [axis for axis, size in zip(places, physical, strict=True) if self._is_text(size)]
            )
        return self._axes[value]

    def _is_text(self, size: Size) -> bool:
        if isinstance(size, int):
            return False
        if self.is_length(size):
            return True
        if self.has_length(size):
            why = f"has an axis of {str(size).replace(self.length, 'P')} for a text of P tokens"
            raise self.refused(why, help=BESIDE)
        return False

    def grows(self, value: Value, axis: int) -> bool:
        """Whether this axis of a value's shape is the text's."""
        return axis in self.axes(value)

    def any_grows(self, value: Value) -> bool:
        """Whether a value grows along any of its axes."""
        return bool(self.axes(value))

    def is_length(self, size: object) -> bool:
        """Whether a size is the text's, and nothing else."""
        return isinstance(size, Dim) and size == self.text_size

    def has_length(self, value: object) -> bool:
        """Whether a size, an axis, or one of several speaks of the text's size."""
        if isinstance(value, Dim):
            return self.length in symbols(value)
        if isinstance(value, Axis):
            return self.has_length(value.size)
        return isinstance(value, tuple) and any(map(self.has_length, value))

    def route(self, node: Node, operand: int, axis: int) -> int | None:
        """Where an axis of an operand goes, both counted in memory from the end."""
        source, result = node.inputs[operand].type, node.output.type
        if node.op in VIEWS:
            return axis
        if axis >= -source.rank:
            assert node.op.along is not None
            goes: int | None = node.op.along([v.type for v in node.inputs], node.attributes, operand, axis)
            return goes
        mapped = source.lead[len(source.physical) + axis]
        return result.lead.index(mapped) - len(result.physical) if mapped in result.lead else None

    def refused(self, why: str, help: str | None = None) -> MaiError:
        """The error for an operation without an incremental form."""
        name, span = self.node.op.name, self.node.span
        if name not in NAMED and span is not None and name not in span.text and len(span.text) < WIDE:
            name = span.text  # An index or an operator has a name in the compiler alone.
        help = help or "without `--cache` and `--speculate`, its file computes the whole text again for every token"
        message = f"`{name}` {why}, so the text cannot grow token by token"
        return MaiError([Diagnostic("looks-ahead", span, message, label=f"`{name}`", help=help)])
