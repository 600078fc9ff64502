"""What the parts of the elaborator share: the graph that is being made, and the small steps that all of them take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Callables,
    Distribution,
    Number,
    Poison,
    WeightScope,
)
from mai.compiler.elaborate.bounds import Bounds
from mai.compiler.elaborate.expressions.static import StaticError, as_real, beyond
from mai.compiler.elaborate.expressions.tables import numbers_of, table_of, typed
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Region, Value, Weight
from mai.compiler.ir.operation import Operation, ShapeError, describe
from mai.compiler.ir.sizes import Dim, Size, symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType
from mai.compiler.ops.elementwise import ToReal
from mai.compiler.ops.shapes.shape import Stack
from mai.spec import ast, in_prelude
from mai.spec.diagnostics import Edit, Help, Label, Reporter
from mai.spec.diagnostics.edit import insert, meant, put
from mai.spec.diagnostics.suggest import closest
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.train import Outcome
    from mai.compiler.elaborate.draws import Draws
    from mai.compiler.elaborate.expressions.calls import Calls
    from mai.compiler.elaborate.expressions.expressions import Expressions
    from mai.compiler.elaborate.expressions.signatures import Signatures
    from mai.compiler.elaborate.statements import Statements

BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
MAX_SIZE = 2**31 - 1


# What may be wrong in a body because of what it is called with.
CALLED_WITH = (
    "shape-mismatch", "dimension-mismatch", "rank-mismatch", "return-shape", "class-range", "index-out-of-range",
    "axis-out-of-range", "bad-pattern", "not-a-dimension", "dimension-unknown", "dimension-too-large", "too-many-parameters",
    "static-needed", "type-mismatch", "repeat-count", "repeat-too-long", "division-by-zero", "number-too-large", "bad-number",
)  # fmt: skip


class Stop(Exception):
    """What is being elaborated cannot be given a value; the error has been reported."""


@record
class LayerCall:
    """A layer's call, and its arguments that are whole numbers."""

    span: Span
    numbers: tuple[BoundArgument, ...]


@record
class CallAround:
    """A call whose body is elaborated.

    Attributes:
        span: the call.
        tensors: what it is given, by the names of the parameters.
        decides: whether the body's shapes depend on the call.
        where: where what is fixed when the file is compiled was given, by the names of the parameters.
    """

    span: Span
    tensors: Mapping[str, Value]
    decides: bool
    where: Mapping[str, Span]

    @property
    def label(self) -> Label:
        """The call, as a message about its body tells of it."""
        shapes = [f"`{name}` is {describe(value.type.shape)}" for name, value in self.tensors.items()]
        return Label(self.span, f"called from here: {', '.join(shapes)}" if shapes else "called from here")


