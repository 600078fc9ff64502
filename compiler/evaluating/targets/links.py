"""What the fields of the data are in an export, and which of its results training compares with which field.

All of it is read off the graphs: a net's parameters and results stand for the same things in a train block and in an export, so what
training gives to a parameter, and compares with a result, says what the export's inputs and outputs are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mai.compiler.ir.graph import Graph, Node, Value, values_behind
from mai.compiler.ir.structure import VIEWS, Across
from mai.compiler.ir.types import Type
from mai.compiler.program import Program, Training
from mai.spec.source import Span

Slot = tuple[Span, str | int]


def fields_of_inputs(program: Program, export: str) -> dict[str, str]:
    """The field that each input of an export is, by the parameters that both go to, or by its name; left out where it is none."""
    graph = program.exports[export]
    linked: dict[str, set[str]] = {}
    for training in program.trainings:
        for slot in graph.calls.keys() & training.graph.calls.keys():
            fields = _inputs(training.graph, training.graph.calls[slot])
            for name in _inputs(graph, graph.calls[slot]):
                linked.setdefault(name, set()).update(fields)
    trained_fields = {name for training in program.trainings for name in training.fields}
    return {
        v.name: f for v in graph.inputs if (f := _field(v.name, linked.get(v.name, set()), trained_fields)) is not None
    }


def fields_read(program: Program, export: str, inputs: Iterable[str]) -> dict[str, str]:
    """The field of the data that each of some inputs of an export is read from: the one that it is, or one of its own name."""
    fields = fields_of_inputs(program, export)
    return {name: fields.get(name, name) for name in inputs}


def types_read(program: Program, export: str, fields: Mapping[str, str]) -> dict[str, Type]:
    """The types of the fields that inputs of an export are read from, without lead axes: as training had them, or as the inputs say."""
    trained = program.trainings[-1].fields
    own = {value.name: value.type.with_lead(()) for value in program.exports[export].inputs}
    return {field: trained.get(field, own[name]) for name, field in fields.items()}


def _field(name: str, linked: set[str], fields: set[str]) -> str | None:
    if len(linked) == 1 and name not in fields:
        return min(linked)
    return name if name in fields else None


def _inputs(graph: Graph, values: list[Value]) -> set[str]:
    """The inputs of a graph that some values are, as they stand."""
    inputs = {value: value.name for value in graph.inputs}
    plain = map(_plain, values)
    return {inputs[value] for value in plain if value in inputs}


def _plain(value: Value) -> Value:
    """A value without the views of it."""
    while value.producer is not None and value.producer.op in (*VIEWS, Across):
        value = value.producer.inputs[0]
    return value


def fields_of_objectives(training: Training) -> dict[str, str]:
    """The fields that an objective of a train block reads, each with the text of the first one that does."""
    texts: dict[str, str] = {}
    for objective in reversed(training.objectives):
        behind = {*values_behind(training.graph.outputs[objective.output])}
        read = {value.name for value in training.graph.inputs if value in behind}
        texts |= dict.fromkeys((name for name in training.fields if name in read), objective.text)
    return texts


def results_of(graph: Graph) -> dict[Value, Slot]:
    """The results of the file's nets and layers in a graph."""
    return {value: slot for slot, values in graph.calls.items() if isinstance(slot[1], int) for value in values}


class Origins:
    """What the values of a graph are made of: `fields`, and the `results` of nets nearest to them."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.results = graph, results_of(graph)
        self._of: dict[Value, frozenset[str | Slot]] = {value: frozenset((value.name,)) for value in graph.inputs}
        for node in graph.nodes:
            self._follow(node)

    def _follow(self, node: Node) -> None:
        joined = frozenset[str | Slot]().union(*(self._of.get(value, frozenset()) for value in node.reads()))
        for output in node.outputs:
            slot = self.results.get(output)
            self._of[output] = joined if slot is None else frozenset((slot,))

    def fields(self, value: Value) -> set[str]:
        """The fields that a value is made of, but for those that went through a net."""
        return {origin for origin in self._of.get(value, ()) if isinstance(origin, str)}

    def slots(self, value: Value) -> set[Slot]:
        """The results of nets that it is made of."""
        return {origin for origin in self._of.get(value, ()) if not isinstance(origin, str)}


def compared_results(training: Training, together: int = 1) -> Mapping[str, set[Slot]]:
    """By field, the results of nets that meet it in one operation: which training compares with it, or with it and others `together`."""
    origins, compared = Origins(training.graph), dict[str, set[Slot]]()
    for field, value in meetings(origins, together):
        compared.setdefault(field, set()).update(origins.slots(value))
    return compared


def meetings(origins: Origins, together: int = 1) -> Iterator[tuple[str, Value]]:
    """Where one operand of an operation is made of a field alone, or of so many, and another of what a net gives without them: the field, and the other."""
    for node in origins.graph.nodes:
        for value in node.inputs:
            fields = origins.fields(value)
            if 1 <= len(fields) <= together and not origins.slots(value):
                others = [v for v in node.inputs if origins.slots(v) and not fields & origins.fields(v)]
                yield from ((field, other) for field in sorted(fields) for other in others)
