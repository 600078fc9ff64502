"""The verb `runs`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.inputs.cells import few_of
from mai.runtime.show.terminal import say

if TYPE_CHECKING:
    from mai.runtime.run_folders.summary import Summary
    from mai.runtime.run_folders.tables import Row


def runs(
    folders: Annotated[list[Path] | None, Argument(help="Folders of runs, or folders that hold some; by default runs.", show_default=False)] = None,
    by: Annotated[str | None, Option(help="The figure to sort by; by default the loss, or what a sweep says.", show_default=False)] = None,
    goal: Annotated[Literal["min", "max"] | None, Option(help="Whether a small figure is good (min) or a large one (max); by default what a sweep or the name says, as of `auc`.", show_default=False)] = None,
    out: Annotated[Path | None, Option(help="A picture of all learning curves (.png .svg .pdf).", show_default=False)] = None,
    json: Annotated[bool, Option("--json", help="Print everything as json.")] = False,
) -> None:  # fmt: skip
    """Compare runs in a table, sorted by a figure: mai runs runs/flow-sweep --out curves.png

    Each row shows how far a run is, its settings where they differ, and its figures, on held-out examples if there are any. If several runs
    differ in the seed alone, or in the fold of a sweep, a second table has their means and deviations.

    mai runs                                     all runs in the folder runs

    mai runs runs/a runs/b --by size --goal max  two of them, by a figure of the spec
    """
    from mai.runtime.run_folders.comparison import (
        check_figure,
        folds_in,
        goal_in,
        grouped,
        not_begun,
        read_runs,
        runs_in,
        sorted_runs,
    )
    from mai.runtime.run_folders.files import LOG
    from mai.runtime.show.save import PICTURES

    if out is not None and out.suffix.lower() not in PICTURES:
        raise Misuse(f"--out {out}: {', '.join(PICTURES)}")
    places = folders or [Path("runs")]
    summaries = read_runs(places)
    figure, direction = goal_in(places, by, goal)
    if by is not None:
        check_figure(summaries, by)
    ordered = sorted_runs(summaries, figure, direction)
    folds = folds_in(places)
    rows = grouped(ordered, figure, direction, folds)
    if json:
        _say_json(ordered, rows)
    else:
        _say_tables(ordered, rows, places, "folds" if folds else "seeds")
        if len(ordered) > 1:
            say(f"sorted by {figure}, the {'smallest' if direction == 'min' else 'largest'} first", err=True)
    for place in places:
        if not runs_in(place):
            say(f"note: {place} holds no run", err=True)
        if others := [folder.name for folder in not_begun(place)]:
            what = f"{len(others):,} more: just starting, or ended before training began ({LOG} says which)"
            say(f"note: {what}: {few_of(others, 3)}", err=True)
    if out is not None:
        _draw(ordered, out)


def _say_json(runs: Sequence[Summary], rows: Sequence[Row]) -> None:
    from json import dumps

    from mai.runtime.run_folders.tables import as_values

    each = [
        {"folder": str(r.folder), "state": r.state, "steps": r.steps, "kept": r.kept, "figures": dict(r.figures)}
        for r in runs
    ]
    say(dumps({"runs": each, "settings": as_values(rows)}, indent=2))


def _say_tables(runs: Sequence[Summary], rows: Sequence[Row], places: Sequence[Path], over: str) -> None:
    """The runs, and where several differ in their seed or their fold alone, their means."""
    from mai.runtime.run_folders.comparison import table
    from mai.runtime.run_folders.tables import lines

    say("\n".join(table(runs, places)))
    if any(row.runs > 1 for row in rows):
        say(f"\nmeans over {over}, ± their standard deviation\n" + "\n".join(lines(rows)))


def _draw(runs: Sequence[Summary], out: Path) -> None:
    from mai.runtime.run_folders.comparison import called
    from mai.runtime.run_folders.curves import draw_curves

    draw_curves(runs, out, called(runs))
    say(f"wrote {out}", err=True)
