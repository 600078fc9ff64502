"""What an editor was told of the places in a text, so that a template can tell it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mai.compiler.elaborate.sightings import Watch, watched
from mai.compiler.ir.graph import Value

if TYPE_CHECKING:
    from mai.compiler.elaborate.bindings import Binding
    from mai.spec.source import Span

Sighting: TypeAlias = "tuple[Span, Binding] | Seen"
"""A place and what stands there, or all that was seen in a call that was repeated."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen in a call, in order."""

    sightings: tuple[Sighting, ...]


class Log:
    """What was seen of the text that is elaborated, while somebody watches."""

    def __init__(self) -> None:
        self.seen: list[Sighting] = []
        self._watch: Watch | None = None
        self._told: set[int] = set()

    def begin(self) -> None:
        """Another text begins."""
        self.seen, self._told = [], set()

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Tell a function what is seen meanwhile."""

        def keep(span: Span, value: Binding) -> None:
            self.seen.append((span, value))
            watch(span, value)

        self._watch = watch
        with watched(keep):
            yield
        self._watch = None

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches."""
        return self._watch is not None

    def since(self, count: int) -> Seen | None:
        """What was seen after the first `count`, without the graphs that values are of; None where nobody watches."""
        if self._watch is None:
            return None
        seen = Seen(tuple(s if isinstance(s, Seen) else (s[0], _alone(s[1])) for s in self.seen[count:]))
        self._told.add(id(seen))
        return seen

    def tell(self, seen: Seen | None) -> None:
        """Tell what was seen in a call that is repeated; once in a text."""
        if self._watch is None or seen is None:
            return
        self.seen.append(seen)
        waiting: list[Sighting] = [seen]
        while waiting:
            sighting = waiting.pop()
            if not isinstance(sighting, Seen):
                self._watch(*sighting)
            elif id(sighting) not in self._told:
                self._told.add(id(sighting))
                waiting += reversed(sighting.sightings)


def _alone(binding: Binding) -> Binding:
    """What stands for a binding: a value without the graph that it is of."""
    if isinstance(binding, Value):
        return Value(binding.type, binding.name)
    return tuple(map(_alone, binding)) if isinstance(binding, tuple) else binding
