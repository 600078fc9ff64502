"""`until condition as hit` behind an `integrate`: where a comparison of real numbers becomes true, for each example by itself."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.blocks.integrals.solver import Method
from mai.compiler.elaborate.blocks.until import read_condition
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import join_leads
from mai.compiler.ops.elementwise.logic import Equal, NotEqual
from mai.compiler.solvers.events.compared import comparisons_of
from mai.spec import ast
from mai.spec.diagnostics.edit import put


def check_method(e: Context, statement: ast.Integrate, method: Method) -> None:
    """Refuse an event with `adjoint = true`: the adjoint equation goes back from a fixed end, and the states move this one.

    Raises:
        Stop: the solver has `adjoint`.
    """
    if not method.options.get("adjoint"):
        return
    message = (
        "`adjoint` goes back from the end of the range: an integral that a condition ends is trained through its steps"
    )
    help = put(statement.solver.span, f"{method.solver.name}({method.steps or ''})", "write `{}`, without `adjoint`")
    raise e.fail("no-event", statement.solver.span, message, help=help)


def read_event(e: Context, inside: Environment, until: ast.Expr) -> Value:
    """The condition, one truth an example, at the states and the time that the body sees.

    Raises:
        Stop: it has a mistake, which is reported.
    """
    condition = read_condition(e, inside, until, "an `integrate`")
    comparisons = comparisons_of(e.builder.region, condition)
    equal = [node for node in comparisons if node.op in (Equal, NotEqual)]
    if equal:
        message = "no solver steps on the place where two real numbers are equal: it sees which is larger"
        raise e.fail("no-event", until.span, message, help="write `<` or `>`, whichever becomes true")
    if not comparisons:
        message = "an integral ends where a comparison of real numbers becomes true: there is none in this"
        raise e.fail("no-event", until.span, message, help="write `until x[0] < 0`")
    return condition


def as_examples(e: Context, moved: Sequence[Value], condition: Value) -> list[Value]:
    """The states with the lead axes of the condition and of each other: the states of one example stop together."""
    lead = join_leads([condition.type, *(v.type for v in moved)])
    return [e.builder.spread(v, lead) for v in moved]
