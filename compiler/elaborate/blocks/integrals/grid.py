"""`grid` of a solver: the times between which it takes its steps, `rk4(20, grid = power(7))`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import nan, pi

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Callables, Environment, Poison, is_number
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.conversion import written_out
from mai.compiler.ops.elementwise.rounding import Sign
from mai.compiler.ops.reductions.truth import AllOf
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Argsort
from mai.compiler.ops.terms import Term
from mai.spec import ast
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span

NEAR = 1e-5  # Of the way: how far a list's ends may be from the bounds, and what counts as a rounding.
WORDS = "`power(7)`, `cosine`, a function of a number from 0 to 1, or a list of times"


@record
class Way:
    """The bounds of an integral, and the shares of its steps of one length, 0, 1 / n, ..., 1."""

    start: Term
    stop: Term
    even: Term

    def along(self, share: Term) -> Term:
        """The times at shares of the way."""
        return self.with_ends(self.start.unsqueeze(-1) + share * (self.stop - self.start).unsqueeze(-1))

    def with_ends(self, times: Term) -> Term:
        """Times with the bounds themselves as first and last, where these are but for roundings."""
        first, last = self.ends
        return first.where(self.start.unsqueeze(-1), last.where(self.stop.unsqueeze(-1), times))

    @property
    def ends(self) -> tuple[Term, Term]:
        """Which of the times are the first and the last."""
        return self.even.emit(logic.LessEqual, 0.0), self.even.emit(logic.GreaterEqual, 1.0)


@record
class Grid:
    """A grid as it is written: `times` where it lists them, else a function from the way, in as many steps as are asked for, to the times."""

    span: Span
    times: Value | None = None
    make: Callable[[Way], Term] | None = None

    @property
    def steps(self) -> Size | None:
        """The number of steps between listed times."""
        return None if self.times is None else self.times.type.shape[0] - 1


def read_grid(e: Context, env: Environment, written: ast.Expr) -> Grid:
    """Read what `grid =` says.

    Raises:
        Stop: it has a mistake, which is reported.
    """
    callee = written.function if isinstance(written, ast.Call) else written
    if isinstance(callee, ast.Name) and callee.id in GRIDS and callee.id not in env.names:
        return GRIDS[callee.id](e, env, written)
    value = e.expressions.expression(env, written)
    if isinstance(value, Poison):
        raise Stop
    if isinstance(value, Callables):
        return Grid(written.span, make=lambda way: _of_function(e, value, way, written.span))
    if isinstance(value, str) or is_number(value):
        raise _no_grid(e, written.span)
    return _listed(e, value, written.span)


def times_of(e: Context, grid: Grid, steps: Size, bounds: Sequence[Value]) -> Value:
    """The times between which the steps are taken, [steps + 1], from the first bound to the last.

    They are NaN where a function's times are not in order.
    """
    start, stop = (Term(e.builder, bound) for bound in bounds)
    even = start.range(steps + 1).emit(el.ToReal) / start.size(steps)
    way = Way(start, stop, even)
    if grid.times is not None:
        _check_ends(e, grid, bounds)
        times = _in_order(Term(e.builder, grid.times), way)
    else:
        assert grid.make is not None, "a grid lists times or makes them"
        times = grid.make(way)
    times.value.name = "times"
    return times.value


# ----------------------------------------------------------------------- words


def _power(e: Context, env: Environment, written: ast.Expr) -> Grid:
    """Steps even in t^(1 / rho) (Karras et al. 2022, equation 5), and in -(-t)^(1 / rho) below zero."""
    rho = _rho(e, env, written)

    def make(way: Way) -> Term:
        power = Term(e.builder, rho)
        low, high = (_signed_power(t, power.other(1.0) / power) for t in (way.start, way.stop))
        between = low.unsqueeze(-1) + way.even * (high - low).unsqueeze(-1)
        first, last = way.ends
        inside = first.where(1.0, last.where(1.0, between))  # At 0 a power may have no derivative.
        return way.with_ends(_signed_power(inside, power.unsqueeze(-1)))

    return Grid(written.span, make=make)


def _rho(e: Context, env: Environment, written: ast.Expr) -> Value:
    arguments = written.arguments if isinstance(written, ast.Call) else ()
    if len(arguments) != 1 or arguments[0].name not in (None, "rho"):
        help = put(written.span, "power(7)")
        raise e.fail("missing-argument", written.span, "`power` takes its exponent: `power(7)`", help=help)
    span = arguments[0].value.span
    value = e.expressions.expression(env, arguments[0].value)
    if is_number(value) and not value > 0:
        raise e.fail("solver-option", span, "the exponent of a `power` grid is above 0", help=put(span, "7"))
    rho = e.real(value, span)
    if rho.type.rank:
        raise e.fail("rank-mismatch", span, f"an exponent is a number, this is {describe(rho.type.shape)}")
    return rho


def _signed_power(base: Term, exponent: Term) -> Term:
    return base.emit(Sign) * base.emit(el.Absolute).emit(el.Power, exponent)


def _cosine(e: Context, env: Environment, written: ast.Expr) -> Grid:
    """(1 - cos(pi u)) / 2 of the way: short steps at both ends."""
    if isinstance(written, ast.Call):
        raise e.fail("too-many-arguments", written.span, "`cosine` takes nothing", help=put(written.span, "cosine"))
    return Grid(written.span, make=lambda way: way.along(0.5 - (way.even * pi).emit(el.Cos) * 0.5))


GRIDS: dict[str, Callable[[Context, Environment, ast.Expr], Grid]] = {"power": _power, "cosine": _cosine}


# ------------------------------------------------------------------- functions


def _of_function(e: Context, function: Binding, way: Way, span: Span) -> Term:
    """The times of a function u -> f(u): the share of the way is how far f has come from f(0) to f(1)."""
    times = e.calls.call(function, [BoundArgument(None, way.even.value, span)], span)
    if isinstance(times, Poison):
        raise Stop
    value = e.real(times, span)
    if value.type.shape != way.even.shape:
        message = f"the function of a grid gives a number for a number, this gives {describe(value.type.shape)}"
        raise e.fail("shape-mismatch", span, message, label=describe(value.type.shape))
    values = Term(e.builder, value)
    first, last = values.pick(-1, 0).unsqueeze(-1), values.pick(-1, -1).unsqueeze(-1)
    share = (values - first) / (last - first)
    return _rising(share).where(way.along(share), nan)


def _rising(values: Term) -> Term:
    """Whether numbers, one after the other, do not fall by more than a rounding."""
    rise = values.slice(-1, 1, None) - values.slice(-1, 0, -1)
    return rise.emit(logic.GreaterEqual, -NEAR).emit(AllOf, axes=(-1,), keep=True)


# ----------------------------------------------------------------------- lists


def _listed(e: Context, value: Binding, span: Span) -> Grid:
    times = e.real(value, span)
    if times.type.rank != 1:
        raise _no_grid(e, span, describe(times.type.shape))
    if times.type.shape[0] == 1:
        raise e.fail("solver-option", span, "there is a step between two times: this is one time")
    numbers = _numbers(times)
    falls = any(b <= a for a, b in itertools.pairwise(numbers))
    rises = any(b >= a for a, b in itertools.pairwise(numbers))
    if falls and rises:
        raise e.fail("solver-option", span, "the times of a `grid` go one way, from one bound to the other")
    return Grid(span, times=times)


def _check_ends(e: Context, grid: Grid, bounds: Sequence[Value]) -> None:
    """Times that are known begin and end at bounds that are known."""
    e.looks_behind += 1
    numbers = _numbers(grid.times)
    start, stop = (_numbers(bound) for bound in bounds)
    if not (numbers and start and stop):
        return
    off = NEAR * abs(stop[0] - start[0])
    if abs(numbers[0] - start[0]) > off or abs(numbers[-1] - stop[0]) > off:
        message = (
            f"this `grid` goes from {numbers[0]:g} to {numbers[-1]:g}, the integral from {start[0]:g} to {stop[0]:g}"
        )
        raise e.fail("solver-option", grid.span, message)


def _numbers(value: Value | None) -> list[float]:
    """The numbers of a constant, or of a row of them; none of what is computed."""
    constant = written_out(value) if value is not None else None
    if constant is None:
        return []
    return [float(x) for x in (constant if isinstance(constant, tuple) else (constant,)) if not isinstance(x, tuple)]


def _in_order(times: Term, way: Way) -> Term:
    """Times in order along the way; one beyond a bound becomes the bound, and its step has no length."""
    start, stop = way.start.unsqueeze(-1), way.stop.unsqueeze(-1)
    inside = times.emit(el.Maximum, start.emit(el.Minimum, stop)).emit(el.Minimum, start.emit(el.Maximum, stop))
    order = (inside * (stop - start).emit(Sign)).emit(Argsort, axis=-1)
    return way.with_ends(inside.emit(Gather, order, axis=-1))


def _no_grid(e: Context, span: Span, label: str = "") -> Stop:
    help: Help = f"there are {WORDS}"
    return e.fail("type-mismatch", span, "this is no `grid` of a solver's steps", label=label, help=help)
