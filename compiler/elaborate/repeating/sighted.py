"""What an editor was told of the places in a text, so that a call that is repeated can tell it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mai.compiler.elaborate.sightings import watched

if TYPE_CHECKING:
    from mai.compiler.elaborate.bindings import Binding
    from mai.spec.source import Span

Form: TypeAlias = Any  # What stands at a place, in the watcher's own form.
Note: TypeAlias = "Callable[[Span, Form], None]"  # Is told a place, and what stands there.


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen in a call, in order: places, and what stood there."""

    spans: tuple[Span, ...]
    forms: tuple[Form, ...]


class Log:
    """What was seen of the text that is elaborated, while somebody watches."""

    def __init__(self) -> None:
        self.seen: list[tuple[Span, Form] | Seen] = []
        self._note: Note | None = None
        self._noted: set[Seen] = set()

    def begin(self) -> None:
        """Another text begins."""
        self.seen, self._noted = [], set()

    @contextmanager
    def watched(self, note: Note, form_of: Callable[[Binding], Form | None]) -> Iterator[None]:
        """Tell a function what is seen meanwhile: what `form_of` makes of it, unless that is None."""

        def keep(span: Span, value: Binding) -> None:
            form = form_of(value)
            if form is not None:
                self.seen.append((span, form))
                note(span, form)

        self._note = note
        try:
            with watched(keep):
                yield
        finally:
            self._note = None

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches."""
        return self._note is not None

    def since(self, count: int) -> Seen | None:
        """What was seen after the first `count`; None where nobody watches."""
        if self._note is None:
            return None
        pairs = [pair for each in self.seen[count:] for pair in _pairs(each)]
        seen = Seen(tuple([span for span, _ in pairs]), tuple([form for _, form in pairs]))
        self._noted.add(seen)
        return seen

    def tell(self, seen: Seen | None) -> None:
        """Tell what was seen in a call that is repeated; once in a text."""
        if self._note is None or seen is None:
            return
        self.seen.append(seen)
        if seen not in self._noted:
            self._noted.add(seen)
            for span, form in _pairs(seen):
                self._note(span, form)


def _pairs(seen: tuple[Span, Form] | Seen) -> Iterator[tuple[Span, Form]]:
    return zip(seen.spans, seen.forms, strict=True) if isinstance(seen, Seen) else iter((seen,))
