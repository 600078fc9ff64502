"""Processes that need not import the large packages: they are forked from one that has imported them and has done nothing else."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

LIMIT = 300  # seconds for one process
SERVED = multiprocessing.get_context("forkserver")
SERVED.set_forkserver_preload(
    ["torch", "accelerate", "sklearn.datasets", "onnxruntime", "mai.compiler.onnx.export", "mai.compiler.training.loop"]
)


class Run:
    """A training in a process of its own, which goes on with what is in its folder, and may be killed."""

    def __init__(self, spec: Path, out: Path, **options: Any) -> None:
        self.process = SERVED.Process(target=_train, args=(spec, out, options))
        self.process.start()

    def kill(self) -> int | None:
        """End it at once; how it ended."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode

    def finish(self) -> None:
        """Let it come to its end."""
        self.process.join(LIMIT)
        assert self.kill() == 0


def _train(spec: Path, out: Path, options: dict[str, Any]) -> None:
    from mai.compiler.check import check
    from mai.compiler.training.loop import train
    from mai.compiler.training.options import Options
    from mai.compiler.training.run.folder import checkpoints

    program = check(spec).program
    assert program is not None
    train(program, out, Options(quiet=True, device="cpu", resume=bool(checkpoints(out)), **options))
