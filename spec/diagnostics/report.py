"""Diagnostics as data, and the reporter that collects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mai.spec.source import Source, Span

MAX_DIAGNOSTICS = 100
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Label:
    """A span and the words under its carets."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that may mend an error: other text `at` a place in the call of a layer."""

    call: Span
    at: Span
    text: str

    @property
    def source(self) -> Source:
        """The file after it."""
        whole = self.at.source
        return Source(whole.path, whole.text[: self.at.start] + self.text + whole.text[self.at.end :], whole.name)

    @property
    def help(self) -> str:
        made = Span(self.source, self.call.start, self.call.end + len(self.text) - len(self.at.text))
        return f"make the layer on line {self.call.line} `{made.text}`"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing to say. `label` stands at `span`; `where` are further places; `help` is a remedy that works."""

    slug: str
    span: Span | None
    message: str
    label: str = ""
    where: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """The catalog is read where there is something to say: most files are sound."""
        from mai.spec.diagnostics.catalog import CATALOG

        assert self.slug in CATALOG, f"slug {self.slug!r} is not in the catalog"


class MaiError(Exception):
    """A stage could not go on; `diagnostics` says why, in the order of the text."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.slug}: {d.message}" for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


def placed(error: MaiError, span: Span | None) -> MaiError:
    """The same, told at `span` where it has no place of its own."""
    return MaiError([d if d.span else replace(d, span=span) for d in error.diagnostics])


@dataclass
class Reporter:
    """Collects diagnostics, so that a file's independent errors are told at once."""

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
        made = Diagnostic(slug, span, message, label, tuple(where), help)
        if edits:
            self.edits[made] = edits
        self.add(made)

    def warning(self, slug: str, span: Span | None, message: str, *, label: str = "", help: str | None = None) -> None:
        self.add(Diagnostic(slug, span, message, label, (), help, "warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic, once: a body that is elaborated twice says the same thing twice.

        Raises `MaiError` where there are so many that nobody reads on.
        """
        if diagnostic not in self.diagnostics:
            self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            self.check()

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> list[Diagnostic]:
        """By place in the text; those without a place first."""
        return sorted(self.diagnostics, key=lambda d: d.span.start if d.span else -1)

    def check(self) -> None:
        """Raise what was collected, if any of it is an error."""
        if self.failed:
            raise MaiError(self.ordered())
