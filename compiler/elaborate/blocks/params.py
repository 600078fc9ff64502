"""`param` and `state`: weights, with a shape that is known when the file is compiled, and an initial value."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.elaborate.bindings import Binding, Distribution, Environment, Poison, is_number
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.expressions.families import parameter_of
from mai.compiler.elaborate.expressions.signatures import dims_of
from mai.compiler.elaborate.parameters.first_values import (
    computed_initial,
    is_of_examples,
    keep_first_value,
    known_shape,
    table_initial,
)
from mai.compiler.elaborate.parameters.states import current_state
from mai.compiler.elaborate.statement_rules import elaborates
from mai.compiler.elaborate.statements import check_distribution
from mai.compiler.ir.graph import Initial, Value, Weight
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import product
from mai.spec import ast
from mai.spec.diagnostics import Label
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

MAX_WEIGHTS = 10**11


@elaborates(ast.Param, binds=lambda s: (s.name,))
def _param(e: Context, env: Environment, statement: ast.Param) -> Binding:
    name = f"{e.scope.path}.{statement.name.id}"
    shape, init, computed = _first(e, env, statement)
    trained = statement.trained and e.scope.second is None
    turns, owner, followed = e.scope.turns, e.scope.owner, e.scope.followed
    names = e.scope.names(name)
    weights = [Weight(n, shape, init, trained, owner, statement.span, turns, followed(n)) for n in names]
    for each in weights:
        _register(e, each, statement)
    among = e.scope.among
    if among is not None and not statement.trained:
        message = (
            f"`{statement.name.id}` is a state: the number of a net that has one is known when the file is compiled"
        )
        raise e.fail("static-needed", statement.span, message)
    if computed is not None:
        keep_first_value(e, name, computed, statement.span)
    value = e.parameter(weights[0]) if among is None else parameter_of(e, weights, among.member)
    if not statement.trained and e.scope.second is None:
        env.states[statement.name.id] = name
        value = current_state(e, name, value)
    e.statements.bind_name(env, statement.name, value, (statement.type or statement).span)
    return None


def _first(e: Context, env: Environment, statement: ast.Param) -> tuple[tuple[int, ...], Initial, Value | None]:
    """The shape and the initial value of a weight; and that value as a tensor, where it is made of the training examples."""
    if statement.type is not None and not isinstance(statement.type, ast.TensorType):
        raise e.fail("dtype-mismatch", statement.type.span, "a param is a real tensor: `[n, d]`")
    written = None if statement.type is None else _known_shape(e, env, statement.type, statement.name)
    first, span = _first_binding(e, env, statement), (statement.init or statement).span
    if isinstance(first, list):
        first = e.real(first, span)
    if isinstance(first, Value) and statement.drawn:
        text = f"{statement.span.text[: span.start - statement.span.start].rstrip(' ~')} = {span.text}"
        message = f"`~` draws from a distribution, this is {kind_of(first)}"
        raise e.fail("bad-init", span, message, help=put(statement.span, text))
    if not isinstance(first, Value):
        if written is None and not is_number(first):
            help = f"write `state {statement.name.id}: [n, d] = {span.text}`"
            message = f"the state `{statement.name.id}` needs a shape"
            raise e.fail("missing-type", statement.name.span, message, help=help)
        return written or (), _initial(e, first, written or (), span), None
    value = e.real(first, span)
    shape = known_shape(e, value, span)
    if written not in (None, shape):
        message = f"`{statement.name.id}` is {describe(written or ())}, and its first value is {describe(shape)}"
        raise e.fail("shape-mismatch", span, message, label=describe(shape))
    if not (value.type.lead or is_of_examples(value)):
        return shape, table_initial(e, value, span), None
    if e.scope.among is not None:
        message = "of a net whose first values the examples say, the number is known when the file is compiled"
        raise e.fail("static-needed", span, message)
    return shape, computed_initial(), value


def _first_binding(e: Context, env: Environment, statement: ast.Param) -> Binding:
    """What stands for the first value of a weight: zeros where the statement has none."""
    if statement.init is None:
        return Initial("constant", (0.0,))
    check_distribution(e, env, statement.init)
    with e.first_value():
        first = e.expressions.expression(env, statement.init)
    if isinstance(first, Poison):
        raise Stop
    return first


def _known_shape(e: Context, env: Environment, written: ast.TensorType, name: ast.Identifier) -> tuple[int, ...]:
    shape: list[int] = []
    for dim in dims_of(written):
        size = e.signatures.dimension(env, dim)
        if not isinstance(size, int):
            message = f"`{dim.span.text}` is known only at run time; a param's shape is fixed"
            raise e.fail("dimension-unknown", dim.span, message, label=str(size))
        shape.append(size)
    count = product((*shape, *e.scope.turns))
    if isinstance(count, int) and count > MAX_WEIGHTS:
        message = f"`{name.id}` would hold {count:,} numbers, more than can be trained"
        raise e.fail("too-many-parameters", written.span, message)
    return tuple(shape)


def _initial(e: Context, first: Binding, shape: tuple[int, ...], span: Span) -> Initial:
    """How a weight begins that numbers or a distribution say."""
    if isinstance(first, Initial):
        if first.kind == "identity" and (len(shape) != 2 or shape[0] != shape[1]):
            raise e.fail("shape-mismatch", span, f"an identity is square, this is {describe(shape)}")
        return first
    if isinstance(first, (int, float)) and is_number(first):
        return Initial("constant", (float(first),))
    if isinstance(first, Distribution) and first.kind in ("normal", "uniform"):
        numbers = [float(n) for n in first.numbers if isinstance(n, (int, float)) and is_number(n)]
        if len(numbers) == len(first.numbers):
            return Initial(first.kind, tuple(numbers))
        if e.report.tells("dimension-unknown", e.at(span) or span):
            raise Stop  # Of a size that is known only at run time, as has been said.
        raise e.fail("static-needed", span, "a param is drawn from a distribution with fixed numbers")
    help = "write `= zeros`, `= 0.1`, or `~ normal(0, 1)`"
    message = f"a param starts from a number, a tensor, `normal` or `uniform`, this is {kind_of(first)}"
    raise e.fail("bad-init", span, message, help=help)


def _register(e: Context, weight: Weight, statement: ast.Param) -> None:
    """Register a weight, and the weight that it follows. A name stands for one weight, in every graph and at every call of a net."""
    if weight.follows is not None:
        source = weight.follows.source
        owner = source.partition(".")[0]
        _register(e, replace(weight, name=source, owner=owner, trained=statement.trained, follows=None), statement)
    first = e.weights.setdefault(weight.name, weight)
    if first is weight:
        _check_call_names(e, weight, statement)
    if first.shape == weight.shape:
        return
    message = f"`{statement.name.id}` is {describe(weight.shape)} in this call of `{weight.owner}` and was {describe(first.shape)}"
    help = "a net has one set of parameters: make it a layer to have fresh ones at each call"
    where = [Label(first.span, "made here")]
    raise e.fail("shape-mismatch", (statement.type or statement).span, message, where=where, help=help)


def _check_call_names(e: Context, weight: Weight, statement: ast.Param) -> None:
    """Refuse a weight that is called as the call of a layer beside it, `linear_1`: what is in that call has its name in front."""
    around = e.weights_around(weight.name)
    below = [n for n in e.weights if n.startswith(f"{weight.name}.")] if weight.name[-1].isdigit() else []
    if around or below:
        name, other = (around[0], weight.name) if around else (weight.name, below[0])
        message = f"the call of a layer is called `{name}`, too: it has the weight `{other}`"
        where = [Label(e.weights[around[0]].span, "the weight of that name")] if around else []
        raise e.fail(
            "duplicate-name", statement.name.span, message, where=where, help="call the weight by another name"
        )
