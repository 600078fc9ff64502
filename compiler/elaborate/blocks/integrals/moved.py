"""Which states the statements of an integral move, those that an `if` chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.blocks.integrals.noise import step_names
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.statement_rules import assigned_names
from mai.compiler.elaborate.statements import opened
from mai.spec import ast
from mai.spec.ast_walk import names_of, nodes_of, with_branches


def increment_of(integral: ast.Integrate, statement: ast.Statement) -> ast.Identifier | None:
    """The state that `dx = f * ds + g * dW` would move in an integral along `s`, if there is one of that name."""
    if not isinstance(statement, ast.Assign) or statement.op or len(statement.targets) != 1:
        return None
    (target,) = statement.targets
    speaks_of_steps = names_of(statement.value) & step_names(integral)
    return replace(target, id=target.id[1:]) if target.id[:1] == "d" and target.id[1:] and speaks_of_steps else None


def moved_names(integral: ast.Integrate, statements: Sequence[ast.Statement]) -> list[ast.Identifier]:
    """The names that statements would move, in branches of an `if`, too."""
    whole = with_branches(statements)
    states = [s.state if isinstance(s, ast.Derivative) else increment_of(integral, s) for s in whole]
    return [name for name in states if name is not None]


def with_chosen(e: Context, env: Environment, statement: ast.Integrate) -> ast.Integrate:
    """A block with the branch of each `if` that says how states move; what the block itself computes chooses none."""
    own = {name.id for name in assigned_names([s for s in statement.body if isinstance(s, ast.Assign | ast.Draw)])}

    def opens(choice: ast.If) -> bool:
        decides = moved_names(statement, [choice]) or any(nodes_of(choice, ast.Noise))
        return bool(decides) and not names_of(choice.condition) & own

    return replace(statement, body=tuple(opened(e, env, statement.body, opens)))
