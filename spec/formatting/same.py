"""Whether a text that was formatted means what it did."""

from __future__ import annotations

from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, MaiError, Reporter
from mai.spec.format import format_file
from mai.spec.formatting.lines import format_text
from mai.spec.parsing.parse import parse
from mai.spec.source import Source


def format_source(source: Source) -> str:
    """A text in the form that all have. Raises `MaiError`: it is not of the language, or would mean something else."""
    tree = parse(source, Reporter())
    after = format_text(source.text)
    check_same(tree, after)
    return after


def check_same(tree: ast.File, text: str) -> None:
    """Check that a text has a syntax tree.

    Raises:
        MaiError: `formatter-fault`: it has another, or none; the formatter is wrong, and the text stays as it was.
    """
    try:
        same = format_file(parse(Source(tree.source.path, text), Reporter())) == format_file(tree)
    except MaiError:
        same = False
    if not same:
        message = f"{tree.source.path} would mean something else: this is a fault of `mai format`, and the file stays as it is"
        raise MaiError([Diagnostic("formatter-fault", None, message)])
