"""A search over settings by Optuna: each point that it tries is run with all folds and seeds, and judged by the mean of its figure.

What was tried before in the folder is handed to it first, so that a search goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mai.compiler.sweeping.axes import Axis, Choices, Point, Range
from mai.compiler.sweeping.sweep import Sweep
from mai.spec.diagnostics import Diagnostic, MaiError

DIGITS = 6  # Of a real number that is tried, which its folder's name has.


def search(sweep: Sweep, axes: Mapping[str, Axis], count: int, seed: int = 0) -> list[Point]:
    """Try so many points in all, those of earlier calls among them; all that were tried.

    Raises:
        MaiError: Optuna is not installed.
    """
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=sweep.jobs.count > 1)
    direction = "minimize" if sweep.goal.direction == "min" else "maximize"
    study = optuna.create_study(sampler=sampler, direction=direction)
    space = {name: _distribution(optuna, axis) for name, axis in axes.items()}
    tried: list[Point] = []
    for point in list(_before(sweep.folder, axes, sweep.folds[0]))[:count]:
        tried.append(point)
        study.enqueue_trial({name: _value(axes[name], text) for name, text in point.items()})
    while not sweep.jobs.interrupted and len(study.trials) - _waiting(study) < count:
        some = min(sweep.jobs.count, count - (len(study.trials) - _waiting(study)))
        trials = [study.ask(space) for _ in range(some)]
        points = [{name: _text(axes[name], value) for name, value in trial.params.items()} for trial in trials]
        tried += [point for point in points if point not in tried]
        sweep.run([point for place, point in enumerate(points) if point not in points[:place]])
        for trial, row in zip(trials, sweep.rows(points), strict=True):
            mean = row.mean(sweep.goal.figure)
            state = optuna.trial.TrialState.FAIL if mean is None else optuna.trial.TrialState.COMPLETE
            study.tell(trial, mean, state=state)
    return tried


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        message = "a search needs Optuna, which is not installed"
        help = "pip install optuna; or name the values to try, without --search"
        raise MaiError([Diagnostic("data-missing", None, message, help=help)]) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _waiting(study: Any) -> int:
    """The trials that are enqueued and not asked for yet."""
    return sum(trial.state.name == "WAITING" for trial in study.trials)


def _distribution(optuna: Any, axis: Axis) -> Any:
    if isinstance(axis, Choices):
        return optuna.distributions.CategoricalDistribution(axis.values)
    if axis.whole:
        return optuna.distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _text(axis: Axis, value: object) -> str:
    """A value as `--set` has it."""
    return f"{value:.{DIGITS}g}" if isinstance(axis, Range) and not axis.whole else str(value)


def _value(axis: Axis, text: str) -> object:
    if isinstance(axis, Choices):
        return text
    return int(text) if axis.whole else min(max(float(text), axis.low), axis.high)


def _before(folder: Path, axes: Mapping[str, Axis], folds: Collection[str]) -> Iterator[Point]:
    """The points that runs in the folder have, in the order in which they began, whichever of the `folds` they held out."""
    from mai.runtime.run_folders.record import read_record

    records = [each for place in folder.glob("*seed=*") if (each := read_record(place)) is not None]
    seen: list[Point] = []
    for record in sorted(records, key=lambda each: each.began):
        point = {name: value for name, value in record.sets.items() if name not in folds}
        if point.keys() == axes.keys() and all(_fits(axes[n], text) for n, text in point.items()) and point not in seen:
            seen.append(point)
            yield {name: point[name] for name in axes}


def _fits(axis: Axis, text: str) -> bool:
    if isinstance(axis, Choices):
        return text in axis.values
    try:
        return axis.low <= float(text) <= axis.high and (text.lstrip("-").isdecimal() or not axis.whole)
    except ValueError:
        return False
