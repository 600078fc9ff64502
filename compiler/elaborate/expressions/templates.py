"""Calls of standard layers that are alike: the first one is elaborated, and the others repeat its nodes.

What a body becomes depends on the types of its tensors, on its numbers, and on the loops and calls around it. Where all of these are
the same, the nodes are the same, on other tensors, with other parameters and at another place of the text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from mai.compiler.elaborate.bindings import (
    Absent,
    Binding,
    Builtin,
    Distribution,
    Environment,
    Function,
    Partial,
    WeightScope,
)
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Initial, Node, Value, Weight
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Constant, Lead, SizeOf, Spread, Structural, Unlead, WeightOf
from mai.compiler.ir.types import Axis, Type
from mai.spec.record import record
from mai.spec.source import Span

REPEATED = (Constant, Lead, SizeOf, Spread, Unlead, WeightOf)
NAMED_AS_OPERAND = (Lead, Spread, Unlead)
SIMPLE = (bool, int, float, str, Absent, Builtin, Initial)


@record
class Step:
    """A node of a template: its operands are numbers among the arguments and the results of steps before.

    `scope` is the end of its path, below that of the call; None for a node that stands beside the call. `results` are types, names
    (None for that of the operand), and where the text says what they are.
    """

    op: type[Operation]
    operands: tuple[int, ...]
    attributes: Mapping[str, Any]
    structure: Structural | None
    scope: str | None
    results: tuple[tuple[Type, str | None, Span | None], ...]


@record
class Template:
    """What a call became.

    Attributes:
        weights: its parameters, with their names below the call.
        quotients: which values are quotients, of what.
        results: the numbers of what is returned; one number alone, for a function of one result.
        calls: how many calls are inside.
    """

    steps: tuple[Step, ...]
    weights: tuple[tuple[str, Weight], ...]
    quotients: tuple[tuple[int, int | None, int], ...]
    results: int | tuple[int, ...]
    calls: int


def key_of(
    e: Context, env: Environment, function: Function, tensors: Mapping[str, Value], axes: tuple[Axis, ...]
) -> Hashable | None:
    """What decides the nodes of a call; None for a call that is elaborated each time."""
    own = function.member is None and function.twin is None and function.at is None
    if not (own and is_standard(function)) or e.scope.second or e.scope.among:
        return None
    values = [*tensors.values()]
    alike = tuple(map(values.index, values))
    fixed = [_fixed_key(env.names[p.name.id]) for p in function.declaration.parameters if p.name.id not in tensors]
    around = (e.axes, axes, e.scope.turns, e.over_all_examples, id(e.growing))
    if None in fixed:
        return None
    return id(function.declaration), id(function.module), tuple(fixed), tuple(v.type for v in values), alike, around


def is_standard(function: Function) -> bool:
    """Whether a function is one of the prelude, in whose body a text has no place."""
    return function.declaration.name.span.source.in_prelude


def _fixed_key(value: Binding) -> Hashable | None:
    """What stands for an argument that is fixed when the file is compiled; None for one that may be of the user's own code."""
    if value is None:
        return None
    if isinstance(value, SIMPLE):
        return type(value), id(value) if isinstance(value, Builtin) else value
    if isinstance(value, Function):
        return id(value) if is_standard(value) and value.at is None else None
    parts = [type(value), *map(_fixed_key, _parts(value))]
    return None if None in parts else tuple(parts)


def _parts(value: Binding) -> Sequence[Binding]:
    """What a list, a distribution and a call that lacks its tensors are made of; nothing, for what has no key."""
    if isinstance(value, list):
        return value
    if isinstance(value, Distribution):
        return [value.kind, *value.shape, *value.numbers]
    if isinstance(value, Partial):
        return [value.function, *chain.from_iterable((a.name or "", a.value) for a in value.arguments)]
    return [None]


