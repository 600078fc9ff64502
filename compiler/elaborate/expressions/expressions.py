"""Expressions: numbers stay numbers, tensors become nodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Environment,
    Function,
    LetTensor,
    Partial,
    Poison,
)
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.errors.repairs import as_call, as_product
from mai.compiler.elaborate.expressions.arithmetic import binary, transpose, unary
from mai.compiler.elaborate.expressions.families import path_of
from mai.compiler.elaborate.expressions.indexing import index
from mai.compiler.elaborate.expressions.names import look_up, names_in_sight
from mai.compiler.elaborate.expressions.static import StaticError
from mai.compiler.elaborate.expressions.tables import table_of
from mai.compiler.elaborate.expressions.whole import labelled
from mai.compiler.elaborate.parameters.states import current_state
from mai.compiler.elaborate.sightings import WATCH
from mai.compiler.ir.graph import Value, Weight
from mai.compiler.ir.sizes import Dim
from mai.compiler.ops.shapes import shape as sh
from mai.spec import ast, is_public
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import foreign_answer, is_sure, meant_among, put
from mai.spec.diagnostics.foreign import FOREIGN, RENAMED, UNLIKE, VALUES
from mai.spec.diagnostics.look_alikes import look_alike
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span

TRUTHS = ("true", "false")
MIN_FOREIGN = 3  # Letters of a name that is no variable of somebody's own.
TOGETHER = "a layer is given its tensor and its numbers together: `linear(x, 8)`"


class Expressions:
    """Evaluation of expressions; `Stop` inside is turned into `POISON` at the nearest expression."""

    def __init__(self, context: Context) -> None:
        self.e = context
        self.lets: dict[int, Binding] = {}
        self.opening: set[int] = set()
        self.watch = WATCH.get()  # Asked once: there are tens of thousands of expressions, and mostly nobody watches.

    def expression(self, env: Environment, expr: ast.Expr) -> Binding:
        """What an expression stands for: a number where all of it is known, a tensor otherwise."""
        builder = self.e.builder
        outer, builder.span = builder.span, self.e.at(expr.span)
        try:
            value = RULES[type(expr)](self.e, env, expr)
            if self.watch is not None:
                self.watch(expr.span, value)
            return value
        except Stop:
            self.e.stops += 1
            return POISON
        except StaticError as error:
            return self.e.error(error.slug, expr.span, error.message)
        finally:
            builder.span = outer

    def let(self, let: LetTensor) -> Binding:
        """The value of a `let` in this graph; computed at its start, once."""
        key, name, builder = id(let.declaration), let.declaration.name, self.e.builder
        if key in self.opening:
            return self.e.error("recursive-call", name.span, f"`{name.id}` is defined by itself")
        if key not in self.lets:
            self.opening.add(key)
            span, scope = builder.span, builder.scope
            builder.span, builder.scope = let.declaration.span, ""
            with self.e.region(self.e.graph):
                self.lets[key] = self.expression(Environment(let.module), let.declaration.value)
            builder.span, builder.scope = span, scope
            self.opening.remove(key)
        return self.lets[key]


# ------------------------------------------------------------------ names


def _name(e: Context, env: Environment, expr: ast.Name) -> Binding:
    binding = look_up(env, expr.id)
    if binding is None:
        if env.module.unread:
            return POISON
        names = [*names_in_sight(env), *TRUTHS]
        guess = meant_among(expr.span, expr.id, names)
        ended = f"a block above names it: give it a value before that block, or write `keep {expr.id} as ...` behind it"
        help: Help = (
            ended
            if expr.id in env.inside
            else look_alike(expr.span, names) or VALUES.get(expr.id) or _of_value(expr) or guess
        )
        if expr.id == "dW" or (help is None and re.fullmatch("d[A-Z][A-Za-z]*", expr.id)):
            help = "noise is part of a state's increment: `dx = f * ds + g * dW`; one for several states is declared, `noise dB: [m]`"
        return e.error("unknown-name", expr.span, f"nothing here is called `{expr.id}`", help=help)
    if isinstance(binding, Weight):
        return e.parameter(binding)
    return e.expressions.let(binding) if isinstance(binding, LetTensor) else binding


def _of_value(expr: ast.Name) -> Help:
    """What another library's function is here, where it is given to a layer: `activation = swish`; a short name is a variable."""
    return foreign_answer(expr.span, expr.id) if len(expr.id) >= MIN_FOREIGN and expr.id in FOREIGN else None


