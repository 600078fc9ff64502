"""What a call became, as a template, and its nodes again on other tensors.

What a body becomes depends on the types of its tensors, on its numbers, and on the loops and calls around it. Where all of these are
the same, the nodes are the same, on other tensors; those of a layer with other parameters and at another place of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mai.compiler.elaborate.bindings import Module, WeightScope
from mai.compiler.elaborate.context import Context, LayerCall
from mai.compiler.elaborate.repeating.prints import Declarations
from mai.compiler.elaborate.repeating.sighted import Seen
from mai.compiler.ir.graph import Node, Region, Value, Weight
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Structural, WeightOf
from mai.compiler.ir.types import Type
from mai.spec.record import record
from mai.spec.source import Span

MAX_TURNS_APART = 1_000  # Of all blocks of a graph together: each is elaborated by itself.
MAX_ATTEMPTS = 50  # That fail: what is wrong in many blocks, one in the other, is tried no further.
CALL = -1  # In the place of the number of a span: that of the call that repeats a template.


@record
class Path:
    """Where a node or a weight is named: by the end of a path, below that of the call, or by all of it, in another net."""

    text: str
    is_below: bool

    def under(self, scope: WeightScope) -> str:
        """The path, for a call at a scope."""
        return scope.path + self.text if self.is_below else self.text


@record
class Result:
    """A value that a step makes: its name (None for that of the operand), and the number of the span that says what it is."""

    type: Type
    name: str | None
    origin: int | None


@record
class Step:
    """A node of a template: its operands are numbers among the arguments and the results of steps before.

    `span` is the number of its place, `path` None for a node that stands beside the call. The values of `bodies` are numbered before its own results.
    """

    op: type[Operation]
    operands: tuple[int, ...]
    attributes: Mapping[str, Any]
    structure: Structural | None
    span: int | None
    path: Path | None
    results: tuple[Result, ...]
    bodies: tuple[Body, ...] = ()


@record
class Body:
    """A region of a step."""

    inputs: tuple[tuple[Type, str], ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]


@record
class Noted:
    """What a graph and its elaborator remember of a call's inside, by the numbers of the values.

    Attributes:
        quotients: which values are quotients, of what.
        arguments: the nets' names for values.
        places: the arguments and results of the file's own functions, by the spans of these and names or numbers.
        made_by: the calls of layers inside that decided the shapes of what is returned.
        called: the functions that were called, by the paths of their files and their names.
        inlined: how many calls are inside.
        deepest: how deep they are nested.
        turns_apart: how many turns of loops were elaborated one by one.
        failed_attempts: how many loops were first tried with one body for all turns.
    """

    quotients: tuple[tuple[int, int | None, int], ...]
    arguments: tuple[tuple[str, int, str], ...]
    places: tuple[tuple[int, str | int, int], ...]
    made_by: tuple[tuple[int, tuple[LayerCall, ...]], ...]
    called: tuple[tuple[str, str], ...]
    inlined: int
    deepest: int
    turns_apart: int
    failed_attempts: int


@record
class Template:
    """What a call became.

    Attributes:
        weights: its parameters, in the order of the steps, with the spans of their statements.
        results: the numbers of what is returned; one number alone, for a function of one result.
        declarations: the functions whose texts it is of.
        spans: all places that it names, by number.
        seen: what an editor was told of them; None where none watched.
    """

    steps: tuple[Step, ...]
    weights: tuple[tuple[Path, Weight, int], ...]
    results: int | tuple[int, ...]
    noted: Noted
    declarations: Declarations
    spans: tuple[Span, ...]
    seen: Seen | None


def surroundings(e: Context) -> list[Value]:
    """What a call may read beside its tensors: the turns of the loops around."""
    return [e.draws.turn, e.draws.first_turn] if e.draws.can_draw else []


def repeat(
    e: Context, template: Template, tensors: Sequence[Value], scope: WeightScope, modules: Mapping[str, Module]
) -> Value | tuple[Value, ...] | None:
    """The nodes of a template again, on other tensors; None where a parameter has another shape or the name of a call, which elaborating reports.

    `modules` are the files of the functions that are called inside, by path.
    """
    weights = [_named(weight, path, scope, template.spans[span]) for path, weight, span in template.weights]
    if weights and e.weights_around(f"{scope.path}."):
        return None
    if any(w.name in e.weights and e.weights[w.name].shape != w.shape for w in weights):
        return None
    for weight in weights:
        e.weights.setdefault(weight.name, weight)
        e.graph.weights[weight.name] = weight
    values = list(dict.fromkeys([*tensors, *surroundings(e)]))
    _Repetition(e, scope, values, iter(weights), template.spans).steps(template.steps, e.builder.region)
    _note_again(e, template, tensors, values, modules)
    e.calls.templates.log.tell(template.seen)
    if isinstance(template.results, int):
        return values[template.results]
    return tuple(values[number] for number in template.results)


class _Repetition:
    """One repetition of a template; `values` has the tensors, and then all that its steps make, by their numbers."""

    def __init__(
        self, e: Context, scope: WeightScope, values: list[Value], weights: Iterator[Weight], spans: Sequence[Span]
    ) -> None:
        self.e, self.scope, self.values, self.weights = e, scope, values, weights
        self.spans, self.around = (*spans, e.builder.span), e.builder.scope  # The call's comes last, as number -1.

    def steps(self, steps: Iterable[Step], region: Region) -> None:
        for step in steps:
            region.append(self._node(step))

    def _node(self, step: Step) -> Node:
        values = self.values
        structure = WeightOf(next(self.weights).name) if step.op is WeightOf else step.structure
        operands = tuple([values[number] for number in step.operands])
        bodies = tuple([self._body(body) for body in step.bodies])
        outputs = tuple([Value(r.type, operands[0].name if r.name is None else r.name) for r in step.results])
        path = self.around if step.path is None else step.path.under(self.scope)
        values += outputs
        for value, result in zip(outputs, step.results, strict=True):
            origin = None if result.origin is None else self.spans[result.origin]
            if origin is not None:
                self.e.origins[value] = origin
        span = None if step.span is None else self.spans[step.span]
        return Node(step.op, operands, step.attributes, outputs, bodies, span, path, structure)

    def _body(self, body: Body) -> Region:
        region = Region([Value(type, name) for type, name in body.inputs])
        self.values += region.inputs
        self.steps(body.steps, region)
        region.outputs = [self.values[number] for number in body.outputs]
        return region


def _named(weight: Weight, path: Path, scope: WeightScope, span: Span) -> Weight:
    name, owner = (path.under(scope), scope.owner) if path.is_below else (weight.name, weight.owner)
    is_same = name == weight.name and owner == weight.owner and span is weight.span
    return weight if is_same else replace(weight, name=name, owner=owner, span=span)


def _note_again(
    e: Context, template: Template, tensors: Sequence[Value], values: Sequence[Value], modules: Mapping[str, Module]
) -> None:
    noted, spans = template.noted, template.spans
    for quotient, numerator, divisor in noted.quotients:
        e.quotients[values[quotient]] = None if numerator is None else values[numerator], values[divisor]
    for net, number, name in noted.arguments:
        e.calls.note_named(net, values[number], name)
    for span, slot, number in noted.places:
        e.calls.note((spans[span], slot), values[number])
    for number, calls in noted.made_by:
        before = (e.made_by[t] for t in tensors if t in e.made_by and t.type.shape == values[number].type.shape)
        e.made_by[values[number]] = (*next(before, ()), *calls)
    for path, name in noted.called:
        e.calls.note_called(modules[path], name)
    e.calls.inlined += noted.inlined
    e.calls.deepest = max(e.calls.deepest, len(e.call_stack) + noted.deepest)
    e.turns_apart += noted.turns_apart
    e.failed_attempts += noted.failed_attempts
