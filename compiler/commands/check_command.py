"""The verb `check`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mai.compiler.commands.shared import Sets, parse_sets, print_diagnostics

if TYPE_CHECKING:
    from mai.spec.diagnostics import Diagnostic


def check(
    files: Annotated[list[Path], typer.Argument(help=".mai files.", show_default=False)],
    sets: Sets = None,
    format: Annotated[str, typer.Option("--format", help="text or json, for editors.")] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
) -> None:
    """Check files: names, types, dimensions, settings. Nothing is run."""
    from mai.compiler.check import ahead
    from mai.compiler.check import check as check_file

    diagnostics: list[Diagnostic] = []
    failed = False
    for file in files:
        checked = check_file(file, parse_sets(sets))
        program, own = checked.program, checked.diagnostics
        own += ahead(program) if program is not None else []
        if strict:
            own = [replace(d, severity="error") if d.severity == "warning" else d for d in own]
        sound = program is not None and not any(d.severity == "error" for d in own)
        diagnostics, failed = diagnostics + own, failed or not sound
        if program is not None and sound and format == "text":
            exports = ", ".join(program.exports) or "no exports"
            typer.echo(f"{file}: sound ({exports})")
    print_diagnostics(diagnostics, format)
    if failed:
        raise typer.Exit(1)