def _several(e: Context, env: Environment, expr: ast.Several) -> Binding:
    return tuple(e.expressions.expression(env, item) for item in expr.items)


def _field(e: Context, env: Environment, expr: ast.Field) -> Binding:
    """A parameter as a value: `sum(f.weight^2)`."""
    path = path_of(e, env, expr)
    e.looks_behind += 1
    weight = e.weights.get(path) if path is not None else None
    if weight is not None:
        value = e.parameter(weight)
        return value if weight.trained else current_state(e, weight.name, value)
    owner = look_up(env, path.partition(".")[0]) if path is not None else None
    if isinstance(owner, Function) and owner.declaration.kind == "net":
        return _no_parameter(e, expr, owner.name, path or "")
    help: Help = FOREIGN.get("size" if expr.name == "shape" else expr.name)
    if help is None and look_up(env, expr.name) is not None:
        help = put(expr.span, expr.name)
    message = f"`{expr.span.text}` is no value: only parameters of nets are named so"
    return e.error("unknown-name", expr.span, message, help=help)


def _no_parameter(e: Context, expr: ast.Field, net: str, path: str) -> Binding:
    own = [name for name in e.weights if name.startswith(f"{net}.")]
    guess = meant_among(expr.span, path, own) if path == expr.span.text else None
    first = f"call `{net}` above it, in an export before it or in a train block"
    help: Help = guess or (f"it has {', '.join(own[:6])}" if own else first)
    return e.error("unknown-name", expr.span, f"`{net}` has no parameter `{expr.span.text}` here", help=help)


def _stack(e: Context, env: Environment, expr: ast.Stack) -> Binding:
    items = [e.expressions.expression(env, item) for item in expr.items]
    if any(isinstance(i, Poison) for i in items):
        return POISON
    if all(isinstance(i, (int, float, list, Dim, str)) for i in items):
        if any(isinstance(i, list) for i in items):
            table_of([i for i in items if not isinstance(i, (Dim, str))])  # lists in a list are the rows of a table
        return items
    spans = [i.span for i in expr.items]
    values = e.joined(items, spans)
    result = e.checked(expr.span, spans, sh.Stack, *values, axis=-1 - values[0].type.rank)
    return labelled(result, items) if isinstance(result, Value) else result


def _call(e: Context, env: Environment, expr: ast.Call) -> Binding:
    arguments = [] if _is_foreign(e, env, expr.function) else expr.arguments
    return _applied(e, env, expr.function, [_argument(e, env, a) for a in arguments], expr.span)


def _is_foreign(e: Context, env: Environment, callee: ast.Expr) -> bool:
    """Whether a call is another library's, whose arguments have another form: `cat([x, y])`."""
    if isinstance(callee, ast.Field):
        return callee.name in FOREIGN
    return isinstance(callee, ast.Name) and callee.id in FOREIGN and look_up(env, callee.id) is None


def _argument(e: Context, env: Environment, argument: ast.Argument) -> BoundArgument:
    return BoundArgument(
        argument.name, e.expressions.expression(env, argument.value), argument.value.span, argument.name_span
    )


