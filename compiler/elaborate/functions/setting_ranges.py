"""The range of a setting from which an argument is computed: `1 - p` lies between 0 and 1 where p does."""

from __future__ import annotations

from mai.compiler.elaborate.bindings import Binding, BoundArgument
from mai.compiler.elaborate.bounds import line_of_size
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Dim
from mai.compiler.ir.structure import VIEWS, Constant, SizeOf
from mai.compiler.ops import elementwise as el
from mai.spec.record import record
from mai.spec.source import Span


@record
class Line:
    """A number that is `slope * setting + start`; `setting` is "" for a constant."""

    setting: str
    slope: float
    start: float

    def scaled(self, factor: float) -> Line:
        """The number times another."""
        return Line(self.setting, factor * self.slope, factor * self.start)


def ask_range(e: Context, value: Binding, use: Span, least: float | None = None, most: float | None = None) -> None:
    """Bound the setting of which a number is a linear function, so that the number is from `least` to `most`."""
    line = line_of(e, value)
    if line is None or not line.slope:
        return
    ends = [None if end is None else (end - line.start) / line.slope + 0.0 for end in (least, most)]
    low, high = ends if line.slope > 0 else reversed(ends)
    e.bounds.ask(line.setting, use, least=low, most=high)


def ask_order(e: Context, low: BoundArgument | Binding, high: BoundArgument | Binding, least: float) -> None:
    """Bound the setting in one of two numbers by the other, so that `high - low` is at least `least`."""
    first, last = (end.value if isinstance(end, BoundArgument) else end for end in (low, high))
    if isinstance(high, BoundArgument) and isinstance(first, (int, float)):
        ask_range(e, last, high.span, least=first + least)
    if isinstance(low, BoundArgument) and isinstance(last, (int, float)):
        ask_range(e, first, low.span, most=last - least)


def line_of(e: Context, value: Binding) -> Line | None:
    """The number as a linear function of one setting; None where it is none."""
    if isinstance(value, Dim):
        line = line_of_size(value)
        return Line(*line) if line is not None and line[0] in e.graph.settings else None
    if not isinstance(value, Value):
        return None
    e.looks_behind += 1
    own = next((name for name, setting in e.graph.settings.items() if setting.value is value), None)
    if own is not None:
        return Line(own, 1.0, 0.0)
    return _computed(e, value) if value.producer is not None else None


def _computed(e: Context, value: Value) -> Line | None:
    node = value.producer
    assert node is not None
    if node.op is Constant:
        number = Constant.of(node).value
        return Line("", 0.0, float(number)) if isinstance(number, (int, float)) else None
    if node.op is SizeOf:
        size = SizeOf.of(node).size
        return Line("", 0.0, float(size)) if isinstance(size, int) else line_of(e, size)
    if node.op in (el.ToReal, *VIEWS):
        return line_of(e, node.inputs[0])
    if node.op is el.Negative:
        inner = line_of(e, node.inputs[0])
        return inner and inner.scaled(-1.0)
    if node.op not in (el.Add, el.Subtract, el.Multiply, el.Divide):
        return None
    a, b = (line_of(e, operand) for operand in node.inputs)
    return _combined(node.op, a, b) if a is not None and b is not None else None


def _combined(op: type[el.Add | el.Subtract | el.Multiply | el.Divide], a: Line, b: Line) -> Line | None:
    if op in (el.Add, el.Subtract):
        other = b if op is el.Add else b.scaled(-1.0)
        if a.setting and b.setting and a.setting != b.setting:
            return None
        return Line(a.setting or b.setting, a.slope + other.slope, a.start + other.start)
    if op is el.Divide:
        return a.scaled(1 / b.start) if not b.setting and b.start else None
    if a.setting and b.setting:
        return None
    return a.scaled(b.start) if not b.setting else b.scaled(a.start)
