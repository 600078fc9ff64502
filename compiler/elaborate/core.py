"""The elaborator's state, and the small steps that every part of it takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Callables,
    Distribution,
    Environment,
    LetTensor,
    Poison,
    WeightScope,
)
from mai.compiler.elaborate.bounds import Bounds
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Region, Value, Weight
from mai.compiler.ir.operation import Operation, ShapeError, describe
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.types import Axis, DType
from mai.compiler.ops.elementwise import ToReal
from mai.spec import ast, in_prelude
from mai.spec.diagnostics import Edit, Label, Reporter
from mai.spec.source import Span


class Stop(Exception):
    """What is being elaborated cannot be given a value; the error has been reported."""


@dataclass
class Draws:
    """What a graph's draws need: who the example is, which seed and which turn of the loops."""

    seed: Value
    example: Value
    turn: Value
    places: dict[str, int] = field(default_factory=dict)

    def place(self, name: str) -> int:
        """A number for a draw's place in the spec: the same in every export that draws the same name first."""
        self.places[name] = self.places.get(name, 0) + 1
        return zlib.crc32(f"{name}#{self.places[name]}".encode())


@dataclass(frozen=True, slots=True)
class LayerCall:
    """A layer's call, and its arguments that are whole numbers."""

    span: Span
    numbers: tuple[BoundArgument, ...]


