"""The verb `sweep`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mai.compiler.commands.shared import Device, Precision, SpecFile, program_of, with_diagnostics
from mai.runtime.command_line.markers import Exit, Misuse, Option
from mai.runtime.show.terminal import say

if TYPE_CHECKING:
    from mai.compiler.program import Program
    from mai.compiler.sweeping.axes import Axis, Point
    from mai.compiler.sweeping.sweep import Sweep


# The words of the command line, in their order.
SetsOption = Annotated[
    list[str] | None,
    Option(
        "--set",
        help="A const and its values: --set width=32,64,128; for a search a range, too: --set lr=1e-4..1e-1:log, --set depth=2..6.",
    ),
]
SeedsOption = Annotated[int, Option(help="How many runs each choice has, with the seeds 0, 1, ...", min=1)]
JobsOption = Annotated[int, Option(help="How many runs at a time; they share the processor's cores.", min=1)]
OutOption = Annotated[
    Path | None, Option(help="The folder that holds all runs of the sweep.", show_default="runs/NAME-sweep")
]
SearchOption = Annotated[
    int | None, Option(help="Try only so many of all choices; Optuna proposes them.", min=1, show_default=False)
]
ByOption = Annotated[
    str | None,
    Option(
        help="The figure that runs are compared by, loss or a report's name; by default what the spec keeps the best of.",
        show_default=False,
    ),
]
GoalOption = Annotated[
    Literal["min", "max"] | None,
    Option(
        help="Whether a small figure is good (min) or a large one (max); by default as the spec or the figure's name says, as of `auc`, else min.",
        show_default=False,
    ),
]
StepsOption = Annotated[int | None, Option(help="How many steps each run has, instead of the spec's number.", min=1)]
BatchOption = Annotated[int | None, Option(help="How many examples a step has, instead of the spec's number.", min=1)]
DataOption = Annotated[list[Path] | None, Option(help="Train on these files of data instead of the spec's.")]


@with_diagnostics
def sweep(
    file: SpecFile,
    sets: SetsOption = None,
    seeds: SeedsOption = 1,
    jobs: JobsOption = 1,
    out: OutOption = None,
    search: SearchOption = None,
    by: ByOption = None,
    goal: GoalOption = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    device: Device = None,
    precision: Precision = None,
    data: DataOption = None,
) -> None:
    """Train a spec with many settings and seeds: mai sweep flow.mai --set width=16,32,64 --seeds 3

    Each run has its own folder in runs/NAME-sweep, named after its settings, with the files of `mai train` and a log. The same command again
    continues: finished runs are kept, a stopped run goes on from its checkpoint, and new values or seeds are added. If a run fails, the others go
    on, and the failure is shown at the end.

    mai sweep flow.mai --set width=16,32,64 --set rate=1e-3,1e-2 --seeds 3 --jobs 2

    mai sweep titanic.mai --seeds 5                        how much a figure moves by chance

    mai sweep flow.mai --set width=8..256:log --search 20

    mai sweep titanic.mai --set k=0..4 --set width=16,32   a cross-validation of each width, by `split = folds(5, fold = k)`

    The table shows the results on held-out examples, the best first, with means and deviations over the seeds or the folds. A source
    without end, such as moons, holds none out: there they are those of the last batch, of as many examples as that has.
    `mai runs FOLDER` compares the same folder again, with curves.
    """
    from mai.compiler.sweeping.axes import grid
    from mai.compiler.sweeping.jobs import Jobs
    from mai.compiler.sweeping.search import search as search_points
    from mai.compiler.sweeping.sweep import Sweep, goal_of

    axes, folds = _axes_and_folds(file, sets or (), data or ())
    if search is not None and not axes:
        raise Misuse("--search needs something to choose: --set width=8..256:log")
    points = [] if search is not None else grid(axes)
    program = _trained_program(file, {**(points[0] if points else {}), **folds[0]}, data)
    words = _words({"steps": steps, "batch": batch, "device": device, "precision": precision}, data or ())
    runs = Sweep(
        file, program.source.text, out or Path("runs") / f"{program.name}-sweep", words, seeds, program.name, [*program.exports],
        goal_of(program, by, goal), Jobs(jobs), lambda text: say(text, err=True), folds,
    )  # fmt: skip
    runs.begin()
    if search is not None:
        points = search_points(runs, axes, search)
    else:
        runs.run(points)
    _say_folds(program, folds)
    _say_results(runs, points)
    _end(runs)


def _axes_and_folds(file: Path, sets: Sequence[str], data: Sequence[Path]) -> tuple[dict[str, Axis], Sequence[Point]]:
    """The consts to choose, with their values; and the folds that each choice is run with, by the consts that say which is held out."""
    from mai.compiler.check import check
    from mai.compiler.sweeping.axes import grid, read_axes
    from mai.compiler.sweeping.folds import fold_axes

    axes = read_axes(sets)
    of_folds = fold_axes(axes, lambda point: check(file, point, data).program)
    return {name: axis for name, axis in axes.items() if name not in of_folds}, grid(of_folds)


def _trained_program(file: Path, point: Point, data: Sequence[Path] | None) -> Program:
    """The program with such values of its consts. Raises `Misuse` where it trains nothing."""
    program = program_of(file, [f"{name}={value}" for name, value in point.items()], data)
    if not program.trainings:
        raise Misuse(f"{file} has no train block")
    return program


def _say_folds(program: Program, folds: Sequence[Point]) -> None:
    """Say of how many folds the results are the means, where the sweep goes over them."""
    from mai.compiler.sweeping.folds import fold_count

    if not folds[0]:
        return
    there = fold_count(program)
    count = f"{len(folds)} folds" if len(folds) >= there else f"{len(folds)} of {there} folds"
    say(f"{count}: means, ± the standard deviation between them")


def _words(options: Mapping[str, int | str | None], data: Sequence[Path]) -> list[str]:
    """What each `mai train` is told besides, as words."""
    chosen = {name: str(value) for name, value in options.items() if value is not None}
    pairs = [*chosen.items(), *(("data", str(path.absolute())) for path in data)]
    return [word for name, value in pairs for word in (f"--{name}", value)]


def _say_results(runs: Sweep, points: Sequence[Point]) -> None:
    """Keep and show what each point has come to, the best first."""
    from mai.compiler.sweeping.axes import in_words
    from mai.runtime.run_folders.tables import lines, sorted_rows

    figure, direction = runs.goal.figure, runs.goal.direction
    rows = sorted_rows(runs.rows(points), figure, direction)
    runs.write(rows)
    say("\n".join(lines(rows)))
    best = next((row for row in rows if row.mean(figure) is not None), None)
    if best is not None and len(rows) > 1:
        say(f"the {'least' if direction == 'min' else 'largest'} {figure} has {in_words(best.settings)}")


def _end(runs: Sweep) -> None:
    """Say what failed and what is left. Raises `Exit` where anything did, or is."""
    for line in runs.failed():
        say(line, err=True)
    if runs.jobs.interrupted:
        say("stopped; nothing is lost. The same command goes on", err=True)
        raise Exit(130)
    if runs.failures:
        raise Exit(1)
