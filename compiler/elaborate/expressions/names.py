"""What a name stands for: in a body, then in its file, the prelude, and among the built-in functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mai.compiler.elaborate.bindings import Binding, Environment, Module
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.functions.registered import BUILTINS
from mai.spec import ast, is_public
from mai.spec.diagnostics import Label
from mai.spec.source import Span

UNREAD = "_"  # The name of values that nothing reads: one statement may give it several.


def look_up(env: Environment, name: str) -> Binding | None:
    """What a name stands for; None where nothing has it."""
    if name in env.names:
        return env.names[name]
    for module in _modules(env):
        if name in module.names and (module is env.module or is_public(name)):
            return module.names[name]
    return BUILTINS.get(name)


def names_in_sight(env: Environment) -> list[str]:
    """All names that stand for something, the nearest first."""
    names = list(env.names)
    for module in _modules(env):
        names += [name for name in module.names if module is env.module or is_public(name)]
    return names + list(BUILTINS)


def _modules(env: Environment) -> Iterator[Module]:
    """The body's file, then the prelude; of this, names that begin with `_` are its own."""
    module: Module | None = env.module
    while module is not None:
        yield module
        module = module.parent


def is_free(env: Environment, expr: ast.Expr) -> bool:
    """Whether a dimension is a name that neither the body nor its file defines: the call binds it."""
    return isinstance(expr, ast.Name) and expr.id not in env.names and expr.id not in env.module.names


def check_distinct(e: Context, names: Iterable[ast.Identifier], problem: str = "is given two values at once") -> None:
    """Check that one statement gives each name one value. Raises `Stop`: it gives two to one name, of which the first would be lost."""
    first: dict[str, Span] = {}
    for name in names:
        if name.id in first and name.id != UNREAD:
            where = [Label(first[name.id], "here first")]
            raise e.fail("duplicate-name", name.span, f"`{name.id}` {problem}", where=where)
        first.setdefault(name.id, name.span)
