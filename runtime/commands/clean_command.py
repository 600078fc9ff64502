"""The verb `clean`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.show.terminal import say


def clean(
    folders: Annotated[list[Path], Argument(help="Folders of runs, or folders that hold some.", show_default=False)],
    keep: Annotated[int, Option(help="How many of the last checkpoints stay; a run that is not done keeps one to go on from.", min=0)] = 0,
    before: Annotated[bool, Option("--before", help="Also remove the run that was in the folder before: training moved it into the folder `before`.")] = False,
    dry: Annotated[bool, Option("--dry-run", help="Remove nothing, and say what would be removed.")] = False,
) -> None:  # fmt: skip
    """Remove checkpoints that are no longer needed: mai clean runs/titanic

    Weights, compiled files, figures and recorded weights stay. A finished run can be trained further only from a checkpoint: --keep 1 leaves
    the last one. `checkpoints = last(3)` in the head of a train block says how many are kept during training.
    """
    from mai.runtime.run_folders.cleaning import clean as clean_run
    from mai.runtime.run_folders.cleaning import not_needed
    from mai.runtime.run_folders.comparison import read_runs
    from mai.runtime.run_folders.describing import size_in_words

    total, word = 0, "would remove" if dry else "removed"
    for run in read_runs(folders):
        for each in list(not_needed(run.folder, keep, before)) if dry else clean_run(run.folder, keep, before):
            total += each.size
            say(f"{word} {each.path}: {each.why}, {size_in_words(each.size)}")
    say(f"{word} {size_in_words(total)}" if total else "there is nothing to remove", err=True)
