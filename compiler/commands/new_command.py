"""The verb `new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import with_diagnostics, write_text
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo


@with_diagnostics
def new(
    file: Annotated[Path, Argument(help="The file to write.", show_default=False)] = Path("model.mai"),
    kind: Annotated[str, Option(help="flow, classifier or images.")] = "flow",
    force: Annotated[bool, Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented spec to start from: mai new flow.mai"""
    from mai.spec import starters

    texts = starters()
    if kind not in texts:
        raise Misuse(f"--kind {kind}: there are {', '.join(texts)}")
    if file.exists() and not force:
        raise Misuse(f"{file} is there already; --force writes over it")
    write_text(file, texts[kind])
    echo(f"wrote {file}; next: mai check {file}, then mai train {file}")
