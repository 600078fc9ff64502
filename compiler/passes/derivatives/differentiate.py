"""`grad`, `jvp` and `div` become the code that computes them."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.structure import DERIVATIVES, Gradient
from mai.compiler.ir.types import join_leads
from mai.compiler.passes.derivatives.dependence import dependent
from mai.compiler.passes.derivatives.derivative import Derivative, refused


@rewriting(*DERIVATIVES)
def differentiate(graph: Graph) -> Graph:
    """No `Gradient` and no `Pushforward` is left.

    Raises:
        MaiError: `not-differentiable`, at the operation that has no derivative.
    """
    outside: list[tuple[list[Node], list[Value]]] = []

    def rule(copier: Copier, node: Node) -> bool:
        if node.op in DERIVATIVES:
            _check_constant(copier, node, outside)
            above = [n for nodes, _ in outside for n in nodes]
            copier.bind(node, _derived(copier, node, [*above, *copier.builder.region.nodes]))
            return True
        if not node.regions:
            return False
        outside.append((copier.builder.region.nodes, [copier[v] for v in node.inputs]))
        copier.copy(node)
        outside.pop()
        return True

    return copy_graph(graph, rule)


def _check_constant(copier: Copier, node: Node, outside: Sequence[tuple[list[Node], list[Value]]]) -> None:
    """A loop's states are held still by a derivative inside it: they may not depend on what it is taken along."""
    x = copier[node.inputs[1]]
    for nodes, inputs in outside:
        if x not in inputs and not dependent(nodes, [x]).isdisjoint(inputs):
            message = "this derivative is taken inside a loop, of a value outside it that the loop's states depend on"
            raise refused(node, message, help="take it after the loop, or with respect to a state")


def _derived(copier: Copier, node: Node, nodes: Sequence[Node]) -> Value:
    builder = copier.builder
    value, x, *direction = (copier[v] for v in node.inputs)
    path = _path(nodes, x, value)
    if node.op is Gradient:
        derivative = Derivative(builder, join_leads([value.type, x.type]))
        (made,) = derivative.backward(path, {value: builder.constant(1.0)}, [x])
        wanted = x.type.with_lead(join_leads([value.type, x.type]))
    else:
        derivative = Derivative(builder, None)
        made = derivative.forward(path, {x: direction[0]}).get(value)
        wanted = value.type.with_lead(join_leads([value.type, x.type, direction[0].type]))
    builder.span, builder.scope = node.span, node.scope
    return derivative.or_zeros(made, wanted)


def _path(nodes: Sequence[Node], x: Value, value: Value) -> list[Node]:
    """The nodes by which a value depends on x, in their order."""
    moved, needed = dependent(nodes, [x]), {value}
    path: list[Node] = []
    for node in reversed(nodes):
        if any(v in needed and v in moved and v is not x for v in node.outputs):
            path.append(node)
            needed.update(reading(node))
    return path[::-1]
