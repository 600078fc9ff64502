"""What a check says of a mistake, against what a good message says."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.diagnostics.mutation import Mutation, Subject
from mai.compiler.check import check_all
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import after
from mai.spec.source import Source


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of the first error: whether it stands on the right line and span, and names the cause; and whether it is the only one.

    `mends` says whether its edit leaves nothing to say, None where it has none. `seen` is what was said.
    """

    reported: bool
    line: bool = False
    span: bool = False
    cause: bool = False
    alone: bool = False
    mends: bool | None = None
    seen: str = ""


def judge(subject: Subject, mutation: Mutation) -> Verdict:
    """Check the file as `mai check` does."""
    texts = {str(subject.path): Source(str(subject.path), mutation.text, subject.path.name)}
    errors = [d for d in check_all(subject.path, texts=texts).diagnostics if d.severity == "error"]
    if not errors:
        return Verdict(False)
    first = errors[0]
    spans = [s for s in (first.span, *(w.span for w in first.where)) if s is not None]
    on_line = any(s.line in mutation.lines for s in spans)
    exact = any((s.start, s.end) in mutation.spans for s in spans)
    return Verdict(
        True, on_line, exact, _names(first, mutation), len(errors) == 1, _mends(subject, first), _shown(errors)
    )


def _names(first: Diagnostic, mutation: Mutation) -> bool:
    said = " ".join([first.message, first.label, first.help or "", *(w.text for w in first.where)]).lower()
    return first.slug in mutation.slugs and all(
        any(w.lower() in said for w in word.split("|")) for word in mutation.words
    )


def _mends(subject: Subject, first: Diagnostic) -> bool | None:
    if first.edit is None:
        return None
    again = check_all(subject.path, texts=after([first.edit]))
    return not any(d.severity == "error" for d in again.diagnostics)


def _shown(errors: list[Diagnostic]) -> str:
    first, more = errors[0], f" (+{len(errors) - 1}: {errors[1].slug})" if len(errors) > 1 else ""
    place = f"{first.span.line}:{first.span.column} `{first.span.text[:40]}`" if first.span else ""
    return f"{first.slug} at {place}: {first.message} | {first.help}{more}"
