"""What names and expressions stand for, told to whoever watches a check: an editor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mai.compiler.elaborate.bindings import Binding
    from mai.spec.source import Span

Watch: TypeAlias = "Callable[[Span, Binding], None]"
WATCH: ContextVar[Watch | None] = ContextVar("WATCH", default=None)
"""Who is told what stands at a place: a name where it is bound, an expression where it is elaborated."""


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Tell a function what is seen meanwhile."""
    before = WATCH.set(watch)
    try:
        yield
    finally:
        WATCH.reset(before)
