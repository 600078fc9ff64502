"""The temperature of a draw: what all logits are divided by, and which may be 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure import Lead, SizeOf, Spread, Unlead
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.reductions import LogSoftmax
from mai.compiler.ops.shapes import shape as sh
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

SHAPED = (Lead, Unlead, Spread, sh.Expand, sh.Reshape)
# What hands a quotient on to the logits, from which its divisor could be taken out as their temperature.
CARRIES = (
    el.Add, el.Subtract, el.Multiply, el.Divide, el.Negative, el.Maximum, el.Minimum, logic.Where, LogSoftmax, *SHAPED,
)  # fmt: skip
KEEPS_ZERO = (el.ToReal, el.Negative, el.Absolute, el.Sqrt, el.Divide, *SHAPED)  # 0 where the first operand is


def cooled(e: Elaborator, logits: Value) -> tuple[Value, Value]:
    """Logits and their temperature: what they were divided by, where that is one number for all examples."""
    e.looks_behind += 1
    numerator, divisor = e.quotients.get(logits, (None, None))
    if numerator is None or divisor is None or divisor.type.rank or divisor.type.lead:
        return logits, e.builder.constant(1.0)
    fits = numerator.type.shape == logits.type.shape
    return (numerator, divisor) if fits else (logits, e.builder.constant(1.0))


def forbid_division(e: Elaborator, logits: Value, span: Span) -> None:
    """Refuse logits with a quotient inside whose divisor is 0 where a setting is: there they are no numbers."""
    e.looks_behind += 1
    makers = {value: node for node in [*e.graph.walk(), *e.builder.region.walk()] for value in node.outputs}
    zeros = {quotient: _zeros(e, makers, divisor) for quotient, (_, divisor) in e.quotients.items()}
    if not any(zeros.values()):
        return
    for value in _carried(makers, logits):
        for name in sorted(zeros.get(value, ())):
            e.bounds.forbid_zero(name, e.at(span) or span)


def _carried(makers: dict[Value, Node], logits: Value) -> Iterator[Value]:
    """The logits, and what is added to them, multiplied by them, or chosen between, by other values than one number for all."""
    stack, seen = [logits], {logits}
    while stack:
        value = stack.pop()
        yield value
        node = makers.get(value)
        if node is None or node.op not in CARRIES or _is_guarded(node):
            continue
        fresh = [v for v in node.inputs if v not in seen]
        seen.update(fresh)
        stack += fresh


def _is_guarded(node: Node) -> bool:
    """`where(t > 0, x / t, y)`: the file itself sees to it."""
    return node.op is logic.Where and not node.inputs[0].type.rank and not node.inputs[0].type.lead


def _zeros(e: Elaborator, makers: dict[Value, Node], value: Value) -> set[str]:
    """The settings that make a value 0 by being 0: those of `t`, `2 * t` and `sqrt(t)`, not that of `t + 1`."""
    own = {name for name, setting in e.graph.settings.items() if setting.value is value}
    node = makers.get(value)
    if own or node is None:
        return own
    if node.op is SizeOf:
        size = SizeOf.of(node).size
        has_start = isinstance(size, int) or not all(monomial for monomial, _ in size.terms)
        return set() if has_start else symbols(size) & set(e.graph.settings)
    if node.op is el.Multiply:
        return _zeros(e, makers, node.inputs[0]) | _zeros(e, makers, node.inputs[1])
    return _zeros(e, makers, node.inputs[0]) if node.op in KEEPS_ZERO else set()
