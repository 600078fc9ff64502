"""What a name stands for: in a body, then in its file, the prelude, and among the built-in functions."""

from __future__ import annotations

from mai.compiler.elaborate.bindings import Binding, Environment, Module
from mai.compiler.elaborate.functions.registered import BUILTINS
from mai.spec import ast


def look_up(env: Environment, name: str) -> Binding | None:
    """What a name stands for; None where nothing has it."""
    if name in env.names:
        return env.names[name]
    module: Module | None = env.module
    while module is not None:
        if name in module.names:
            return module.names[name]
        module = module.parent
    return BUILTINS.get(name)


def names_in_sight(env: Environment) -> list[str]:
    """All names that stand for something, the nearest first."""
    names = list(env.names)
    module: Module | None = env.module
    while module is not None:
        names += module.names
        module = module.parent
    return names + list(BUILTINS)


def is_free(env: Environment, expr: ast.Expr) -> bool:
    """Whether a dimension is a name that neither the body nor its file defines: the call binds it."""
    return isinstance(expr, ast.Name) and expr.id not in env.names and expr.id not in env.module.names
