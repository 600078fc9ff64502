"""Whether the increments of a stochastic equation are f ds + g dB: each term has one differential as a factor, the step or a noise.

An operation says what it is by its derivative: it is linear in an operand where what comes back to it reads none of the operands
that differentials are in, and it adds an operand where what comes back to that one reads none of them either.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import nodes_for, reached, reading
from mai.compiler.ir.structure import Constant, Lead, Spread, Unlead
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.shape import Expand, Reshape, Unsqueeze
from mai.compiler.passes.derivatives.derivative import Derivative
from mai.spec.diagnostics import Diagnostic, Edit, MaiError
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span

VIEWS = (Lead, Unlead, Spread, el.Place)
BEYOND = "a loop or a derivative stands between a differential and its state"
LACKS = "this adds something with neither the step nor a noise"


@record
class Fault:
    """What is wrong with a value, and the operand that lacks a differential, if that is it."""

    problem: str
    lacking: Value | None = None


def check_linear(integral: Node, moved: Sequence[Value], differentials: Sequence[Value], *, is_strict: bool) -> None:
    """Refuse increments of which a term has no differential, or more than one; `is_strict` refuses what hides them, too.

    Raises:
        MaiError: `not-linear`, at the operation.
    """
    nodes = nodes_for(integral.regions[0].nodes, moved)
    dependent = reached(nodes, differentials)
    for node in nodes:
        fault = _fault(node, dependent, is_strict) if any(v in dependent for v in node.outputs) else None
        if fault is not None:
            raise _refused(integral, node.span, fault)
    for value in moved:
        if value not in dependent and not is_zero(value):
            span = value.producer.span if value.producer is not None else integral.span
            raise _refused(integral, span, Fault("this has neither the step nor a noise", value))


def is_zero(value: Value) -> bool:
    """Whether a value is zero as it is written."""
    node = value.producer
    if node is None:
        return False
    if node.op is Constant:
        return _only_zeros(Constant.of(node).value)
    return node.op in (*VIEWS, Expand, Reshape, Unsqueeze, el.ToReal) and is_zero(node.inputs[0])


def _only_zeros(value: object) -> bool:
    return all(map(_only_zeros, value)) if isinstance(value, tuple) else value == 0


def _fault(node: Node, dependent: Container[Value], is_strict: bool) -> Fault | None:
    """Why a result is not linear in what it depends on; None where it is."""
    if node.op in VIEWS:
        return None
    if node.structure is not None:
        return Fault(BEYOND) if is_strict else None
    if node.op is Where and node.inputs[0] in dependent:
        return Fault("this choice depends on the noise")
    within = [v for v in node.inputs if v in dependent]
    read = _read_back(node)
    if read is None or any(v in read.get(v, {v}) for v in set(within) if within.count(v) == 1):
        return Fault(f"`{node.op.name}` of the step or of a noise is not linear in it")
    if any(w in read[v] for v in within for w in within):
        return Fault("this is a product of steps or noises")
    added = [v for v in read if v not in dependent and read[v].isdisjoint(within) and not is_zero(v)]
    return Fault(LACKS, added[0]) if added else None


def _read_back(node: Node) -> dict[Value, set[Value]] | None:
    """What the derivative of a result by each real operand reads of the operands; None where there is no such derivative."""
    if node.op.expansion is not None or node.op.derivative is None or node.output.type.dtype is not DType.REAL:
        return None
    u, scratch = Value(node.output.type, "u"), Region()
    try:
        came = Derivative(Builder(scratch, node.span, node.scope), None).came_back(node, u, node.inputs)
    except MaiError:
        return None
    read: dict[Value, set[Value]] = {}
    for value, part in zip(node.inputs, came, strict=True):
        if part is not None:
            inner = nodes_for(scratch.nodes, [part])
            used = {v for n in inner for v in reading(n)}
            own = set(node.inputs) if node.output in used else used & set(node.inputs)
            read[value] = read.get(value, set()) | own
    for inner_node in scratch.nodes:
        inner_node.drop()
    return read if any(v in read for v in node.inputs) else None


def _refused(integral: Node, at: Span | None, fault: Fault) -> MaiError:
    """The error for a term; to be raised."""
    step = f"d{integral.regions[0].inputs[0].name}"
    message = f"an increment is f * {step} + g * dB, with one differential in each term: {fault.problem}"
    edits = () if fault.lacking is None else _with_step(fault.lacking, at, step)
    return MaiError([Diagnostic("not-linear", at, message, help=f"write `f * {step} + g * dB`", edits=edits)])


def _with_step(value: Value, around: Span | None, step: str) -> tuple[Edit, ...]:
    """The edit that multiplies a term by the step: where it is computed, or where its name stands in a text."""
    span = value.producer.span if value.producer is not None else None
    if span is None and around is not None:
        places = [*re.finditer(rf"(?<!\w){re.escape(value.name)}(?!\w)", around.text)]
        if len(places) == 1:
            start = around.start + places[0].start()
            span = Span(around.source, start, start + len(value.name))
    if span is None:
        return ()
    is_sum = any(sign in span.text[1:] for sign in "+-")
    text = f"({span.text})" if is_sum else span.text
    return (put(span, f"{text} * {step}", f"write `{{}}`: the term has no step `{step}`"),)
