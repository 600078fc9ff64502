"""Diagnostics as data, the error that carries them, and the reporter that collects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mai.spec.record import record
from mai.spec.source import Source, Span

MAX_DIAGNOSTICS = 100
Severity = Literal["error", "warning", "note"]


@record
class Label:
    """A span and the words under its carets."""

    span: Span
    text: str


@record
class Edit:
    """A change of the file that may mend an error: `text` in the place of `at`, which is part of the layer call `call`."""

    call: Span
    at: Span
    text: str

    @property
    def source(self) -> Source:
        """The file after the change."""
        whole = self.at.source
        return Source(whole.path, whole.text[: self.at.start] + self.text + whole.text[self.at.end :], whole.name)

    @property
    def help(self) -> str:
        """The change as a sentence."""
        changed = Span(self.source, self.call.start, self.call.end + len(self.text) - len(self.at.text))
        return f"make the layer on line {self.call.line} `{changed.text}`"


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
    """

    slug: str
    span: Span | None
    message: str
    label: str = ""
    where: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """Check the slug; the catalog is imported here since most files are sound and never need it."""
        from mai.spec.diagnostics.catalog import CATALOG

        assert self.slug in CATALOG, f"slug {self.slug!r} is not in the catalog"


class MaiError(Exception):
    """A stage of compilation cannot go on; `diagnostics` say why, in the order of the text."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.slug}: {d.message}" for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


def placed(error: MaiError, span: Span | None) -> MaiError:
    """The same error with `span` as the place of each diagnostic that has none."""
    return MaiError([d if d.span else replace(d, span=span) for d in error.diagnostics])


@dataclass
class Reporter:
    """Collects diagnostics, so that independent errors of a file are reported at once.

    Attributes:
        diagnostics: those so far.
        edits: changes that may mend some of them.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    edits: dict[Diagnostic, Sequence[Edit]] = field(default_factory=dict)

    def error(
        self,
        slug: str,
        span: Span | None,
        message: str,
        *,
        label: str = "",
        where: Sequence[Label] = (),
        help: str | None = None,
        edits: Sequence[Edit] = (),
    ) -> None:
        """Report an error. Raises `MaiError` as `add` does."""
        diagnostic = Diagnostic(slug, span, message, label, tuple(where), help)
        if edits:
            self.edits[diagnostic] = edits
        self.add(diagnostic)

    def warning(self, slug: str, span: Span | None, message: str, *, label: str = "", help: str | None = None) -> None:
        """Report a warning. Raises `MaiError` as `add` does."""
        self.add(Diagnostic(slug, span, message, label, (), help, "warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic, once: a body that is elaborated twice reports the same mistake twice.

        Raises:
            MaiError: there are 100, which are more than anybody reads.
        """
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            self.check()

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
