"""Text to syntax tree."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mai.spec import ast
from mai.spec.ast_walk import expressions
from mai.spec.diagnostics import Change, Edit, MaiError, Reporter
from mai.spec.diagnostics.suggest import closest
from mai.spec.parsing.grammar import lark_parser, tables
from mai.spec.parsing.lalr import NotOfTheLanguage, Parser
from mai.spec.parsing.layout import DECLARATIONS, BracketError, check_brackets
from mai.spec.parsing.parts import parts_of, sound_file, sound_part, sound_whole
from mai.spec.parsing.tree import TreeBuilder
from mai.spec.source import Source, Span
from mai.spec.syntax_errors.syntax_place import Draft

if TYPE_CHECKING:
    from mai.spec.syntax_errors.syntax_hints import Hint

MAX_BYTES = 400_000  # a few seconds of parsing; the longest of the examples has 1,500
MAX_DEPTH = 200
MAX_ERRORS = 20
KEPT = 4  # Texts whose trees are kept: an editor asks for a tree before its text is checked.


def _meant_file(path: Path) -> str | None:
    """The spec beside it that a path was probably meant to name."""
    folder = path.parent
    names = [file.name for file in sorted(folder.glob("*.mai"))] if folder.is_dir() and not path.exists() else []
    meant = f"{path.name}.mai" if f"{path.name}.mai" in names else closest(path.name, names)
    return f"did you mean {folder / meant}?" if meant else None


def load_source(path: Path, report: Reporter, name: str | None = None) -> Source:
    """Read a file, which compiled files call by its `name`, that of the file unless it is given.

    Reports `file-not-found`, `file-too-large`, `not-text` or `empty-file`, and raises `MaiError`.
    """
    shown = str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is a folder" if path.is_dir() else "it is a device or a pipe, not a file")
        too_large = status.st_size > MAX_BYTES
        raw = b"" if too_large else path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        report.error("file-not-found", None, f"cannot read {shown}: {reason}", help=_meant_file(path))
        report.check()
        raise
    if too_large:
        report.error("file-too-large", None, f"{shown} is larger than {MAX_BYTES // 1000} kB, too large for a spec")
    elif b"\0" in raw or not _is_utf8(raw):
        report.error("not-text", None, f"{shown} is not a text file in UTF-8")
    elif not raw.strip():
        report.error("empty-file", None, f"{shown} is empty", help="`mai new` writes a spec to start from")
    report.check()
    return Source(shown, raw.decode("utf-8-sig").replace("\r\n", "\n"), name or path.name)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


def parse(source: Source, report: Reporter, part: tuple[int, int] | None = None) -> ast.File:
    """Parse a text, or a `part` of it alone. Reports its syntax errors, one a declaration, and raises `MaiError` if there are any."""
    file = (sound_tree(source) if part is None else None) or _tree_or_errors(
        source, report, part or (0, len(source.text))
    )
    _check_depth(file, report)
    report.check()
    return file


def sound_tree(source: Source, is_typed: bool = False) -> ast.File | None:
    """The tree of a text; None for one in which something is wrong. One that `is_typed` is read by its declarations."""
    if source not in _TREES:
        while len(_TREES) >= KEPT:
            _TREES.pop(next(iter(_TREES)), None)
        _TREES[source] = sound_file(source) if is_typed else sound_whole(source)
    return _TREES[source]


_TREES: dict[Source, ast.File | None] = {}


def _tree_or_errors(source: Source, report: Reporter, part: tuple[int, int]) -> ast.File:
    """The tree of a part of a text, or else what is wrong with it: reported, and raised."""
    begin, end = part
    text = _with_brackets(" " * begin + source.text[begin:end], source, report)
    file = _file(text, source, report)
    report.check()
    assert file is not None
    return file


def _with_brackets(text: str, source: Source, report: Reporter) -> str:
    """The text without the declarations whose brackets do not match; these are reported."""
    for _ in range(MAX_ERRORS):
        try:
            check_brackets(text)
            return text
        except BracketError as error:
            from mai.spec.syntax_errors.syntax_hints import bracket_hint

            begin, end = _declaration_at(text, _tell(bracket_hint(error, text), source, report))
            text = _blank(text, begin, end)
    report.check()
    return text


def _file(text: str, source: Source, report: Reporter) -> ast.File | None:
    """The syntax tree; None for a text in which something is wrong, which is reported: what is right in it is read no second time."""
    own, file = Reporter(), None
    left = _without_sound(text)
    try:
        file = Parser(tables(), left, TreeBuilder(source, own)).parse()
        if left != text and not own.diagnostics and not report.diagnostics:
            file = Parser(tables(), text, TreeBuilder(source, own)).parse()
    except NotOfTheLanguage:
        _report_syntax(text, left, source, report)
        return None
    except MaiError:
        pass  # There are too many errors for one report; those that it has are reported below.
    for diagnostic in own.diagnostics:
        report.add(diagnostic)
    return file


def _report_syntax(text: str, left: str, source: Source, report: Reporter) -> None:
    """What lark finds wrong in what is `left` of a text; after an error the rest of the declarations is parsed, for their errors alone."""
    from lark import UnexpectedInput

    from mai.spec.syntax_errors.syntax_hints import syntax_hint

    parser, layout = lark_parser()
    for _ in range(MAX_ERRORS):
        layout.text = left
        try:
            parser.parse(left)
            return
        except UnexpectedInput as error:
            _, end = _declaration_at(text, _tell(syntax_hint(error, text), source, report))
            text, left = _blank(text, 0, end), _blank(left, 0, end)


def _without_sound(text: str) -> str:
    """The text without the declarations that are right, but for each that follows a wrong one: where that ends is seen there."""
    was_sound = True
    for begin, end in parts_of(text):
        is_sound = sound_part(text[begin:end]) is not None
        text = _blank(text, begin, end) if is_sound and was_sound else text
        was_sound = is_sound
    return text


def _tell(hint: Hint, source: Source, report: Reporter) -> int:
    """Report a syntax error; the character where it is."""
    span = Span(source, hint.start, hint.end)
    help = _edit(hint.help, source) if isinstance(hint.help, Draft) else hint.help
    tries = [replace(_edit(draft, source), alone=True) for draft in hint.tries]
    report.error(hint.slug, span, hint.message, label=hint.label, help=help, edits=tries)
    return hint.at


def _edit(draft: Draft, source: Source) -> Edit:
    return Edit(draft.words, tuple(Change(Span(source, begin, end), text) for begin, end, text in draft.changes))


def _declaration_at(text: str, at: int) -> tuple[int, int]:
    """Where the declaration around `at` begins and ends: the next may be parsed again from there."""
    starts = [m.start() for m in DECLARATIONS.finditer(text)]
    begin = max((s for s in starts if s <= at), default=0)
    end = min((s for s in starts if s > at), default=len(text))
    return begin, end


def _blank(text: str, begin: int, end: int) -> str:
    """The text with a part of it blanked, so that the places of the rest stay."""
    blank = re.sub(r"[^\n]", " ", text[begin:end])
    return text[:begin] + blank + text[end:]


def _check_depth(file: ast.File, report: Reporter) -> None:
    """Later stages recurse into expressions: bound how deep they are."""
    for expr in expressions(file):
        if expr.depth > MAX_DEPTH:
            message = f"this expression is nested more than {MAX_DEPTH} levels deep"
            report.error("too-deep", expr.span, message, help="give its parts names of their own")
