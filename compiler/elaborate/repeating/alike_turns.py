"""Turns of a `repeat` that are elaborated one by one: what the body says without its turn's number is elaborated once for alike turns.

`near = where(i % 2 == 0, window, 0)` makes two kinds of turns of any number. Behind it, a turn becomes the nodes of the first turn
of its kind again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from mai.compiler.elaborate.bindings import Binding, Environment, Module
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.names import look_up
from mai.compiler.elaborate.repeating.keys import relations
from mai.compiler.elaborate.repeating.prints import SIMPLE, as_text
from mai.compiler.elaborate.repeating.recording import Recording
from mai.compiler.elaborate.repeating.templates import Template, repeat, surroundings
from mai.compiler.elaborate.statement_rules import assigned_names
from mai.compiler.ir.graph import Node, TurnAgain, Value
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of
from mai.spec.record import record
from mai.spec.source import Span


@record
class Turn:
    """What a turn became: the template of its nodes, the places of the names that it binds, and the files whose functions it calls."""

    template: Template
    where: Mapping[str, Span]
    modules: Mapping[str, Module]


class AlikeTurns:
    """The turns of one `repeat`, by what comes to the statements behind the last one that speaks of the turn's number."""

    def __init__(self, e: Context, statement: ast.Repeat) -> None:
        self.e, body = e, statement.body
        index = statement.index.id if statement.index is not None else None
        own = [place for place, each in enumerate(body, 1) if index in names_of(each) or [*nodes_of(each, ast.Return)]]
        first = max(own, default=0)
        self.head, self.rest = body[:first], body[first:]
        self.assigned = [name.id for name in assigned_names(self.rest)]
        self.read = sorted({*self.assigned, *(name for each in self.rest for name in names_of(each))})
        self._turns: dict[Hashable, Turn | None] = {}
        self._counts = Counter[Hashable]()
        self._bindings: list[object] = []  # Kept, so that no other binding has the id of one of them.

    def block(self, inside: Environment) -> Binding:
        """Elaborate a turn; what it returns, if it does."""
        returned = self.e.statements.block(inside, self.head)
        if returned is not None or not self.rest:
            return returned
        bindings = {name: look_up(inside, name) for name in self.read}
        tensors = [binding for binding in bindings.values() if isinstance(binding, Value)]
        key = self._key(bindings, tensors)
        turn, region = self._turns.get(key), self.e.builder.region
        before = len(region.nodes)
        self._counts[key] += 1
        if turn is not None and self._repeated(turn, inside, tensors):
            self._note_again(key, bindings, inside, tuple(region.nodes[before:]))
            return None
        return self._recorded(key, inside, tensors) if key not in self._turns else self._elaborated(inside)

    def _key(self, bindings: Mapping[str, Binding], tensors: Sequence[Value]) -> Hashable:
        """What decides the nodes: numbers, and what else is the same thing in all turns; types; how often layers were called before."""
        self._bindings.append(bindings)
        fixed = tuple((name, _identity(binding)) for name, binding in bindings.items())
        values = [*tensors, *surroundings(self.e)]
        return fixed, tuple(v.type for v in values), relations(self.e, values), tuple(self.e.scope.counts.items())

    def _repeated(self, turn: Turn, inside: Environment, tensors: Sequence[Value]) -> bool:
        """The nodes again, and the names that they are bound to; False where the turn has to be elaborated."""
        if not self.e.calls.has_room(turn.template.noted):
            return False
        values = repeat(self.e, turn.template, tensors, self.e.scope, turn.modules)
        if not isinstance(values, tuple):
            return False
        inside.names.update(zip(self.assigned, values, strict=True))
        inside.where.update(turn.where)
        if inside.around is not None:
            inside.around.inside.update(self.assigned)
        return True

    def _note_again(
        self, key: Hashable, bindings: Mapping[str, Binding], inside: Environment, nodes: tuple[Node, ...]
    ) -> None:
        """Note a turn that comes after two of its kind, and one more for each state beside the first, if its names had values of the same types before."""
        states = [(inside.names[name], bindings[name]) for name in self.assigned]
        pairs = tuple([(a, b) for a, b in states if isinstance(a, Value) and isinstance(b, Value) and a.type == b.type])
        if self._counts[key] > len(set(self.assigned)) + 1 and len(pairs) == len(states):
            self.e.graph.turns_again.append(TurnAgain(nodes, pairs))

    def _recorded(self, key: Hashable, inside: Environment, tensors: Sequence[Value]) -> Binding:
        """Elaborate a turn that is the first of its kind."""
        e, called = self.e, len(self.e.calls.called)
        recording = Recording(e, tensors, e.scope, {})
        returned = self._elaborated(inside)
        if e.report.failed:
            return returned
        results = [inside.names.get(name) for name in self.assigned]
        values = tuple([v for v in results if isinstance(v, Value) and v not in e.transposes])
        template = recording.template(values)
        self._turns[key] = None
        if template is not None and returned is None and len(values) == len(results):
            modules = {module.source.path: module for module, _ in e.calls.called[called:]}
            where = {name: inside.where[name] for name in self.assigned if name in inside.where}
            self._turns[key] = Turn(template, where, modules)
        return returned

    def _elaborated(self, inside: Environment) -> Binding:
        return self.e.statements.block(inside, self.rest)


def _identity(binding: Binding) -> Hashable:
    """A number or a text as it is; of a tensor nothing, since its type counts; of anything else, which thing it is."""
    if isinstance(binding, Value):
        return Value
    return as_text(binding) if isinstance(binding, SIMPLE) else id(binding)
