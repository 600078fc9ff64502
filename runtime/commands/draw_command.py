"""The verb `draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.show.terminal import say


def draw(
    records: Annotated[
        Path, Argument(help="A records.npz that training wrote, or the folder of a run.", show_default=False)
    ],
    out: Annotated[Path, Option(help="A picture (.png .svg .pdf), or a .gif.", show_default=False)],
    show: Annotated[str | None, Option(help="The weight to draw; by default one [n, 2], or the first.")] = None,
    colour: Annotated[str | None, Option(help="The weight [n] that colours the particles.")] = None,
) -> None:
    """Draw what `record` kept while a spec trained: mai draw runs/two_layer --out neurons.gif"""
    from mai.runtime.show.records import draw_records

    draw_records(records, out, show, colour)
    say(f"wrote {out}", err=True)