def _applied(e: Context, env: Environment, callee: ast.Expr, arguments: list[BoundArgument], span: Span) -> Binding:
    if isinstance(callee, ast.Index) and isinstance(member := _member(e, env, callee), (Function, Partial, Poison)):
        return e.calls.call(member, arguments, span)
    if not isinstance(callee, ast.Name):
        remedy = _as_function(e, env, callee, span)
        return e.error("not-callable", callee.span, "only a layer, a net or a function can be called", help=remedy)
    function = look_up(env, callee.id)
    if function is None and env.module.unread:
        return POISON
    if function is None:
        names = names_in_sight(env)
        own = foreign_answer(callee.span, callee.id) or meant_among(callee.span, callee.id, names)
        private = None if is_public(callee.id) else "a name that begins with `_` is known in its file alone"
        help: Help = look_alike(callee.span, names) or private or own
        message = f"there is no layer, net or function called `{callee.id}`"
        return e.error("unknown-function", callee.span, message, help=help)
    if isinstance(function, (Value, int, float, Dim, list, tuple, str)):
        return _not_callable(e, env, callee, function, as_product(callee, function, arguments, span))
    if e.at(callee.span) is callee.span:
        e.named = callee.span
    return e.calls.call(function, arguments, span)


def _member(e: Context, env: Environment, callee: ast.Index) -> Binding:
    """The net of a family that is called, `st[k]`; None where an index is of something else."""
    base = callee.base
    is_family = isinstance(base, ast.Name) and isinstance(look_up(env, base.id), (Function, Partial))
    return e.expressions.expression(env, callee) if is_family else None


def _not_callable(e: Context, env: Environment, callee: ast.Name, value: Binding, help: Help) -> Binding:
    """Told where a name is called; of an argument of a standard layer, where it is given."""
    given_at, span, whose = env.where.get(callee.id), callee.span, ""
    if span.source.in_prelude and given_at is not None and not given_at.source.in_prelude:
        span, whose = given_at, f" of `{e.call_stack[-1]}`"
    message = f"`{callee.id}`{whose} is {kind_of(value)}, not a function"
    return e.error("not-callable", span, message, label="not a function", help=help)


def _as_function(e: Context, env: Environment, callee: ast.Expr, span: Span) -> Help:
    """What `torch.relu(x)`, `x.relu()` and `Linear(8)(x)` are here."""
    if isinstance(callee, ast.Call):
        return TOGETHER
    if isinstance(callee, (ast.Number, ast.Binary, ast.Unary)):
        at = span.source.text.index("(", callee.span.end)
        return put(Span(span.source, at, at), " * ", "a product is written `2 * x`")
    if not isinstance(callee, ast.Field):
        return None
    name = callee.name
    answer = UNLIKE.get(name) or foreign_answer(callee.span, name)
    if answer is not None and name not in RENAMED:
        return answer
    function = RENAMED.get(name) or (name if look_up(env, name) else closest(name, names_in_sight(env)))
    own = isinstance(callee.base, ast.Name) and callee.base.id in env.names
    base = callee.base.span.text if own else "..."
    if not function:
        return None
    words = f"there are no modules and methods: write `{function}({base})`"
    if function not in (name, RENAMED.get(name)) and not is_sure(name, function):
        return words
    return replace(as_call(function, callee, span, own), words=words)


def _pipe(e: Context, env: Environment, expr: ast.Pipe) -> Binding:
    first = BoundArgument(None, e.expressions.expression(env, expr.left), expr.left.span)
    if isinstance(expr.right, ast.Call):
        rest = [_argument(e, env, a) for a in expr.right.arguments]
        return _applied(e, env, expr.right.function, [first, *rest], expr.span)
    return _applied(e, env, expr.right, [first], expr.span)


def _literal(e: Context, env: Environment, expr: ast.Number | ast.String | ast.Bool) -> Binding:
    return expr.value


RULES: dict[type[ast.Expr], Callable[[Context, Environment, Any], Binding]] = {
    ast.Number: _literal, ast.String: _literal, ast.Bool: _literal, ast.Name: _name, ast.Field: _field, ast.Unary: unary,
    ast.Binary: binary, ast.Transpose: transpose, ast.Stack: _stack, ast.Several: _several, ast.Call: _call, ast.Pipe: _pipe,
    ast.Index: index,
}  # fmt: skip
