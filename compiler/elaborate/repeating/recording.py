"""A call is watched while it is elaborated, to make a template of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from mai.compiler.elaborate.bindings import WeightScope
from mai.compiler.elaborate.context import Context, LayerCall
from mai.compiler.elaborate.repeating.prints import Declarations
from mai.compiler.elaborate.repeating.templates import (
    CALL,
    Body,
    Noted,
    Path,
    Result,
    Step,
    Template,
    surroundings,
)
from mai.compiler.ir.graph import COMPUTED, Node, Region, Value, Weight
from mai.compiler.ir.structure import Constant, Integrate, Lead, Loop, SizeOf, Spread, Unlead, WeightOf
from mai.spec.source import Span

REPEATED = (Constant, Integrate, Lead, Loop, SizeOf, Spread, Unlead, WeightOf)
NAMED_AS_OPERAND = (Lead, Spread, Unlead)
OUTSIDE = -1  # The number of a value that is neither an argument nor made inside.


class Recording:
    """Watches a call that is elaborated, to make a template of it."""

    def __init__(self, e: Context, tensors: Sequence[Value], scope: WeightScope, declarations: Declarations) -> None:
        self.e, self.tensors, self.scope = e, list(tensors), scope
        self.declarations, self.seen = declarations, len(e.calls.templates.log.seen)
        self.read = list(dict.fromkeys([*tensors, *surroundings(e)]))
        self.before_it = [call for value in tensors for call in e.made_by.get(value, ())]
        self.region, self.first = e.builder.region, len(e.builder.region.nodes)
        self.span, self.around = e.builder.span, e.builder.scope
        self.before, self.quotients = self._counts(), len(e.quotients)
        self.inlined, self.called = e.calls.inlined, len(e.calls.called)
        self.named, self.noted = len(e.calls.named), len(e.calls.noted)
        self.deepest, e.calls.deepest = e.calls.deepest, len(e.call_stack)
        self.turns_apart, self.failed_attempts = e.turns_apart, e.failed_attempts

    def template(self, result: Value | tuple[Value, ...]) -> Template | None:
        """What can be repeated; None for what does more than add simple nodes on the tensors, as a draw does."""
        template = self._template(result) if self.before == self._counts() else None
        self.e.calls.deepest = max(self.deepest, self.e.calls.deepest)
        return template

    def _template(self, result: Value | tuple[Value, ...]) -> Template | None:
        numbers = {value: number for number, value in enumerate(self.read)}
        self.spans: dict[Span, int] = {}
        self.places: dict[
            int, int
        ] = {}  # Of spans by their ids: to compare texts and ends for each node takes as long as the rest.
        self.paths: dict[str, Path] = {}
        steps = self._steps(self.region.nodes[self.first :], numbers)
        weights = None if steps is None else self._weights()
        returned = result if isinstance(result, tuple) else (result,)
        if steps is None or weights is None or not set(returned) <= set(numbers):
            return None
        places = tuple(numbers[value] for value in returned)
        results, noted = places if isinstance(result, tuple) else places[0], self._noted(numbers, returned)
        seen = self.e.calls.templates.log.since(self.seen)
        return Template(steps, weights, results, noted, self.declarations, tuple(self.spans), seen)

    def _steps(self, nodes: Iterable[Node], numbers: dict[Value, int]) -> tuple[Step, ...] | None:
        """Nodes as steps, whose results get `numbers`; None where one is no step."""
        steps: list[Step] = []
        for node in nodes:
            step = self._step(node, numbers)
            if step is None:
                return None
            steps.append(step)
            _number(node.outputs, numbers)
        return tuple(steps)

    def _step(self, node: Node, numbers: dict[Value, int]) -> Step | None:
        if node.structure is not None and not isinstance(node.structure, REPEATED):
            return None
        operands = tuple([numbers.get(v, OUTSIDE) for v in node.inputs])
        regions = tuple([self._body(region, numbers) for region in node.regions]) if node.regions else ()
        if OUTSIDE in operands or None in regions:
            return None
        named = node.op in NAMED_AS_OPERAND and node.output.name == node.inputs[0].name
        place, origins = self._place, self.e.origins
        results = tuple([Result(v.type, None if named else v.name, place(origins.get(v))) for v in node.outputs])
        path = None if node.scope == self.around else self._path(node.scope)
        bodies = tuple([body for body in regions if body is not None])
        return Step(node.op, operands, node.attributes, node.structure, place(node.span), path, results, bodies)

    def _body(self, region: Region, numbers: dict[Value, int]) -> Body | None:
        _number(region.inputs, numbers)
        steps = self._steps(region.nodes, numbers)
        if steps is None or any(value not in numbers for value in region.outputs):
            return None
        inputs = tuple((value.type, value.name) for value in region.inputs)
        return Body(inputs, steps, tuple(numbers[value] for value in region.outputs))

    def _place(self, span: Span | None) -> int | None:
        """The number of a span; CALL for that of the call, and None for none."""
        if span is None:
            return None
        if id(span) not in self.places:
            self.places[id(span)] = CALL if span == self.span else self._number_of(span)
        return self.places[id(span)]

    def _number_of(self, span: Span) -> int:
        return self.spans.setdefault(span, len(self.spans))

    def _path(self, path: str) -> Path:
        if path not in self.paths:
            self.paths[path] = self._path_below(path)
        return self.paths[path]

    def _path_below(self, path: str) -> Path:
        below = path.removeprefix(self.scope.path)
        is_below = path.startswith(self.scope.path) and below[:1] in ("", ".")
        return Path(below, True) if is_below else Path(path, False)

    def _weights(self) -> tuple[tuple[Path, Weight, int], ...] | None:
        """The parameters of the call; None where one is a state, is computed, or follows another."""
        names = [WeightOf.of(n).weight for n in _walk(self.region.nodes[self.first :]) if n.op is WeightOf]
        weights = [self.e.graph.weights[name] for name in names]
        if not all(
            w.trained and w.follows is None and w.init.graph is None and w.init.kind != COMPUTED for w in weights
        ):
            return None
        return tuple((self._path(weight.name), weight, self._number_of(weight.span)) for weight in weights)

    def _noted(self, numbers: Mapping[Value, int], returned: Sequence[Value]) -> Noted:
        """What is remembered of the inside; of what was tried and taken back, nothing."""
        e, calls = self.e, self.e.calls
        quotients = [(v, top, by) for v, (top, by) in islice(e.quotients.items(), self.quotients, None) if v in numbers]
        return Noted(
            tuple((numbers[v], None if top is None else numbers[top], numbers[by]) for v, top, by in quotients),
            tuple((net, numbers[v], name) for net, v, name in calls.named[self.named :] if v in numbers),
            tuple((self._number_of(span), slot, numbers[v]) for (span, slot), v in calls.noted[self.noted :] if v in numbers),
            tuple((numbers[v], inner) for v in returned if (inner := self._inner_calls(v))),
            tuple((module.source.path, name) for module, name in calls.called[self.called :]), calls.inlined - self.inlined, calls.deepest - len(e.call_stack),
            e.turns_apart - self.turns_apart, e.failed_attempts - self.failed_attempts,
        )  # fmt: skip

    def _inner_calls(self, value: Value) -> tuple[LayerCall, ...]:
        """The calls inside that decided a shape, without those that decided the tensors' shapes."""
        return tuple(call for call in self.e.made_by.get(value, ()) if not any(call is c for c in self.before_it))

    def _counts(self) -> tuple[object, ...]:
        """What other things than nodes change, and whether anything was wrong, or was asked of what is outside."""
        e = self.e
        return (
            id(e.builder.region), len(e.report.diagnostics), e.stops, e.looks_behind, len(e.evaluations), len(e.graph.sizes),
            len(e.graph.settings), len(e.bounds.asked), len(e.bounds.not_zero), len(e.stacked), len(e.expressions.lets),
            dict(e.draws.places), e.directions, e.places_apart, e.train and dict(e.train.states),
            [(value.name, e.origins.get(value)) for value in self.tensors],
        )  # fmt: skip


def _number(values: Iterable[Value], numbers: dict[Value, int]) -> None:
    for value in values:
        numbers[value] = len(numbers)


def _walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes in the order in which a repetition makes them: those of bodies before the node that they are of."""
    for node in nodes:
        yield from chain.from_iterable(_walk(region.nodes) for region in node.regions)
        yield node
