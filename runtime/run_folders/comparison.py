"""Runs beside each other: a row a run, and a row for all seeds of one choice of settings."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.run_folders.files import LOG
from mai.runtime.run_folders.goals import usual_direction
from mai.runtime.run_folders.summary import Summary, is_run, summary
from mai.runtime.run_folders.tables import Row, pooled, sorted_rows
from mai.runtime.show.terminal import aligned

SWEEP = "sweep.json"


def runs_in(folder: Path) -> list[Path]:
    """The folders of runs in a folder, at any depth, in their order; itself, where it is one. What lies in a run is not looked at."""
    if is_run(folder):
        return [folder]
    inside = (each for each in sorted(folder.iterdir()) if each.is_dir() and not each.is_symlink())
    return [run for each in inside for run in runs_in(each)]


def not_begun(folder: Path) -> list[Path]:
    """The folders of a sweep's runs that just start, or ended before they began: of these there is the log alone."""
    return sorted(log.parent for log in folder.glob(f"*/{LOG}") if not is_run(log.parent))


def read_runs(folders: Sequence[Path]) -> list[Summary]:
    """All runs of some folders. Raises `ModelError` where there is none."""
    for folder in folders:
        if not folder.is_dir():
            raise ModelError("file-not-found", f"there is no folder {folder}")
    summaries = [summary(run) for run in dict.fromkeys(run for folder in folders for run in runs_in(folder))]
    if not summaries:
        where = ", ".join(map(str, folders))
        ended = [run for folder in folders for run in not_begun(folder)]
        if ended:
            help = f"{ended[0] / LOG} says why"
            raise ModelError("file-not-found", f"none of the {len(ended):,} runs in {where} has begun", help)
        raise ModelError("file-not-found", f"there are no runs in {where}", "mai train SPEC --out RUN begins one")
    return summaries


def goal_in(folders: Sequence[Path], by: str | None, goal: str | None) -> tuple[str, str]:
    """The figure to sort by and its direction: as asked, or as the sweep in a folder or the figure's name says, or the least loss."""
    stated = _sweep_in(folders).get("goal", {})
    usual = (str(stated.get("figure", "loss")), str(stated.get("direction", "min")))
    figure = by or usual[0]
    return figure, goal or (usual[1] if figure == usual[0] else usual_direction(figure))


def folds_in(folders: Sequence[Path]) -> list[str]:
    """The consts that say which fold is held out, as the sweep in a folder says."""
    return [str(name) for name in _sweep_in(folders).get("folds", [])]


def _sweep_in(folders: Sequence[Path]) -> dict[str, Any]:
    """What the first sweep in some folders says of itself; nothing where there is none."""
    for folder in folders:
        try:
            stated = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if _is_sweep(stated):
            return dict(stated)
    return {}


def _is_sweep(stated: object) -> bool:
    """Whether JSON says of a sweep what is read of it here; earlier sweeps have no folds."""
    return (
        isinstance(stated, dict) and isinstance(stated.get("goal"), dict) and isinstance(stated.get("folds", []), list)
    )


def check_figure(runs: Sequence[Summary], by: str) -> None:
    """Raise `ModelError` for a figure that no run has."""
    names = list(dict.fromkeys(name for run in runs for name in run.figures))
    if names and by not in names:
        raise unknown_name_error(by, names)


def sorted_runs(runs: Sequence[Summary], by: str, goal: str) -> list[Summary]:
    """The best first; those without the figure last."""
    rows = [Row({}, {by: [run.figures[by]]} if by in run.figures else {}, 1) for run in runs]
    places = {id(row): place for place, row in enumerate(rows)}
    return [runs[places[id(row)]] for row in sorted_rows(rows, by, goal)]


def settings_of(run: Summary) -> Mapping[str, str]:
    """What tells a run from others but for its seed: its spec, and the consts that were set."""
    if run.asked is None:
        return {}
    return {
        "spec": Path(run.asked.spec).stem,
        **run.asked.sets,
        "steps": f"{run.asked.steps:,}",
        "batch": str(run.asked.batch),
    }


def called(runs: Sequence[Summary]) -> list[str]:
    """What runs are called in a picture: by the settings that differ among them, or else by their folders."""
    differing = _differing(runs)
    if not differing:
        return [run.folder.name for run in runs]
    return [", ".join(f"{name}={settings_of(run).get(name, '')}" for name in differing) for run in runs]


def _differing(runs: Sequence[Summary]) -> list[str]:
    names = dict.fromkeys(name for run in runs for name in settings_of(run))
    return [name for name in names if len({settings_of(run).get(name) for run in runs}) > 1]


def grouped(runs: Sequence[Summary], by: str, goal: str, folds: Collection[str] = ()) -> list[Row]:
    """Runs that differ in their seed, and in the consts `folds`, alone as one row, the best first."""
    differing = [name for name in _differing(runs) if name not in folds]
    groups: dict[tuple[tuple[str, str], ...], dict[tuple[str, ...], list[Summary]]] = {}
    for run in runs:
        if run.asked is not None:
            settings = settings_of(run)
            fold = tuple(settings.get(name, "") for name in folds)
            key = tuple((name, value) for name, value in settings.items() if name not in folds)
            groups.setdefault(key, {}).setdefault(fold, []).append(run)
    rows = [_row({n: v for n, v in key if n in differing}, [*each.values()]) for key, each in groups.items()]
    return sorted_rows(rows, by, goal)


def _row(settings: Mapping[str, str], folds: Sequence[Sequence[Summary]]) -> Row:
    done = [[run.figures for run in group if run.state == "done"] for group in folds]
    failed = sum(run.state == "failed" for group in folds for run in group)
    return Row(settings, pooled(done), sum(map(len, done)), failed)


def table(runs: Sequence[Summary], folders: Sequence[Path]) -> Iterator[str]:
    """A row a run: what it is called, how far it is, what sets it apart, its figures."""
    differing = _differing(runs)
    figures = list(dict.fromkeys(name for run in runs for name in run.figures))
    head = ("run", "state", "done", *differing, "seed", *figures)
    yield from aligned(head, [_cells(run, folders, differing, figures) for run in runs])


def _cells(run: Summary, folders: Sequence[Path], differing: Sequence[str], figures: Sequence[str]) -> tuple[str, ...]:
    seed = "" if run.asked is None else str(run.asked.seed)
    steps = f"{run.steps:,}" if run.kept == run.steps else f"{run.steps:,}, kept {run.kept:,}"
    numbers = (f"{run.figures[name]:.4g}" if name in run.figures else "" for name in figures)
    settings = (settings_of(run).get(name, "") for name in differing)
    return (name_of(run, folders), run.state, steps, *settings, seed, *numbers)


def name_of(run: Summary, folders: Sequence[Path]) -> str:
    """A run's folder, seen from the one that was asked about, if there is one."""
    if len(folders) == 1 and run.folder != folders[0]:
        return str(run.folder.relative_to(folders[0]))
    return str(run.folder)
