"""`make docs`, or `python -m mai.compiler.pages`: the pages that are made from definitions, written anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import mai.compiler
import mai.spec
from mai.compiler.commands import command_reference
from mai.compiler.editor import examples
from mai.compiler.editor.colours import codemirror, textmate
from mai.compiler.editor.settings import reference as setting_reference
from mai.compiler.elaborate.functions import function_reference
from mai.compiler.importing import listing as families
from mai.compiler.ops import operation_reference
from mai.spec.diagnostics.explain import page
from mai.spec.reference import RESULTS, examples_of_reference

SPEC, COMPILER = Path(mai.spec.__path__[0]), Path(mai.compiler.__path__[0])
# Results come first: pages show them.
PAGES: dict[Path, Callable[[], str]] = {
    RESULTS: examples.results,
    SPEC / "errors.md": page,
    SPEC / "functions.md": function_reference.listing,
    SPEC / "commands.md": command_reference.listing,
    SPEC / "families.md": families.listing,
    SPEC / "settings.md": setting_reference.listing,
    COMPILER / "ops" / "ops.md": operation_reference.listing,
    COMPILER / "editor" / "vscode" / "syntaxes" / "mai.tmLanguage.json": textmate.grammar,
    COMPILER / "editor" / "codemirror" / "mai.mjs": codemirror.module,
}


def write_pages() -> None:
    """Write every page where it lies."""
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")
        examples_of_reference.cache_clear()


if __name__ == "__main__":
    try:
        write_pages()
    except ValueError as error:
        sys.exit(f"no page is written: {error}")
