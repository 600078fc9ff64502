"""Where the path that `keep` keeps lies in a result: `integrate` makes its axis, operations say where it goes."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.structure import VIEWS, Integrate

Places = dict[Value, int]


def path_axes(graph: Graph) -> list[int | None]:
    """For each output of a graph as it was elaborated, the axis of its shape that is the time of a kept path, or None."""
    places: Places = {}
    for node in graph.walk():
        for output in node.outputs:
            place = _place(node, output, places)
            if place is not None and place >= -output.type.rank:
                places[output] = place
    return [v.type.rank + places[v] if v in places else None for v in graph.outputs]


def _place(node: Node, output: Value, places: Places) -> int | None:
    """The time's axis in what a node makes, counted from the end of the shape."""
    if node.op is Integrate:
        return -output.type.rank if _is_path(node, output) else None
    for operand, value in enumerate(node.inputs):
        if value not in places:
            continue
        if node.op in VIEWS:
            return places[value]
        if node.op.along is not None:
            types = [v.type for v in node.inputs]
            goes: int | None = node.op.along(types, node.attributes, operand, places[value])
            return goes
    return None


def _is_path(node: Node, output: Value) -> bool:
    """Whether an integral's output has rows along its own time: a path, or a state at one axis of times."""
    integral, count = Integrate.of(node), len(node.inputs)
    first = count - integral.before_states + integral.until
    paths = list(node.outputs[first : first + len(integral.keep)])
    shares = node.inputs[integral.before_states - len(integral.asked) : integral.before_states]
    asked = node.outputs[len(node.outputs) - len(integral.asked) :]
    paths += [y for y, share in zip(asked, shares, strict=True) if share.type.rank == 1]
    return any(output is path for path in paths)
