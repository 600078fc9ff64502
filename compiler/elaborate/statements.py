"""Statements: bodies, assignments, draws, choices. Parameters and blocks have modules of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    Callables,
    Distribution,
    Environment,
    Poison,
    is_number,
)
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.expressions.arithmetic import check_divisor, quotient
from mai.compiler.elaborate.expressions.names import check_distinct, names_in_sight
from mai.compiler.elaborate.expressions.static import apply
from mai.compiler.elaborate.parameters.states import write_state
from mai.compiler.elaborate.statement_rules import RULES, assigned_names, elaborates
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation, ShapeError, describe
from mai.compiler.ops import elementwise as el
from mai.spec import ast
from mai.spec.ast_walk import names_of, with_branches
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import meant_among, put
from mai.spec.diagnostics.foreign import FOREIGN
from mai.spec.source import Span
from mai.spec.words import DISTRIBUTIONS

CHOOSE = "choose with `where(c, a, b)`"
LOST = Poison()  # what is returned by an `if` that failed and holds a `return`
BINARY: dict[str, type[Operation]] = {"+": el.Add, "-": el.Subtract, "*": el.Multiply}


class Statements:
    """Execution of bodies. A body's value is what its `return` gives, or None."""

    def __init__(self, context: Context) -> None:
        self.e = context

    def block(self, env: Environment, statements: Sequence[ast.Statement]) -> Binding:
        """Elaborate statements one after the other, up to a `return`."""
        lost: Binding = None
        for position, statement in enumerate(statements):
            returned = self.statement(env, statement)
            if returned is LOST:
                lost = POISON
            elif returned is not None:
                rest = statements[position + 1 :]
                if rest and isinstance(statement, ast.Return):
                    self.e.error("unreachable", rest[0].span, "nothing after a `return` is ever done")
                return returned if lost is None else lost
        return lost

    def statement(self, env: Environment, statement: ast.Statement) -> Binding:
        """Elaborate one statement by the rule of its kind; names that it would have bound are poison if it is wrong."""
        builder = self.e.builder
        outer, builder.span = builder.span, self.e.at(statement.span)
        try:
            return RULES[type(statement)].elaborate(self.e, env, statement)
        except Stop:
            self.e.stops += 1
            for name in assigned_names([statement]):
                env.bind(name, POISON)
            if not _returns(statement):
                return None
            return LOST if isinstance(statement, ast.If) else POISON
        finally:
            builder.span = outer

    def bind_name(self, env: Environment, target: ast.Identifier, value: Binding, span: Span) -> None:
        """Bind a name; a tensor takes the name along into the generated code. What a host gives keeps its own name."""
        env.bind(target, value)
        if isinstance(value, Value):
            graph = self.e.graph
            from_host = [*graph.inputs, *(s.value for s in graph.settings.values())]
            value.name = value.name if value in from_host else target.id
            self.e.origins[value] = span


def _returns(statement: ast.Statement) -> bool:
    """Whether a statement is a `return`, or a choice that holds one."""
    return any(isinstance(inner, ast.Return) for inner in with_branches([statement]))


# ---------------------------------------------------------------- assignment


@elaborates(ast.Assign, binds=lambda s: s.targets)
def _assign(e: Context, env: Environment, statement: ast.Assign) -> Binding:
    check_distinct(e, statement.targets)
    value = e.expressions.expression(env, statement.value)
    if statement.op:
        value = _updated(e, env, statement, value)
    for target, part in zip(statement.targets, _parts(e, statement, value), strict=True):
        e.statements.bind_name(env, target, part, statement.value.span)
        if env.states:
            write_state(e, env, target, part, statement.value.span)
    return None


def _parts(e: Context, statement: ast.Assign, value: Binding) -> Sequence[Binding]:
    """What each name of an assignment gets."""
    if len(statement.targets) == 1:
        return [value]
    if isinstance(value, Poison):
        raise Stop
    if not isinstance(value, (tuple, list)) or len(value) != len(statement.targets):
        count = len(value) if isinstance(value, (tuple, list)) else 1
        message = f"{len(statement.targets)} names for {count} value{'s' if count != 1 else ''}"
        help = "an index takes one part of an array: `x[0]`" if isinstance(value, Value) and value.type.rank else None
        raise e.fail("type-mismatch", statement.value.span, message, help=help)
    return value


def _updated(e: Context, env: Environment, statement: ast.Assign, change: Binding) -> Binding:
    """The new value of `x += change`, of the shape of the old one, but for a number, to which a tensor may be added."""
    target = statement.targets[0]
    if target.id not in env.names:
        raise e.fail("unknown-name", target.span, f"`{target.id}` has no value yet to change")
    old = env.names[target.id]
    if isinstance(old, Poison) or isinstance(change, Poison):
        raise Stop
    if is_number(old) and is_number(change):
        return apply(statement.op, old, change)
    if statement.op == "/":
        check_divisor(e, change, statement.value.span)
    spans = [target.span, statement.value.span]
    a, b = e.promoted([old, change], spans)
    if statement.op == "/":
        value = quotient(e, statement.span, spans, a, b)
    else:
        value = e.checked(statement.span, spans, BINARY[statement.op], a, b)
    if isinstance(value, Value) and value.type.shape != a.type.shape and not is_number(old):
        message = f"`{target.id}` is {describe(a.type.shape)}, its change is {describe(b.type.shape)}"
        help = None if a.type.rank else f"begin with its shape: `{target.id} = zeros({describe(value.type.shape)})`"
        raise e.fail("shape-mismatch", statement.value.span, message, label=describe(b.type.shape), help=help)
    return value


