"""`mai check --fix`: edits are made, and the file is checked again, until nothing more is mended."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

from mai.compiler.check import NO_TEXTS, check_all
from mai.compiler.mending import Checked, improves
from mai.spec.diagnostics import Diagnostic, Edit
from mai.spec.diagnostics.edit import after, overlapping
from mai.spec.record import record
from mai.spec.source import Source

MAX_ROUNDS = 50  # Rounds mostly make all edits at once; an error that hides another takes one for each.
BOM = "\ufeff"


@record
class Fixed:
    """What mending a file gave.

    Attributes:
        checked: what there is to say after it.
        texts: the files that changed, of this one and those that it imports, by path.
        edits: what was done, in order.
    """

    checked: Checked
    texts: Mapping[str, Source]
    edits: tuple[Edit, ...]


def fix(
    path: Path, sets: Mapping[str, str] | None = None, strict: bool = False, texts: Mapping[str, Source] = NO_TEXTS
) -> Fixed:
    """Make the edits of a file's errors, and of its warnings where it is `strict`, while they make it better.

    Nothing is written. `texts` are read in the place of files, by path.
    """
    best = now = Fixed(check_all(path, sets, texts), texts, ())
    for _ in range(MAX_ROUNDS):
        following = _following(now, path, sets, strict)
        if following is None:
            break
        now = following
        if _rank(now.checked) < _rank(best.checked):
            best = now
    return best


def _following(now: Fixed, path: Path, sets: Mapping[str, str] | None, strict: bool) -> Fixed | None:
    """All edits made at once; where they do not go together, the first of them; None where there is none."""
    mended = _apart(d for d in now.checked.diagnostics if d.edit and (strict or d.severity == "error"))
    for chosen in (mended, mended[:1]):
        edits = tuple(d.edit for d in chosen if d.edit)
        texts = {**now.texts, **after(edits)}
        following = Fixed(check_all(path, sets, texts), texts, (*now.edits, *edits))
        if len(chosen) == 1 or improves(now.checked, following.checked, chosen, edits):
            return following
    return None


def _rank(checked: Checked) -> tuple[int, int, int]:
    """How far a file is from being sound: what stops its checking, then errors, then warnings."""
    return -checked.stage, len(checked.errors), len(checked.diagnostics)


def _apart(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those whose edits do not overlap with one before them."""
    chosen: list[Diagnostic] = []
    for diagnostic in diagnostics:
        if not overlapping([d.edit for d in (*chosen, diagnostic) if d.edit]):
            chosen.append(diagnostic)
    return chosen


def in_words(edit: Edit) -> str:
    """An edit for people: where, what, and the lines before and after it."""
    first = edit.changes[0].span
    lines = [f"{first.source.path}:{first.line}: {edit.words}"]
    sources = {c.span.source.path: c.span.source for c in edit.changes}
    for path, new in after([edit]).items():
        pair = sources[path].text.splitlines(), new.text.splitlines()
        difference = list(difflib.unified_diff(*pair, n=0, lineterm=""))[2:]
        lines += [f"  {line[0]} {line[1:]}" for line in difference if not line.startswith("@@")]
    return "\n".join(lines)


def write(texts: Mapping[str, Source]) -> None:
    """Write changed files, each as a whole or not at all, with the line ends that it has.

    Raises:
        OSError: one cannot be written.
    """
    from mai.runtime.files import write_atomically

    for path, source in texts.items():
        raw = Path(path).read_bytes().decode("utf-8")
        write_atomically(Path(path), _with_line_ends(raw, source.text).encode())


def _with_line_ends(raw: str, text: str) -> str:
    """The text with the line ends that its lines have in `raw`, and with its mark of UTF-8, if it has one."""
    mark = BOM if raw.startswith(BOM) else ""
    before = raw.removeprefix(mark).split("\n")
    usual = "\r" if 2 * sum(line.endswith("\r") for line in before) > len(before) - 1 else ""
    lines = text.split("\n")
    ends = [usual] * (len(lines) - 1) + [""]
    matcher = difflib.SequenceMatcher(None, [line.removesuffix("\r") for line in before], lines, autojunk=False)
    for begin, start, length in matcher.get_matching_blocks():
        for k in range(length):
            ends[start + k] = before[begin + k][len(lines[start + k]) :]
    return mark + "\n".join(line + end for line, end in zip(lines, ends, strict=True))
