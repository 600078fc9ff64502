"""Which names of a function's body are bound and never read: liveness, from the last statement to the first.

A name is live where some later statement may read it. A binding of a name that is not live is left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from mai.spec import ast
from mai.spec.ast_walk import names_of, with_branches
from mai.spec.record import record

Kind = Literal["value", "draw", "param", "state"]
Names = frozenset[str]


@record
class Unread:
    """A name that is bound and never read afterwards."""

    name: ast.Identifier
    kind: Kind


def names_read(*trees: object) -> Names:
    """Every name that the expressions of some trees speak of."""
    return frozenset(names_of(trees))


class Liveness:
    """One function's body, or a train block, looked at backwards; `unread` collects what is left over.

    A body of turns is looked at again with what the next turn reads; with the same live names it is looked at once, so that
    bodies inside each other take no longer than they are.
    """

    def __init__(self) -> None:
        self._bound: dict[ast.Identifier, Unread] = {}
        self._read: set[ast.Identifier] = set()
        self._looked_at: dict[tuple[int, Names], Names] = {}
        self.states: set[str] = set()  # Names of states: what is assigned to them is kept.

    @property
    def unread(self) -> list[Unread]:
        """What nothing reads in any turn."""
        return [unread for name, unread in self._bound.items() if name not in self._read]

    def block(self, statements: Sequence[ast.Statement], live: Names) -> Names:
        """The names that are live before some statements, given those that are live after them."""
        self.states |= {s.name.id for s in statements if isinstance(s, ast.Param) and not s.trained}
        for statement in reversed(statements):
            live = self._before(statement, live)
        return live

    def _before(self, statement: ast.Statement, live: Names) -> Names:
        match statement:
            case ast.Assign():
                return self._assignment(statement, live)
            case ast.Draw(name=name, distribution=drawn):
                return self._binding(name, "draw", live) | names_read(drawn)
            case ast.Noise(name=name, type=type_):
                return self._binding(name, "draw", live) | names_read(type_)
            case ast.Param(name=name, type=type_, init=init, trained=trained):
                return self._binding(name, "param" if trained else "state", live) | names_read(type_, init)
            case ast.Return(value=value):
                return names_read(value)
            case ast.If(condition=condition, then=then, otherwise=otherwise):
                return self.block(then, live) | self.block(otherwise, live) | names_read(condition)
            case ast.Repeat(count=count, index=index, until=until, body=body, keeps=keeps):
                live = self._kept(keeps, live)
                inside = self._turns(body, live | names_read(until) | _identifiers(*(keep.state for keep in keeps)))
                return (live | inside) - _identifiers(index) | names_read(count)
            case ast.Integrate():
                return self._integral(statement, live)
            case ast.Extend(name=name, count=count, until=until, search=search, body=body, keeps=keeps):
                live = self._kept(keeps, live)
                inside = self._turns(body, live | {name.id} | _identifiers(*(keep.state for keep in keeps)))
                return inside | live | {name.id} | names_read(count, until, search)
            case _:
                return live | names_read(statement)

    def _assignment(self, statement: ast.Assign, live: Names) -> Names:
        """Of several results one that is read is enough: the others need a name, too."""
        targets = statement.targets
        self._note(targets[0], "value", is_read=any(target.id in live | self.states for target in targets))
        if not statement.op:
            live -= _identifiers(*targets)
        return live | names_read(statement.value)

    def _binding(self, name: ast.Identifier, kind: Kind, live: Names) -> Names:
        self._note(name, kind, is_read=name.id in live)
        return live - {name.id}

    def _note(self, name: ast.Identifier, kind: Kind, *, is_read: bool) -> None:
        self._bound[name] = Unread(name, kind)
        if is_read:
            self._read.add(name)

    def _turns(self, body: Sequence[ast.Statement], live: Names) -> Names:
        """What a turn leaves is read after the last one, or by the next one."""
        before: Names = frozenset()
        while True:
            key = id(body), live | before
            if key not in self._looked_at:
                self._looked_at[key] = self.block(body, live | before)
            again = self._looked_at[key]
            if again <= before:
                return before
            before |= again

    def _kept(self, keeps: Sequence[ast.Keep], live: Names) -> Names:
        """The names that are live before what turns keep has its names."""
        for keep in keeps:
            live = self._binding(keep.name, "value", live)
        return live

    def _integral(self, statement: ast.Integrate, live: Names) -> Names:
        """The states are read by their own velocities and at the end; `dx/ds` and `dx = ...` both move x."""
        live = self._kept(statement.keeps, live) | _identifiers(*(keep.state for keep in statement.keeps))
        if statement.hit is not None:
            live = self._binding(statement.hit, "value", live)
        live |= names_read(*(keep.times for keep in statement.keeps))
        added = frozenset(_increments(statement))
        moved = frozenset(s.state.id for s in with_branches(statement.body) if isinstance(s, ast.Derivative))
        states = moved | frozenset(name[1:] for name in added)
        inside = self._turns(statement.body, live | names_read(statement.until) | states | added)
        inside = inside - added - {statement.variable.id}
        return live | states | inside | names_read(statement.start, statement.stop, statement.solver)


def _increments(statement: ast.Integrate) -> Iterator[str]:
    """`dx` for each assignment in an integral's body that may say what a stochastic equation adds to x."""
    for inner in with_branches(statement.body):
        if isinstance(inner, ast.Assign) and not inner.op and len(inner.targets) == 1:
            name = inner.targets[0].id
            if name.startswith("d") and len(name) > 1:
                yield name


def _identifiers(*names: ast.Identifier | None) -> Names:
    return frozenset(name.id for name in names if name is not None)
