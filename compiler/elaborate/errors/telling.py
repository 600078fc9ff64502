"""How the elaborator tells what is wrong: where, beside which other places, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from mai.compiler.elaborate.bindings import POISON, Absent, Binding, Callables, Distribution, Partial, Poison
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.spec.diagnostics import Edit, Help, Label, Reporter
from mai.spec.diagnostics.edit import insert, put
from mai.spec.record import record
from mai.spec.source import Span

# What may be wrong in a body because of what it is called with.
CALLED_WITH = (
    "shape-mismatch", "dimension-mismatch", "rank-mismatch", "return-shape", "class-range", "index-out-of-range",
    "axis-out-of-range", "bad-pattern", "not-a-dimension", "dimension-unknown", "dimension-too-large", "too-many-parameters",
    "static-needed", "type-mismatch", "repeat-count", "repeat-too-long", "division-by-zero", "number-too-large", "bad-number",
    "check-failed", "answer-pattern",
)  # fmt: skip


class More(TypedDict, total=False):
    """What an error may have beside its message."""

    label: str
    where: Sequence[Label]
    help: Help
    edits: Sequence[Edit]


class Stop(Exception):
    """What is being elaborated cannot be given a value; the error has been reported."""


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


class Telling:
    """What a message needs to know of the elaboration."""

    def __init__(self, report: Reporter, builder: Builder) -> None:
        self.report, self.builder = report, builder
        self.calls_around: list[CallAround] = []  # The calls of layers and nets around, the innermost last.
        self.stops = 0  # How many mistakes there were so far, reported now or before.
        self.callee = ""  # The function that the user's own call is of.
        self.origins: dict[Value, Span] = {}  # Where the text says what a value is.
        self.inputs_at: dict[Value, Span] = {}  # The types of the graph's inputs, as they are written.

    def at(self, span: Span) -> Span | None:
        """Where nodes made for `span` come from: inside a standard layer, the place of its call."""
        return self.builder.span if span.source.in_prelude else span

    def error(self, slug: str, span: Span, message: str, **more: Unpack[More]) -> Poison:
        """Report an error, as `fail` does, and give what stands for its value."""
        self.fail(slug, span, message, **more)
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

        What goes wrong inside a standard layer is reported at the user's call of it.
        """
        self.stops += 1
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
            if at is None or not at.source.in_prelude:
                return at
            span = at
        return None

    def _given_at(self, span: Span) -> list[Label]:
        """Where a parameter of the layer around, which is named at `span`, was given."""
        at = self.calls_around[-1].where.get(span.text) if self.calls_around else None
        user = at is not None and not at.source.in_prelude and not span.source.in_prelude
        return [Label(at, f"`{span.text}` is given here")] if at and user else []

    def _calls_at_fault(self, slug: str, span: Span) -> list[Label]:
        """The calls of nets and layers that gave the body around `span` the shapes which do not fit there."""
        if slug not in CALLED_WITH:
            return []
        calls = [c for c in self.calls_around if c.decides and not c.span.source.in_prelude]
        return [c.label for c in calls if not c.span.covers(span)]

    def unknown_argument(self, callee: str, name: str, span: Span, names: Sequence[str], help: Help = None) -> Stop:
        """Report an argument that a function does not have."""
        from mai.spec.diagnostics.synonyms import setting_meant

        listed = f"it takes {', '.join(names)}" if names else None
        meant = help or setting_meant(span, name, names) or listed
        return self.fail("unknown-argument", span, f"`{callee}` has no argument `{name}`", help=meant)

    def refused(self, error: ShapeError, spans: Sequence[Span], span: Span, inputs: Sequence[Value] = ()) -> Poison:
        """Tell what an operation's shape rule refused, at the operand that it names, beside the shapes of the others."""
        if error.operand is None or error.operand >= len(spans):
            return self.error(error.slug, span, error.message, label=error.label, help=error.help)
        at = spans[error.operand]
        others = [(s, v) for s, v in zip(spans, inputs, strict=False) if s.end <= at.start or at.end <= s.start]
        where = [Label(s, describe(v.type.shape)) for s, v in others if s.source is at.source]
        where += [label for v in inputs for label in self.made_at(v, span)]
        if error.slug == "shape-mismatch" and self._is_again(error.message):
            self.stops += 1
            return POISON
        return self.error(error.slug, at, error.message, label=error.label, where=where, help=error.help)

    def made_at(self, value: Value, span: Span) -> list[Label]:
        """Where the text gave a value its shape, if that is outside of `span`: elements' functions keep the shape."""
        shape, origin = value.type.shape, self.origins.get(value)
        while value.producer and (origin is None or span.covers(origin)):
            same = [v for v in value.producer.inputs if v.type.shape == shape]
            if len(same) != 1:
                break
            value, origin = same[0], self.origins.get(same[0])
        inside = origin is None or origin.source is not span.source or span.covers(origin)
        return [] if origin is None or inside else [Label(origin, f"{describe(shape)} comes from here")]

    def _is_again(self, message: str) -> bool:
        """Whether shapes that do not fit were reported in this body: one value of a wrong shape is used more than once."""
        key = (self.calls_around[-1].span if self.calls_around else None, message)
        again = key in self.report.misfits
        self.report.misfits.add(key)
        return again

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

    def undrawn(self, distribution: Distribution, span: Span) -> Stop:
        """Tell that a distribution stands for a value, where it is written."""
        at = distribution.span
        if at.source.in_prelude:
            at = span
        equals = re.search(r"=\s*$", at.source.text[: at.start])
        help: Help = f"what is drawn is written `x ~ {at.text}`, in a line of its own"
        if equals and at.source.text[equals.start() - 1] not in "=<>!+-*/":
            help = put(Span(at.source, equals.start(), equals.start() + 1), "~", f"draw it: write `~ {at.text}`")
        where = [Label(span, "a number is needed here")] if span.source is at.source and span != at else []
        message = f"this is {kind_of(distribution)}, and nothing is drawn from it"
        return self.fail("type-mismatch", at, message, where=where, help=help)

    def uncalled(self, function: Binding, span: Span) -> Stop:
        """Tell that a function stands for a value: it is given nothing, or lacks its tensor."""
        if isinstance(function, Partial):
            message = f"`{function.function.name}` is given no tensor, so this is a function"
            return self.fail("missing-argument", span, message)
        message = "a tensor or a number is needed here, this is a function"
        help = f"call it: write `{span.text}(x)`" if span.text.isidentifier() else None
        return self.fail("type-mismatch", span, message, help=help)


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
        Absent: "nothing",
    }
    return words.get(type(binding), "something else")
