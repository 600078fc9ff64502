"""Derivatives of straight-line code, as code: forward along directions, or backward from a result.

Each operation says how a derivative comes back through it (`derivative`), and that is enough for both ways: what comes
back is linear in what came, so the derivative *of that* takes a direction forward.

A derivative belongs to one example: in `ambient` are the lead axes that it may have beyond those of the value that it is
of. Over any other lead axis, one that a call inside has mapped over, it is summed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.operation import ShapeError
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.structure import FixedPoint, Lead, Loop, Spread, Unlead
from mai.compiler.ir.types import Axis, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.shape import Expand
from mai.compiler.ops.terms import Term
from mai.compiler.passes.derivatives.dependence import dependent, is_real
from mai.compiler.passes.derivatives.derivative_of_loops import backward_loop, forward_loop
from mai.compiler.passes.derivatives.implicit import backward_fixed_point, forward_fixed_point
from mai.spec.diagnostics import Diagnostic, MaiError

Values = dict[Value, Value]


class Derivative:
    """Derivatives, appended to a builder's region, which `most` nodes may be in where that is a number.

    `ambient` is None where no lead axis is summed over.
    """

    def __init__(self, builder: Builder, ambient: Iterable[Axis] | None, most: int | None = None) -> None:
        self.builder = builder
        self.ambient = None if ambient is None else frozenset(ambient)
        self.most, self.asked_at = most, builder.span

    # ---------------------------------------------------------------- forward

    def forward(self, nodes: Sequence[Node], directions: Mapping[Value, Value]) -> Values:
        """The derivatives along `directions`, of all that the nodes make from what has one."""
        tangents = dict(directions)
        for node in nodes:
            if any(v in tangents for v in reading(node)):
                results = self._forward(node, tangents)
                tangents.update((v, d) for v, d in zip(node.outputs, results, strict=True) if d is not None)
                self._check_extent()
        return tangents

    def _forward(self, node: Node, tangents: Values) -> Sequence[Value | None]:
        self.builder.span, self.builder.scope = node.span, node.scope
        if node.op is Loop:
            return forward_loop(self, node, tangents)
        if node.op is FixedPoint:
            return forward_fixed_point(self, node, tangents)
        if not any(map(is_real, node.outputs)):
            return [None] * len(node.outputs)
        if node.op in (Lead, Unlead, Spread):
            return [self._viewed(node, tangents[node.inputs[0]])]
        expanded = self._expanded(node)
        if expanded is not None:
            return [self.forward(expanded.nodes, tangents).get(expanded.outputs[0])]
        return [self._along(node, tangents)]

    def _viewed(self, node: Node, direction: Value) -> Value:
        full = self.builder.spread(direction, node.inputs[0].type.lead)
        if node.op is Lead:
            return self.builder.lead(full, Lead.of(node).axes)
        if node.op is Unlead:
            return self.builder.unlead(full, Unlead.of(node).count)
        return self.builder.spread(full, Spread.of(node).axes)

    def _along(self, node: Node, tangents: Values) -> Value | None:
        """The derivative of a result along directions of the inputs.

        The cotangent that the operation gives for a cotangent `u` is linear in u; its derivative by u is the transpose, which is wanted.
        """
        u, scratch = Value(node.output.type, "u"), Region()
        came = Derivative(Builder(scratch, node.span, node.scope), None).came_back(node, u, tangents)
        linear = dependent(scratch.nodes, [u])
        followed = [n for n in scratch.nodes if n.output in linear]
        self.builder.region.nodes += [n for n in scratch.nodes if n.output not in linear]
        whole = Derivative(self.builder, None)
        seeds: Values = {}
        for value, part in zip(node.inputs, came, strict=True):
            if part is not None and value in tangents:
                seeds[part] = whole.added(seeds.get(part), tangents[value])
        begin = len(self.builder.region.nodes)
        (along,) = whole.backward(followed, seeds, [u])
        self._forget(followed, u, begin)
        return along

    def _forget(self, scratched: Sequence[Node], u: Value, begin: int) -> None:
        """Drop nodes that are in no region, and what a rule made of them since `begin` for operands that nobody asked for."""
        missing = {u, *(v for node in scratched for v in node.outputs)}
        nodes = self.builder.region.nodes
        kept = []
        for node in nodes[begin:]:
            if missing.isdisjoint(reading(node)):
                kept.append(node)
            else:
                missing.update(node.outputs)
                node.drop()
        nodes[begin:] = kept
        for node in scratched:
            node.drop()

    # --------------------------------------------------------------- backward

    def backward(
        self, nodes: Sequence[Node], seeds: Mapping[Value, Value], sources: Sequence[Value]
    ) -> list[Value | None]:
        """The derivatives of a number with respect to `sources`, from those with respect to what the nodes make."""
        active = dependent(nodes, sources)
        cotangents = dict(seeds)
        for node in reversed(nodes):
            if any(v in cotangents for v in node.outputs) and any(v in active for v in reading(node)):
                for value, part in self._backward(node, cotangents, active):
                    if value in active:
                        cotangents[value] = self.added(cotangents.get(value), self.fitted(part, value.type))
                self._check_extent()
        return [cotangents.get(v) for v in sources]

    def _backward(self, node: Node, cotangents: Values, active: set[Value]) -> Iterable[tuple[Value, Value]]:
        self.builder.span, self.builder.scope = node.span, node.scope
        if node.op is Loop:
            return backward_loop(self, node, cotangents, active)
        if node.op is FixedPoint:
            return backward_fixed_point(self, node, cotangents, active)
        ct = cotangents[node.output]
        if node.op in (Lead, Unlead, Spread):
            return [(node.inputs[0], self._unviewed(node, ct))]
        expanded = self._expanded(node)
        if expanded is not None:
            sources = tuple(dict.fromkeys(node.inputs))  # `attend(x, x, x)`: what comes back to x comes once.
            parts = self.backward(expanded.nodes, {expanded.outputs[0]: ct}, sources)
        else:
            sources, parts = node.inputs, self.came_back(node, ct, active)
        return [(v, part) for v, part in zip(sources, parts, strict=True) if part is not None]

    def _unviewed(self, node: Node, ct: Value) -> Value:
        if node.op is Lead:
            axes = Lead.of(node).axes
            return self.builder.unlead(self.builder.spread(ct, axes), len(axes))
        if node.op is Unlead:
            return self.builder.lead(ct, node.inputs[0].type.lead[-Unlead.of(node).count :])
        return ct

    def came_back(self, node: Node, ct: Value, wanted: Container[Value]) -> list[Value | None]:
        """The cotangents of a node's inputs from `ct`, that of its result: those that are wanted, each in the shape of its input."""
        rule = node.op.derivative
        if rule is None:
            raise refused(node, f"`{node.op.name}` has no derivative")
        terms = [Term(self.builder, v) for v in (ct, node.output, *node.inputs)]
        try:
            result = rule(*terms, **node.attributes)
            if result is None:
                return [None] * len(node.inputs)
            parts = result if isinstance(result, tuple) else (result,)
            fitting = [_part_of(p, v in wanted) for p, v in zip(parts, node.inputs, strict=True)]
        except ShapeError as error:
            raise refused(node, f"`{node.op.name}` has no derivative here: {error.message}") from error
        pairs = zip(fitting, node.inputs, strict=True)
        return [None if part is None else self._summed_axes(part.value, v.type) for part, v in pairs]

    # ------------------------------------------------------------------ parts

    def _check_extent(self) -> None:
        if self.most is not None and len(self.builder.region.nodes) > self.most:
            message = f"with this derivative of derivatives there are more than {self.most:,} operations"
            help = "each multiplies them, unless it is of one number, or a `jvp`"
            raise MaiError([Diagnostic("too-deep", self.asked_at, message, help=help)])

    def _expanded(self, node: Node) -> Region | None:
        """A kernel of several operations as these, appended; the result has the new nodes and the output."""
        if node.op.expansion is None:
            return None
        nodes = self.builder.region.nodes
        begin = len(nodes)
        result = node.op.expansion(*(Term(self.builder, v) for v in node.inputs), **node.attributes)
        if result is None:
            raise refused(node, f"`{node.op.name}` has no derivative here: it looks at all examples together")
        return Region([], nodes[begin:], [result.value])

    def fitted(self, part: Value, wanted: Type) -> Value:
        """A part of the derivative of a value of the type `wanted`: summed over what broadcasting and calls added."""
        ambient = part.type.lead if self.ambient is None else self.ambient
        extra = [axis for axis in part.type.lead if axis not in wanted.lead and axis not in ambient]
        if extra:
            part = self._summed_lead(part, extra)
        return self._summed_axes(part, wanted)

    def _summed_lead(self, part: Value, extra: Sequence[Axis]) -> Value:
        """The sum over lead axes; those inside of them are freed with them, and lead again."""
        freed = part.type.lead[part.type.lead.index(extra[0]) :]
        inner = self.builder.unlead(part, len(freed))
        rank = inner.type.rank
        summed = self.builder.emit(Sum, inner, axes=tuple(i - rank for i, axis in enumerate(freed) if axis in extra))
        left = tuple(axis for axis in freed if axis not in extra)
        return self.builder.lead(summed, left) if left else summed

    def _summed_axes(self, part: Value, wanted: Type) -> Value:
        more = part.type.rank - wanted.rank
        repeated = [i for i in range(-wanted.rank, 0) if wanted.shape[i] == 1 and part.type.shape[i] != 1]
        if repeated:
            part = self.builder.emit(Sum, part, axes=tuple(repeated), keep=True)
        return self.builder.emit(Sum, part, axes=tuple(range(-more - wanted.rank, -wanted.rank))) if more else part

    def added(self, total: Value | None, part: Value) -> Value:
        """The sum of what came back so far and one more part."""
        return part if total is None else self.builder.emit(el.Add, total, part)

    def or_zeros(self, value: Value | None, wanted: Type) -> Value:
        """The value, or zeros, with all the lead axes of a type."""
        if value is None:
            zero = self.builder.constant(0.0)
            value = self.builder.emit(Expand, zero, shape=wanted.shape) if wanted.shape else zero
        return self.builder.spread(value, wanted.lead)


def _part_of(part: Term | Callable[[], Term] | None, is_wanted: bool) -> Term | None:
    """One part of what an operation's `derivative` gave; an expensive part is given as a function, called only where it is wanted."""
    if part is None or isinstance(part, Term):
        return part
    return part() if is_wanted else None


def refused(node: Node, message: str, help: str | None = None) -> MaiError:
    """The error for a node that has no derivative, to be raised."""
    return MaiError([Diagnostic("not-differentiable", node.span, message, help=help)])
