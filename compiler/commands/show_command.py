"""The verb `show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import Sets, SpecFile, program_of, with_diagnostics, write_text
from mai.runtime.command_line.markers import Option
from mai.runtime.show.terminal import say, say_text


@with_diagnostics
def show(
    file: SpecFile,
    emit: Annotated[
        str, Option(help="What to show: summary, ast, ir, torch, onnx, placement (what CUDA would compute) or diagram.")
    ] = "summary",
    export: Annotated[str | None, Option(help="Show only this export; by default all.")] = None,
    out: Annotated[
        Path | None, Option(help="Write to this file instead of the terminal; for a diagram a .svg or .md.")
    ] = None,
    after: Annotated[
        str | None,
        Option(
            help="With --emit ir: the code after this pass of the compiler, such as hoist; an unknown name lists all passes."
        ),
    ] = None,
    sets: Sets = None,
) -> None:
    """Show the size of a model, or a stage of its compilation: mai show flow.mai

    The summary has the number of parameters, operations and bytes. `mai weights list` shows each parameter.

    mai show flow.mai --emit torch                  the torch code that is trained

    mai show flow.mai --emit diagram --out flow.svg
    """
    from mai.compiler.show import emit_text, placement_of

    if emit == "placement" and file.suffix == ".onnx":
        text = placement_of(file)
    else:
        text = emit_text(program_of(file, sets), file, emit, export, out.suffix if out else "", after)
    if out is None:
        say_text(text.rstrip("\n"))
        return
    write_text(out, text)
    say(f"wrote {out}", err=True)
