"""`extend`: text grows by one token a turn (14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mai.compiler.elaborate.bindings import Binding, Environment, Poison
from mai.compiler.elaborate.blocks.repeat import Loops
from mai.compiler.elaborate.core import Stop, kind_of
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import NOTHING, Extend
from mai.compiler.ir.types import DType, Type
from mai.spec import ast


class Growing(Loops):
    """A row of tokens as the state of a loop; the body is elaborated once, on a row of unknown length."""

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        return {**super()._statement_rules(), ast.Extend: self._extend}

    def _extend(self, env: Environment, statement: ast.Extend) -> Binding:
        row = self._row(env, statement)
        count = self.size(self.expression(env, statement.count), statement.count.span, "a count")
        inputs = [row, self.builder.size(count), *self._stop(env, statement)]
        name = self._length()
        grown = Value(row.type.with_shape((symbol(name),)), statement.name.id)
        region = Region([Value(Type(DType.INT), "turn"), grown])
        self.graph.sizes[name] = (grown, len(row.type.lead))
        outer, self.draws.turn = self.draws.turn, region.inputs[0]
        inside = env.child()
        inside.names[statement.name.id] = grown
        with self.region(region):
            region.outputs = [self.builder.spread(self._next(inside, statement), row.type.lead)]
        self.draws.turn = outer
        longer = row.type.with_shape((row.type.shape[0] + count,))
        made = self.builder.add(Extend(name, count), inputs, [longer], [region])
        made.output.name = statement.name.id
        env.names[statement.name.id] = made.output
        return None

    def _length(self) -> str:
        """A name for the text's size that no dimension of the spec has."""
        taken = [name for name in self.graph.sizes if name.startswith("length")]
        return f"length_{len(taken) + 1}" if taken else "length"

    def _row(self, env: Environment, statement: ast.Extend) -> Value:
        """What grows: integers along one axis, a row for each example."""
        held, span = env.names.get(statement.name.id), statement.name.span
        if isinstance(held, Poison):
            raise Stop
        if not isinstance(held, Value) or held.type.rank != 1 or held.type.dtype is not DType.INT:
            shown = kind_of(held) if held is not None else "no value yet"
            raise self.fail(
                "dtype-mismatch", span, f"`extend` grows a row of tokens, `{statement.name.id}` has {shown}"
            )
        if self.builder.region is not self.graph or self.calls or self.in_train_block:
            message = "`extend` stands in an export, outside every other block"
            raise self.fail("extend-misplaced", statement.span, message)
        return self.builder.spread(held, (self.batch_axis,))

    def _stop(self, env: Environment, statement: ast.Extend) -> list[Value]:
        """The token that ends a row; as a setting it may be -1, which no token is."""
        if statement.until is None:
            return []
        stop = self.value(self.expression(env, statement.until), statement.until.span)
        if stop.type.rank or stop.type.dtype is not DType.INT:
            shown = str(stop.type.with_lead(()))
            raise self.fail("dtype-mismatch", statement.until.span, f"a row ends with one token, this is {shown}")
        for name, setting in self.graph.settings.items():
            if setting.value is stop:
                self.graph.settings[name] = replace(setting, minimum=NOTHING)
        return [stop]

    def _next(self, env: Environment, statement: ast.Extend) -> Value:
        token: Value | None = None
        for inner in statement.body:
            if not isinstance(inner, ast.Append):
                if self.statement(env, inner) is not None:
                    raise self.fail("unreachable", inner.span, "an `extend` block cannot `return`: return after it")
                continue
            token = self.value(self.expression(env, inner.value), inner.value.span)
            if token.type.rank or token.type.dtype is not DType.INT:
                shown = str(token.type.with_lead(()))
                raise self.fail("dtype-mismatch", inner.value.span, f"one token is appended a turn, this is {shown}")
        if token is None:
            message = "an `extend` block appends one token a turn: `append next`"
            raise self.fail("append-missing", statement.span, message)
        return token
