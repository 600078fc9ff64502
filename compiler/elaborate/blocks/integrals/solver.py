"""The solver that an `integrate` names, with its options: `rk4(steps)`, `tsit5(rtol = 1e-4)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Environment, Poison
from mai.compiler.elaborate.blocks.loop_states import MAX_TURNS, State
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.errors.repairs import positive
from mai.compiler.ir.graph import Node, Region
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.elementwise.conversion import Reusable
from mai.compiler.solvers import SOLVERS, Solver
from mai.spec import ast
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import meant_among, put
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.integrals.grid import Grid

Option = bool | int | float
MOST_NUMBERS = 4096  # That an implicit method solves for.


@record
class Method:
    """A solver with its options; `steps` is None for an adaptive one, and `grid` where all steps have one length.

    What is `reusable` in the velocity is computed at every `reuse`-th step.
    """

    solver: Solver
    steps: Size | None
    options: dict[str, Option]
    grid: Grid | None = None
    reuse: Size = 1


def read_method(e: Context, env: Environment, written: ast.Expr) -> Method:
    """Read the solver after `using`.

    Raises:
        Stop: it has a mistake, which is reported.
    """
    solver = _solver(e, written)
    arguments = written.arguments if isinstance(written, ast.Call) else ()
    counts, options = _arguments(e, env, solver, arguments)
    grid = _grid(e, env, arguments, solver)
    if solver.adaptive:
        return Method(solver, None, options)
    steps = _steps_of(e, counts.get("steps"), grid)
    if steps is None:
        help = put(written.span, f"{solver.name}(20)", f"write `{solver.name}(20)` or `{solver.name}(steps)`")
        raise e.fail("missing-argument", written.span, f"`{solver.name}` needs its number of steps", help=help)
    if steps == 0:
        raise e.fail("repeat-count", written.span, "an integral takes at least one step")
    if isinstance(steps, int) and steps > MAX_TURNS:
        raise e.fail("repeat-too-long", written.span, f"{steps:,} steps are more than {MAX_TURNS:,}")
    return Method(solver, steps, options, grid, counts.get("reuse", 1))


def _grid(e: Context, env: Environment, arguments: Sequence[ast.Argument], solver: Solver) -> Grid | None:
    for position, argument in enumerate(arguments):
        if _name_of(solver, position, argument) == "grid":
            from mai.compiler.elaborate.blocks.integrals.grid import read_grid  # Few solvers have one.

            return read_grid(e, env, argument.value)
    return None


def _steps_of(e: Context, steps: Size | None, grid: Grid | None) -> Size | None:
    """The number of steps, which a list of times says, too."""
    listed = None if grid is None else grid.steps
    if grid is None or listed is None:
        return steps
    if steps is not None and steps != listed:
        raise e.fail("solver-option", grid.span, f"between these times are {listed} steps, not {steps}")
    return e.size(listed, grid.span, "a number of steps", least=1)


def check_count(e: Context, statement: ast.Integrate, method: Method, states: Sequence[State]) -> None:
    """Check that the number of unknowns of an implicit method is known, and small enough for a matrix of that size.

    Raises:
        Stop: it is not.
    """
    if not method.solver.implicit:
        return
    span, name, help = statement.solver.span, method.solver.name, "`dopri5()` and `tsit5()` solve no equations"
    for state in states:
        if not isinstance(product(state.first.type.shape), int):
            message = f"`{name}` solves for all numbers of `{state.name}` at once: how many there are must be known"
            raise e.fail("dimension-unknown", span, message, label=describe(state.first.type.shape), help=help)
    total = sum(n for state in states if isinstance(n := product(state.first.type.shape), int))
    if total > MOST_NUMBERS:
        message = (
            f"`{name}` solves for {total:,} numbers at once, with a matrix of as many rows: up to {MOST_NUMBERS:,} are"
        )
        raise e.fail("dimension-too-large", span, message, help=help)


def check_reuse(e: Context, statement: ast.Integrate, method: Method, velocity: Region) -> None:
    """Check that there is something to reuse, that it can be kept, and that training does not go back in time without it.

    Raises:
        Stop: it is not so.
    """
    if method.reuse == 1:
        return
    span = statement.solver.span
    marks = [node for node in velocity.walk() if node.op is Reusable]
    if not marks:
        message = "`reuse` keeps what the velocity calls `reusable(...)`, and it calls nothing so"
        help = "write `h = reusable(f(x))` in the net, around what changes slowly"
        raise e.fail("solver-option", span, message, help=help)
    _check_kept(e, span, velocity, marks)
    if method.options.get("adjoint"):
        message = "`adjoint` goes back in time along the velocity, and with `reuse` the steps take another one"
        raise e.fail("solver-option", span, message, help=f"write `{method.solver.name}(...)` without one of them")


def _check_kept(e: Context, span: Span, velocity: Region, marks: Sequence[Node]) -> None:
    """Check that each reusable value is one an evaluation, and that nothing asks for its derivative."""
    from mai.compiler.solvers.reuse import differentiated  # Few solvers reuse.

    evaluated = set(_of_each_evaluation(velocity))
    hidden = next((node for node in marks if node not in evaluated), None)
    if hidden is not None:
        message = "this stands in a loop, whose turns have no value of their own to keep"
        help = "write `reusable(...)` around what comes of the loop"
        raise e.fail("solver-option", hidden.span or span, message, help=help)
    derivative = differentiated(velocity)
    if derivative is not None:
        message = "this is a derivative of what is `reusable` in part, and a value that is kept has none"
        help = "leave `reuse` out, or call nothing `reusable` in what is differentiated"
        raise e.fail("solver-option", derivative.span or span, message, help=help)


def _of_each_evaluation(velocity: Region) -> Iterator[Node]:
    """The nodes that a velocity has once: turns that own weights are written out."""
    for node in velocity.nodes:
        yield node
        if node.op is Loop and Loop.of(node).fresh:
            yield from _of_each_evaluation(node.regions[0])


# What scipy, MATLAB and torchdiffeq call methods, by those here that do what they do.
FOREIGN_SOLVERS = {
    **dict.fromkeys(("rk45", "ode45", "dopri", "dormand_prince"), "dopri5"), **dict.fromkeys(("rk23", "ode23"), "bosh3"),
    **dict.fromkeys(("radau", "bdf", "lsoda", "ode15s", "ode23s"), "rodas5"), "euler_ode": "euler", "rk": "rk4",
}  # fmt: skip


def _solver(e: Context, written: ast.Expr) -> Solver:
    callee = written.function if isinstance(written, ast.Call) else written
    if isinstance(callee, ast.Name) and callee.id in SOLVERS:
        return SOLVERS[callee.id]
    same = FOREIGN_SOLVERS.get(callee.span.text.lower())
    meant = f"write `{same}`, the like of it here" if same else meant_among(callee.span, callee.span.text, SOLVERS)
    help: Help = meant or f"there are {', '.join(SOLVERS)}"
    raise e.fail("unknown-solver", callee.span, f"there is no solver `{callee.span.text}`", help=help)


def _arguments(
    e: Context, env: Environment, solver: Solver, arguments: Sequence[ast.Argument]
) -> tuple[dict[str, Size], dict[str, Option]]:
    """The options that count steps, which settings may be, and the others."""
    counts: dict[str, Size] = {}
    options: dict[str, Option] = {}
    names: set[str] = set()
    for position, argument in enumerate(arguments):
        name = _name_of(solver, position, argument)
        _check_name(e, solver, name, argument)
        if name in names:
            raise e.fail("duplicate-argument", argument.span, f"`{name}` is given twice")
        names.add(name)
        if name == "grid":
            continue
        value = e.expressions.expression(env, argument.value)
        if isinstance(value, Poison):
            raise Stop
        if name in COUNTS:
            counts[name] = _count(e, name, value, argument.value.span)
        else:
            options[name] = _option(e, solver, name, value, argument)
    return counts, options


def _count(e: Context, name: str, value: Binding, span: Span) -> Size:
    count = e.size(value, span, "a number of steps", least=1)
    if name == "reuse" and count == 0:
        help = put(span, "1", "write `reuse = {}`, which is as if it did not stand here")
        raise e.fail(
            "solver-option", span, "what is `reusable` is computed at every so many-th step, 1 or more", help=help
        )
    return count


def _name_of(solver: Solver, position: int, argument: ast.Argument) -> str:
    return argument.name or (solver.options[position] if position < len(solver.options) else "")


def _check_name(e: Context, solver: Solver, name: str, argument: ast.Argument) -> None:
    if name in solver.options:
        return
    at = argument.name_span or argument.span
    if name in (*COUNTS, "grid"):
        message = f"`{solver.name}` chooses its steps: it has no argument `{name}`"
        raise e.fail("unknown-argument", at, message, help=_tolerances(solver))
    raise e.unknown_argument(solver.name, name or argument.span.text, at, solver.options)


def _option(e: Context, solver: Solver, name: str, value: Binding, argument: ast.Argument) -> Option:
    """The value of an option, checked against its range."""
    span = argument.value.span
    if not isinstance(value, (bool, int, float)):
        if argument.name is None and solver.adaptive:
            message = f"`{solver.name}` chooses its steps: what stands here is `{name}`, which is fixed when the file is compiled"
            raise e.fail("static-needed", span, message, help=_tolerances(solver))
        raise e.fail("static-needed", span, f"`{name}` is fixed when the file is compiled")
    kind, fits = OPTIONS[name]
    if not fits(value):
        is_count = argument.name is None and type(value) is int and solver.adaptive
        help = _tolerances(solver) if is_count else positive(span)
        raise e.fail("solver-option", span, f"`{name}` is {kind}", help=help)
    return value


def _tolerances(solver: Solver) -> str:
    return f"write `{solver.name}(rtol = 1e-4)`, or `rk4(20)` for 20 steps of one length"


def _is_tolerance(value: Option) -> bool:
    return not isinstance(value, bool) and 0 < value < 1


COUNTS = ("steps", "reuse")
OPTIONS: dict[str, tuple[str, Callable[[Option], bool]]] = {
    "rtol": ("an error between 0 and 1, relative to a state's size", _is_tolerance),
    "atol": ("an error between 0 and 1", _is_tolerance),
    "max_steps": (f"a whole number, 1 to {MAX_TURNS:,}", lambda n: type(n) is int and 1 <= n <= MAX_TURNS),
    "adjoint": ("true or false", lambda b: isinstance(b, bool)),
}
