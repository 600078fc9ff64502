"""Derivatives of a solution of z = g(z), by the implicit function theorem.

With A = I - dg/dz at the solution, a direction of what g reads besides z moves z by A^-1 of what it moves g by, and what comes
back to z goes on to g as its transpose's. Both systems are solved by BiCGSTAB (van der Vorst 1992), of which each turn applies
dg/dz twice: so memory is that of one application of g, and no turn of the iteration that found z is gone through. It needs no
g that contracts, as iterating w = w dg/dz + c would; where A is singular the derivative is not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import TYPE_CHECKING

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, free_values, rewriting
from mai.compiler.ir.structure import FixedPoint, Implicit, Loop
from mai.compiler.ir.types import DType, Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.shape import Expand
from mai.compiler.ops.terms import Term

if TYPE_CHECKING:
    from mai.compiler.passes.derivatives.derivative import Derivative, Values

TURNS = 500  # At most; each multiplies by the derivative of g twice.
ARRIVED = 1e-6  # What is left over, relative to the right side, when an example stops.
FAILED = 1e-2  # What may be left over after all turns; above it the derivative is not a number.
RESTART = 1e-4  # How small the cosine between what is left and its shadow may be.
Linear = Callable[[Value], Value]


def forward_fixed_point(d: Derivative, node: Node, tangents: Values) -> Sequence[Value | None]:
    """The direction of a solution, from those of what g reads besides it."""
    directions = {v: tangents[v] for v in free_values(node.regions[0]) if v in tangents}
    z, nodes, y = _applied(d.builder, node)
    moved = d.forward(nodes, directions).get(y)
    if moved is None:
        return [None]
    wanted = node.output.type.with_lead(join_leads([node.output.type, moved.type]))

    def along(w: Value) -> Value:
        return d.or_zeros(d.forward(nodes, {z: w}).get(y), wanted)

    return [_solution_as_value(d.builder, d.or_zeros(moved, wanted), along)]


def backward_fixed_point(
    d: Derivative, node: Node, cotangents: Values, active: set[Value]
) -> Iterable[tuple[Value, Value]]:
    """What comes back to what g reads besides the solution."""
    captured = [v for v in free_values(node.regions[0]) if v in active]
    z, nodes, y = _applied(d.builder, node)
    ct = cotangents[node.output]
    wanted = node.output.type.with_lead(join_leads([node.output.type, ct.type]))

    def back(w: Value) -> Value:
        return d.or_zeros(d.backward(nodes, {y: w}, [z])[0], wanted)

    solved = _solution_as_value(d.builder, d.or_zeros(ct, wanted), back)
    parts = d.backward(nodes, {y: solved}, captured)
    return [(v, part) for v, part in zip(captured, parts, strict=True) if part is not None]


@rewriting(FixedPoint)
def implicit(graph: Graph, *, trained: bool) -> Graph:
    """Replace each `FixedPoint` by the value that it found; where it is `trained` through, by an `Implicit` node, which has the derivative."""

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not FixedPoint:
            return False
        copier.bind(node, _trainable(copier, node) if trained else copier[node.inputs[0]])
        return True

    return copy_graph(graph, rule)


def _trainable(copier: Copier, node: Node) -> Value:
    from mai.compiler.passes.derivatives.derivative import Derivative

    builder = copier.builder
    z = builder.emit(el.StopGradient, copier[node.inputs[0]], name=node.output.name)
    begin = len(builder.region.nodes)
    copier.mapping[node.regions[0].inputs[0]] = z
    copier.nodes(node.regions[0].nodes)
    y, nodes = copier[node.regions[0].outputs[0]], builder.region.nodes[begin:]
    type = node.output.type
    body = Region([Value(type, "cotangent")])
    outer, builder.region = builder.region, body
    d = Derivative(builder, type.lead)
    body.outputs = [
        solution(builder, body.inputs[0], lambda w: d.or_zeros(d.backward(nodes, {y: w}, [z])[0], type)),
    ]
    builder.region, builder.span, builder.scope = outer, node.span, node.scope
    return builder.add(Implicit(), [z, y], [type], [body], name=node.output.name).output


def _applied(builder: Builder, node: Node) -> tuple[Value, list[Node], Value]:
    """Append g, applied to the solution: the solution, the nodes of g, and their result. A second derivative follows the solution, too."""
    z = node.output
    begin, region = len(builder.region.nodes), node.regions[0]
    copier = Copier(builder, {region.inputs[0]: z})
    copier.nodes(region.nodes)
    return z, builder.region.nodes[begin:], copier[region.outputs[0]]


def _solution_as_value(builder: Builder, b: Value, apply: Linear) -> Value:
    """The solution of w = apply(w) + b, which can be differentiated again."""
    w = solution(builder, b, apply)
    region = Region([Value(w.type, "w")])
    outer, builder.region = builder.region, region
    region.outputs = [builder.emit(el.Add, apply(region.inputs[0]), b)]
    builder.region = outer
    return builder.add(FixedPoint(), [w], [w.type], [region], name="w").output


# ------------------------------------------------------------------ BiCGSTAB


@dataclass(eq=False, slots=True)
class _State:
    """Where the solver is: whether each example goes on, its solution, what is left over, and what the next turn needs."""

    going: Term
    x: Term
    r: Term
    shadow: Term
    p: Term
    v: Term
    rho: Term
    alpha: Term
    omega: Term

    @property
    def terms(self) -> list[Term]:
        return [getattr(self, field.name) for field in fields(self)]


def solution(builder: Builder, b: Value, apply: Linear) -> Value:
    """The solution w of w = apply(w) + b, for a linear `apply`, for each example by itself. b and w: [lead..., ...]."""
    right, lead = Term(builder, b), b.type.lead
    nothing, one = builder.constant(0.0), Term(builder, builder.spread(builder.constant(1.0), lead))
    zeros = builder.emit(Expand, nothing, shape=b.type.shape) if b.type.rank else nothing
    zero = Term(builder, builder.spread(zeros, lead))
    size = _dot(right, right)
    first = _State(size.emit(logic.Greater, 0.0), zero, right, right, zero, zero, one, one, one)
    names = [field.name for field in fields(_State)]
    inside = [Value(t.value.type, name) for t, name in zip(first.terms, names, strict=True)]
    region = Region([Value(Type(DType.INT), "turn"), *inside])
    outer, builder.region = builder.region, region
    after = _turn(_State(*(Term(builder, v) for v in inside)), size, apply)
    region.outputs = [builder.spread(t.value, lead) for t in after.terms]
    builder.region = outer
    loop = Loop(TURNS, fresh=False, stops=True, fill=0, until=True)
    last = builder.loop(builder.constant(TURNS), loop, [t.value for t in first.terms], region)
    _, x, r, *_ = (Term(builder, v) for v in last)
    return _dot(r, r).emit(logic.LessEqual, size * FAILED**2).where(x, nan).value


def _turn(at: _State, size: Term, apply: Linear) -> _State:
    """One turn. Where what is left has become orthogonal to its shadow the method begins again from there."""

    def times(w: Term) -> Term:
        return w - Term(w.builder, apply(w.value))

    rho = _dot(at.shadow, at.r)
    lost = (rho * rho).emit(logic.LessEqual, _dot(at.shadow, at.shadow) * _dot(at.r, at.r) * RESTART**2)
    shadow, rho = lost.where(at.r, at.shadow), lost.where(_dot(at.r, at.r), rho)
    beta = lost.where(0.0, _ratio(rho, at.rho) * _ratio(at.alpha, at.omega))
    p = at.r + beta * (at.p - at.omega * at.v)
    v = times(p)
    alpha = _ratio(rho, _dot(shadow, v))
    s = at.r - alpha * v
    t = times(s)
    omega = _ratio(_dot(t, s), _dot(t, t))
    x = at.going.where(at.x + alpha * p + omega * s, at.x)
    r = at.going.where(s - omega * t, at.r)
    going = at.going.emit(logic.LogicalAnd, _dot(r, r).emit(logic.Greater, size * ARRIVED**2))
    return _State(going, x, r, shadow, p, v, rho, alpha, omega)


def _dot(a: Term, b: Term) -> Term:
    """The sum of products over all axes of an example's array."""
    return (a * b).sum(tuple(range(-a.rank, 0)))


def _ratio(a: Term, b: Term) -> Term:
    """a / b, or 0 where b is 0: nothing is left to be done then."""
    is_zero = b.emit(logic.Equal, 0.0)
    return is_zero.where(0.0, a / is_zero.where(1.0, b))