class Context:
    """State while one graph is elaborated, and the parts that elaborate it.

    The parts hold the context, and reach each other through it. A built-in function is handed it as `e`.
    """

    expressions: Expressions
    calls: Calls
    signatures: Signatures
    statements: Statements
    draws: Draws
    train: Outcome | None  # What a train block says beside its graph; None in every other graph.

    def __init__(self, report: Reporter, name: str, weights: dict[str, Weight]) -> None:
        self.report, self.weights = report, weights
        self.graph = Graph(name=name)
        self.builder, self.bounds = Builder(self.graph), Bounds(self.graph.settings)
        self.scope, self.train = WeightScope(name, name, name), None
        self.call_stack: list[str] = []  # The layers and nets around, the innermost last.
        self.calls_around: list[CallAround] = []  # The calls of them.
        self.callee = ""  # The function that the user's own call is of.
        self.named: Span | None = None  # Where that call names it.
        self.axes: tuple[Axis, ...] = ()  # What the calls around map over.
        self.batch_axis = BATCH
        self.directions = 0
        self.turns_apart = 0  # Turns of `repeat`s that were elaborated one by one.
        self.failed_attempts = 0
        self.evaluations: list[Value] = []  # How often each adaptive solver evaluated its velocity.
        self.transposes: dict[Value, Value] = {}
        self.quotients: dict[Value, tuple[Value | None, Value]] = {}  # `a / b` as (a, b), `b^-1` as (None, b)
        self.origins: dict[Value, Span] = {}  # Where the text says what a value is.
        self.made_by: dict[Value, tuple[LayerCall, ...]] = {}
        self.drawing: ast.Draw | None = None  # The statement whose distribution is elaborated.
        self.inputs_at: dict[Value, Span] = {}  # The types of the graph's inputs, as they are written.

    @property
    def in_train_block(self) -> bool:
        """Whether the graph that is being made is a train block's."""
        return self.train is not None

    # ------------------------------------------------------------ diagnostics

    def error(
        self,
        slug: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: Help = None,
        edits: Sequence[Edit] = (),
    ) -> Poison:
        """Report an error and give what stands for its value."""
        self.fail(slug, span, message, label=label, where=where, help=help, edits=edits)
        return POISON

    def fail(
        self,
        slug: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: Help = None,
        edits: Sequence[Edit] = (),
    ) -> Stop:
        """Report an error; raise what this returns where no value can stand for it. `edits` may mend it.

        What goes wrong inside a standard layer is told at the user's call of it.
        """
        call = self.at(span)
        if call is not None and call is not span:
            call = self._argument_at(span) or call
            message, where, help, edits = f"in `{self.callee}`, {message}", (), None, ()
        if self.calls_around and self.report.tells(slug, call or span):
            return Stop()
        where = [*where, *self._given_at(span), *self._calls_at_fault(slug, call or span)]
        self.report.error(slug, call or span, message, label=label, where=where, help=help, edits=edits)
        return Stop()

    def _argument_at(self, span: Span) -> Span | None:
        """Where the user wrote what a standard layer names at `span`; None where it names none of its arguments."""
        for call in reversed(self.calls_around):
            at = call.where.get(span.text)
            if at is None or not in_prelude(at.source):
                return at
            span = at
        return None

    def _given_at(self, span: Span) -> list[Label]:
        """Where a parameter of the layer around, which is named at `span`, was given."""
        at = self.calls_around[-1].where.get(span.text) if self.calls_around else None
        user = at is not None and not in_prelude(at.source) and not in_prelude(span.source)
        return [Label(at, f"`{span.text}` is given here")] if at and user else []

    def _calls_at_fault(self, slug: str, span: Span) -> list[Label]:
        """The calls of nets and layers that gave the body around `span` the shapes which do not fit there."""
        if slug not in CALLED_WITH:
            return []
        calls = [c for c in self.calls_around if c.decides and not in_prelude(c.span.source)]
        return [c.label for c in calls if not _holds(c.span, span)]

    def unknown_argument(self, callee: str, name: str, span: Span, known: Sequence[str]) -> Stop:
        """Report an argument that a function does not have."""
        guess = closest(name, known)
        help: Help = f"it takes {', '.join(known)}" if known else None
        if guess:
            help = meant(span, guess)
        return self.fail("unknown-argument", span, f"`{callee}` has no argument `{name}`", help=help)

    def refused(self, error: ShapeError, spans: Sequence[Span], span: Span, inputs: Sequence[Value] = ()) -> Poison:
        """Tell what an operation's shape rule refused, at the operand that it names, beside the shapes of the others."""
        if error.operand is None or error.operand >= len(spans):
            return self.error(error.slug, span, error.message, label=error.label, help=error.help)
        at = spans[error.operand]
        others = [(s, v) for s, v in zip(spans, inputs, strict=False) if s.end <= at.start or at.end <= s.start]
        where = [Label(s, describe(v.type.shape)) for s, v in others if s.source is at.source]
        return self.error(error.slug, at, error.message, label=error.label, where=where, help=error.help)

    def default_help(self, binding: Binding) -> Help:
        """What to write where a count comes from an input, which has a number for each example: a setting has one for all."""
        if not isinstance(binding, Value):
            return None
        value = binding
        while value not in self.inputs_at and value.producer and value.producer.inputs:
            value = value.producer.inputs[0]
        at, name = self.inputs_at.get(value), value.name
        first = {"int": "20", "real": "1.0"}.get(at.text) if at else None
        if at is None or first is None:
            return None
        written = f"{name}: {at.text} = {first}"
        words = f"without a default `{name}` is an input, a number for each example: write `{written}` for a setting"
        return insert(at.source, at.end, f" = {first}", words)

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

    def emit(self, op: type[Operation], *inputs: Value, name: str = "", **attributes: object) -> Value:
        """Apply an operation and return its first output."""
        return self.builder.emit(op, *inputs, name=name, **attributes)

    def parameter(self, weight: Weight) -> Value:
        """A weight as a value of this graph, which has it from here on."""
        self.graph.weights[weight.name] = weight
        return self.builder.weight(weight)

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
            return self.builder.constant(self.representable(binding, span))
        if isinstance(binding, Dim):
            for _, coefficient in binding.terms:
                self.representable(coefficient, span)
            return self.builder.size(binding)
        if isinstance(binding, list):
            return self.listed(binding, span)
        if isinstance(binding, Distribution):
            raise self._undrawn(binding, span)
        helps = {tuple: "take them apart: `(a, b) = ...`"}
        help = next((text for kind, text in helps.items() if isinstance(binding, kind)), None)
        message = f"a tensor or a number is needed here, this is {kind_of(binding)}"
        raise self.fail("type-mismatch", span, message, help=help)

    def _undrawn(self, distribution: Distribution, span: Span) -> Stop:
        """Tell that a distribution stands for a value, where it is written."""
        at = distribution.span
        if in_prelude(at.source):
            at = span
        equals = re.search(r"=\s*$", at.source.text[: at.start])
        help: Help = f"what is drawn is written `x ~ {at.text}`, in a line of its own"
        if equals and at.source.text[equals.start() - 1] not in "=<>!+-*/":
            help = put(Span(at.source, equals.start(), equals.start() + 1), "~", f"draw it: write `~ {at.text}`")
        where = [Label(span, "a number is needed here")] if span.source is at.source and span != at else []
        message = f"this is {kind_of(distribution)}, and nothing is drawn from it"
        return self.fail("type-mismatch", at, message, where=where, help=help)

    def listed(self, items: list[Binding], span: Span) -> Value:
        """A list as a constant vector, lists of lists as a matrix or more; sizes known only at run time are stacked."""
        if any(isinstance(item, Dim) for item in items):
            values = self.promoted(items, [span] * len(items))
            return self.emit(Stack, *values, axis=-1 - values[0].type.rank)
        try:
            table, dtype = typed(table_of(items))
        except StaticError as error:
            raise self.fail(error.slug, span, error.message) from error
        for number in numbers_of(table):
            self.representable(number, span)
        value = self.builder.constant(table, dtype)
        if dtype is DType.INT and min(numbers_of(table)) >= 0:
            value.type = replace(value.type, classes=int(max(numbers_of(table))) + 1)
        return value

    def representable(self, number: Number, span: Span) -> Number:
        """The number itself, which a file can hold: a whole one as int64, another as float32. Raises `Stop` otherwise."""
        reason = beyond(number)
        if reason is not None:
            raise self.fail("number-too-large", span, reason)
        return number

    def real(self, binding: Binding, span: Span) -> Value:
        """The same as a real tensor."""
        if isinstance(binding, (int, float)) and not isinstance(binding, bool):
            return self.builder.constant(self.representable(as_real(binding), span))
        value = self.value(binding, span)
        return value if value.type.dtype is DType.REAL else self.emit(ToReal, value)

    def promoted(self, operands: Sequence[Binding], spans: Sequence[Span]) -> list[Value]:
        """Operands with one dtype: real if any of them is real."""
        if all(map(_is_whole, operands)):
            return [self.value(o, s) for o, s in zip(operands, spans, strict=True)]
        return [self.real(o, s) for o, s in zip(operands, spans, strict=True)]

    def truth(self, operand: Binding, span: Span) -> Value:
        """A true-or-false tensor."""
        value = self.value(operand, span)
        if value.type.dtype is not DType.BOOL:
            raise self.fail("dtype-mismatch", span, "true or false is needed here, this is a number")
        return value

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
            help = self.default_help(binding)
            raise self.fail(slug, span, f"{what} is a whole number, this is {shown}", help=help)
        if binding < 0:
            raise self.fail(slug, span, f"{what} cannot be negative, this is {binding}")
        if binding > MAX_SIZE:
            raise self.fail(
                "dimension-too-large", span, f"{what} of {binding:,} is more than can be held", label="too large"
            )
        return binding

    def direction(self, count: Size) -> Axis:
        """A lead axis for directions to differentiate along, inside those of the calls around and outside all others.

        The later derivative may be of the earlier one, so its axis goes outside.
        """
        self.directions += 1
        return Axis(f"direction_{self.directions}", count, len(self.axes) + 0.5**self.directions)


def _holds(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end


def _is_whole(binding: Binding) -> bool:
    """Whether a value is of whole numbers."""
    if isinstance(binding, list):
        return bool(binding) and all(map(_is_whole, binding))
    if isinstance(binding, Value):
        return binding.type.dtype is DType.INT
    return isinstance(binding, (int, Dim)) and not isinstance(binding, bool)


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
