"""The verb `check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import Sets, parse_sets, print_diagnostics, with_diagnostics
from mai.runtime.command_line.markers import Argument, Exit, Option
from mai.runtime.show.terminal import echo

if TYPE_CHECKING:
    from mai.compiler.mending import Checked
    from mai.compiler.program import Program
    from mai.spec.diagnostics import Diagnostic


OF_THE_MACHINE = ("data-missing",)  # Warnings that are of no spec: its data lie elsewhere.


@with_diagnostics
def check(
    files: Annotated[list[Path], Argument(help=".mai files.", show_default=False)],
    sets: Sets = None,
    format: Annotated[str, Option("--format", help="How mistakes are printed: text, or json for programs.")] = "text",
    strict: Annotated[
        bool, Option("--strict", help="Treat warnings as errors, except for files of data that are not here.")
    ] = False,
    fix: Annotated[
        bool,
        Option(
            "--fix",
            help="Mend errors whose repair is known, with --strict warnings, too: write the files, say what changed.",
        ),
    ] = False,
) -> None:
    """Find mistakes in specs, without running anything: mai check flow.mai

    It checks names, types, shapes and settings, and shows the place of each mistake. Where a repair is known, it shows that too.

    mai check flow.mai --fix            make the repairs

    mai check *.mai --strict            in a test, where warnings are errors, too
    """
    from mai.compiler.check import check_all

    diagnostics: list[Diagnostic] = []
    failed = False
    for file in files:
        checked = _fixed(file, parse_sets(sets), format, strict) if fix else check_all(file, parse_sets(sets))
        program, own = checked.program, checked.diagnostics
        if strict:
            own = [replace(d, severity="error") if _is_judged(d) else d for d in own]
        sound = program is not None and not any(d.severity == "error" for d in own)
        diagnostics, failed = diagnostics + own, failed or not sound
        if program is not None and sound and format == "text":
            exports = ", ".join(program.exports) or "no exports"
            echo(f"{file}: sound ({exports})")
            _say_sizes(program)
    print_diagnostics(_once(diagnostics), format)
    if failed:
        raise Exit(1)


def _once(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Each diagnostic once: those of a file that several others import are among those of each."""
    first: dict[object, Diagnostic] = {}
    for diagnostic in diagnostics:
        first.setdefault((diagnostic.slug, diagnostic.message, _place(diagnostic)), diagnostic)
    return [*first.values()]


def _place(diagnostic: Diagnostic) -> tuple[Path, int] | None:
    span = diagnostic.span
    return (Path(span.source.path).resolve(), span.start) if span is not None else None


def _is_judged(diagnostic: Diagnostic) -> bool:
    """Whether it is a warning about what the spec says, and not about this machine."""
    return diagnostic.severity == "warning" and diagnostic.slug not in OF_THE_MACHINE


def _say_sizes(program: Program) -> None:
    """How large the files of a large model are, in each precision."""
    from mai.compiler.file_size import sizes_in_words

    words = sizes_in_words(program.exports.values())
    if words is not None:
        echo(f"  its largest file is {words}")


def _fixed(file: Path, sets: Mapping[str, str], format: str, strict: bool) -> Checked:
    """What is left to say of a file that was mended; what was done is said as it is written."""
    from mai.compiler import fixing
    from mai.spec.diagnostics.render import printable

    fixed = fixing.fix(file, sets, strict)
    fixing.write(fixed.texts)
    for edit in fixed.edits:
        echo(printable(fixing.in_words(edit)), err=format == "json")
    if not fixed.edits and any(d.severity == "error" for d in fixed.checked.diagnostics):
        echo(f"{file}: nothing is mended: mai is sure of no repair", err=True)
    return fixed.checked
