"""Processes that read the examples of the next steps while this one is computed: torch's `DataLoader`, whose keys are steps."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mai.compiler.data.splitting.order import Batches, Fields
from mai.spec.diagnostics import MaiError

WAITING = 2  # Readings that each process has ready.
SHARED = Path("/dev/shm")  # The memory by which processes hand over what they have read.
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux.
Tensors = dict[str, Tensor]


class Reader(Dataset[Tensors | None]):
    """Examples at some `places` of batches of one `size`, by their steps. What other processes read is sent packed, if it `packs`."""

    def __init__(self, batches: Batches, size: int, places: slice, packs: bool) -> None:
        self.batches, self.size, self.places, self.packs = batches, size, places, packs

    def read(self, steps: range) -> Tensors:
        """The examples of some steps, one after the other, by field. Raises `MaiError` where they cannot be read."""
        return _tensors(self.batches.rows(steps, self.size, self.places))

    def unpack(self, fields: Tensors) -> Tensors:
        """The examples that another process has read."""
        if not self.packs:
            return fields
        return _tensors(self.batches.unpack({name: tensor.numpy() for name, tensor in fields.items()}))

    def __getitem__(self, steps: range) -> Tensors | None:
        """The same for another process, which unpacks it; None where they cannot be read, which that one may try, to hear why."""
        read = self.batches.packed if self.packs else self.batches.rows
        try:
            return _tensors(read(steps, self.size, self.places))
        except (MaiError, OSError):
            return None


def _tensors(rows: Fields) -> Tensors:
    return {name: torch.from_numpy(array) for name, array in rows.items()}


class Steps:
    """The steps from `first` to before `last`, some at a time."""

    def __init__(self, first: range, last: int) -> None:
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[range]:
        many = len(self.first)
        return (range(begin, min(begin + many, self.last)) for begin in range(self.first.start, self.last, many))


class ReadAhead:
    """What a reader reads, from some steps on, by several processes."""

    def __init__(self, reader: Reader, workers: int, device: torch.device, steps: range, last: int) -> None:
        loader = DataLoader(
            reader, batch_size=None, sampler=Steps(steps, last), num_workers=workers, collate_fn=_as_it_is,
            pin_memory=device.type == "cuda", multiprocessing_context="fork", worker_init_fn=_begin_worker,
            prefetch_factor=WAITING, generator=torch.Generator(),
        )  # fmt: skip
        self._reader, self._read = reader, iter(loader)

    def next(self) -> Tensors | None:
        """What is read next; None where that could not be read."""
        fields: Tensors | None = next(self._read)
        return None if fields is None else self._reader.unpack(fields)


def spare_cores(needed: int) -> int:
    """How many processes may read beside this one, where one reading takes so many bytes; 0 where there is no room for any.

    A process is begun as a copy of this one, which not every system can do.
    """
    if not sys.platform.startswith("linux") or "fork" not in multiprocessing.get_all_start_methods():
        return 0
    cores = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    room = shutil.disk_usage(SHARED).free // (2 * WAITING * max(1, needed)) if SHARED.is_dir() else 0
    return min(cores if cores > 1 else 0, room)


def _as_it_is(fields: Any) -> Any:
    return fields


def _begin_worker(place: int) -> None:
    """Ctrl-C is for the process that trains, and its end, however it comes, is that of its readers: a run's folder is locked as long as one is there.

    What that process has made is not a reader's to end: a session of ONNX Runtime would wait for threads that are not copied with it.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
