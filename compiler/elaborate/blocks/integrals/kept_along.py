"""`keep x as xs` and `keep x at times as xs` after an `integrate`: a path, a row a step, or a state at given times."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.blocks.integrals.solver import Method
from mai.compiler.elaborate.blocks.loop_states import State
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.solvers.dense import NOWHERE
from mai.spec import ast
from mai.spec.diagnostics.edit import meant_among, put
from mai.spec.record import record

KEEP = "write `using rk4(100)` to keep 101 points"
AT = "or `keep {} at times as {}` for the times that you name"


@record
class Kept:
    """A `keep` of an integral: the place of its state, and the shares of the way at its times; None for a whole path."""

    name: ast.Identifier
    place: int
    shares: Value | None


def read_kept(
    e: Context,
    env: Environment,
    statement: ast.Integrate,
    method: Method,
    states: Sequence[State],
    way: tuple[Value, Value],
) -> list[Kept]:
    """What an integral keeps, whole paths first; `way` is where it starts, and how far it goes.

    Raises:
        Stop: it has a mistake, which is reported.
    """
    names = [s.name for s in states]
    for kept in statement.keeps:
        if kept.state.id not in names:
            help = meant_among(kept.state.span, kept.state.id, names)
            message = f"`{kept.state.id}` is not moved by this integral"
            raise e.fail("unknown-state", kept.state.span, message, help=help)
        _check_method(e, statement, method, kept)
    ordered = sorted(statement.keeps, key=lambda kept: kept.times is not None)
    return [
        Kept(k.name, names.index(k.state.id), None if k.times is None else _share(e, env, k.times, *way))
        for k in ordered
    ]


def _check_method(e: Context, statement: ast.Integrate, method: Method, kept: ast.Keep) -> None:
    """A path has a row a step, and `adjoint` derives the end alone."""
    chooses, forgets = method.steps is None and kept.times is None, bool(method.options.get("adjoint"))
    if not chooses and not forgets:
        return
    why = "with `adjoint` forgets its steps" if forgets else "chooses its own steps"
    words = KEEP if forgets else f"{KEEP}, {AT.format(kept.state.id, kept.name.id)}"
    message = f"`{method.solver.name}` {why}: there is no path to keep"
    raise e.fail("no-path", kept.span, message, help=put(statement.solver.span, "rk4(100)", words))


def _share(e: Context, env: Environment, written: ast.Expr, start: Value, length: Value) -> Value:
    """The share of the way at some times: 0 at its start, 1 at its end. Where these are one time it is 0 there, and `NOWHERE` at any other."""
    times = e.real(e.expressions.expression(env, written), written.span)
    empty = e.emit(logic.Equal, length, e.builder.constant(0.0))
    gone = e.emit(el.Subtract, times, start)
    share = e.emit(el.Divide, gone, e.emit(logic.Where, empty, e.builder.constant(1.0), length))
    elsewhere = e.emit(logic.LogicalAnd, empty, e.emit(logic.NotEqual, gone, e.builder.constant(0.0)))
    return e.emit(logic.Where, elsewhere, e.builder.constant(NOWHERE), share, name="share")
