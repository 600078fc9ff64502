"""The kinds of statements, each with how it is elaborated and the names that it binds. Modules of blocks add theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mai.compiler.elaborate.bindings import Binding, Environment
from mai.compiler.elaborate.context import Context
from mai.spec import ast
from mai.spec.diagnostics import Edit
from mai.spec.record import record

S = TypeVar("S", bound=ast.Statement)


@record
class StatementRule:
    """How a kind of statement is elaborated: its value is what it returns, or None. `binds` are the names that it gives values."""

    elaborate: Callable[[Context, Environment, Any], Binding]
    binds: Callable[[Any], Sequence[ast.Identifier]]


RULES: dict[type[ast.Statement], StatementRule] = {}
Elaborate = Callable[[Context, Environment, S], Binding]


def _nothing(statement: ast.Statement) -> Sequence[ast.Identifier]:
    return ()


def elaborates(
    kind: type[S], binds: Callable[[S], Sequence[ast.Identifier]] = _nothing
) -> Callable[[Elaborate[S]], Elaborate[S]]:
    """Make a function the rule of a kind of statements."""

    def register(rule: Elaborate[S]) -> Elaborate[S]:
        RULES[kind] = StatementRule(rule, binds)
        return rule

    return register


def no_repair(statement: ast.Statement) -> None:
    """What only its writer can repair."""


def belongs_elsewhere(
    kind: type[S],
    slug: str,
    message: str,
    repair: Callable[[S], Edit | None] = no_repair,
    binds: Callable[[S], Sequence[ast.Identifier]] = _nothing,
) -> None:
    """Refuse a kind of statements wherever its block does not take it out itself."""

    @elaborates(kind, binds)
    def refuse(e: Context, env: Environment, statement: S) -> Binding:
        raise e.fail(slug, statement.span, message, help=repair(statement))


def assigned_names(statements: Sequence[ast.Statement]) -> list[ast.Identifier]:
    """The names that statements bind, inner blocks included, each once, in order."""
    names: dict[str, ast.Identifier] = {}
    for statement in statements:
        for name in RULES[type(statement)].binds(statement):
            names.setdefault(name.id, name)
    return list(names.values())
