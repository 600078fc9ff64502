"""Statements: bindings, weights, draws, choices; blocks are in `blocks/`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    Callables,
    Distribution,
    Environment,
    Poison,
    is_number,
)
from mai.compiler.elaborate.core import Stop, kind_of
from mai.compiler.elaborate.signatures import Signatures, dims_of
from mai.compiler.ir.graph import Initial, Value, Weight
from mai.compiler.ir.operation import Operation, ShapeError, describe
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.random import random_numbers as rnd
from mai.compiler.ops.random.choice import Choose
from mai.spec import ast
from mai.spec.diagnostics import Label
from mai.spec.diagnostics.foreign import FOREIGN
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span

MAX_WEIGHTS = 10**11
DISTRIBUTIONS = ("normal", "uniform", "bernoulli", "integers", "categorical")
LOST = Poison()  # what is returned by an `if` that failed and holds a `return`
BINARY: dict[str, type[Operation]] = {"+": el.Add, "-": el.Subtract, "*": el.Multiply, "/": el.Divide}


class Statements(Signatures):
    """Execution of blocks. A block's value is what its `return` gives, or None."""

    def block(self, env: Environment, statements: Sequence[ast.Statement]) -> Binding:
        lost: Binding = None
        for position, statement in enumerate(statements):
            returned = self.statement(env, statement)
            if returned is LOST:
                lost = POISON
            elif returned is not None:
                rest = statements[position + 1 :]
                if rest and isinstance(statement, ast.Return):
                    self.error("unreachable", rest[0].span, "nothing after a `return` is ever done")
                return returned
        return lost

    def statement(self, env: Environment, statement: ast.Statement) -> Binding:
        rule: Callable[[Environment, Any], Binding] | None = self._statement_rules().get(type(statement))
        outer, self.builder.span = self.builder.span, self.at(statement.span)
        try:
            if rule is None:
                return self.misplaced(statement)
            return rule(env, statement)
        except Stop:
            self._poison(env, statement)
            return (LOST if isinstance(statement, ast.If) else POISON) if _returns(statement) else None
        finally:
            self.builder.span = outer

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        return {
            ast.Assign: self._assign,
            ast.Param: self._param,
            ast.Draw: self._draw,
            ast.Return: lambda env, s: self.expression(env, s.value),
            ast.If: self._if,
        }

    def misplaced(self, statement: ast.Statement) -> Binding:
        """A statement that has its meaning elsewhere."""
        homes = {
            ast.Minimize: ("minimize-outside-train", "`minimize` belongs in a train block"),
            ast.Report: ("minimize-outside-train", "`report` belongs in a train block"),
            ast.Record: ("minimize-outside-train", "`record` belongs in a train block"),
            ast.Derivative: ("derivative-outside", "`d./ds = ...` belongs directly in an `integrate` block"),
            ast.Append: ("append-outside", "`append` belongs directly in an `extend` block"),
        }
        slug, message = homes[type(statement)]
        self.error(slug, statement.span, message)
        return None

    def _poison(self, env: Environment, statement: ast.Statement) -> None:
        for name in assigned_names([statement]):
            env.bind(name, POISON)

    # ------------------------------------------------------------- assignment

    def _assign(self, env: Environment, statement: ast.Assign) -> Binding:
        made = self.expression(env, statement.value)
        if statement.op:
            made = self._updated(env, statement, made)
        if len(statement.targets) == 1:
            self.bind_name(env, statement.targets[0], made, statement.value.span)
            return None
        if isinstance(made, Poison):
            raise Stop
        if not isinstance(made, tuple) or len(made) != len(statement.targets):
            count = len(made) if isinstance(made, tuple) else 1
            message = f"{len(statement.targets)} names for {count} value{'s' if count != 1 else ''}"
            raise self.fail("type-mismatch", statement.value.span, message)
        for target, part in zip(statement.targets, made, strict=True):
            self.bind_name(env, target, part, statement.value.span)
        return None

    def bind_name(self, env: Environment, target: ast.Identifier, made: Binding, span: Span) -> None:
        """Bind a name; a tensor takes the name along into the generated code. What a host gives keeps its own name."""
        env.bind(target, made)
        if isinstance(made, Value):
            given = [*self.graph.inputs, *(s.value for s in self.graph.settings.values())]
            made.name = made.name if made in given else target.id
            self.origins[made] = span

    def _updated(self, env: Environment, statement: ast.Assign, change: Binding) -> Binding:
        target = statement.targets[0]
        if target.id not in env.names:
            raise self.fail("unknown-name", target.span, f"`{target.id}` has no value yet to change")
        old = env.names[target.id]
        if isinstance(old, Poison) or isinstance(change, Poison):
            raise Stop
        if is_number(old) and is_number(change):
            from mai.compiler.elaborate.static import apply

            return apply(statement.op, old, change)  # type: ignore[arg-type]
        spans = [target.span, statement.value.span]
        a, b = self.promoted([old, change], spans)
        made = self.checked(statement.span, spans, BINARY[statement.op], a, b)
        if isinstance(made, Value) and made.type.shape != a.type.shape:
            message = f"`{target.id}` is {describe(a.type.shape)}, its change is {describe(b.type.shape)}"
            raise self.fail("shape-mismatch", statement.value.span, message, label=describe(b.type.shape))
        return made

    def promoted(self, operands: list[Binding], spans: list[Span]) -> list[Value]:
        raise NotImplementedError

    def _if(self, env: Environment, statement: ast.If) -> Binding:
        condition = self.expression(env, statement.condition)
        if isinstance(condition, Poison):
            raise Stop
        if isinstance(condition, Value):
            message = "`if` chooses when the file is compiled; this is known only at run time"
            raise self.fail("static-needed", statement.condition.span, message, help="choose with `where(c, a, b)`")
        chosen = bool(condition) if not isinstance(condition, Callables) else True
        return self.block(env, statement.then if chosen else statement.otherwise)

    # ---------------------------------------------------------------- weights

    def _param(self, env: Environment, statement: ast.Param) -> Binding:
        if not isinstance(statement.type, ast.TensorType):
            raise self.fail("dtype-mismatch", statement.type.span, "a param is a real tensor: `[n, d]`")
        shape = self._known_shape(env, statement)
        name = f"{self.scope.path}.{statement.name.id}"
        init = self._initial(env, statement, shape)
        weight = Weight(name, shape, init, statement.trained, self.scope.owner, statement.span, self.scope.turns)
        self._register(weight, statement)
        value = self.builder.weight(weight)
        self.graph.weights[name] = weight
        self.bind_name(env, statement.name, value, statement.type.span)
        return None

    def _known_shape(self, env: Environment, statement: ast.Param) -> tuple[int, ...]:
        shape: list[int] = []
        for dim in dims_of(statement.type):
            size = self.dimension(env, dim)
            if not isinstance(size, int):
                message = f"`{dim.span.text}` is known only at run time; a param's shape is fixed"
                raise self.fail("dimension-unknown", dim.span, message, label=str(size))
            shape.append(size)
        count = product((*shape, *self.scope.turns))
        if isinstance(count, int) and count > MAX_WEIGHTS:
            message = f"`{statement.name.id}` would hold {count:,} numbers, more than can be trained"
            raise self.fail("too-many-parameters", statement.type.span, message)
        return tuple(shape)

    def _initial(self, env: Environment, statement: ast.Param, shape: tuple[int, ...]) -> Initial:
        if statement.init is None:
            return Initial("constant", (0.0,))
        self._check_distribution(env, statement.init)
        given, span = self.expression(env, statement.init), statement.init.span
        if isinstance(given, Poison):
            raise Stop
        if isinstance(given, Initial):
            if given.kind == "identity" and (len(shape) != 2 or shape[0] != shape[1]):
                raise self.fail("shape-mismatch", span, f"an identity is square, this is {describe(shape)}")
            return given
        if is_number(given):
            return Initial("constant", (float(given),))  # type: ignore[arg-type]
        if isinstance(given, Distribution) and given.kind in ("normal", "uniform"):
            if all(is_number(n) for n in given.numbers):
                return Initial(given.kind, tuple(float(n) for n in given.numbers))  # type: ignore[arg-type]
            raise self.fail("static-needed", span, "a param is drawn from a distribution with fixed numbers")
        help = "write `= zeros`, `= 0.1`, or `~ normal(0, 1)`"
        raise self.fail(
            "bad-init",
            span,
            f"a param starts from a number, `normal` or `uniform`, this is {kind_of(given)}",
            help=help,
        )

    def _register(self, weight: Weight, statement: ast.Param) -> None:
        """Weights of one name are one weight, in every graph and at every call of a net."""
        known = self.weights.setdefault(weight.name, weight)
        if known.shape != weight.shape:
            message = f"`{statement.name.id}` is {describe(weight.shape)} in this call of `{weight.owner}` and was {describe(known.shape)}"
            help = "a net has one set of parameters: make it a layer to have fresh ones at each call"
            raise self.fail(
                "shape-mismatch", statement.type.span, message, where=[Label(known.span, "made here")], help=help
            )

    # ------------------------------------------------------------------ draws

    def _check_distribution(self, env: Environment, expr: ast.Expr) -> None:
        """A call of nothing known, where a distribution is expected, is a distribution that does not exist."""
        callee = expr.function if isinstance(expr, ast.Call) else None
        if not isinstance(callee, ast.Name) or callee.id in self.names_in_sight(env):
            return
        guess = closest(callee.id, DISTRIBUTIONS)
        drawn = FOREIGN.get(callee.id, "").partition("a draw is a statement: ")[2]
        help = drawn or (f"did you mean `{guess}`?" if guess else f"there are {', '.join(DISTRIBUTIONS)}")
        raise self.fail("unknown-distribution", callee.span, f"there is no distribution `{callee.id}`", help=help)

    def names_in_sight(self, env: Environment) -> list[str]:
        raise NotImplementedError

    def _draw(self, env: Environment, statement: ast.Draw) -> Binding:
        self._check_distribution(env, statement.distribution)
        given, span = self.expression(env, statement.distribution), statement.distribution.span
        if isinstance(given, Poison):
            raise Stop
        if not isinstance(given, Distribution):
            help = "write `x ~ normal([2])`; `=` defines"
            raise self.fail(
                "unknown-distribution", span, f"`~` draws from a distribution, this is {kind_of(given)}", help=help
            )
        try:
            self.bind_name(env, statement.name, self.drawn(statement.name.id, given), span)
        except ShapeError as error:
            self.refused(error, [span], span)
            raise Stop from error
        return None

    def drawn(self, name: str, given: Distribution) -> Value:
        """A draw for each example, and for each point of the axes that a call maps over."""
        if not self.can_draw:
            raise self.fail("static-needed", given.span, "nothing is drawn here: settings and consts are fixed")
        self.uses_draws = True
        if given.kind == "categorical":
            logits, *settings = (self.value(n, given.span) for n in given.numbers)
            return self.emit(Choose, logits, self._random(rnd.RandomUniform, name, ()), *settings, name=name)
        if given.kind == "bernoulli":
            p = self.real(given.numbers[0], given.span)
            return self.emit(logic.Less, self._random(rnd.RandomUniform, name, given.shape), p, name=name)
        low, high = given.numbers
        if given.kind == "integers":
            return self._integers(name, given, low, high)
        op = rnd.RandomNormal if given.kind == "normal" else rnd.RandomUniform
        unit = self._random(op, name, given.shape)
        if (low, high) in ((0, 1), (0.0, 1.0)):
            return unit
        a, b = self.real(low, given.span), self.real(high, given.span)
        width = b if given.kind == "normal" else self.emit(el.Subtract, b, a)
        return self.emit(el.Add, a, self.emit(el.Multiply, width, unit), name=name)

    def _integers(self, name: str, given: Distribution, low: Binding, high: Binding) -> Value:
        """low + floor(word * (high - low) / 2^32), exactly, for a word of 32 random bits."""
        bits = self._random(rnd.RandomBits, name, given.shape)
        a, b = self.promoted([low, high], [given.span, given.span])
        if a.type.dtype is not DType.INT:
            raise ShapeError("dtype-mismatch", "`integers` takes whole numbers", 0)
        scaled = self.emit(el.Multiply, bits, self.emit(el.Subtract, b, a))
        made = self.emit(el.Add, self.emit(el.FloorDivide, scaled, self.builder.constant(2**32)), a, name=name)
        made.type = replace(made.type, classes=high if isinstance(high, int) else None)
        return made

    def _random(self, op: type[Operation], name: str, shape: tuple[Size, ...]) -> Value:
        axes = self.axes
        full = tuple(a.size for a in axes) + shape
        draws = self.draws
        attributes = {"place": draws.place(f"{self.scope.path}.{name}" if self.calls else name), "shape": full}
        made = self.emit(op, draws.seed, draws.turn, draws.example, name=name, **attributes)
        return self.builder.lead(made, axes) if axes else made


