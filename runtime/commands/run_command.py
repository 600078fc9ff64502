"""The verb `run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.command_line.opening import Provider, Threads


def run(
    model: Annotated[Path, Argument(help="A .onnx file that mai compiled.", show_default=False)],
    values: Annotated[
        list[str] | None,
        Argument(
            help="Inputs and settings: y=3, y=0..9, when=2024-03-14 or when=2024-03-01..2024-03-31, x=[0.5,1], x=@points.npy, x=-2..2:100 (a grid of points; "
            'x=0..1,-5..5:100,20 has a range and a count for each axis), prompt="Once upon".'
        ),
    ] = None,
    batch: Annotated[
        int | None, Option(help="How many examples to compute; by default 1, or as many as the inputs have.")
    ] = None,
    seed: Annotated[
        int | None,
        Option(help="Where the draws begin: the same seed gives the same numbers on every machine. By default 0."),
    ] = None,
    steps: Annotated[int | None, Option(help="How many steps the solver takes; by default as the file says.")] = None,
    out: Annotated[
        Path | None,
        Option(
            help="The file to write. Its ending says what: a picture (.png .svg .pdf), a path that moves (.gif), arrays (.npy .npz .csv .json), or a text (.txt)."
        ),
    ] = None,
    range_: Annotated[
        str | None,
        Option(
            "--range",
            help="Which numbers the colours of a map or of images go from and to: --range 0..1. By default all numbers of a map, the "
            "highest ones of a log density, and 0 to 1, -1 to 1 or 0 to 255 for images.",
        ),
    ] = None,
    over: Annotated[
        Path | None,
        Option(help="Points to draw over a map, or beside drawn points: a .csv, .npy or .npz of two numbers a row."),
    ] = None,
    special_tokens: Annotated[
        bool | None,
        Option(
            "--special-tokens/--no-special-tokens",
            help="Whether texts get the special tokens of their tokenizer.",
            show_default="as the file says",
        ),
    ] = None,
    stream: Annotated[bool, Option("--stream", help="Print a text while it grows, piece by piece.")] = False,
    progress: Annotated[
        bool,
        Option(
            "--progress",
            help="Show how many of the steps are done. The file is one that `mai compile --progress` wrote.",
        ),
    ] = False,
    threads: Threads = None,
    provider: Provider = None,
) -> None:
    """Run a compiled file: mai run moons_flow.sample.onnx --batch 1000 --out moons.png"""
    from mai.runtime.commands.running import Wanted, run_file

    options = {"batch": batch, "seed": seed, "steps": steps}
    run_file(
        model, values or [], options, Wanted(out, range_, stream, threads, provider, special_tokens, over, progress)
    )
