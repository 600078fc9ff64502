"""A template of an earlier text, at the places where the same functions stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.context import LayerCall
from mai.compiler.elaborate.repeating.prints import Declarations
from mai.compiler.elaborate.repeating.sighted import Seen
from mai.compiler.elaborate.repeating.templates import Template
from mai.spec.source import Span


class Elsewhere(Exception):
    """A place is in none of the functions that a template is of."""


def moved(template: Template, declarations: Declarations) -> Template | None:
    """The template with the places of these declarations, whose texts are those of its own; None where it names another place."""
    try:
        return _Move(template.declarations, declarations).template(template)
    except Elsewhere:
        return None


class _Move:
    """From the places of some declarations to those of the same ones in another text."""

    def __init__(self, old: Declarations, new: Declarations) -> None:
        pairs = [(declaration.span, new[key].span) for key, declaration in old.items() if key in new]
        self.new = new
        self.ranges = [(old.source, old.start, old.end, new.source, new.start - old.start) for old, new in pairs]
        self.last = self.ranges[0] if self.ranges else None

    def template(self, t: Template) -> Template:
        made_by = tuple((number, tuple(map(self._call, calls))) for number, calls in t.noted.made_by)
        seen = None if t.seen is None else Seen(self._spans(t.seen.spans), t.seen.forms)
        noted = replace(t.noted, made_by=made_by) if made_by else t.noted
        return Template(t.steps, t.weights, t.results, noted, self.new, self._spans(t.spans), seen)

    def _spans(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple([self.span(span) for span in spans])

    def span(self, span: Span) -> Span:
        """The place now; most stand in the same function as the one before."""
        source, start, end = span.source, span.start, span.end
        if source.in_prelude:
            return span
        last = self.last
        if last is None or last[0] is not source or not last[1] <= start <= end <= last[2]:
            last = self.last = next((r for r in self.ranges if r[0] is source and r[1] <= start <= end <= r[2]), None)
        if last is None:
            raise Elsewhere
        return Span(last[3], start + last[4], end + last[4])

    def _call(self, call: LayerCall) -> LayerCall:
        numbers = tuple(
            replace(n, span=self.span(n.span), name_span=None if n.name_span is None else self.span(n.name_span))
            for n in call.numbers
        )
        return LayerCall(self.span(call.span), numbers)
