"""Templates that are kept: of all graphs of a file, or of all texts that an editor checks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mai.compiler.elaborate.bindings import Function
from mai.compiler.elaborate.repeating.moving import moved
from mai.compiler.elaborate.repeating.prints import Prints
from mai.compiler.elaborate.repeating.sighted import Log
from mai.compiler.elaborate.repeating.templates import Template
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.record import record

AGE = 2  # For how many whole texts a template is kept that is not used.


@record
class Kept:
    """A template, None for a call that has to be elaborated each time; the text that it was last used for, and how many whole ones there were."""

    template: Template | None
    used: int
    whole: int


class Templates:
    """Templates by what decides them; what functions are known by, and what was seen, of the text that is elaborated.

    Those that `last` are for the texts that come later, too, as an editor's are.
    """

    def __init__(self, *, last: bool = True) -> None:
        self.last = self.are_made = last  # No template is made where nothing would repeat it.
        self.prints, self.log = Prints(), Log()
        self._by_key: dict[Hashable, Kept] = {}
        self._text = self._whole = 0
        self._is_part = False

    def copy(self) -> Templates:
        """The same templates, for trials: what these add and forget is their own."""
        copy = Templates(last=self.last)
        copy.prints, copy._by_key = self.prints.copy(), dict(self._by_key)
        copy._text, copy._whole = self._text, self._whole
        return copy

    def begin(self, file: ast.File) -> None:
        """Another text begins."""
        self.are_made = self.last or calls_again(file)
        self._text += 1
        self._whole += not self._is_part
        if self._text > 1:
            self._forget()

    def _forget(self) -> None:
        """Nothing that is known of the places in the last text holds."""
        self.prints.begin()
        self.log.begin()
        self._by_key = {key: kept for key, kept in self._by_key.items() if self._whole - kept.whole <= AGE}

    @contextmanager
    def of_parts(self) -> Iterator[None]:
        """Meanwhile texts are parts of a text: what they leave out may be back with the next letter, and is kept for it."""
        self._is_part = True
        try:
            yield
        finally:
            self._is_part = False

    def has(self, key: Hashable) -> bool:
        """Whether it is known what becomes of a call."""
        kept = self._by_key.get(key)
        return kept is not None and (kept.template is None or kept.template.seen is not None or not self.log.is_watched)

    def get(self, key: Hashable, function: Function) -> Template | None:
        """The template of a call, at the places where its text is now; None where there is none."""
        if not self.has(key):
            return None
        kept = self._by_key[key]
        template = kept.template
        if template is not None and kept.used != self._text:
            template = moved(template, self.prints.of(function).declarations)
        self.put(key, template)
        return template

    def put(self, key: Hashable, template: Template | None) -> None:
        """Keep what was recorded."""
        self._by_key[key] = Kept(template, self._text, self._whole)


BLOCKS, LOOPS = (ast.Train, ast.Claim), (ast.Repeat, ast.Integrate, ast.Extend)


def calls_again(file: ast.File) -> bool:
    """Whether a file may call one function more than once: from several blocks, in the turns of a loop, or at several places."""
    graphs = [d for d in file.declarations if isinstance(d, BLOCKS) or getattr(d, "kind", "") == "export"]
    if len(graphs) > 1 or any(isinstance(d, ast.Import) for d in file.declarations):
        return True
    functions = {d.name.id for d in file.declarations if isinstance(d, ast.Function)}
    seen: set[tuple[type, str]] = set()  # A function that is only named, `f = g`, may be called as well.
    for node in nodes_of(file, object):
        if isinstance(node, LOOPS):
            return True
        if isinstance(node, ast.Call):
            use: tuple[type, str] = ast.Call, node.function.span.text
        elif isinstance(node, ast.Name) and node.id in functions:
            use = ast.Name, node.id
        else:
            continue
        if use in seen:
            return True
        seen.add(use)
    return False


_KEPT: ContextVar[Templates | None] = ContextVar("_KEPT", default=None)


def templates() -> Templates:
    """The templates that are kept now; new ones where none are."""
    return _KEPT.get() or Templates(last=False)


@contextmanager
def keeping(kept: Templates) -> Iterator[Templates]:
    """Keep templates meanwhile in these, for all graphs that are elaborated."""
    before = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(before)
