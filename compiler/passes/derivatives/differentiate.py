"""`grad`, `jvp` and `div` become the code that computes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.structure import DERIVATIVES, Gradient
from mai.compiler.ir.types import join_leads
from mai.compiler.ops.elementwise import Place
from mai.compiler.passes.derivatives.dependence import dependent
from mai.compiler.passes.derivatives.derivative import Derivative
from mai.compiler.passes.derivatives.turns_apart import MOST_OPERATIONS, places, too_many, turns_apart
from mai.compiler.passes.local.share import share_region
from mai.spec.source import Span


@rewriting(*DERIVATIVES)
def differentiate(graph: Graph) -> Graph:
    """No `Gradient`, no `Pushforward` and no `Place` is left.

    Raises:
        MaiError: `not-differentiable`, at the operation that has no derivative.
    """
    graph, outside = turns_apart(graph), list[list[Node]]()
    _check_extent(graph)
    earlier: set[Value] = set()

    def rule(copier: Copier, node: Node) -> bool:
        if node.op in DERIVATIVES:
            above = [n for nodes in outside for n in nodes]
            copier.bind(node, _derived(copier, node, above, earlier))
            return True
        if not node.regions:
            return False
        outside.append(copier.builder.region.nodes)
        copier.copy(node)
        outside.pop()
        return True

    return copy_graph(copy_graph(graph, rule), _without_places)


def _without_places(copier: Copier, node: Node) -> bool:
    """The copies at which functions were differentiated are what they are copies of."""
    if node.op is Place:
        copier.bind(node, copier[node.inputs[0]])
    return node.op is Place


def _check_extent(graph: Graph) -> None:
    """Refuse derivatives of one place of a text that go through too much in all: of each turn through all turns before it, say."""
    derivatives = [node for node in graph.nodes if node.op in DERIVATIVES]
    if len(derivatives) * len(graph.nodes) <= MOST_OPERATIONS:
        return
    numbers = {node: number for number, node in enumerate(graph.nodes)}
    operations = Counter[Span | None]()
    for node in derivatives:
        path = _path(graph.nodes[: numbers[node]], places(node), node.inputs[0])
        is_first = node.span not in operations
        operations[node.span] += 2 * len(path)  # At least: what each of them is, and its derivative.
        if operations[node.span] > MOST_OPERATIONS and not is_first:
            raise too_many(node)


def _derived(copier: Copier, node: Node, above: Sequence[Node], earlier: set[Value]) -> Value:
    """A derivative's code; `earlier` has the results of those before it, and gets its own."""
    builder = copier.builder
    path = _path_of(copier, node, above)
    is_nested = any(v in earlier for n in path for v in n.outputs)
    if is_nested:
        _share(copier, earlier)
        path = _path_of(copier, node, above)
    value, *xs = (copier[v] for v in (node.inputs[0], *places(node)))
    x, one, most = xs[0], builder.constant(1.0), MOST_OPERATIONS if is_nested else None
    cotangent = copier[node.inputs[2]] if node.op is Gradient and len(node.inputs) > 2 else one
    if node.op is Gradient and not (is_nested and cotangent is one and _is_one_number(value, x)):
        lead = join_leads([v.type for v in (value, x, cotangent)])
        derivative, wanted = Derivative(builder, lead, most), x.type.with_lead(lead)
        (derivative_value,) = derivative.backward(path, {value: cotangent}, [x])
    else:
        directions = [copier[v] for v in node.inputs[1 + len(xs) :]] or [one]
        derivative = Derivative(builder, None, most)
        derivative_value = derivative.forward(path, dict(zip(xs, directions, strict=True))).get(value)
        wanted = value.type.with_lead(join_leads([v.type for v in (value, *xs, *directions)]))
    builder.span, builder.scope = node.span, node.scope
    result = derivative.or_zeros(derivative_value, wanted)
    earlier.add(result)
    return result


def _is_one_number(value: Value, x: Value) -> bool:
    """Whether a gradient is the derivative along the direction 1: with respect to one number of each example.

    Forward, the n-th derivative shares the operations of those before it and has of the order of n^3 for each of the function's. Backward,
    each derivative multiplies their number.
    """
    return not x.type.rank and set(x.type.lead) <= set(value.type.lead)


def _share(copier: Copier, earlier: set[Value]) -> None:
    """Keep once what derivatives have computed several times."""
    same = share_region(copier.builder.region)
    copier.mapping.update((old, same[new]) for old, new in [*copier.mapping.items()] if new in same)
    earlier.update([same[v] for v in earlier if v in same])


def _path_of(copier: Copier, node: Node, above: Sequence[Node]) -> list[Node]:
    xs = [copier[v] for v in places(node)]
    return _path([*above, *copier.builder.region.nodes], xs, copier[node.inputs[0]])


def _path(nodes: Sequence[Node], xs: Sequence[Value], value: Value) -> list[Node]:
    """The nodes by which a value depends on the xs, in their order."""
    moved, needed = dependent(nodes, xs), {value}
    path: list[Node] = []
    for node in reversed(nodes):
        if any(v in needed and v in moved and v not in xs for v in node.outputs):
            path.append(node)
            needed.update(reading(node))
    return path[::-1]
