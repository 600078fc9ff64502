"""The verb `sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mai.compiler.commands.shared import SpecFile, program_of, with_diagnostics
from mai.runtime.command_line.markers import Exit, Misuse, Option
from mai.runtime.show.terminal import say


@with_diagnostics
def sweep(
    file: SpecFile,
    sets: Annotated[list[str] | None, Option("--set", help="A const and its values: --set width=32,64,128; for a search a range, too: --set lr=1e-4..1e-1:log, --set depth=2..6.")] = None,
    seeds: Annotated[int, Option(help="How many runs each choice has, with the seeds 0, 1, ...", min=1)] = 1,
    jobs: Annotated[int, Option(help="How many runs at a time; they share the processor's cores.", min=1)] = 1,
    out: Annotated[Path | None, Option(help="The folder of all runs.", show_default="runs/NAME-sweep")] = None,
    search: Annotated[int | None, Option(help="Try so many choices by Optuna, in the place of all.", min=1, show_default=False)] = None,
    by: Annotated[str | None, Option(help="The figure that runs are compared by, loss or a report's name; by default what the spec keeps the best of.", show_default=False)] = None,
    goal: Annotated[Literal["min", "max"] | None, Option(help="Whether that is to be small or large; by default as the spec says, else min.", show_default=False)] = None,
    steps: Annotated[int | None, Option(help="Instead of the spec's.", min=1)] = None,
    batch: Annotated[int | None, Option(help="Instead of the spec's.", min=1)] = None,
    device: Annotated[str | None, Option(help="cpu, cuda or mps; by default the best there is.")] = None,
    precision: Annotated[str | None, Option(help="float32, bf16 or fp16.")] = None,
    data: Annotated[list[Path] | None, Option(help="Data instead of the spec's.")] = None,
) -> None:  # fmt: skip
    """Train a spec with many settings and seeds: mai sweep titanic.mai --set width=16,32,64 --seeds 3

    Every run has a folder of its own in runs/NAME-sweep, called by its settings, as `mai train` makes it, and its log. The same command again goes on: what is done is not done again, a run that was stopped goes on from its checkpoint, and more values or seeds add to what is there. A run that fails is told at the end, and the others go on.

    mai sweep titanic.mai --set width=16,32,64 --set rate=1e-3,1e-2 --seeds 3 --jobs 2

    mai sweep titanic.mai --seeds 5                        how much a figure moves by chance

    mai sweep titanic.mai --set width=8..256:log --search 20

    The table has means and deviations between the seeds, of what the weights do on held-out examples, the best first. `mai runs FOLDER` compares the same folder again, with curves.
    """
    from mai.compiler.sweeping.axes import grid, in_words, read_axes
    from mai.compiler.sweeping.jobs import Jobs
    from mai.compiler.sweeping.search import search as search_points
    from mai.compiler.sweeping.sweep import Sweep, goal_of
    from mai.runtime.run_folders.tables import lines, sorted_rows

    axes = read_axes(sets or [])
    if search is not None and not axes:
        raise Misuse("--search needs something to choose: --set width=8..256:log")
    points = [] if search is not None else grid(axes)
    program = program_of(file, [f"{n}={v}" for n, v in points[0].items()] if points else None, data)
    if not program.trainings:
        raise Misuse(f"{file} has no train block")
    words = [
        word for name, value in (("steps", steps), ("batch", batch), ("device", device), ("precision", precision))
        if value is not None for word in (f"--{name}", str(value))
    ] + [word for path in data or () for word in ("--data", str(path.absolute()))]  # fmt: skip
    folder = out or Path("runs") / f"{program.name}-sweep"
    judged = goal_of(program, by, goal)
    running = Jobs(jobs)
    all_ = Sweep(
        file, program.source.text, folder, words, seeds, program.name, [*program.exports], judged, running,
        lambda text: say(text, err=True),
    )  # fmt: skip
    all_.begin()
    if search is not None:
        points = search_points(all_, axes, search)
    else:
        all_.run(points)
    rows = sorted_rows(all_.rows(points), judged.figure, judged.direction)
    all_.write(rows)
    say("\n".join(lines(rows)))
    best = next((row for row in rows if row.mean(judged.figure) is not None), None)
    if best is not None and len(rows) > 1:
        say(f"the {'least' if judged.direction == 'min' else 'largest'} {judged.figure} has {in_words(best.settings)}")
    if all_.failures:
        some = next(iter(all_.failures))
        say(f"{len(all_.failures)} failed; what each said is in its log: {some / 'log.txt'}", err=True)
    if running.interrupted:
        say("stopped; nothing is lost. The same command goes on", err=True)
        raise Exit(130)
    if all_.failures:
        raise Exit(1)
