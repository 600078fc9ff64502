"""The verb `predict`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import with_diagnostics
from mai.runtime.command_line.markers import Argument, Option
from mai.runtime.command_line.opening import Provider, Threads
from mai.runtime.show.terminal import say

SHOWN = 12  # Columns whose names are shown.


@with_diagnostics
def predict(
    model: Annotated[Path, Argument(help="The folder of a run, or a .onnx file that mai compiled.", show_default=False)],
    table: Annotated[Path, Argument(help="A table: csv, tsv, jsonl, parquet, feather or a spreadsheet; its columns are the inputs by name. Or a .npz with arrays of these names, a .npy, a folder of images.", show_default=False)],
    out: Annotated[Path, Argument(help="The table to write: the same rows, and the results beside them.", show_default=False)],
    settings: Annotated[list[str] | None, Argument(help="Settings of the file: temperature=0.5.")] = None,
    export: Annotated[str | None, Option(help="Which export of the run to ask, where it has several.", show_default=False)] = None,
    keep: Annotated[list[str] | None, Option(help="Write only this column of the table beside the results. May be said several times; --keep \"\" writes none.")] = None,
    every: Annotated[bool, Option("--all", help="Of a series, forecast from all windows, at the stride of the spec, and not from the last of each series alone.")] = False,
    batch: Annotated[int, Option(help="How many rows are computed at a time.", min=1)] = 4096,
    seed: Annotated[int, Option(help="The seed of what the file draws, for the first rows; later rows have the seeds after it.")] = 0,
    threads: Threads = None,
    provider: Provider = None,
) -> None:  # fmt: skip
    """Run a compiled file, or that of a run, on every row of a table: mai predict runs/houses new.csv prices.csv

    The table may have any number of rows: a few thousand are in memory at a time. A folder of images may stand in its place; its rows are then
    the files' names. So may arrays; the rows are then their numbers, from 1, with the arrays that have one number or word for each. Texts and images are prepared as they were in training; a row without a text, or whose image cannot be read, has no answer. Labels are written as words where the file knows them.

    A file that was trained on windows of a `series` gives what follows the last window: its table has a row for each step, with the time.
    """
    from mai.compiler.predicting.predict import predict as predict_rows
    from mai.compiler.predicting.predict import read_settings
    from mai.runtime.model.loader import load

    opened = load(_file(model, export), providers=provider, threads=threads)
    kept = None if keep is None else [name for name in keep if name]
    values = read_settings(opened, settings or [])
    done = predict_rows(opened, table, out, values, seed, batch, kept, progress=sys.stderr.isatty(), every=every)
    for note in done.notes:
        say(f"note: {note}", err=True)
    rate = done.rows / max(done.seconds, 1e-9)
    say(
        f"wrote {out}: {done.rows:,} row{'' if done.rows == 1 else 's'} in {done.seconds:.3g} s ({rate:,.0f} a second), {_shown(done.columns)} beside them",
        err=True,
    )


def _file(path: Path, export: str | None) -> Path:
    """The file that a path names, or that of a run's folder. Raises `MaiError` where the folder has none, and `ModelError` where it has several."""
    if not path.is_dir():
        return path
    from mai.compiler.evaluating.subject import compiled_files
    from mai.runtime.errors import ModelError

    files = compiled_files(path, export)
    if len(files) > 1:
        exports = [file.name.split(".")[-2] for file in files]
        several = " and ".join(f"`{name}`" for name in exports)
        raise ModelError(
            "model-not-found", f"{several} of {path} can be asked", f"one at a time: --export {exports[0]}"
        )
    return files[0]


def _shown(columns: Sequence[str]) -> str:
    """The names of columns; of many, as the pixels of images are, the first and the last."""
    if len(columns) <= SHOWN:
        return ", ".join(columns)
    return f"{', '.join(columns[: SHOWN - 2])}, ..., {columns[-1]} ({len(columns):,} columns)"