class Core:
    """State while one graph is elaborated. The parts of the elaborator are mixed into one class over this one."""

    report: Reporter
    builder: Builder
    graph: Graph
    scope: WeightScope
    draws: Draws
    bounds: Bounds
    training: bool
    lets: dict[int, Binding]
    weights: dict[str, Weight]
    calls: list[str]
    callee: str
    named: Span | None
    inlined: int
    opening: set[int]
    can_draw: bool
    axes: tuple[Axis, ...]
    in_train_block: bool
    batch_axis: Axis
    evaluations: list[Value]
    directions: int
    uses_draws: bool
    transposes: dict[Value, Value]
    quotients: dict[Value, tuple[Value | None, Value]]  # numerator and divisor of what is written `a / b`, or `b^-1`
    origins: dict[Value, Span]
    made_by: dict[Value, tuple[LayerCall, ...]]

    # The other parts, in the order of the text: expressions, calls, statements.
    def expression(self, env: Environment, expr: ast.Expr) -> Binding:
        raise NotImplementedError

    def call(self, function: Binding, arguments: Sequence[BoundArgument], span: Span) -> Binding:
        raise NotImplementedError

    def block(self, env: Environment, statements: Sequence[ast.Statement]) -> Binding:
        raise NotImplementedError

    # ------------------------------------------------------------ diagnostics

    def error(
        self,
        slug: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: str | None = None,
    ) -> Poison:
        """Report an error and give what stands for its value."""
        self.fail(slug, span, message, label=label, where=where, help=help)
        return POISON

    def fail(
        self,
        slug: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: str | None = None,
        edits: Sequence[Edit] = (),
    ) -> Stop:
        """Report an error; raise what this returns where no value can stand for it. `edits` may mend it.

        What goes wrong inside a standard layer is told at the user's call of it.
        """
        call = self.at(span)
        if call is not None and call is not span:
            message, where, help, edits = f"in `{self.callee}`, {message}", (), None, ()
        self.report.error(slug, call or span, message, label=label, where=where, help=help, edits=edits)
        return Stop()

    def refused(self, error: ShapeError, spans: Sequence[Span], span: Span, inputs: Sequence[Value] = ()) -> Poison:
        """Tell what an operation's shape rule refused, at the operand that it names, beside the shapes of the others."""
        if error.operand is None or error.operand >= len(spans):
            return self.error(error.slug, span, error.message, label=error.label, help=error.help)
        at = spans[error.operand]
        others = [(s, v) for s, v in zip(spans, inputs, strict=False) if s.end <= at.start or at.end <= s.start]
        where = [Label(s, describe(v.type.shape)) for s, v in others if s.source is at.source]
        return self.error(error.slug, at, error.message, label=error.label, where=where, help=error.help)

    # --------------------------------------------------------------- emission

    def at(self, span: Span) -> Span | None:
        """Where nodes made for `span` come from: inside a standard layer, the place of its call."""
        return self.builder.span if in_prelude(span.source) else span

    @contextmanager
    def region(self, region: Region) -> Iterator[Region]:
        """Emit into `region` for a while; what is made there cannot be read after it."""
        outer, self.builder.region = self.builder.region, region
        transposes, self.transposes = self.transposes, dict(self.transposes)
        try:
            yield region
        finally:
            self.builder.region, self.transposes = outer, transposes

    @contextmanager
    def weight_scope(self, scope: WeightScope) -> Iterator[None]:
        """Name fresh weights, and the nodes, by `scope` for a while."""
        outer, self.scope = self.scope, scope
        label, self.builder.scope = self.builder.scope, scope.path
        try:
            yield
        finally:
            self.scope, self.builder.scope = outer, label

    def emit(self, op: type[Operation], *inputs: Value, name: str = "", **attributes: Any) -> Value:
        return self.builder.emit(op, *inputs, name=name, **attributes)

    def checked(
        self, span: Span, spans: Sequence[Span], op: type[Operation], *inputs: Value, **attributes: Any
    ) -> Binding:
        """Emit an operation on the user's operands; what its shape rule refuses is told at `spans`."""
        self.builder.span = self.at(span)
        try:
            return self.emit(op, *inputs, **attributes)
        except ShapeError as error:
            return self.refused(error, spans, span, inputs)

    # ------------------------------------------------------------ conversions

    def value(self, binding: Binding, span: Span) -> Value:
        """A tensor: numbers and sizes become constants. Raises `Stop` for what is no number."""
        if isinstance(binding, Value):
            return binding
        if isinstance(binding, Poison):
            raise Stop
        if isinstance(binding, (bool, int, float)):
            return self.builder.constant(binding)
        if isinstance(binding, Dim):
            return self.builder.size(binding)
        if isinstance(binding, list):
            return self.listed(binding, span)
        if isinstance(binding, LetTensor):
            return self.value(self.let(binding), span)
        helps = {Distribution: "what is drawn is written `x ~ normal([2])`", tuple: "take them apart: `(a, b) = ...`"}
        help = next((text for kind, text in helps.items() if isinstance(binding, kind)), None)
        message = f"a tensor or a number is needed here, this is {kind_of(binding)}"
        raise self.fail("type-mismatch", span, message, help=help)

    def listed(self, items: list[Binding], span: Span) -> Value:
        """A list of numbers as a constant vector; real if any of them is."""
        if any(not isinstance(i, (int, float)) for i in items) or not items:
            raise self.fail("type-mismatch", span, "a list of numbers is needed here")
        numbers: Any = items
        dtype = DType.REAL if any(isinstance(i, float) for i in numbers) else DType.INT
        return self.builder.constant(tuple(numbers), dtype)

    def real(self, binding: Binding, span: Span) -> Value:
        """The same as a real tensor."""
        if isinstance(binding, (int, float)) and not isinstance(binding, bool):
            return self.builder.constant(float(binding))
        value = self.value(binding, span)
        return value if value.type.dtype is DType.REAL else self.emit(ToReal, value)

    def size(self, binding: Binding, span: Span, what: str = "a dimension", least: int = 0) -> Size:
        """A size: a whole number of at least zero, or a symbolic one, which is bounded by `least` from here on."""
        if isinstance(binding, Poison):
            raise Stop
        if isinstance(binding, Dim):
            self.bounds.at_least(binding, least, self.at(span) or span)
            return binding
        if isinstance(binding, float) and binding.is_integer():
            binding = int(binding)
        slug = "not-a-dimension" if what == "a dimension" else "repeat-count"
        if isinstance(binding, bool) or not isinstance(binding, int):
            shown = f"`{binding}`" if isinstance(binding, float) else kind_of(binding)
            raise self.fail(slug, span, f"{what} is a whole number, this is {shown}")
        if binding < 0:
            raise self.fail(slug, span, f"{what} cannot be negative, this is {binding}")
        if binding > MAX_SIZE:
            raise self.fail(
                "dimension-too-large", span, f"{what} of {binding:,} is more than can be held", label="too large"
            )
        return binding

    def let(self, let: LetTensor) -> Binding:
        """The value of a `let` in this graph; computed at its start, once."""
        key, name = id(let.declaration), let.declaration.name
        if key in self.opening:
            return self.error("recursive-call", name.span, f"`{name.id}` is defined by itself")
        if key not in self.lets:
            self.opening.add(key)
            span, scope = self.builder.span, self.builder.scope
            self.builder.span, self.builder.scope = let.declaration.span, ""
            with self.region(self.graph):
                self.lets[key] = self.expression(Environment(let.module), let.declaration.value)
            self.builder.span, self.builder.scope = span, scope
            self.opening.remove(key)
        return self.lets[key]


MAX_SIZE = 2**31 - 1


def kind_of(binding: Binding) -> str:
    """What a value is, in words for a message."""
    if isinstance(binding, Value):
        return f"a tensor {describe(binding.type.shape)}" if binding.type.rank else "a scalar known only at run time"
    if isinstance(binding, Callables):
        return "a function"
    if isinstance(binding, Distribution):
        return f"a {binding.kind} distribution"
    words = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        tuple: "several values",
    }
    return words.get(type(binding), "something else")
