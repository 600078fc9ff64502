"""What `mai tune` prints: plans as they are measured, the best at each cost, refused plans, and the chosen one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from mai.compiler.solvers.grid import Plan
from mai.compiler.tuning.search import OnPoint, Point, SearchResult, frontier
from mai.compiler.tuning.tune import Outcome
from mai.runtime.show.terminal import echo


@contextmanager
def progress(every: bool, quiet: bool) -> Iterator[OnPoint]:
    """Give a function that shows each plan as it is measured.

    Args:
        every: print a line for each; otherwise a terminal shows one line with the number of plans so far.
        quiet: show nothing.
    """
    if every and not quiet:
        yield lambda point, reference: echo(row(point, reference), err=True)
        return
    count = 0
    console = Console(stderr=True, quiet=quiet)
    with console.status("measuring plans") if console.is_terminal and not quiet else nullcontext() as status:

        def count_point(point: Point, reference: Point) -> None:
            nonlocal count
            count += 1
            if status is not None:
                status.update(f"measured {count} plans, {point.plan}")

        yield count_point


def row(point: Point, reference: Point, mark: str = "") -> str:
    """A plan as a line: its cost, its quality, and how that compares with the reference's, seed by seed; `mark` ends it."""
    times = f"{point.mean / reference.mean:7.3f} ×" if reference.mean > 0 else ""
    cost = f"{worth(point.plan):>4} evaluations"
    return f"  {point.plan!s:36} {cost}  {point.mean:9.4g}  {times} ± {point.spread(reference):.3f}{mark}"


def worth(plan: Plan) -> str:
    """How many whole evaluations a plan's multiply-adds are: a whole number where nothing is reused."""
    return f"{plan.cost:.4g}"


def print_outcome(outcome: Outcome, file: Path, every: bool, quiet: bool) -> None:
    """Print the best plans, unless every plan was printed already (`every`) or none is to be (`quiet`), and the outcome."""
    if not quiet and not every:
        echo("\n".join(_table(outcome.search)), err=True)
    for line in refusals(outcome.search):
        echo(line)
    _print_chosen(outcome, file)


def _table(result: SearchResult) -> Iterator[str]:
    """The reference, the plans that no cheaper one is as good as, and the chosen one, all as the search measured them."""
    reference, chosen = result.searched, result.chosen and result.chosen.plan
    yield f"{len(result.curve)} plans; those that no cheaper one is as good as, beside the reference (--all shows each):"
    yield row(reference, reference, "  reference")
    best = {p.plan for p in frontier(result.curve)}
    for point in sorted(result.curve, key=lambda p: (p.plan.cost, -p.mean)):
        if point.plan in best or point.plan == chosen:
            yield row(point, reference, "  chosen" if point.plan == chosen else "")


def refusals(result: SearchResult) -> Iterator[str]:
    """A line for each cheaper plan that was within the factor on the search's seeds alone."""
    searched = {p.plan: p for p in result.curve}
    for again in result.refused:
        first, cost = searched[again.plan], f"{worth(again.plan)} evaluations"
        yield (
            f"not {again.plan}, {cost}: {_ratio(first, result.searched)} in the search, {_ratio(again, result.reference)} on "
            "the seeds that confirm"
        )


def _ratio(point: Point, reference: Point) -> str:
    return f"{point.mean / reference.mean:.3f} ×" if reference.mean > 0 else f"{point.mean:.4g}"


def _print_chosen(outcome: Outcome, file: Path) -> None:
    tuned = outcome.tuned
    before, after = tuned.before, tuned.after
    chosen = outcome.search.chosen
    assert chosen is not None
    if outcome.path is None:
        echo(f"{file}: {chosen.plan}, {worth(chosen.plan)} evaluations, is the cheapest already; it stays as it is")
        return
    echo(
        f"wrote {outcome.path}: {chosen.plan} in the place of {outcome.current}, {worth(chosen.plan)} evaluations for "
        f"{worth(outcome.current)}"
    )
    echo(
        f"{tuned.metric} {after.quality:.4g} for {before.quality:.4g}, on {tuned.seeds} × {tuned.samples:,} samples that chose "
        f"nothing; its ratio to the reference's differs by ± {after.spread:.3f} from seed to seed"
    )
