"""What a person sees while training: a bar on a terminal, lines elsewhere; and `metrics.jsonl`."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mai.compiler.training.run.figures.cell import Cell, in_notebook
from mai.compiler.training.run.figures.trackers import Trackers
from mai.runtime.files import write_atomically


class Metrics:
    """`metrics.jsonl`: one line a report, with the `block` that it is of, if that has a name.

    Lines after the step that a run resumes from are dropped. Steps are counted through the whole run.
    """

    def __init__(self, path: Path, step: int, trackers: Trackers, block: str | None = None) -> None:
        kept = []
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                kept += [line] if _step_of(line) <= step and step else []
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode())
        self._block: dict[str, str] = {"block": block} if block is not None else {}
        self._path, self._file = path, path.open("ab", buffering=0)
        self._trackers = trackers

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line of figures to `metrics.jsonl`. Raises `OSError` where the disk is full."""
        line = json.dumps({**self._block, "step": step, **values}).encode() + b"\n"
        try:
            whole = self._file.write(line) == len(line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        if not whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._trackers.log(step, {"/".join([*self._block.values(), name]): value for name, value in values.items()})

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._trackers.close()


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62


class Meter:
    """The progress of one run: reports, examples a second, time left; a bar on a terminal, a cell of a notebook, or lines."""

    def __init__(self, steps: int, start: int, batch: int, quiet: bool, block: str | None = None) -> None:
        self.steps, self.batch, self.quiet = steps, batch, quiet
        self.console, self.block = Console(stderr=True), f"{block}: " if block is not None else ""
        self.began, self.start = time.monotonic(), start
        self._line = 0
        self._bar: Progress | None = None
        self._cell = Cell(steps, self.block) if not quiet and in_notebook() else None
        if not quiet and self._cell is None and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console)
            self._task = self._bar.add_task(f"{self.block}training", total=steps, completed=start)

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Show that a step is done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
        elif self._cell is not None:
            self._cell.advance(step)

    def say(self, notes: Iterable[str]) -> None:
        """Tell what was found in the data, before the run, or of the run, after it."""
        for note in () if self.quiet else notes:
            self.console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)

    def rate(self, step: int) -> float:
        """Examples a second."""
        return (step - self.start) * self.batch / max(1e-9, time.monotonic() - self.began)

    def show(self, step: int, values: Mapping[str, float]) -> None:
        """Tell the latest figures: beside the bar, or as a line every tenth of the run."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        text += f"  {self.rate(step):,.0f} examples/s"
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self.block}{text}")
        elif self._cell is not None:
            self._cell.tell(step, text, values.get("loss"))
        elif not self.quiet and (step * 10 // self.steps > self._line or step == self.steps):
            self._line = step * 10 // self.steps
            left = (time.monotonic() - self.began) / max(1, step - self.start) * (self.steps - step)
            self.console.print(
                f"{self.block}step {step:,} of {self.steps:,}  {text}  {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )
