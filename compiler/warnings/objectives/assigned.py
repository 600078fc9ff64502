"""What a name stands for: the one expression that a body assigns to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mai.spec import ast

Value = tuple[ast.Expr, int | None]  # An expression, and which of its results; None where it has one.


def assigned_once(statements: Iterable[ast.Assign]) -> Mapping[str, Value]:
    """The names that are assigned once, and not changed as by `+=`, each with its value."""
    assigned = [*statements]
    times = Counter(target.id for statement in assigned for target in statement.targets)
    return {
        target.id: (statement.value, place if len(statement.targets) > 1 else None)
        for statement in assigned
        for place, target in enumerate(statement.targets)
        if times[target.id] == 1 and not statement.op
    }
