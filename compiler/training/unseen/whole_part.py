"""What a graph says of all held-out examples together, computed in two parts: first what is of one example, some at a time.

`report auc(across(score(x)), across(y))` looks at all examples at once, and what it looks at is computed for each of them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Value, values_behind
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Across
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.ops.work import size_of
from mai.compiler.passes.local.prune import prune, select
from mai.spec.record import record

MOST_NUMBERS = 1 << 26  # Of one value: a matrix of all pairs of examples has more, where they are many.


@record
class Parts:
    """`each` gives, for every example, some outputs and then what `whole` takes under the names of the inputs `shared`."""

    each: Graph
    whole: Graph
    shared: tuple[str, ...]


def is_of_all(graph: Graph, output: int) -> bool:
    """Whether an output is one number for all examples, and not one for each."""
    return not graph.outputs[output].type.batched


def split_at_across(graph: Graph, of_each: Sequence[int], of_all: Sequence[int]) -> Parts:
    """A prepared graph's outputs `of_each` example, with what those `of_all` look across; and the part after, which ends in these."""
    selected, count = select(graph, [*of_each, *of_all]), len(of_each)
    together = replace(selected, outputs=selected.outputs[count:], output_names=selected.output_names[count:])
    sources = _sources(together)
    names = tuple(f"part {place}" for place in range(len(sources)))
    alone = [*selected.outputs[:count], *sources], [*selected.output_names[:count], *names]
    each = replace(selected, outputs=alone[0], output_names=alone[1])
    return Parts(select(each, [*range(count + len(sources))]), _after(together, sources, names), names)


def is_affordable(whole: Graph, count: int) -> bool:
    """Whether so many examples can be looked at together: in space, and without a plan between clouds, which takes their cube in time."""
    sizes = {"batch": count}
    values = (value for node in whole.nodes for value in node.outputs)
    return not whole.has(Matching) and all(size_of(value.type.physical, sizes) <= MOST_NUMBERS for value in values)


def _sources(graph: Graph) -> list[Value]:
    """What the graph's outputs look at across all examples, without those of it that are made of all examples."""
    needed = {value for output in graph.outputs for value in values_behind(output)}
    behind: set[Value] = set()
    sources: list[Value] = []
    for node in graph.nodes:
        is_behind = any(v in behind for v in node.inputs)
        if node.op is Across and node.output in needed and not is_behind and node.inputs[0] not in sources:
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

    rest = prune(copy_graph(graph, rule))
    read = {value for node in rest.walk() for value in node.inputs} | set(rest.outputs)
    sizes = dict(rest.sizes)
    if inputs:
        sizes["batch"] = next(iter(inputs.values())), 0
    read |= {size[0] if isinstance(size, tuple) else size for size in sizes.values()}
    return replace(rest, inputs=[*(v for v in rest.inputs if v in read), *inputs.values()], sizes=sizes)
