"""The verb `draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.errors import ModelError
from mai.runtime.show.terminal import say


def draw(
    records: Annotated[
        Path, Argument(help="The folder of a run, or a records.npz that training wrote.", show_default=False)
    ],
    out: Annotated[
        Path, Option(help="The file to write: a picture (.png .svg .pdf), or a .gif that moves.", show_default=False)
    ],
    curves: Annotated[
        bool, Option("--curves", help="Draw learning curves, also of a run that recorded weights.")
    ] = False,
    show: Annotated[str | None, Option(help="The weight to draw; by default one [n, 2], or the first.")] = None,
    colour: Annotated[str | None, Option(help="The weight [n] that colours the particles.")] = None,
) -> None:
    """Draw a run's learning curves, or what `record` kept: mai draw runs/titanic --out curves.png

    The curves show the loss and the reports of the spec, on batches and on held-out examples. If the spec has a `record`, the weights that it
    kept are drawn instead, as particles or as lines; in a .gif they move. --curves draws the curves of such a run, too.

    mai draw runs/two_layer --out neurons.gif
    """
    from mai.runtime.run_folders.comparison import runs_in
    from mai.runtime.run_folders.files import METRICS, RECORDS
    from mai.runtime.run_folders.summary import is_run

    if records.is_dir() and not (records / RECORDS).exists() and not is_run(records) and runs_in(records):
        help = f"`mai runs {records} --out {out}` draws their curves"
        raise ModelError("file-not-found", f"{records} is the folder of several runs", help)
    has_curves = records.is_dir() and (records / METRICS).exists()
    if curves or (has_curves and not (records / RECORDS).exists() and show is None and colour is None):
        from mai.runtime.run_folders.curves import draw_run

        draw_run(records, out)
    else:
        from mai.runtime.show.records import draw_records

        draw_records(records, out, show, colour)
    say(f"wrote {out}", err=True)
