"""The verb `format`."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import print_diagnostics
from mai.runtime.command_line.markers import Argument, Exit, Misuse, Option
from mai.runtime.show.terminal import echo, say
from mai.spec.diagnostics import MaiError

STDIN = Path("-")


def format_(
    files: Annotated[
        list[Path], Argument(help=".mai files, folders of such, or - for the standard input.", show_default=False)
    ],
    check: Annotated[bool, Option("--check", help="Write nothing; exit code 1 where a file would change.")] = False,
    diff: Annotated[bool, Option("--diff", help="Write nothing, and show what would change.")] = False,
) -> None:
    """Write specs in the one form that all specs have: mai format flow.mai

    It changes spaces, indents, empty lines, and the line ends of lines that are longer than 120 characters. Words, signs and comments stay,
    and so does the meaning. A file with a mistake in its grammar is left as it is, and the mistake is shown.

    mai format .                  every .mai file here and below

    mai format --check specs      in a test: exit code 1 if a file would change

    mai format - < flow.mai       from standard input to standard output, for editors
    """
    failed = changed = 0
    for file in _listed(files):
        try:
            before, after = _formatted(file)
        except MaiError as error:
            print_diagnostics(error.diagnostics)
            failed += 1
            continue
        if file == STDIN and not (check or diff):
            sys.stdout.write(after)
        elif before != after:
            changed += 1
            _tell(file, before, after, check, diff)
    if failed or (changed and check):
        raise Exit(1)


def _listed(files: list[Path]) -> list[Path]:
    """The files, and those of folders, each once."""
    specs = [each for file in files for each in (sorted(file.rglob("*.mai")) if file.is_dir() else [file])]
    if not specs:
        raise Misuse(f"there is no .mai file in {files[0]}")
    return list(dict.fromkeys(specs))


def _formatted(file: Path) -> tuple[str, str]:
    """A text before and after. Raises `MaiError` for one that is not of the language."""
    from mai.spec.diagnostics import Reporter
    from mai.spec.formatting.same import format_source
    from mai.spec.parsing.parse import load_source
    from mai.spec.source import Source

    source = Source("<stdin>", sys.stdin.read()) if file == STDIN else load_source(file, Reporter())
    return source.text, format_source(source)


def _tell(file: Path, before: str, after: str, check: bool, diff: bool) -> None:
    """Write a file that has changed, or say how it would."""
    if diff:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), str(file), str(file), lineterm="")
        echo("\n".join(lines))
    elif check:
        say(f"would change {file}")
    else:
        from mai.compiler import fixing
        from mai.spec.source import Source

        fixing.write({str(file): Source(str(file), after)})
        say(f"changed {file}")
