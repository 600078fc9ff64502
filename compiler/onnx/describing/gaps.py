"""Which inputs of an export may lack numbers: those of which it asks whether they are there."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Value

COMPARISONS = frozenset({"equal", "not_equal"})


def inputs_with_gaps(graph: Graph) -> frozenset[str]:
    """The names of the inputs that `x == x` looks at, as `fill(x)` and `missing(x)` do: a number that is missing, NaN, has an answer there."""
    asked = [node.inputs[0] for node in graph.nodes if node.op.name in COMPARISONS and node.inputs[0] is node.inputs[1]]
    seen: set[Value] = set()
    while asked:
        value = asked.pop()
        if value not in seen:
            seen.add(value)
            asked += value.producer.operands() if value.producer is not None else ()
    return frozenset(value.name for value in graph.inputs if value in seen)
