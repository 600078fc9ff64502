"""What the parts of the elaborator share: the graph that is being made, and the small steps that all of them take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import (
    Binding,
    BoundArgument,
    Callables,
    Distribution,
    Number,
    Poison,
    WeightScope,
)
from mai.compiler.elaborate.bounds import Bounds
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.errors.telling import CallAround, Stop, Telling, kind_of
from mai.compiler.elaborate.expressions.static import StaticError, as_real, beyond
from mai.compiler.elaborate.expressions.tables import numbers_of, table_of, typed
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Region, Setting, Value, Weight
from mai.compiler.ir.operation import Operation, ShapeError
from mai.compiler.ir.sizes import Dim, Size, symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops.elementwise import ToReal
from mai.compiler.ops.shapes.shape import Expand, Stack
from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.claim import Checks
    from mai.compiler.elaborate.blocks.train import Outcome
    from mai.compiler.elaborate.expressions.calls import Calls
    from mai.compiler.elaborate.expressions.expressions import Expressions
    from mai.compiler.elaborate.expressions.signatures import Signatures
    from mai.compiler.elaborate.random.draws import Draws
    from mai.compiler.elaborate.statements import Statements

__all__ = ["BATCH", "CallAround", "Context", "LayerCall", "Stop", "kind_of"]
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
MAX_SIZE = 2**31 - 1


@record
class LayerCall:
    """A layer's call, and its arguments that are whole numbers."""

    span: Span
    numbers: tuple[BoundArgument, ...]


@record
class GrowingText:
    """The text that an `extend` around grows: its tokens so far, its name, how many turns there were and will be, and the tokens that end it.

    `stuck` are truths for each example that no token may come next: it ends.
    """

    row: Value
    name: str
    turn: Value
    count: Value
    ends: Sequence[Value]
    searches: bool
    stuck: list[Value]


