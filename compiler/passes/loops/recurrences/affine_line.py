"""Values as affine functions of one state, element by element: slope * state + offset, both without the state."""

from __future__ import annotations

from collections.abc import Callable

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, path_between
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ir.types import Type, join_leads
from mai.compiler.ops.elementwise import Add, Divide, Multiply, Negative, Subtract
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.shape import Expand
from mai.spec.record import record


@record
class Line:
    """slope * state + offset; a slope of None is 1, an offset of None is 0."""

    slope: Value | None = None
    offset: Value | None = None


Part = Line | Value  # A value that does not depend on the state stays what it is.


class Lines:
    """Follows nodes from `state` on; what does not depend on it is copied by `copier`.

    The slopes and offsets are computed beside the copies, from these.
    """

    def __init__(self, copier: Copier, state: Value) -> None:
        self.copier, self.builder = copier, copier.builder
        self.sizes = state.type.physical
        self.lines: dict[Value, Line] = {state: Line()}

    def of(self, value: Value) -> tuple[Value, Value]:
        """The slope and the offset of a value, as values."""
        line = self.lines.get(value)
        if line is None:
            return self._number(0.0), self.copier[value]
        return self._slope(line), self._number(0.0) if line.offset is None else line.offset

    def follow(self, node: Node) -> bool:
        """Take a node over; False where its result is no affine function of the state, element by element."""
        if not any(v in self.lines for v in node.inputs):
            self.copier.node(node)
            return True
        rule = RULES.get(node.op)
        if rule is None or node.output.type.physical != self.sizes:
            return False
        self.builder.span, self.builder.scope = node.span, node.scope
        line = rule(self, node, *(self.lines.get(v) or self.copier[v] for v in node.inputs))
        if line is None:
            return False
        self.lines[node.output] = line
        return True

    def emit(self, op: type[Operation], *operands: Value | float) -> Value:
        """An operation on values and numbers."""
        return self.builder.emit(op, *(self._number(x) if isinstance(x, float) else x for x in operands))

    def _number(self, number: float) -> Value:
        return self.builder.constant(number)

    def _slope(self, line: Line) -> Value:
        return self._number(1.0) if line.slope is None else line.slope

    # ---------------------------------------------------------------- the rules

    def added(self, node: Node, x: Part, y: Part) -> Line | None:
        """x + y, of which one at least is a line."""
        if isinstance(x, Line) and isinstance(y, Line):
            return Line(self.emit(Add, self._slope(x), self._slope(y)), self._sum(x.offset, y.offset))
        line, other = (x, y) if isinstance(x, Line) else (y, x)
        assert isinstance(line, Line) and isinstance(other, Value)
        return Line(line.slope, self._sum(line.offset, other))

    def _sum(self, x: Value | None, y: Value | None) -> Value | None:
        if x is None or y is None:
            return y if x is None else x
        return self.emit(Add, x, y)

    def negated(self, node: Node, x: Part) -> Line | None:
        """-x."""
        assert isinstance(x, Line)
        slope = self._number(-1.0) if x.slope is None else self.emit(Negative, x.slope)
        return Line(slope, None if x.offset is None else self.emit(Negative, x.offset))

    def subtracted(self, node: Node, x: Part, y: Part) -> Line | None:
        """x - y."""
        if isinstance(y, Value):
            return self.added(node, x, self.emit(Negative, y))
        return self.added(node, x, self.negated(node, y) or y)

    def multiplied(self, node: Node, x: Part, y: Part) -> Line | None:
        """x y, of which one must not depend on the state."""
        if isinstance(x, Line) and isinstance(y, Line):
            return None
        line, factor = (x, y) if isinstance(x, Line) else (y, x)
        assert isinstance(line, Line) and isinstance(factor, Value)
        slope = factor if line.slope is None else self.emit(Multiply, line.slope, factor)
        return Line(slope, None if line.offset is None else self.emit(Multiply, line.offset, factor))

    def divided(self, node: Node, x: Part, y: Part) -> Line | None:
        """x / y, of which y must not depend on the state."""
        if isinstance(y, Line):
            return None
        assert isinstance(x, Line)
        offset = None if x.offset is None else self.emit(Divide, x.offset, y)
        return Line(self.emit(Divide, self._slope(x), y), offset)

    def chosen(self, node: Node, condition: Part, x: Part, y: Part) -> Line | None:
        """x where a condition without the state holds, else y."""
        if isinstance(condition, Line):
            return None
        slopes = (self._slope(v) if isinstance(v, Line) else 0.0 for v in (x, y))
        offsets = (v.offset or 0.0 if isinstance(v, Line) else v for v in (x, y))
        return Line(self.emit(Where, condition, *slopes), self.emit(Where, condition, *offsets))

    def viewed(self, node: Node, x: Part) -> Line | None:
        """The same elements under other lead axes."""
        assert isinstance(x, Line)
        return Line(self._viewed(node, x.slope), self._viewed(node, x.offset))

    def _viewed(self, node: Node, part: Value | None) -> Value | None:
        if part is None or not part.type.rank + len(part.type.lead):
            return part
        type = node.inputs[0].type
        full = self.builder.spread(self._expanded(part, type), join_leads([part.type, type]))
        if node.op is Lead:
            return self.builder.lead(full, Lead.of(node).axes)
        return self.builder.unlead(full, Unlead.of(node).count)

    def _expanded(self, part: Value, type: Type) -> Value:
        return part if part.type.shape == type.shape else self.builder.emit(Expand, part, shape=type.shape)


Rule = Callable[..., Line | None]
RULES: dict[type[Operation], Rule] = {
    Add: Lines.added, Subtract: Lines.subtracted, Negative: Lines.negated, Multiply: Lines.multiplied,
    Divide: Lines.divided, Where: Lines.chosen, Lead: Lines.viewed, Unlead: Lines.viewed,
}  # fmt: skip


def is_affine(body: Region, state: Value, ended: Value) -> bool:
    """Whether a value of a body is an affine function of one of its states, element by element."""
    scratch = Region()
    lines = Lines(Copier(Builder(scratch)), state)
    follows = all(lines.follow(node) for node in path_between(body.nodes, state, ended))
    scratch.forget()
    return follows
