"""The verb `new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mai.compiler.commands.shared import write_text


def new(
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)] = Path("model.mai"),
    kind: Annotated[str, typer.Option(help="flow, classifier or images.")] = "flow",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented spec to start from: mai new flow.mai"""
    from mai.spec import starters

    texts = starters()
    if kind not in texts:
        raise typer.BadParameter(f"--kind {kind}: there are {', '.join(texts)}")
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already; --force writes over it")
    write_text(file, texts[kind])
    typer.echo(f"wrote {file}; next: mai check {file}, then mai train {file}")
