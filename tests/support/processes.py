"""Several processes for a test, forked from it: they have torch already, and cost a second."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from accelerate.state import AcceleratorState, PartialState

from mai.compiler.training.run.processes import Processes


def group(count: int, place: int = 0) -> Processes:
    """One process of so many, for what it says of itself: it sends nothing."""
    device = SimpleNamespace(type="cpu")
    fake: Any = SimpleNamespace(num_processes=count, process_index=place, is_main_process=place == 0, device=device)
    return Processes(fake)


def together(count: int, work: Callable[[], object]) -> list[int | None]:
    """Do some work in so many processes that know of each other, as `torchrun` starts them; how each ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forked = multiprocessing.get_context("fork")
    children = [forked.Process(target=_work, args=(place, count, port, work)) for place in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def _work(place: int, count: int, port: int, work: Callable[[], object]) -> None:
    signal.alarm(100)
    gc.freeze()  # What the parent has made is not this process's to end: a session would wait for threads that were not forked.
    here = {"RANK": place, "LOCAL_RANK": place, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in here.items()}, MASTER_ADDR="127.0.0.1")
    for state in (AcceleratorState, PartialState):  # What accelerate knows of this process alone.
        vars(state)["_shared_state"].clear()
    work()
