"""What a graph says of all held-out examples together, computed in two parts: first what is of one example, some at a time.

`report auc(across(score(x)), across(y))` looks at all examples at once, and what it looks at is computed for each of them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Across
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.ops.work import size_of
from mai.compiler.passes.local.prune import prune, select
from mai.spec.record import record

MOST_NUMBERS = 1 << 26  # Of one value: a matrix of all pairs of examples has more, where they are many.


@record
class Parts:
    """`each` gives, for every example, what `whole` takes under the names of the inputs `shared`."""

    each: Graph
    whole: Graph
    shared: tuple[str, ...]


def is_of_all(graph: Graph, output: int) -> bool:
    """Whether an output is one number for all examples, and not one for each."""
    return not graph.outputs[output].type.batched


def split_at_across(graph: Graph, outputs: Sequence[int]) -> Parts:
    """The part of a prepared graph before its `across`, and the part after, which ends in these outputs."""
    selected = select(graph, list(outputs))
    sources = _sources(selected)
    names = tuple(f"part {place}" for place in range(len(sources)))
    count = len(selected.outputs)
    extended = replace(selected, outputs=[*selected.outputs, *sources], output_names=[*selected.output_names, *names])
    return Parts(select(extended, [*range(count, count + len(sources))]), _after(selected, sources, names), names)


def is_affordable(whole: Graph, count: int) -> bool:
    """Whether so many examples can be looked at together: in space, and without a plan between clouds, which takes their cube in time."""
    known = {"batch": count}
    values = (value for node in whole.nodes for value in node.outputs)
    return not whole.has(Matching) and all(size_of(value.type.physical, known) <= MOST_NUMBERS for value in values)


def _sources(graph: Graph) -> list[Value]:
    """What the graph's `across` look at that none of them is behind."""
    behind: set[Value] = set()
    sources: list[Value] = []
    for node in graph.nodes:
        is_behind = any(v in behind for v in node.inputs)
        if node.op is Across and not is_behind and node.inputs[0] not in sources:
            sources.append(node.inputs[0])
        if node.op is Across or is_behind:
            behind.update(node.outputs)
    return sources


def _after(graph: Graph, sources: Sequence[Value], names: Sequence[str]) -> Graph:
    """The graph with these values as inputs; fields that nothing reads any more are none."""
    inputs = {source: Value(source.type, name) for source, name in zip(sources, names, strict=True)}

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is Across and node.inputs[0] in inputs:
            copier.mapping[node.inputs[0]] = inputs[node.inputs[0]]
        return False

    made = prune(copy_graph(graph, rule))
    read = {value for node in made.walk() for value in node.inputs} | set(made.outputs)
    sizes = {name: source for name, source in made.sizes.items() if name != "batch"}
    read |= {s[0] if isinstance(s, tuple) else s for s in sizes.values()}
    first = next(iter(inputs.values()))
    return replace(
        made,
        inputs=[*(v for v in made.inputs if v in read), *inputs.values()],
        sizes={**made.sizes, "batch": (first, 0)},
    )