def _returns(statement: ast.Statement) -> bool:
    """Whether a statement is a `return`, or a choice that holds one."""
    if isinstance(statement, ast.If):
        return any(_returns(inner) for inner in (*statement.then, *statement.otherwise))
    return isinstance(statement, ast.Return)


def assigned_names(statements: Sequence[ast.Statement]) -> list[ast.Identifier]:
    """The names that statements bind, inner blocks included, each once, in order."""
    found: dict[str, ast.Identifier] = {}
    for statement in statements:
        for name in _assigned(statement):
            found.setdefault(name.id, name)
    return list(found.values())


def _assigned(statement: ast.Statement) -> list[ast.Identifier]:
    match statement:
        case ast.Assign():
            return list(statement.targets)
        case ast.Param() | ast.Draw():
            return [statement.name]
        case ast.If():
            return assigned_names([*statement.then, *statement.otherwise])
        case ast.Repeat():
            return assigned_names(statement.body)
        case ast.Integrate():
            states = [s.state if isinstance(s, ast.Derivative) else increment_of(statement, s) for s in statement.body]
            return [*(s for s in states if s is not None), *(k.name for k in statement.keeps)]
        case ast.Extend():
            return [statement.name]
        case _:
            return []


def increment_of(integral: ast.Integrate, statement: ast.Statement) -> ast.Identifier | None:
    """The state that `dx = f * ds + g * dW` moves, in an integral along `s`; None for any other statement."""
    if not isinstance(statement, ast.Assign) or statement.op or len(statement.targets) != 1:
        return None
    (target,) = statement.targets
    speaks_of_steps = re.search(rf"\b(dW|d{integral.variable.id})\b", statement.value.span.text)
    return replace(target, id=target.id[1:]) if target.id[:1] == "d" and target.id[1:] and speaks_of_steps else None
