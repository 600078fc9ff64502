"""Appends nodes to a region; types come from the operations' own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mai.compiler.ir.graph import Node, Region, Value, Weight
from mai.compiler.ir.operation import Operation, typed
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Constant, Lead, Loop, Nested, SizeOf, Spread, Structural, Unlead, WeightOf
from mai.compiler.ir.types import Axis, DType, Type, join_leads
from mai.spec.source import Span

Number = bool | int | float


class Builder:
    """Adds nodes at the end of `region`, marked with the current `span` and `scope`."""

    def __init__(self, region: Region, span: Span | None = None, scope: str = "") -> None:
        self.region = region
        self.span = span
        self.scope = scope

    def emit(self, op: type[Operation], *inputs: Value, name: str = "", **attributes: object) -> Value:
        """Apply an operation that has one output.

        Raises:
            ShapeError: the operation's shape rule refuses the types.
        """
        return self.emit_all(op, inputs, attributes, name)[0]

    def emit_all(
        self, op: type[Operation], inputs: Sequence[Value], attributes: Mapping[str, object], name: str = ""
    ) -> tuple[Value, ...]:
        """Apply an operation and return all its outputs; types and lead axes follow from the inputs."""
        merged = {**op.attributes, **attributes}
        if op.lifted is not None and any(inputs[i].type.lead for i in op.unled if i < len(inputs)):
            result: Value = op.lifted(self, *inputs, **merged)
            result.name = name or op.name
            return (result,)
        types = typed(op, [v.type for v in inputs], merged)
        lead = join_leads([v.type for v in inputs])
        outputs = [t.with_lead(lead) for t in (types if isinstance(types, tuple) else (types,))]
        values = tuple(Value(t, name or op.name) for t in outputs)
        self.region.append(Node(op, tuple(inputs), merged, values, (), self.span, self.scope))
        return values

    def add(
        self,
        structure: Structural,
        inputs: Sequence[Value],
        types: Sequence[Type],
        regions: Sequence[Region] = (),
        name: str = "",
    ) -> Node:
        """Append a structural node; its outputs have these types."""
        op = type(structure)
        outputs = tuple(Value(t, name or op.name) for t in types)
        node = Node(op, tuple(inputs), {}, outputs, tuple(regions), self.span, self.scope, structure)
        self.region.append(node)
        return node

    def again(self, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Append a copy of a node without bodies, on inputs of the same types: so its outputs have their types, too."""
        outputs = tuple([Value(v.type, v.name) for v in node.outputs])
        scope, span = self.scope, self.span
        self.region.append(Node(node.op, tuple(inputs), node.attributes, outputs, (), span, scope, node.structure))
        return outputs

    def _leaf(self, structure: Structural, type: Type, inputs: Sequence[Value] = (), name: str = "") -> Value:
        return self.add(structure, inputs, [type], name=name).output

    def constant(self, value: Nested, dtype: DType | None = None) -> Value:
        """A number or nested tuples of numbers; the dtype is that of the first number unless it is given."""
        shape: list[int] = []
        inner = value
        while isinstance(inner, tuple):
            shape.append(len(inner))
            inner = inner[0]
        return self._leaf(Constant(value), Type(dtype or dtype_of(inner), tuple(shape)))

    def weight(self, weight: Weight) -> Value:
        """A weight of the model as a value, without lead axes."""
        last = weight.name.rpartition(".")[2]
        return self._leaf(WeightOf(weight.name), Type(DType.REAL, weight.shape), name=last)

    def size(self, size: Size) -> Value:
        """A size as an integer scalar."""
        return self.constant(size) if isinstance(size, int) else self._leaf(SizeOf(size), Type(DType.INT))

    def lead(self, x: Value, axes: tuple[Axis, ...]) -> Value:
        """The first axes of the shape become lead axes: the call inside does not see them."""
        type = Type(x.type.dtype, x.type.shape[len(axes) :], x.type.lead + axes, x.type.classes)
        return self._leaf(Lead(axes), type, [x], name=x.name)

    def unlead(self, x: Value, count: int) -> Value:
        """The innermost `count` lead axes become the first axes of the shape again."""
        kept, freed = x.type.lead[:-count], x.type.lead[-count:]
        type = Type(x.type.dtype, tuple(a.size for a in freed) + x.type.shape, kept, x.type.classes)
        return self._leaf(Unlead(count), type, [x], name=x.name)

    def spread(self, x: Value, lead: tuple[Axis, ...]) -> Value:
        """`x` with all of the lead axes `lead`; itself where it has them."""
        full = join_leads([x.type, Type(DType.REAL, (), lead)])
        return x if full == x.type.lead else self._leaf(Spread(full), x.type.with_lead(full), [x], name=x.name)

    def loop(self, count: Value, loop: Loop, states: Sequence[Value], body: Region) -> tuple[Value, ...]:
        """A loop; `body` maps (turn, states...) to (states..., kept...). Gives the last states, then the kept rows."""
        last = [v.type for v in body.inputs[1:]]
        rows = [self._row(v, loop.count) for v in body.outputs[len(states) :]]
        node = self.add(loop, [count, *states], [*last, *rows], [body])
        for output, source in zip(node.outputs, [*body.inputs[1:], *body.outputs[len(states) :]], strict=True):
            output.name = source.name
        return node.outputs

    def _row(self, kept: Value, turns: Size | None) -> Type:
        assert turns is not None, "what a loop keeps has as many rows as it has turns"
        return kept.type.with_shape((turns, *kept.type.shape))


def dtype_of(number: Number) -> DType:
    """The dtype that a Python number has in the IR."""
    if isinstance(number, bool):
        return DType.BOOL
    return DType.INT if isinstance(number, int) else DType.REAL