class Context(Telling):
    """State while one graph is elaborated, and the parts that elaborate it.

    The parts hold the context, and reach each other through it. A built-in function is handed it as `e`.
    """

    expressions: Expressions
    calls: Calls
    signatures: Signatures
    statements: Statements
    draws: Draws
    train: Outcome | None  # What a train block says beside its graph; None in every other graph.
    claim: Checks | None  # What a claim checks; None in every other graph.

    def __init__(self, report: Reporter, name: str, weights: dict[str, Weight]) -> None:
        self.weights = weights
        self.graph = Graph(name=name)
        super().__init__(report, Builder(self.graph))
        self.bounds = Bounds(self.graph.settings)
        self.scope, self.train, self.claim = WeightScope(name, name, name), None, None
        self.call_stack: list[str] = []  # The layers and nets around, the innermost last.
        self.named: Span | None = None  # Where that call names it.
        self.axes: tuple[Axis, ...] = ()  # What the calls around map over.
        self.batch_axis = BATCH
        self.over_all_examples = False  # Whether `across` is all of the training part: in a first value.
        self.directions = 0
        self.places_apart = 0  # Copies of places at which functions are differentiated.
        self.turns_apart = 0  # Turns of `repeat`s that were elaborated one by one.
        self.failed_attempts = 0
        # How often it was asked what is around a call: what a value is computed from, which block.
        self.looks_behind = 0
        # Of the `repeat`s around that are tried as one body: taken apart, they are numbers.
        self.open_turns: list[Value] = []
        self.stacked: dict[tuple[str, ...], Value] = {}  # The parameters of all nets of a family, by their names.
        self.evaluations: list[Value] = []  # How often each adaptive solver evaluated its velocity.
        self.transposes: dict[Value, Value] = {}
        self.quotients: dict[Value, tuple[Value | None, Value]] = {}  # `a / b` as (a, b), `b^-1` as (None, b)
        self.made_by: dict[Value, tuple[LayerCall, ...]] = {}
        self.growing: GrowingText | None = None  # In the body of an `extend`.
        self.drawing: ast.Draw | None = None  # The statement whose distribution is elaborated.

    @property
    def in_train_block(self) -> bool:
        """Whether the graph that is being made is a train block's."""
        self.looks_behind += 1
        return self.train is not None

    # --------------------------------------------------------------- emission

    @contextmanager
    def region(self, region: Region) -> Iterator[Region]:
        """Emit into `region` for a while; its values cannot be read after it."""
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

    @contextmanager
    def first_value(self) -> Iterator[None]:
        """Allow `across` for a while, wherever this is: it stands for all examples of the training part."""
        before, self.over_all_examples = self.over_all_examples, True
        try:
            yield
        finally:
            self.over_all_examples = before

    def emit(self, op: type[Operation], *inputs: Value, name: str = "", **attributes: object) -> Value:
        """Apply an operation and return its first output."""
        return self.builder.emit(op, *inputs, name=name, **attributes)

    def parameter(self, weight: Weight) -> Value:
        """A weight as a value of this graph, which has it from here on."""
        self.graph.weights[weight.name] = weight
        return self.builder.weight(weight)

    def weights_around(self, path: str) -> list[str]:
        """The weights that are called as the calls are that a path lies in."""
        places = path.split(".")
        return [name for k in range(1, len(places)) if (name := ".".join(places[:k])) in self.weights]

    def checked(
        self, span: Span, spans: Sequence[Span], op: type[Operation], *inputs: Value, **attributes: Any
    ) -> Binding:
        """Emit an operation on the user's operands; what its shape rule refuses is reported at `spans`."""
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
            raise self.undrawn(binding, span)
        if isinstance(binding, Callables):
            raise self.uncalled(binding, span)
        if isinstance(binding, str) and (number := repairs.unquoted(binding, span)) is not None:
            raise self.fail("type-mismatch", span, "a number is needed here, this is text", help=number)
        helps = {tuple: "take them apart, `(a, b) = ...`, or take one, `...[0]`"}
        help = next((text for kind, text in helps.items() if isinstance(binding, kind)), None)
        message = f"a tensor or a number is needed here, this is {kind_of(binding)}"
        raise self.fail("type-mismatch", span, message, help=help)

    def listed(self, items: list[Binding], span: Span) -> Value:
        """A list as a constant vector, lists of lists as a matrix or more; sizes known only at run time are stacked. `[]` is a vector without numbers."""
        if not items:
            return self.emit(Expand, self.builder.constant(0), shape=(0,))
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

    def add_input(self, type_: Type, name: str, free: Collection[str] = ()) -> Value:
        """An input with the batch axis. A `free` size of its shape is that of the first input that has it."""
        value = Value(type_.with_lead((BATCH,)), name)
        for axis, size in enumerate(type_.shape, start=1):
            if str(size) in free and size == symbol(str(size)):
                self.graph.sizes.setdefault(str(size), (value, axis))
        self.graph.sizes.setdefault("batch", (value, 0))
        self.graph.inputs.append(value)
        return value

    def ask_for_batch(self) -> None:
        """Without an input that tells it, how many examples there are is a setting."""
        if not self.graph.inputs:
            batch = Value(Type(DType.INT), "batch")
            self.graph.settings["batch"] = Setting(batch, 1, 1)
            self.graph.sizes["batch"] = batch

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

    def joined(self, operands: Sequence[Binding], spans: Sequence[Span]) -> list[Value]:
        """The same where no number is computed with: true or false if all of them are."""
        if all(map(_is_truth, operands)):
            return [self.value(o, s) for o, s in zip(operands, spans, strict=True)]
        return self.promoted(operands, spans)

    def truth(self, operand: Binding, span: Span) -> Value:
        """A true-or-false tensor."""
        value = self.value(operand, span)
        if value.type.dtype is not DType.BOOL:
            help = f"write a comparison: `{span.text} < ...`" if span.text.isprintable() else "write a comparison"
            raise self.fail("dtype-mismatch", span, "true or false is needed here, this is a number", help=help)
        return value

    def size(
        self, binding: Binding, span: Span, what: str = "a dimension", least: int = 0, written: ast.Expr | None = None
    ) -> Size:
        """A size: a whole number of at least zero, or a symbolic one, which is bounded by `least` from here on.

        Help comes from how it is `written`.
        """
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
            help = (written and repairs.rounded_down(written)) or self.default_help(binding)
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


def _is_truth(binding: Binding) -> bool:
    """Whether a value is of true and false."""
    if isinstance(binding, list):
        return bool(binding) and all(map(_is_truth, binding))
    return isinstance(binding, bool) or (isinstance(binding, Value) and binding.type.dtype is DType.BOOL)


def _is_whole(binding: Binding) -> bool:
    """Whether a value is of whole numbers."""
    if isinstance(binding, list):
        return bool(binding) and all(map(_is_whole, binding))
    if isinstance(binding, Value):
        return binding.type.dtype is DType.INT
    return isinstance(binding, (int, Dim)) and not isinstance(binding, bool)
