"""What `record` keeps: the path of chosen weights, in `records.npz`."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.program import Record
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import whole
from mai.runtime.arrays import Array, as_npz
from mai.runtime.files import UNREADABLE, read_arrays, write_atomically
from mai.spec.diagnostics import Diagnostic, MaiError


class Recorder:
    """Keeps weights every so many steps; in the file, `NAME` has a row a time and `NAME.steps` their steps.

    These are counted through the run, of which a block begins after `before` of them; rows of earlier blocks stay.
    """

    def __init__(self, records: Sequence[Record], weights: Weights, path: Path, before: int = 0) -> None:
        self.every = {name: record.every for record in records for name in record.weights}
        self.parameters = {**dict(weights.named_parameters()), **dict(weights.named_buffers())}
        self.path, self.before = path, before
        self.others: dict[str, Array] = {}
        self.rows: dict[str, list[tuple[int, Array]]] = {name: [] for name in self.every}

    def start(self, step: int) -> None:
        """Begin, or go on from the rows up to `step`."""
        if (step or self.before) and self.path.exists():
            try:
                self._read(step)
            except UNREADABLE as error:
                message = f"the records in {self.path} are damaged: {error}"
                raise MaiError([Diagnostic("data-bad", None, message, help="move the file away to go on")]) from error
        if not step:
            self.keep(0)

    def _read(self, step: int) -> None:
        saved = read_arrays(self.path)
        self.others = {n: a for n, a in saved.items() if n.removesuffix(".steps") not in self.rows}
        for name in [n for n in self.rows if n in saved]:
            shape = self.parameters[name].shape
            if saved[name].shape[1:] != shape:
                raise ValueError(f"`{name}` is {list(saved[name].shape[1:])} there and {list(shape)} in the spec")
            pairs = zip(saved[f"{name}.steps"].tolist(), saved[name], strict=True)
            until = self.before + step
            self.rows[name] = [(at, row) for at, row in pairs if at < until or (at == until and step)]

    def keep(self, step: int) -> None:
        """Keep the recorded weights, where their turn has come."""
        for name, every in self.every.items():
            if step % every == 0:
                value = whole(self.parameters[name]).detach().cpu().numpy().copy()
                self.rows[name].append((self.before + step, value))

    def save(self) -> None:
        """Write what was kept to the run's folder."""
        if not self.rows:
            return
        arrays: dict[str, Any] = dict(self.others)
        for name, rows in self.rows.items():
            arrays[f"{name}.steps"] = np.array([at for at, _ in rows])
            arrays[name] = np.stack([row for _, row in rows]) if rows else np.zeros(0)
        write_atomically(self.path, as_npz(arrays, zipfile.ZIP_DEFLATED))
