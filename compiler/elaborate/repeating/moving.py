"""A template of an earlier text, at the places where the same functions stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.context import LayerCall
from mai.compiler.elaborate.repeating.prints import Declarations
from mai.compiler.elaborate.repeating.sighted import Seen, Sighting
from mai.compiler.elaborate.repeating.templates import Body, Result, Step, Template
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
        self.new = new
        pairs = [(declaration.span, new[key].span) for key, declaration in old.items() if key in new]
        self.pairs = [(before, after) for before, after in pairs if before.text == after.text]
        self.spans: dict[int, Span] = {}

    def template(self, t: Template) -> Template:
        noted = t.noted
        places = tuple(((self.span(span), slot), number) for (span, slot), number in noted.places)
        made_by = tuple((number, tuple(map(self._call, calls))) for number, calls in noted.made_by)
        return Template(
            self._steps(t.steps), tuple((path, replace(w, span=self.span(w.span))) for path, w in t.weights), t.results,
            replace(noted, places=places, made_by=made_by), self.new, None if t.seen is None else self._seen(t.seen),
        )  # fmt: skip

    def span(self, span: Span) -> Span:
        if span.source.in_prelude:
            return span
        key = id(span)
        if key not in self.spans:
            self.spans[key] = self._moved(span)
        return self.spans[key]

    def _moved(self, span: Span) -> Span:
        for before, after in self.pairs:
            if before.source is span.source and before.start <= span.start and span.end <= before.end:
                by = after.start - before.start
                return Span(after.source, span.start + by, span.end + by)
        raise Elsewhere

    def _place(self, span: Span | str | None) -> Span | str | None:
        return self.span(span) if isinstance(span, Span) else span

    def _steps(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(map(self._step, steps))

    def _step(self, s: Step) -> Step:
        results = tuple([Result(r.type, r.name, self._place(r.origin)) for r in s.results])
        bodies = tuple([Body(b.inputs, self._steps(b.steps), b.outputs) for b in s.bodies])
        return Step(s.op, s.operands, s.attributes, s.structure, self._place(s.span), s.path, results, bodies)

    def _call(self, call: LayerCall) -> LayerCall:
        numbers = tuple(
            replace(n, span=self.span(n.span), name_span=None if n.name_span is None else self.span(n.name_span))
            for n in call.numbers
        )
        return LayerCall(self.span(call.span), numbers)

    def _seen(self, seen: Seen) -> Seen:
        return Seen(tuple(map(self._sighting, seen.sightings)))

    def _sighting(self, sighting: Sighting) -> Sighting:
        return self._seen(sighting) if isinstance(sighting, Seen) else (self.span(sighting[0]), sighting[1])