# ------------------------------------------------------------ `return`, `if`


@elaborates(ast.Return)
def _return(e: Context, env: Environment, statement: ast.Return) -> Binding:
    if not e.call_stack and e.in_train_block:
        raise e.fail("unreachable", statement.span, "a train block returns nothing: it ends in `minimize`")
    if not e.call_stack and e.claim is not None:
        raise e.fail("unreachable", statement.span, "a claim returns nothing: what has to hold is a `check`")
    return e.expressions.expression(env, statement.value)


@elaborates(ast.If, binds=lambda s: assigned_names([*s.then, *s.otherwise]))
def _if(e: Context, env: Environment, statement: ast.If) -> Binding:
    return e.statements.block(env, branch(e, env, statement))


def branch(e: Context, env: Environment, statement: ast.If) -> Sequence[ast.Statement]:
    """The statements that an `if` chooses.

    Raises:
        Stop: the condition is wrong, or known only at run time.
    """
    condition = e.expressions.expression(env, statement.condition)
    if isinstance(condition, Poison):
        raise Stop
    if isinstance(condition, Value):
        message = "`if` chooses when the file is compiled; this is known only at run time"
        raise e.fail("static-needed", statement.condition.span, message, help=repairs.chosen(statement) or CHOOSE)
    chosen = bool(condition) if not isinstance(condition, Callables) else True
    return statement.then if chosen else statement.otherwise


def opened(
    e: Context, env: Environment, statements: Sequence[ast.Statement], opens: Callable[[ast.If], bool]
) -> Iterator[ast.Statement]:
    """Statements one after the other, those that an `if` chooses in its place where `opens` says so. Raises as `branch`."""
    for statement in statements:
        if isinstance(statement, ast.If) and opens(statement):
            yield from opened(e, env, branch(e, env, statement), opens)
        else:
            yield statement


# ----------------------------------------------------------- `check` of a layer


def check_arguments(e: Context, env: Environment, statement: ast.Check) -> Binding:
    """Refuse a call for which a condition on what is fixed when the file is compiled does not hold: its body ends there.

    Raises:
        Stop: `static-needed` was reported: only a call of the file knows whether it holds.
    """
    condition = e.expressions.expression(env, statement.value)
    if isinstance(condition, Poison):
        raise Stop
    if not isinstance(condition, bool):
        message = "outside of a claim `check` is of numbers that are fixed when the file is compiled"
        raise e.fail(
            "static-needed", statement.value.span, message, help="what the trained model does is checked in a `claim`"
        )
    if condition:
        return None
    numbers = {name: env.names.get(name) for name in sorted(names_of(statement.value))}
    values = " and ".join(f"{name} is {value:.12g}" for name, value in numbers.items() if is_number(value))
    message = f"`{statement.value.span.text}` has to hold" + (f", and {values}" if values else "")
    e.error("check-failed", statement.value.span, message)
    return POISON  # What the body would say next follows from these numbers.


# --------------------------------------------------------------------- draws


@elaborates(ast.Draw, binds=lambda s: (s.name,))
def _draw(e: Context, env: Environment, statement: ast.Draw) -> Binding:
    check_distribution(e, env, statement.distribution)
    e.drawing, span = statement, statement.distribution.span
    drawn_from = e.expressions.expression(env, statement.distribution)
    e.drawing = None
    if isinstance(drawn_from, Poison):
        raise Stop
    if not isinstance(drawn_from, Distribution):
        sign = Span(span.source, statement.name.span.end, span.start)
        help: Help = put(sign, " = ", "write `x ~ normal([2])`; `=` defines")
        message = f"`~` draws from a distribution, this is {kind_of(drawn_from)}"
        raise e.fail("unknown-distribution", span, message, help=help)
    try:
        e.statements.bind_name(env, statement.name, e.draws.drawn(statement.name.id, drawn_from), span)
    except ShapeError as error:
        helps: list[Help] = [error.help, *map(e.default_help, drawn_from.numbers)]
        help = next((h for h in helps if h), None)
        raise e.fail(error.slug, span, error.message, label=error.label, help=help) from error
    return None


def check_distribution(e: Context, env: Environment, expr: ast.Expr) -> None:
    """A call of nothing known, where a distribution is expected, is a distribution that does not exist."""
    callee = expr.function if isinstance(expr, ast.Call) else None
    if not isinstance(callee, ast.Name) or callee.id in names_in_sight(env):
        return
    drawn = FOREIGN.get(callee.id, "").partition("a draw is a statement: ")[2]
    listed = f"there are {', '.join(DISTRIBUTIONS)}"
    help: Help = drawn or meant_among(callee.span, callee.id, DISTRIBUTIONS) or listed
    raise e.fail("unknown-distribution", callee.span, f"there is no distribution `{callee.id}`", help=help)
