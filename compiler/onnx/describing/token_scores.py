"""Which results have a number for each token that a text may have: logits, and what is made of them.

A graph alone does not always say so: the columns of an untied matrix are those of tokens because some export draws the next token
from them, or because training compares them with one. So tokens are followed from an export's texts through weights and calls
of nets into the other graphs of the spec, and back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import DType
from mai.compiler.passes.numbering import Link, Numbering, Spot
from mai.compiler.program import Program


def outputs_over_tokens(program: Program, export: str) -> frozenset[str]:
    """The names of an export's results of real numbers whose last axis has one number for each token of its texts."""
    graph = program.exports[export]
    texts = [value for value in graph.inputs if value.type.dtype is DType.INT and value.type.rank == 1]
    sizes = {value.type.classes for value in texts} - {None}
    named = [
        (name, value) for name, value in zip(graph.output_names, graph.outputs, strict=True) if _ends_in(value, sizes)
    ]
    if not named:
        return frozenset()
    numbering = Numbering(graph)
    others = [*(g for g in program.exports.values() if g is not graph), *(t.graph for t in program.trainings)]
    kinds = _reached([numbering, *map(Numbering, others)], [numbering.kind((value, None)) for value in texts])
    return frozenset(name for name, value in named if numbering.kind((value, -1)) in kinds)


def _ends_in(value: Value, sizes: Iterable[object]) -> bool:
    return value.type.dtype is DType.REAL and value.type.rank > 0 and value.type.shape[-1] in sizes


def _reached(numberings: Sequence[Numbering], start: Iterable[Spot]) -> set[Spot]:
    """The kinds of spots, each of one graph, that number what those at the `start` do."""
    kinds_by_link: dict[Link, set[Spot]] = defaultdict(set)
    links_by_kind: dict[Spot, set[Link]] = defaultdict(set)
    for numbering in numberings:
        for link, spot in numbering.links():
            kind = numbering.kind(spot)
            kinds_by_link[link].add(kind)
            links_by_kind[kind].add(link)
    reached, waiting = set(start), [*start]
    while waiting:
        for link in links_by_kind.pop(waiting.pop(), ()):
            new = kinds_by_link.pop(link, set()) - reached
            reached |= new
            waiting += new
    return reached
