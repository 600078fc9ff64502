"""The verb `page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.show.terminal import say


def page(
    models: Annotated[list[Path], Argument(help=".onnx files that mai compiled.", show_default=False)],
    out: Annotated[Path, Option(help="The .html file to write.", show_default=False)],
    modules: Annotated[
        Path | None,
        Option(
            help="A node_modules folder whose onnxruntime-web goes into the page.",
            show_default="taken from the net when it is opened",
        ),
    ] = None,
) -> None:
    """Write a web page that runs compiled files in the browser: mai page moons_flow.sample.onnx --out moons.html"""
    from mai.runtime.web.page import write_page

    write_page(models, out, modules)
    needs = "" if modules else "; it takes onnxruntime-web from the net, --modules node_modules puts that in"
    say(f"wrote {out}  {out.stat().st_size / 1e6:.2f} MB: open it in a browser{needs}", err=True)
