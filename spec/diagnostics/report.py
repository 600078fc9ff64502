"""Diagnostics as data, the error that carries them, and the reporter that collects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from mai.spec.diagnostics.edit import Edit
from mai.spec.diagnostics.word import Word
from mai.spec.record import record
from mai.spec.source import Span

MAX_DIAGNOSTICS = 100
OF_NAMES = ("unknown-name", "unknown-function")  # What is missing is missing once, however often it is named.
Severity = Literal["error", "warning", "note"]
Help: TypeAlias = "str | Edit | None"  # What to write instead, in words, or as a repair, which has its words.


@record
class Label:
    """A span and the words under its carets."""

    span: Span
    text: str


@record
class Diagnostic:
    """One error, warning or note.

    Attributes:
        slug: its kind, an entry of the catalog.
        span: the place in the file, None where it has none.
        message: what is wrong, in one sentence.
        label: the words beside the carets at `span`.
        where: further places, with their words.
        help: a remedy that works.
        edits: repairs to try, the likeliest first.
        edit: the one of them after which the file was checked and this was gone; `help` has its words.
        word: what it is about in the place that it is reported at later, as `placed` does.
    """

    slug: str
    span: Span | None
    message: str
    label: str = ""
    where: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"
    edits: tuple[Edit, ...] = field(default=(), compare=False)
    edit: Edit | None = field(default=None, compare=False)
    word: Word | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check the slug; the catalog is imported here since most files are sound and never need it."""
        from mai.spec.diagnostics.catalog import CATALOG

        assert self.slug in CATALOG, f"slug {self.slug!r} is not in the catalog"

    def __str__(self) -> str:
        """All of it in a line: `spec.mai:3:12: rank-mismatch: what is wrong (what to write)`."""
        place = "" if self.span is None else f"{self.span}: "
        return f"{place}{self.slug}: {self.message}" + (f" ({self.help})" if self.help else "")


def _is_same(one: Diagnostic, other: Diagnostic) -> bool:
    """Whether two diagnostics tell the same, though the calls that led to it differ."""
    return replace(one, where=other.where) == other


class MaiError(Exception):
    """A stage of compilation cannot go on; `diagnostics` say why, in the order of the text, and a line each as text."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = tuple(diagnostics)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the lines of the file with carets, in the place of Python's frames."""
        from mai.spec.diagnostics.render import render

        return render(self.diagnostics, color=True).splitlines()


def placed(error: MaiError, span: Span | None) -> MaiError:
    """The same error with `span` as the place of each diagnostic that has none, or the word in it that the diagnostic is about."""
    return MaiError([d if d.span or span is None else _at(d, span) for d in error.diagnostics])


def _at(diagnostic: Diagnostic, line: Span) -> Diagnostic:
    if diagnostic.word is None:
        return replace(diagnostic, span=line)
    edits = diagnostic.word.edits(line)
    help = edits[0].words if edits else diagnostic.help
    return replace(diagnostic, span=diagnostic.word.place(line), help=help, edits=(*edits, *diagnostic.edits))


@dataclass
class Reporter:
    """Collects diagnostics, so that independent errors of a file are reported at once.

    Attributes:
        diagnostics: those so far.
        stopped: whether a part of the program was not looked at, because of an error before it.
        misfits: what was said of shapes that do not fit, by the call of the body that they are in.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    stopped: bool = False
    misfits: set[tuple[Span | None, str]] = field(default_factory=set)

    def error(
        self,
        slug: str,
        span: Span | None,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: Help = None,
        edits: Sequence[Edit] = (),
    ) -> None:
        """Report an error. Raises `MaiError` as `add` does.

        `edits` are tried, and the words of one that mends the error become its help; those of a `help` that is an edit are
        told in any case.
        """
        first = (help,) if isinstance(help, Edit) else ()
        words = help.words if isinstance(help, Edit) else help
        self.add(Diagnostic(slug, span, message, label, tuple(where), words, edits=(*first, *edits)))

    def warning(self, slug: str, span: Span | None, message: str, *, label: str = "", help: str | None = None) -> None:
        """Report a warning. Raises `MaiError` as `add` does."""
        self.add(Diagnostic(slug, span, message, label, (), help, "warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic, once: a body that is elaborated twice reports the same mistake twice.

        Raises:
            MaiError: there are 100, which are more than anybody reads.
        """
        if diagnostic.slug in OF_NAMES and diagnostic.span is not None:
            self._add_name(diagnostic, diagnostic.span)
        elif not any(_is_same(diagnostic, other) for other in self.diagnostics):
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            self.check()

    def _add_name(self, diagnostic: Diagnostic, span: Span) -> None:
        """Keep one error for each unknown name of a file, that at its first place."""
        for place, other in enumerate(self.diagnostics):
            at = other.span
            if other.slug in OF_NAMES and at and at.source is span.source and at.text == span.text:
                if span.start < at.start:
                    self.diagnostics[place] = diagnostic
                return
        self.diagnostics.append(diagnostic)

    def tells(self, slug: str, span: Span) -> bool:
        """Whether an error of this kind stands at this very place."""
        return any(d.slug == slug and d.span == span for d in self.diagnostics)

    def says(self, message: str) -> bool:
        """Whether this has been said of another place."""
        return any(d.message == message for d in self.diagnostics)

    def offer(self, since: int, slugs: Sequence[str], span: Span, edits: Sequence[Edit]) -> None:
        """Offer further edits to the errors of these kinds inside `span` after the first `since`; they are tried after the error's own."""
        for place, diagnostic in enumerate(self.diagnostics[since:], since):
            at = diagnostic.span
            if diagnostic.slug in slugs and at and span.covers(at):
                self.diagnostics[place] = replace(diagnostic, edits=(*diagnostic.edits, *edits))

    @property
    def failed(self) -> bool:
        """Whether there is an error among the diagnostics."""
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> list[Diagnostic]:
        """The diagnostics in the order of the text; those without a place first."""
        return sorted(self.diagnostics, key=lambda d: d.span.start if d.span else -1)

    def check(self) -> None:
        """Raise `MaiError` with all diagnostics, if any of them is an error."""
        if self.failed:
            raise MaiError(self.ordered())
