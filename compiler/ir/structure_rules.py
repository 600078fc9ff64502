"""What the outputs and the bodies of structural nodes must be, by their attributes: the rules that `ir/verify.py` checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mai.compiler.ir.graph import Graph, Node, Region
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Dim
from mai.compiler.ir.structure import (
    Across,
    Adjoint,
    Constant,
    Extend,
    FixedPoint,
    Gradient,
    Implicit,
    Integrate,
    Lead,
    Loop,
    Nested,
    Pushforward,
    SizeOf,
    Spread,
    Structural,
    Unlead,
    WeightOf,
)
from mai.compiler.ir.types import BATCH_DEPTH, DType, Type, join_leads

COUNT = Type(DType.INT)


def structural_outputs(node: Node, graph: Graph) -> list[Type]:
    """The types of a structural node's outputs.

    Raises:
        ValueError: its operands or attributes do not fit.
    """
    assert node.structure is not None
    return _OUTPUTS[type(node.structure)](node, graph)


def region_faults(node: Node) -> Iterator[str]:
    """What is wrong between a node and its bodies."""
    wanted = _REGIONS.get(node.op, 0) + bool(node.op is Integrate and Integrate.of(node).noises)
    if len(node.regions) != wanted:
        yield f"there are {len(node.regions)} bodies where {wanted} belong"
    elif node.op is Loop:
        yield from _loop_faults(node, node.regions[0])
    elif node.op in (Integrate, Adjoint):
        yield from _integral_faults(node, node.regions[0])
    elif node.op in (FixedPoint, Implicit):
        yield from _count_faults("the body of a fixed point", node.regions[0], 1, 1)
    elif node.op is Extend:
        width = Extend.of(node).width
        yield from _count_faults("the body of a text", node.regions[0], 2, 1 if width else len(node.outputs))


_REGIONS: dict[type[Operation], int] = {Loop: 1, Integrate: 1, Adjoint: 2, Extend: 1, FixedPoint: 1, Implicit: 1}


def _count_faults(what: str, region: Region, inputs: int, outputs: int) -> Iterator[str]:
    if len(region.inputs) != inputs:
        yield f"{what} has {len(region.inputs)} inputs where {inputs} belong"
    if len(region.outputs) != outputs:
        yield f"{what} has {len(region.outputs)} outputs where {outputs} belong"


def _loop_faults(loop: Node, body: Region) -> Iterator[str]:
    states = len(loop.inputs) - 1
    yield from _count_faults("the body", body, states + 1, len(loop.outputs))
    if len(loop.outputs) < states:
        yield f"there are {states} states and {len(loop.outputs)} outputs"
    if Loop.of(loop).stops and (not body.outputs or body.outputs[0].type.dtype is not DType.BOOL):
        yield "the first state of a loop that stops is not the boolean `continue`"
    for state, first, after in zip(body.inputs[1:], loop.inputs[1:], body.outputs, strict=False):
        for value, when in ((first, "begins"), (after, "goes on")):
            if not _fits(value.type, state.type):
                yield f"the state %{state.name} is {state.type} and {when} as {value.type}"


def _fits(type_: Type, state: Type) -> bool:
    """Whether a value can be a state: a size that the state reads at run time may be any."""
    if (type_.dtype, type_.lead, type_.rank) != (state.dtype, state.lead, state.rank):
        return False
    return all(a == b or isinstance(b, Dim) for a, b in zip(type_.shape, state.shape, strict=True))


def _integral_faults(node: Node, field: Region) -> Iterator[str]:
    states = _states(node)
    noises, ends = Integrate.of(node).noises, int(Integrate.of(node).until)
    stochastic = len(field.inputs) == len(states) + 3 + noises  # The turn and the step are handed to it, too.
    inputs = len(states) + (3 + noises if stochastic else 1)
    yield from _count_faults("the velocity", field, inputs, len(states) + ends)
    for state, moved in zip(states, field.outputs, strict=False):
        if moved.type.shape != state.shape or moved.type.dtype is not DType.REAL:
            yield f"a state is {state} and its derivative {moved.type}"
    if node.op is Adjoint:
        yield from _count_faults("the solution", node.regions[1], len(node.inputs), len(node.outputs))


# --------------------------------------------------------------------- types


def _states(node: Node) -> list[Type]:
    """Of an integral."""
    return [v.type for v in node.inputs[Integrate.of(node).before_states :]]


def _constant(node: Node, graph: Graph) -> list[Type]:
    return [Type(node.output.type.dtype, _shape(Constant.of(node).value))]


def _shape(value: Nested) -> tuple[int, ...]:
    return (len(value), *_shape(value[0])) if isinstance(value, tuple) else ()


def _weight(node: Node, graph: Graph) -> list[Type]:
    name = WeightOf.of(node).weight
    if name not in graph.weights:
        raise ValueError(f"the graph has no weight `{name}`")
    return [Type(DType.REAL, graph.weights[name].shape)]


def _size(node: Node, graph: Graph) -> list[Type]:
    return [COUNT]


def _lead(node: Node, graph: Graph) -> list[Type]:
    x, axes = node.inputs[0].type, Lead.of(node).axes
    if tuple(a.size for a in axes) != x.shape[: len(axes)]:
        raise ValueError(f"the axes {', '.join(map(str, axes))} are not the first of {x}")
    return [Type(x.dtype, x.shape[len(axes) :], x.lead + axes)]


def _unlead(node: Node, graph: Graph) -> list[Type]:
    x, count = node.inputs[0].type, Unlead.of(node).count
    if not 0 < count <= len(x.lead):
        raise ValueError(f"{x} has not {count} lead axes")
    return [Type(x.dtype, tuple(a.size for a in x.lead[-count:]) + x.shape, x.lead[:-count])]


def _spread(node: Node, graph: Graph) -> list[Type]:
    x = node.inputs[0].type
    return [x.with_lead(join_leads([x, Type(DType.REAL, (), Spread.of(node).axes)]))]


def _across(node: Node, graph: Graph) -> list[Type]:
    x = node.inputs[0].type
    sizes = [a.size for a in x.lead if a.depth == BATCH_DEPTH]
    if not sizes:
        raise ValueError(f"{x} has no batch")
    return [Type(x.dtype, (sizes[0], *x.shape), tuple(a for a in x.lead if a.depth != BATCH_DEPTH))]


def _loop(node: Node, graph: Graph) -> list[Type]:
    body, count, states = node.regions[0], Loop.of(node).count, len(node.inputs) - 1
    kept = [v.type for v in body.outputs[states:]]
    if count is None and kept:
        raise ValueError("a loop that keeps rows has a known number of turns")
    rows = [t.with_shape((count, *t.shape)) for t in kept] if count is not None else []
    return [*(v.type for v in body.inputs[1:]), *rows]


def _integral(node: Node, graph: Graph) -> list[Type]:
    integral, states = Integrate.of(node), _states(node)
    places, count = integral.asked, len(integral.asked)
    shares = [v.type for v in node.inputs[integral.before_states - count : integral.before_states]]
    asked = [asked_type(states[i], share) for i, share in zip(places, shares, strict=True)]
    if integral.until:
        states = [*states, states[0].with_shape(())]
    if integral.steps is None:
        return [*states, Type(DType.INT, (), node.regions[0].inputs[0].type.lead), *asked]
    rows = integral.steps + 1
    return [*states, *(states[i].with_shape((rows, *states[i].shape)) for i in integral.keep), *asked]


def asked_type(state: Type, share: Type) -> Type:
    """The type of a state of an integral at some shares of the way."""
    return state.with_shape((*share.shape, *state.shape)).with_lead(join_leads([state, share]))


def _gradient(node: Node, graph: Graph) -> list[Type]:
    types = [v.type for v in node.inputs]
    return [types[1].with_lead(join_leads(types))]


def _pushforward(node: Node, graph: Graph) -> list[Type]:
    types = [v.type for v in node.inputs]
    return [types[0].with_lead(join_leads(types))]


def _fixed_point(node: Node, graph: Graph) -> list[Type]:
    return [node.inputs[0].type]


def _extend(node: Node, graph: Graph) -> list[Type]:
    row = node.inputs[0].type
    extend = Extend.of(node)
    longer = row.with_shape((row.shape[0] + extend.count,))
    kept = [extend.rows_of(v.type) for v in node.regions[0].outputs[1:]]
    return [longer, *kept, *extend.results_of_search(row)]


_OUTPUTS: dict[type[Structural], Callable[[Node, Graph], list[Type]]] = {
    Constant: _constant, WeightOf: _weight, SizeOf: _size, Lead: _lead, Unlead: _unlead, Spread: _spread, Across: _across,
    Loop: _loop, Integrate: _integral, Adjoint: _integral, Gradient: _gradient, Pushforward: _pushforward, Extend: _extend,
    FixedPoint: _fixed_point, Implicit: _fixed_point,
}  # fmt: skip
