"""Repairs are tried before they are proposed: the file is checked as it is after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace

from mai.compiler.program import Program
from mai.spec.diagnostics import Change, Diagnostic, Edit, MaiError
from mai.spec.diagnostics.edit import after, overlapping
from mai.spec.record import record
from mai.spec.source import Source, Span

MAX_TRIALS = 12  # Of one check of a file; each takes as long as the check.


@record
class Checked:
    """What checking a file gave.

    Attributes:
        program: its meaning, unless it has errors.
        diagnostics: what there is to say.
        stopped: whether an error kept a part of it from being looked at.
    """

    program: Program | None
    diagnostics: list[Diagnostic]
    stopped: bool = False

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that are errors."""
        return [d for d in self.diagnostics if d.severity == "error"]

    def meaning(self) -> Program:
        """The program. Raises `MaiError` with what there is to say, where it has errors."""
        if self.program is None:
            raise MaiError(self.diagnostics)
        return self.program

    @property
    def stage(self) -> int:
        """How far checking came: 0 where it stopped, 1 where all was looked at, 2 where all has a meaning."""
        return 0 if self.stopped else 1 + (self.program is not None)


Look = Callable[[Mapping[str, Source]], Checked]  # Checks the file with other texts in the place of files, by path.


def with_edits(checked: Checked, look: Look, depth: int = 1) -> Checked:
    """What checking gave, with an edit for each diagnostic that one of its repairs mends, and the edit's words as its help.

    An edit may uncover errors that another hid, `depth` of them one behind the other, if these have edits that mend them.
    """
    left, diagnostics = MAX_TRIALS, []
    for diagnostic in checked.diagnostics:
        edits = [edit for edit in diagnostic.edits if _is_possible(edit)][:left]
        left -= len(edits)
        good = _mending(checked, diagnostic, edits, look, depth)
        diagnostics.append(replace(diagnostic, edit=good, help=good.words) if good else diagnostic)
    return replace(checked, diagnostics=diagnostics)


def _is_possible(edit: Edit) -> bool:
    return not overlapping([edit]) and not any(change.span.source.in_prelude for change in edit.changes)


def _mending(checked: Checked, diagnostic: Diagnostic, edits: Sequence[Edit], look: Look, depth: int) -> Edit | None:
    """The first edit after which there is nothing left to say; else the first that makes the file better, or else leads on."""
    better: list[tuple[int, Edit]] = []
    leading: list[tuple[int, Edit]] = []
    for edit in edits:
        then = look(after([edit]))
        good = improves(checked, then, [diagnostic], [edit])
        if good and not then.diagnostics and not edit.alone:
            return edit
        if good:
            better.append((len(then.diagnostics), edit))
        elif not better and (edit.alone or not leading) and _leads_on(checked, then, edit, look, depth):
            leading.append((len(then.diagnostics), edit))
    chosen = _unambiguous(better or leading)
    return min(chosen, key=lambda pair: pair[0])[1] if chosen else None


def _unambiguous(edits: Sequence[tuple[int, Edit]]) -> Sequence[tuple[int, Edit]]:
    """The edits without those that are the repair only `alone`, where there are several of them: nothing says which is meant."""
    return [pair for pair in edits if not pair[1].alone] if sum(edit.alone for _, edit in edits) > 1 else edits


def _leads_on(checked: Checked, then: Checked, edit: Edit, look: Look, depth: int) -> bool:
    """Whether what an edit uncovers has edits itself, after which less is wrong: on its own line only where no other such edit leads on."""
    texts = after([edit])
    old, new, lines = _counted(checked.errors), _counted(then.errors), _edited_lines([], [edit])
    is_worse = not edit.alone and any(new[_key(d)] > old[_key(d)] and _place(d) in lines for d in then.errors)
    if not depth or is_worse or len(then.errors) > len(checked.errors):
        return False
    mended = with_edits(then, lambda others: look({**texts, **others}), depth - 1)
    edits = [d.edit for d in mended.errors if d.edit]
    return bool(edits) and _counted(look(texts | after(edits[:1])).errors) < _counted(checked.errors)


def improves(before: Checked, then: Checked, mended: Sequence[Diagnostic], edits: Sequence[Edit]) -> bool:
    """Whether edits mend the diagnostics that they are of, and nothing new is wrong.

    Errors of what was not looked at before are not new. They stand on other lines than those that were edited, and, where
    checking stops again, on later ones.
    """
    old, new = _counted(before.errors), _counted(then.errors)
    if new < old:
        return True
    if not before.errors:
        return not new and _counted(then.diagnostics) < _counted(before.diagnostics)
    further = then.stage > before.stage
    if not further and not then.stage == before.stage == 0:
        return False
    lines = _edited_lines(mended, edits)
    unlike = [d for d in then.errors if new[_key(d)] > old[_key(d)]]
    return not any(_place(d) in lines for d in then.errors) and all(further or _is_behind(d, lines) for d in unlike)


def _counted(diagnostics: Sequence[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter(map(_key, diagnostics))


def _key(diagnostic: Diagnostic) -> tuple[str, str]:
    return diagnostic.slug, diagnostic.message


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    span = diagnostic.span
    return (span.source.path, span.line) if span else ("", 0)


def _is_behind(diagnostic: Diagnostic, lines: Set[tuple[str, int]]) -> bool:
    path, line = _place(diagnostic)
    return line > max((n for p, n in lines if p == path), default=0)


def _edited_lines(mended: Sequence[Diagnostic], edits: Sequence[Edit]) -> set[tuple[str, int]]:
    """Where the edits, and what they mend, stand after them: path and line; and nowhere, where a fault of mai is reported."""
    lines, changes = {("", 0)}, [change for edit in edits for change in edit.changes]
    for change in changes:
        span = change.span
        first = span.line + _more_lines(changes, span)
        lines |= {(span.source.path, first + n) for n in range(change.text.count("\n") + 1)}
    return lines | {(d.span.source.path, d.span.line + _more_lines(changes, d.span)) for d in mended if d.span}


def _more_lines(changes: Sequence[Change], span: Span) -> int:
    """By how many lines changes move what begins where a span does."""
    earlier = [
        c for c in changes if c.span.source.path == span.source.path and c.span.end <= span.start != c.span.start
    ]
    return sum(c.text.count("\n") - c.span.text.count("\n") for c in earlier)
