"""Text to syntax tree."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lark import Lark, Token, Tree, UnexpectedInput

from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.layout import BracketError, Layout, check_brackets
from mai.spec.source import Source, Span
from mai.spec.syntax_hints import DECLARATIONS, bracket_hint, syntax_hint
from mai.spec.tree import TreeBuilder

MAX_BYTES = 1_000_000
MAX_DEPTH = 200
MAX_ERRORS = 20
GRAMMAR = Path(__file__).with_name("grammar.lark")


def load_source(path: Path, report: Reporter) -> Source:
    """Read a file. Reports `file-not-found`, `file-too-large`, `not-text` or `empty-file`, and raises `MaiError`."""
    name = str(path)
    try:
        too_large = path.stat().st_size > MAX_BYTES
        raw = b"" if too_large else path.read_bytes()
    except (OSError, ValueError) as error:
        reason = "it is a folder" if path.is_dir() else getattr(error, "strerror", None) or str(error)
        report.error("file-not-found", None, f"cannot read {name}: {reason}")
        report.check()
        raise
    if too_large:
        report.error("file-too-large", None, f"{name} is larger than {MAX_BYTES // 1_000_000} MB, too large for a spec")
    elif b"\0" in raw or not _is_utf8(raw):
        report.error("not-text", None, f"{name} is not a text file in UTF-8")
    elif not raw.strip():
        report.error("empty-file", None, f"{name} is empty", help="`mai new` writes a spec to start from")
    report.check()
    return Source(name, raw.decode("utf-8-sig").replace("\r\n", "\n"))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return True


def parse(source: Source, report: Reporter) -> ast.File:
    """Parse a text. Reports its syntax errors, one a declaration, and raises `MaiError` if there are any."""
    text = source.text
    tree: Tree[Token] | None = None
    for _ in range(MAX_ERRORS):
        try:
            tree = _parse_text(text)
            break
        except (UnexpectedInput, BracketError) as error:
            at = _tell(error, source, report)
            text = _without_declaration(text, at)
    report.check()
    assert tree is not None
    file = TreeBuilder(source).file(tree)
    _check_depth(file, report)
    report.check()
    return file


def _parse_text(text: str) -> Tree[Token]:
    check_brackets(text)
    parser, layout = _parser()
    layout.text = text
    return parser.parse(text)


@lru_cache(maxsize=1)
def _parser() -> tuple[Lark, Layout]:
    layout = Layout()
    options = {"parser": "lalr", "lexer": "contextual", "propagate_positions": True, "maybe_placeholders": False}
    return Lark(GRAMMAR.read_text(encoding="utf-8"), start="file", postlex=layout, **options), layout


def _tell(error: UnexpectedInput | BracketError, source: Source, report: Reporter) -> int:
    """Report a syntax error; the character where it is."""
    hint = bracket_hint(error) if isinstance(error, BracketError) else syntax_hint(error, source.text)
    span = Span(source, hint.start, hint.end)
    report.error(hint.slug, span, hint.message, label=hint.label, help=hint.help)
    return hint.at


def _without_declaration(text: str, at: int) -> str:
    """The text with the declaration around `at` blanked, so that the others can be parsed and their errors told."""
    starts = [m.start() for m in DECLARATIONS.finditer(text)]
    begin = max((s for s in starts if s <= at), default=0)
    end = min((s for s in starts if s > max(at, begin)), default=len(text))
    blank = "".join("\n" if c == "\n" else " " for c in text[begin:end])
    return text[:begin] + blank + text[end:]


def _check_depth(file: ast.File, report: Reporter) -> None:
    """Later stages recurse into expressions: bound how deep they are."""
    for expr in ast.expressions(file):
        if expr.depth > MAX_DEPTH:
            message = f"this expression is nested more than {MAX_DEPTH} levels deep"
            report.error("too-deep", expr.span, message, help="give its parts names of their own")
            return
