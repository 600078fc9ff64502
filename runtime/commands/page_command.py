"""The verb `page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.show.terminal import say


def page(
    models: Annotated[
        list[Path], Argument(help=".onnx files that mai compiled, or the folder of a run.", show_default=False)
    ],
    out: Annotated[
        Path | None, Option(help="The .html file to write.", show_default="the first file's name, with .html")
    ] = None,
    modules: Annotated[
        Path | None,
        Option(
            help="A node_modules folder whose onnxruntime-web goes into the page.",
            show_default="taken from the net when it is opened",
        ),
    ] = None,
) -> None:
    """Write a web page that runs compiled files in the browser: mai page moons_flow.sample.onnx --out moons.html

    A model of a table's rows becomes a form, with sliders in the ranges of the data and menus of its words. An image can be dropped, drawn, or
    taken by the camera. Results are shown as what they are: points, images, maps, texts, probabilities.
    """
    from mai.runtime.errors import ModelError
    from mai.runtime.web.page import write_page

    files = [file for each in models for file in (sorted(each.glob("*.onnx")) if each.is_dir() else [each])]
    if not files:
        raise ModelError(
            "model-not-found", f"there are no .onnx files in {models[0]}", "mai train and mai compile write them"
        )
    out = out or Path(f"{files[0].stem}.html")
    write_page(files, out, modules)
    needs = "" if modules else "; it takes onnxruntime-web from the net, --modules node_modules puts that in"
    say(f"wrote {out}  {out.stat().st_size / 1e6:.2f} MB: open it in a browser{needs}", err=True)
