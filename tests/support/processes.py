"""Several processes for a test, forked from it: they have torch already, and cost a second."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
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


def together(count: int, work: Callable[[], object]) -> list[int]:
    """Do some work in so many processes that know of each other, as `torchrun` starts them; how each ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    sys.stdout.flush()
    children = [_child(place, count, port, work) for place in range(count)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _child(place: int, count: int, port: str, work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(100)
        here = {"RANK": place, "LOCAL_RANK": place, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        os.environ.update({name: str(value) for name, value in here.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        AcceleratorState._reset_state(reset_partial_state=True)
        PartialState._reset_state()
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
