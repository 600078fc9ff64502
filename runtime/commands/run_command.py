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
            help="Inputs and settings: y=3, y=0..9, x=[0.5,1], x=@points.npy, x=-2..2:100 (a grid of points; "
            'x=0..1,-5..5:100,20 has a range and a count for each axis), prompt="Once upon".'
        ),
    ] = None,
    batch: Annotated[int | None, Option(help="How many examples to make.")] = None,
    seed: Annotated[int | None, Option(help="The same seed gives the same draws everywhere.")] = None,
    steps: Annotated[int | None, Option(help="Steps of the solver.")] = None,
    out: Annotated[
        Path | None,
        Option(help="A picture (.png .svg .pdf), a path that moves (.gif), arrays (.npy .npz .csv .json), or .txt."),
    ] = None,
    range_: Annotated[
        str | None,
        Option(
            "--range",
            help="The numbers that the colours of a map or of images span: --range 0..1; else all, the top of a log density, or "
            "the range that images live in.",
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
    stream: Annotated[bool, Option("--stream", help="Print a text as it grows.")] = False,
    progress: Annotated[
        bool, Option("--progress", help="Tell after each step how many there are: of files by mai compile --progress.")
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
