"""Which field of the data an export's labels are of, so that the words of that field, and of no other, are their names.

A label is followed from its field through training to weights, and to parameters and results of nets and layers; from those
through the export to its inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.types import DType
from mai.compiler.passes.numbering import Link, Numbering, Spot
from mai.compiler.program import Program, Training

Fields = frozenset[str]


def label_fields(program: Program, export: str, names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The field whose words name an input or an output of an export, by port; `names` are the words by field.

    A port is left out where nothing links it with a field, where its field has numbers, or where several fields with
    other words are as likely.
    """
    if not names:
        return {}
    graph, linked = program.exports[export], _linked_by_all(program.trainings)
    numbering = Numbering(graph)
    fields: dict[Spot, Fields] = {}
    for link, spot in numbering.links():
        if link in linked:
            kind = numbering.kind(spot)
            fields[kind] = fields.get(kind, linked[link]) & linked[link]
    fields_by_port = {name: fields.get(numbering.kind(_spot(value)), frozenset()) for name, value in _ports(graph)}
    return {name: min(of) for name, of in fields_by_port.items() if _have_one_name(of, names)}


def _linked_by_all(trainings: Sequence[Training]) -> dict[Link, Fields]:
    """The same of several train blocks; one that links a place with another field than the others makes it doubtful."""
    linked: dict[Link, Fields] = {}
    for link, here in (item for training in trainings for item in _linked(training).items()):
        linked[link] = linked.get(link, frozenset()) | here
    return linked


def _linked(training: Training) -> dict[Link, Fields]:
    """The fields whose labels training brings to each link."""
    numbering = Numbering(training.graph)
    fields: dict[Spot, Fields] = {}
    for value in training.graph.inputs:
        if value.type.dtype is DType.INT:
            kind = numbering.kind((value, None))
            fields[kind] = fields.get(kind, frozenset()) | {value.name}
    linked: dict[Link, Fields] = {}
    for link, spot in numbering.links():
        here = fields.get(numbering.kind(spot))
        if here:
            linked[link] = linked.get(link, frozenset()) | here
    return linked


def _ports(graph: Graph) -> Iterator[tuple[str, Value]]:
    yield from ((value.name, value) for value in graph.inputs)
    yield from ((name, setting.value) for name, setting in graph.settings.items())
    yield from zip(graph.output_names, graph.outputs, strict=True)


def _spot(value: Value) -> Spot:
    """Whole numbers are labels; of real numbers, the last axis may have one for each label."""
    return (value, None if value.type.dtype is DType.INT or not value.type.rank else -1)


def _have_one_name(fields: Fields, names: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a label is called the same, whichever of the fields it is of."""
    words = {names.get(field, ()) for field in fields}
    return len(words) == 1 and () not in words
