"""What `mai tune` prints: plans as they are measured, those that are worth their cost, what was refused and what is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import typer
from rich.console import Console

from mai.compiler.tuning.search import Found, Point, frontier
from mai.compiler.tuning.tune import Outcome

Told = Callable[[Point, Point], None]


@contextmanager
def progress(every: bool, quiet: bool) -> Iterator[Told]:
    """What hears of every measured plan: a line for each, or on a terminal one that says how far the search is."""
    if every and not quiet:
        yield lambda point, reference: typer.echo(row(point, reference), err=True)
        return
    count = 0
    console = Console(stderr=True, quiet=quiet)
    with console.status("measuring plans") if console.is_terminal and not quiet else nullcontext() as status:

        def told(point: Point, reference: Point) -> None:
            nonlocal count
            count += 1
            if status is not None:
                status.update(f"measured {count} plans, {point.plan}")

        yield told


def row(point: Point, reference: Point, mark: str = "") -> str:
    """A plan in a line: its cost, its quality, and how that compares with the reference's, seed by seed."""
    times = f"{point.mean / reference.mean:7.3f} ×" if reference.mean > 0 else ""
    cost = f"{point.plan.evaluations:>4} evaluations"
    return f"  {point.plan!s:36} {cost}  {point.mean:9.4g}  {times} ± {point.spread(reference):.3f}{mark}"


def say(outcome: Outcome, file: Path, every: bool, quiet: bool) -> None:
    """The plans, unless each was told already, and the outcome."""
    if not quiet and not every:
        typer.echo("\n".join(_table(outcome.found)), err=True)
    for line in refusals(outcome.found):
        typer.echo(line)
    _say_chosen(outcome, file)


def _table(found: Found) -> Iterator[str]:
    """The reference, the plans that no cheaper one is as good as, and the chosen one, all as the search measured them."""
    reference, chosen = found.searched, found.chosen and found.chosen.plan
    yield f"{len(found.curve)} plans; those that no cheaper one is as good as, beside the reference (--all shows each):"
    yield row(reference, reference, "  reference")
    best = {p.plan for p in frontier(found.curve)}
    for point in sorted(found.curve, key=lambda p: (p.plan.evaluations, -p.mean)):
        if point.plan in best or point.plan == chosen:
            yield row(point, reference, "  chosen" if point.plan == chosen else "")


def refusals(found: Found) -> Iterator[str]:
    """Cheaper plans that were within the factor by the luck of the search's seeds, one a line."""
    searched = {p.plan: p for p in found.curve}
    for again in found.refused:
        first, cost = searched[again.plan], f"{again.plan.evaluations} evaluations"
        yield (
            f"not {again.plan}, {cost}: {_beside(first, found.searched)} in the search, {_beside(again, found.reference)} on "
            "the seeds that confirm"
        )


def _beside(point: Point, reference: Point) -> str:
    return f"{point.mean / reference.mean:.3f} ×" if reference.mean > 0 else f"{point.mean:.4g}"


def _say_chosen(outcome: Outcome, file: Path) -> None:
    tuned = outcome.tuned
    before, after = tuned.before, tuned.after
    chosen = outcome.found.chosen
    assert chosen is not None
    if outcome.path is None:
        typer.echo(
            f"{file}: {chosen.plan}, {after.evaluations} evaluations, is the cheapest already; it stays as it is"
        )
        return
    typer.echo(
        f"wrote {outcome.path}: {chosen.plan} in the place of {outcome.current}, {after.evaluations} evaluations for "
        f"{before.evaluations}"
    )
    typer.echo(
        f"{tuned.metric} {after.quality:.4g} for {before.quality:.4g}, on {tuned.seeds} × {tuned.samples:,} samples that chose "
        f"nothing; its ratio to the reference's differs by ± {after.spread:.3f} from seed to seed"
    )