class Recording:
    """Watches a call that is elaborated, to make a template of it."""

    def __init__(self, e: Context, scope: WeightScope) -> None:
        self.e, self.scope = e, scope
        self.region, self.first = e.builder.region, len(e.builder.region.nodes)
        self.span, self.around = e.builder.span, e.builder.scope
        self.before, self.quotients, self.calls = self._counts(), len(e.quotients), e.calls.inlined

    def template(self, tensors: Sequence[Value], result: Value | tuple[Value, ...]) -> Template | None:
        """What can be repeated; None for what does more than add simple nodes on the tensors, as a draw or a loop does."""
        if self.before != self._counts():
            return None
        numbers: dict[Value, int] = {}
        for value in tensors:
            numbers.setdefault(value, len(numbers))
        steps = self._steps(numbers)
        weights = self._weights()
        quotients = [*self.e.quotients.items()][self.quotients :]
        returned = result if isinstance(result, tuple) else (result,)
        mentioned = [*returned, *chain.from_iterable((value, *of) for value, of in quotients)]
        if steps is None or weights is None or not {v for v in mentioned if v is not None} <= set(numbers):
            return None
        ratios = tuple((numbers[v], None if top is None else numbers[top], numbers[by]) for v, (top, by) in quotients)
        places, calls = tuple(numbers[value] for value in returned), self.e.calls.inlined - self.calls
        return Template(steps, weights, ratios, places if isinstance(result, tuple) else places[0], calls)

    def _steps(self, numbers: dict[Value, int]) -> tuple[Step, ...] | None:
        """All nodes of the call as steps, whose results get `numbers`; None where one is no step."""
        steps: list[Step] = []
        for node in self.region.nodes[self.first :]:
            step = self._step(node, numbers)
            if step is None:
                return None
            steps.append(step)
            for value in node.outputs:
                numbers[value] = len(numbers)
        return tuple(steps)

    def _weights(self) -> tuple[tuple[str, Weight], ...] | None:
        """The parameters of the call, by the ends of their names; None where one is a state, or is computed."""
        nodes = [node for node in self.region.nodes[self.first :] if node.op is WeightOf]
        weights = [self.e.graph.weights[WeightOf.of(node).weight] for node in nodes]
        ends = [self._below(weight.name) for weight in weights]
        own = all(w.trained and w.init.graph is None and w.init.kind != "computed" for w in weights)
        return tuple((end or "", w) for end, w in zip(ends, weights, strict=True)) if own and None not in ends else None

    def _counts(self) -> tuple[object, ...]:
        """What other things than nodes change."""
        e = self.e
        return (
            id(e.builder.region), len(e.report.diagnostics), len(e.evaluations), len(e.graph.sizes), len(e.stacked),
            dict(e.draws.places), e.directions, e.places_apart, e.turns_apart, e.train and dict(e.train.states),
        )  # fmt: skip

    def _step(self, node: Node, numbers: Mapping[Value, int]) -> Step | None:
        beside, below = node.scope == self.around, self._below(node.scope)
        simple = node.structure is None or isinstance(node.structure, REPEATED)
        if node.regions or not simple or (below is None and not beside) or node.span is not self.span:
            return None
        if any(value not in numbers for value in node.inputs):
            return None
        named = node.op in NAMED_AS_OPERAND and node.output.name == node.inputs[0].name
        results = tuple((v.type, None if named else v.name, self.e.origins.get(v)) for v in node.outputs)
        operands, place = tuple(numbers[v] for v in node.inputs), None if beside else below
        return Step(node.op, operands, node.attributes, node.structure, place, results)

    def _below(self, path: str) -> str | None:
        """The end of a path that begins with that of the call."""
        below = path.removeprefix(self.scope.path)
        return below if path.startswith(self.scope.path) and below[:1] in ("", ".") else None


def repeat(
    e: Context, template: Template, tensors: Sequence[Value], scope: WeightScope
) -> Value | tuple[Value, ...] | None:
    """The nodes of a template again, on other tensors; None where a parameter has another shape, which is told by elaborating."""
    weights = [_named(weight, f"{scope.path}{below}", scope) for below, weight in template.weights]
    if any(w.name in e.weights and e.weights[w.name].shape != w.shape for w in weights):
        return None
    for weight in weights:
        e.weights.setdefault(weight.name, weight)
        e.graph.weights[weight.name] = weight
    names = iter(weights)
    region, span, values = e.builder.region, e.builder.span, list(dict.fromkeys(tensors))
    for step in template.steps:
        structure = WeightOf(next(names).name) if step.op is WeightOf else step.structure
        operands = tuple([values[number] for number in step.operands])
        outputs = tuple([Value(type, operands[0].name if name is None else name) for type, name, _ in step.results])
        path = e.builder.scope if step.scope is None else scope.path + step.scope
        region.append(Node(step.op, operands, step.attributes, outputs, (), span, path, structure))
        values += outputs
        for value, (_, _, origin) in zip(outputs, step.results, strict=True):
            if origin is not None and span is not None:
                e.origins[value] = origin if origin.source.in_prelude else span
    for quotient, numerator, divisor in template.quotients:
        e.quotients[values[quotient]] = None if numerator is None else values[numerator], values[divisor]
    if isinstance(template.results, int):
        return values[template.results]
    return tuple(values[number] for number in template.results)


def _named(weight: Weight, name: str, scope: WeightScope) -> Weight:
    return replace(weight, name=name, owner=scope.owner, counts=scope.turns)
