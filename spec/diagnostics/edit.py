"""Repairs: changes of a text, with the words that tell them. Words and changes are made together, so that they agree."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from mai.spec.diagnostics.foreign import FOREIGN, NO_LIKE, RENAMED
from mai.spec.diagnostics.suggest import closest, is_misspelling, same_letters
from mai.spec.record import record
from mai.spec.source import Source, Span

LONGEST = 60  # Characters of the text that a help repeats.


@record
class Change:
    """`text` in the place of the characters of a span."""

    span: Span
    text: str


@record
class Edit:
    """One repair.

    Attributes:
        words: what to do, as a help says it.
        changes: the places that it changes, in one file or several; they do not overlap.
        alone: whether it is the repair only where no other such edit of the same diagnostic mends it, too.
    """

    words: str
    changes: tuple[Change, ...]
    alone: bool = False


def put(span: Span, text: str, words: str = "write `{}`") -> Edit:
    """Another text in the place of a span; `{}` in the words is that text."""
    return Edit(words.replace("{}", text), (Change(span, text),))


def meant(span: Span, name: str) -> Edit:
    """A name that was probably meant, in the place of one that there is not."""
    return put(span, name, "did you mean `{}`?")


def meant_among(span: Span, name: str, candidates: Iterable[str]) -> Edit | str | None:
    """The candidate that `name` was most likely meant to be; None where none is near.

    It is an edit where `name` is a misspelling and no name of other libraries: what is merely alike may be something else.
    """
    guess = closest(name, candidates)
    if guess is None:
        return None
    return meant(span, guess) if is_sure(name, guess) else f"did you mean `{guess}`?"


def foreign_answer(span: Span, name: str) -> Edit | str | None:
    """What a name of another library is here: an edit where a function of the same meaning has another name; None for other names."""
    if name in RENAMED:
        return put(span, RENAMED[name])
    return FOREIGN.get(name) or (NO_LIKE if _is_elsewhere(name) else None)


def is_sure(name: str, guess: str) -> bool:
    """Whether a name is a misspelling of another, and nothing of its own in other libraries."""
    same = same_letters(name, [guess]) is not None
    return name not in FOREIGN and (same or (is_misspelling(name, guess) and not _is_elsewhere(name)))


def _is_elsewhere(name: str) -> bool:
    """Whether other libraries have a name; theirs are read for a name that mai has not, which few files have."""
    from mai.spec.diagnostics.foreign_names import NAMES_ELSEWHERE

    return name in NAMES_ELSEWHERE


def take_out(span: Span, words: str) -> Edit:
    """Nothing in the place of a span."""
    return Edit(words, (Change(span, ""),))


def insert(source: Source, at: int, text: str, words: str) -> Edit:
    """A text before the character `at`."""
    return Edit(words, (Change(Span(source, at, at), text),))


def shown(span: Span, *changes: Change) -> Edit:
    """Changes inside a span, told by the whole of it as it is after them, where that is short."""
    longer = sum(len(c.text) - len(c.span.text) for c in changes)
    whole = changed(span.source.text, changes)[span.start : span.end + longer]
    return Edit(f"write `{whole}`" if len(whole) <= LONGEST else f"write `{changes[0].text}`", changes)


def overlapping(edits: Iterable[Edit]) -> bool:
    """Whether two changes are of the same characters, or begin at the same place."""
    spans = sorted({(c.span.source.path, c.span.start, c.span.end, c.text) for edit in edits for c in edit.changes})
    pairs = pairwise(spans)
    return any(path == other and (start < end or start == begin) for (path, begin, end, _), (other, start, *_) in pairs)


def changed(text: str, changes: Iterable[Change]) -> str:
    """The text of one file after changes of it, which do not overlap."""
    for change in sorted(changes, key=lambda c: c.span.start, reverse=True):
        text = text[: change.span.start] + change.text + text[change.span.end :]
    return text


def after(edits: Iterable[Edit]) -> dict[str, Source]:
    """The files that edits change, as they are after all of them, by path."""
    changes = list(dict.fromkeys(change for edit in edits for change in edit.changes))
    sources = {change.span.source.path: change.span.source for change in changes}
    return {
        path: Source(path, changed(source.text, [c for c in changes if c.span.source.path == path]), source.name)
        for path, source in sources.items()
    }
